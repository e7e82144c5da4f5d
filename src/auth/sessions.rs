//! Sessions of wallets: a row for each token, by which its owner sees it and ends it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{AuthError, Issued, Session};
use crate::base::limits::SESSIONS_MAX;
use crate::base::{AccountId, Timestamp};

/// A session that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its number.
    pub session_id: i64,
    /// The id of its token.
    pub token_id: String,
    /// What signed in, as it calls itself.
    pub agent: String,
    /// From where.
    pub address: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When its token was last shown, to the minute.
    pub last_used_at: Timestamp,
}

const COLUMNS: &str = "session_id, token_id, agent, address, created_at, expires_at, last_used_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        session_id: row.get(0)?,
        token_id: row.get(1)?,
        agent: row.get(2)?,
        address: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

/// Records the session of a token just made, and forgets those whose tokens have expired. An account
/// that has too many loses its oldest.
pub fn begin(
    conn: &Connection,
    account: &AccountId,
    issued: &Issued,
    agent: &str,
    address: &str,
    now: Timestamp,
) -> Result<(), AuthError> {
    conn.prepare_cached(
        "INSERT INTO sessions (token_id, account_id, agent, address, created_at, expires_at, last_used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5)",
    )?
    .execute(params![issued.token_id, account, agent, address, now, issued.expires_at])?;
    conn.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")?.execute([now])?;
    conn.prepare_cached(
        "DELETE FROM sessions WHERE session_id IN (
             SELECT session_id FROM sessions WHERE account_id = ?1 ORDER BY session_id DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![account, SESSIONS_MAX])?;
    Ok(())
}

/// The session that a token is of, while it stands. The row is believed, not the token: whoever has learned the secret
/// that signs them has no use for a session of its own under another account's name or address.
pub fn find(conn: &Connection, shown: &Session) -> Result<Option<SessionRow>, AuthError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions
         WHERE token_id = ?1 AND account_id = ?2 AND ended_at IS NULL AND EXISTS (
             SELECT 1 FROM accounts a
             WHERE a.account_id = ?2 AND a.origin = 'wallet' AND a.eth_address = ?3 AND a.role = ?4)"
    ))?;
    let row = params![shown.token_id, shown.account, shown.wallet, shown.role.as_str()];
    Ok(query.query_row(row, from_row).optional()?)
}

/// An account's sessions that stand, newest first.
pub fn list(conn: &Connection, account: &AccountId, now: Timestamp) -> Result<Vec<SessionRow>, AuthError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions WHERE account_id = ?1 AND ended_at IS NULL AND expires_at > ?2
         ORDER BY session_id DESC"
    ))?;
    let rows = query.query_map(params![account, now], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends one session of an account; false when it does not stand.
pub fn end(
    conn: &Connection,
    account: &AccountId,
    session_id: i64,
    now: Timestamp,
) -> Result<bool, AuthError> {
    let mut update = conn.prepare_cached(
        "UPDATE sessions SET ended_at = ?3
         WHERE session_id = ?1 AND account_id = ?2 AND ended_at IS NULL AND expires_at > ?3",
    )?;
    Ok(update.execute(params![session_id, account, now])? == 1)
}

/// Ends all sessions of an account but the one of this token; how many.
pub fn end_all(
    conn: &Connection,
    account: &AccountId,
    but: Option<&str>,
    now: Timestamp,
) -> Result<usize, AuthError> {
    let mut update = conn.prepare_cached(
        "UPDATE sessions SET ended_at = ?3
         WHERE account_id = ?1 AND token_id IS NOT ?2 AND ended_at IS NULL AND expires_at > ?3",
    )?;
    Ok(update.execute(params![account, but, now])?)
}

/// Notes that a session's token was shown.
pub fn note_use(conn: &Connection, session_id: i64, now: Timestamp) -> Result<(), AuthError> {
    conn.prepare_cached("UPDATE sessions SET last_used_at = ?2 WHERE session_id = ?1")?
        .execute(params![session_id, now])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::store::Database;

    #[test]
    fn an_account_with_too_many_sessions_loses_its_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("t.db")).unwrap();
        let conn: &Connection = database.connection();
        let sql = "INSERT INTO accounts (account_id, role, origin, created_at) VALUES (?1, 'consumer', 'registered', 0)";
        let accounts: [AccountId; 2] = ["busy".parse().unwrap(), "quiet".parse().unwrap()];
        for account in &accounts {
            conn.execute(sql, [account]).unwrap();
        }
        let now = Timestamp::from_seconds(1_790_000_000.0);
        let begin_one = |account: &AccountId, token_id: String| {
            let expires_at = now.plus(std::time::Duration::from_secs(60));
            let issued = Issued { token: Secret::new("x"), token_id, expires_at };
            begin(conn, account, &issued, "agent", "127.0.0.1", now).unwrap();
        };
        begin_one(&accounts[1], "of-another".to_owned());
        for number in 0..=SESSIONS_MAX {
            begin_one(&accounts[0], format!("token-{number}"));
        }
        let stands = |account: &AccountId, token_id: &str| {
            let sessions = list(conn, account, now).unwrap();
            sessions.iter().any(|session| session.token_id == token_id)
        };
        let [busy, quiet] = &accounts;
        assert!(!stands(busy, "token-0") && stands(busy, "token-1"));
        assert!(stands(busy, &format!("token-{SESSIONS_MAX}")) && stands(quiet, "of-another"));
    }
}
