//! The file itself: SQLite's own checks.

use rusqlite::{Connection, Result};

use super::Report;

pub(super) fn integrity(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        report.expect(line == "ok", || format!("file: {line}"));
    }
    Ok(())
}

pub(super) fn references(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let id = id.unwrap_or_default();
        report.violation(format!("{table}: row {id} refers to a row of {parent} that is not there"));
    }
    Ok(())
}
