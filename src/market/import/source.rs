//! The prototype's database, read with suspicion.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Result};

use super::{ImportError, PROTOTYPE_VERSION_MAX};
use crate::base::{Amount, Timestamp};
use crate::store::{check_file, is_ours};

pub(super) struct Source {
    connection: Connection,
    path: PathBuf,
    pub(super) version: i64,
}

const TABLES: [&str; 9] = [
    "schema_version",
    "accounts",
    "workers",
    "leases",
    "blocks",
    "settlements",
    "transactions",
    "hashrate_snapshots",
    "wallet_snapshots",
];

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let unreadable = |error: rusqlite::Error| ImportError::Source {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        check_file(path).map_err(|problem| ImportError::Source { path: path.to_owned(), problem })?;
        if is_ours(path) {
            return Err(ImportError::Ours(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
        // One snapshot, should the prototype still run; closing the connection ends it.
        connection.execute_batch("BEGIN").map_err(unreadable)?;
        let mut source = Source { connection, path: path.to_owned(), version: 0 };
        for table in ["schema_version", "accounts", "workers"] {
            if !source.has(table)? {
                return Err(ImportError::NotAPrototype(path.to_owned()));
            }
        }
        let newest = "SELECT coalesce(max(CAST(version AS INTEGER)), 0) FROM schema_version";
        source.version = source.connection.query_row(newest, [], |row| row.get(0)).map_err(unreadable)?;
        if !(1..=PROTOTYPE_VERSION_MAX).contains(&source.version) {
            return Err(ImportError::Version { path: path.to_owned(), found: source.version });
        }
        Ok(source)
    }

    /// Visits the rows of a table in the order they were made; none when this version lacks it.
    pub(super) fn each<F>(&self, table: &str, mut visit: F) -> Result<(), ImportError>
    where
        F: FnMut(&Fields) -> Result<(), ImportError>,
    {
        if !self.has(table)? {
            return Ok(());
        }
        let mut statement = self
            .connection
            .prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))
            .map_err(|e| self.broken(e))?;
        let names: Vec<String> = statement.column_names().map(str::to_lowercase).collect();
        let mut rows = statement.query([]).map_err(|e| self.broken(e))?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(|e| self.broken(e))? {
            number += 1;
            let values = (0..names.len()).map(|index| row.get::<_, Value>(index));
            match values.collect::<Result<Vec<_>>>() {
                Ok(values) => visit(&Fields { names: &names, values, number })?,
                // Text that is not UTF-8 is the one value that cannot be read.
                Err(_) => visit(&Fields { names: &names, values: vec![Value::Null; names.len()], number })?,
            }
        }
        Ok(())
    }

    pub(super) fn count(&self, table: &str) -> Result<i64, ImportError> {
        if !self.has(table)? {
            return Ok(0);
        }
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| self.broken(error))
    }

    /// Whether any worker has this id.
    pub(super) fn has_worker(&self, id: &str) -> Result<bool, ImportError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM workers WHERE worker_id = ?1")
            .map_err(|error| self.broken(error))?;
        statement.exists([id]).map_err(|error| self.broken(error))
    }

    /// Tables that the prototype does not have, with their rows.
    pub(super) fn unknown_tables(&self) -> Result<Vec<(String, i64)>, ImportError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let names = self.connection.prepare(sql).and_then(|mut statement| {
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()
        });
        let names = names.map_err(|error| self.broken(error))?;
        let unknown = names.into_iter().filter(|name| !TABLES.contains(&name.as_str()));
        unknown.map(|name| self.count(&name).map(|rows| (name, rows))).collect()
    }

    fn has(&self, table: &str) -> Result<bool, ImportError> {
        self.connection.table_exists(None, table).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: rusqlite::Error) -> ImportError {
        ImportError::Source { path: self.path.clone(), problem: error.to_string() }
    }
}

/// A row. Each getter takes the names that the column has had.
pub(super) struct Fields<'a> {
    names: &'a [String],
    values: Vec<Value>,
    /// Which row of its table it is, from 1.
    pub(super) number: u64,
}

impl Fields<'_> {
    fn value(&self, names: &[&str]) -> &Value {
        let found = names.iter().find_map(|name| self.names.iter().position(|have| have == name));
        found.map_or(&Value::Null, |index| &self.values[index])
    }

    /// Whether this version has the column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|have| have == name)
    }

    /// Text; a number reads as its digits. Empty when it is missing.
    pub(super) fn text(&self, names: &[&str]) -> String {
        match self.value(names) {
            Value::Text(text) => text.trim().to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Null | Value::Blob(_) => String::new(),
        }
    }

    /// A finite number, unless there is none.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        let number = match self.value(names) {
            Value::Integer(number) => Some(*number as f64),
            Value::Real(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Null | Value::Blob(_) => None,
        };
        number.filter(|number| number.is_finite())
    }

    /// A whole number, cut off; saturates.
    #[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
    pub(super) fn whole(&self, names: &[&str]) -> Option<i64> {
        self.number(names).map(|number| number as i64)
    }

    /// An amount in range.
    pub(super) fn amount(&self, names: &[&str]) -> Option<Amount> {
        self.number(names).and_then(|number| Amount::from_f64(number).ok())
    }

    /// A moment of this era: after the epoch, before the year 2100.
    pub(super) fn time(&self, names: &[&str]) -> Option<Timestamp> {
        const LATEST_SECONDS: f64 = 4_102_444_800.0;
        let seconds = self.number(names).filter(|seconds| *seconds > 0.0 && *seconds < LATEST_SECONDS);
        seconds.map(Timestamp::from_seconds)
    }

    /// A flag; false when it is missing.
    pub(super) fn flag(&self, names: &[&str]) -> bool {
        self.number(names).is_some_and(|number| number != 0.0)
    }
}
