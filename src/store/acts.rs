//! The table `acts`: what administrators did. Nothing here changes a row, and only age or number
//! removes one.

use rusqlite::{Connection, Result, Row, named_params, params};

use crate::base::Timestamp;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Ever growing; given by the database.
    pub act_id: i64,
    /// When.
    pub done_at: Timestamp,
    /// Which key was shown, without saying which.
    pub key_hint: String,
    /// Where the request came from.
    pub address: String,
    /// The route: method and path.
    pub operation: String,
    /// Whom or what it was done to.
    pub subject: String,
    /// What else was asked for: a JSON object.
    pub details: String,
    /// The answer's status.
    pub status: u16,
}

const COLUMNS: &str = "act_id, done_at, key_hint, address, operation, subject, details, status";

/// Adds a row; its `act_id` is given by the database.
pub fn insert(connection: &Connection, act: &Act) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO acts (done_at, key_hint, address, operation, subject, details, status)
             VALUES (:done_at, :key_hint, :address, :operation, :subject, :details, :status)",
        )?
        .execute(named_params! {
            ":done_at": act.done_at,
            ":key_hint": act.key_hint,
            ":address": act.address,
            ":operation": act.operation,
            ":subject": act.subject,
            ":details": act.details,
            ":status": act.status,
        })?;
    Ok(())
}

/// Newest first, those before `before` (an `act_id`).
pub fn page(connection: &Connection, before: Option<i64>, limit: i64) -> Result<Vec<Act>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM acts WHERE act_id < ?1 ORDER BY act_id DESC LIMIT ?2"
        ))?
        .query_map(params![before.unwrap_or(i64::MAX), limit], act)?
        .collect()
}

/// Forgets at most `rows` of those done up to `until`, and of the oldest beyond `count_max`; returns how
/// many.
pub fn forget(connection: &Connection, until: Timestamp, count_max: i64, rows: i64) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM acts WHERE act_id IN (
                 SELECT act_id FROM acts
                 WHERE done_at <= ?1 OR act_id <= (SELECT max(act_id) FROM acts) - ?2
                 ORDER BY act_id LIMIT ?3)",
        )?
        .execute(params![until, count_max, rows])
}

fn act(row: &Row<'_>) -> Result<Act> {
    Ok(Act {
        act_id: row.get(0)?,
        done_at: row.get(1)?,
        key_hint: row.get(2)?,
        address: row.get(3)?,
        operation: row.get(4)?,
        subject: row.get(5)?,
        details: row.get(6)?,
        status: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Database;

    fn done_at(seconds: u64) -> Act {
        Act {
            act_id: 0,
            done_at: Timestamp::from_micros(0).plus(Duration::from_secs(seconds)),
            key_hint: "0badc0de".into(),
            address: "127.0.0.1".into(),
            operation: "POST /api/stop".into(),
            subject: "lease-1".into(),
            details: "{}".into(),
            status: 200,
        }
    }

    #[test]
    fn acts_are_paged_never_changed_and_forgotten_by_age_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("t.db")).unwrap();
        let connection = &*database.connection();
        for seconds in 1..=10 {
            insert(connection, &done_at(seconds)).unwrap();
        }
        let ids = |before, limit| {
            let page = page(connection, before, limit).unwrap();
            page.iter().map(|act| act.act_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 3), [10, 9, 8]);
        assert_eq!(ids(Some(8), 3), [7, 6, 5]);
        assert_eq!(page(connection, None, 1).unwrap(), [Act { act_id: 10, ..done_at(10) }]);
        let changed = connection.execute("UPDATE acts SET subject = 'lease-2'", []).unwrap_err();
        assert_eq!(changed.to_string(), "acts are never changed");

        assert_eq!(forget(connection, done_at(3).done_at, 100, 2), Ok(2));
        assert_eq!(forget(connection, done_at(3).done_at, 100, 2), Ok(1));
        assert_eq!(forget(connection, done_at(3).done_at, 5, 100), Ok(2));
        assert_eq!(ids(None, 100), [10, 9, 8, 7, 6]);
    }
}
