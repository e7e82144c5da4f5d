//! The table `idempotency`: answers to requests that moved money, for the same request coming again.

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::base::Timestamp;

/// SHA-256 over what was asked.
pub type Digest = [u8; 32];

/// A row, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Of the request that was answered.
    pub request_digest: Digest,
    /// The answer's status.
    pub status: u16,
    /// The answer's body, JSON.
    pub answer: String,
}

/// The answer given to a caller under a key since `since`.
pub fn find(connection: &Connection, caller: &str, key: &str, since: Timestamp) -> Result<Option<Answered>> {
    connection
        .prepare_cached(
            "SELECT request_digest, status, answer FROM idempotency
             WHERE caller = ?1 AND key = ?2 AND created_at > ?3",
        )?
        .query_row(params![caller, key, since], |row| {
            Ok(Answered { request_digest: row.get(0)?, status: row.get(1)?, answer: row.get(2)? })
        })
        .optional()
}

/// Keeps an answer; one that has been kept too long gives its place up.
pub fn insert(
    connection: &Connection,
    caller: &str,
    key: &str,
    answered: &Answered,
    now: Timestamp,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (caller, key, request_digest, status, answer, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![caller, key, answered.request_digest, answered.status, answered.answer, now])?;
    Ok(())
}

/// Forgets answers given up to `until`; returns how many.
pub fn forget(connection: &Connection, until: Timestamp) -> Result<usize> {
    connection.prepare_cached("DELETE FROM idempotency WHERE created_at <= ?1")?.execute([until])
}
