//! Tokens of workers, over the table `worker_tokens`: what a worker shows the MQTT broker as its
//! password. A token is shown once, when it is issued.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::digest::{CREDENTIAL_BYTES, digest};
use super::{AuthError, SecretFileError, secret_file};
use crate::base::limits::{TOKENS_FILE_BYTES_MAX, WORKER_TOKENS_MAX};
use crate::base::{AccountId, Secret, Timestamp, WorkerId};

/// A token, without what would let anybody use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// To revoke it by.
    pub token_id: i64,
    /// The account that issued it, or [`super::ADMINISTRATOR_ID`].
    pub issued_by: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A further token for `worker`: 32 hexadecimal digits. `issued_by` is the account that asks, or
/// `None` for an administrator. Whether it may is the caller's question.
///
/// Full, at 8 tokens: a revoked token is forgotten, or else none is made, since a rig may use each of them.
pub fn issue(
    conn: &Connection,
    worker: &WorkerId,
    issued_by: Option<&AccountId>,
    now: Timestamp,
) -> Result<Secret, AuthError> {
    let mut count = conn
        .prepare_cached("SELECT count(*) FROM worker_tokens WHERE worker_id = ?1 AND revoked_at IS NULL")?;
    if count.query_row([worker.as_str()], |row| row.get::<_, i64>(0))? >= WORKER_TOKENS_MAX {
        return Err(AuthError::TooManyTokens);
    }
    let token = Secret::random(CREDENTIAL_BYTES);
    let issuer = issued_by.map_or(super::ADMINISTRATOR_ID, AccountId::as_str);
    let mut insert = conn.prepare_cached(
        "INSERT INTO worker_tokens (worker_id, digest, issued_by, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    insert.execute(params![worker.as_str(), digest(token.expose()), issuer, now.micros()])?;
    let mut forget = conn.prepare_cached(
        "DELETE FROM worker_tokens WHERE token_id IN (
             SELECT token_id FROM worker_tokens WHERE worker_id = ?1
             ORDER BY revoked_at IS NULL DESC, token_id DESC LIMIT -1 OFFSET ?2)",
    )?;
    forget.execute(params![worker.as_str(), WORKER_TOKENS_MAX])?;
    Ok(token)
}

/// The number of `token` if it is one of `worker`'s; the time taken does not depend on how nearly it is.
pub fn check(conn: &Connection, worker: &WorkerId, token: &str) -> Result<Option<i64>, AuthError> {
    let candidate = digest(token);
    let mut query = conn.prepare_cached(
        "SELECT digest, token_id FROM worker_tokens WHERE worker_id = ?1 AND revoked_at IS NULL",
    )?;
    let mut rows = query.query([worker.as_str()])?;
    let (mut is_known, mut token_id) = (Choice::from(0), 0);
    while let Some(row) = rows.next()? {
        let known: [u8; 32] = row.get(0)?;
        let is_this = known.ct_eq(&candidate);
        token_id.conditional_assign(&row.get(1)?, is_this);
        is_known |= is_this;
    }
    Ok(bool::from(is_known).then_some(token_id))
}

/// The tokens of `worker`, newest first, the revoked ones too; at most 8.
pub fn list(conn: &Connection, worker: &WorkerId) -> Result<Vec<TokenRow>, AuthError> {
    let mut query = conn.prepare_cached(
        "SELECT token_id, issued_by, created_at, revoked_at FROM worker_tokens WHERE worker_id = ?1
         ORDER BY token_id DESC",
    )?;
    let rows = query.query_map([worker.as_str()], token_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many names of workers never seen `account` holds by its tokens. Those that were revoked hold none
/// and are forgotten here.
pub fn count_unseen(conn: &Connection, account: &AccountId) -> Result<i64, AuthError> {
    let mut forget = conn.prepare_cached(
        "DELETE FROM worker_tokens WHERE issued_by = ?1 AND revoked_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.worker_id = worker_tokens.worker_id)",
    )?;
    forget.execute([account])?;
    let mut query = conn.prepare_cached(
        "SELECT count(DISTINCT worker_id) FROM worker_tokens WHERE issued_by = ?1
           AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.worker_id = worker_tokens.worker_id)",
    )?;
    Ok(query.query_row([account], |row| row.get(0))?)
}

/// The account that issued the oldest of `worker`'s tokens that are good; `None` when an administrator
/// has, or nobody.
pub fn issuer(conn: &Connection, worker: &WorkerId) -> rusqlite::Result<Option<AccountId>> {
    let mut query = conn.prepare_cached(
        "SELECT a.account_id FROM worker_tokens t LEFT JOIN accounts a ON a.account_id = t.issued_by
         WHERE t.worker_id = ?1 AND t.revoked_at IS NULL ORDER BY t.token_id LIMIT 1",
    )?;
    let issuer = query.query_row([worker.as_str()], |row| row.get(0)).optional()?;
    Ok(issuer.flatten())
}

/// Revokes a token of `worker`; says whether there was one to revoke. Ending the connections that came
/// in with it is the broker's work.
pub fn revoke(
    conn: &Connection,
    worker: &WorkerId,
    token_id: i64,
    now: Timestamp,
) -> Result<bool, AuthError> {
    let mut update = conn.prepare_cached(
        "UPDATE worker_tokens SET revoked_at = ?3 WHERE token_id = ?1 AND worker_id = ?2 AND revoked_at IS NULL",
    )?;
    Ok(update.execute(params![token_id, worker.as_str(), now.micros()])? == 1)
}

/// Revokes the tokens of `worker` that others than `issued_by` have issued; says whether there were any.
pub fn revoke_others(
    conn: &Connection,
    worker: &WorkerId,
    issued_by: Option<&AccountId>,
    now: Timestamp,
) -> Result<bool, AuthError> {
    let issuer = issued_by.map_or(super::ADMINISTRATOR_ID, AccountId::as_str);
    let mut update = conn.prepare_cached(
        "UPDATE worker_tokens SET revoked_at = ?3 WHERE worker_id = ?1 AND issued_by <> ?2 AND revoked_at IS NULL",
    )?;
    Ok(update.execute(params![worker.as_str(), issuer, now.micros()])? > 0)
}

fn token_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        token_id: row.get(0)?,
        issued_by: row.get(1)?,
        created_at: Timestamp::from_micros(row.get(2)?),
        revoked_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
    })
}

/// The token in a worker's own file, which nobody but its owner can open.
pub fn from_file(path: &Path) -> Result<Secret, SecretFileError> {
    secret_file::read(path, 1)
}

/// The text of a file of workers' tokens, which nobody but its owner can open; `None` when it is too long,
/// or no text.
pub fn file(path: &Path) -> Result<Option<String>, SecretFileError> {
    secret_file::read_text(path, TOKENS_FILE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    #[test]
    fn a_token_is_for_one_worker_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("t.db")).unwrap();
        let conn: &Connection = database.connection();
        let (rig, other): (WorkerId, WorkerId) = ("rig".parse().unwrap(), "other".parse().unwrap());
        let owner: AccountId = "wallet-0x24691e54".parse().unwrap();
        let check = |worker, token: &str| check(conn, worker, token).unwrap();
        assert_eq!(check(&rig, ""), None);

        let first = issue(conn, &rig, Some(&owner), NOW).unwrap();
        let second = issue(conn, &rig, None, NOW).unwrap();
        assert_eq!(first.expose().len(), 32);
        for token in [&first, &second] {
            assert!(check(&rig, token.expose()).is_some());
            assert_eq!(check(&other, token.expose()), None);
            assert_eq!(check(&rig, &token.expose()[1..]), None);
        }
        let rows = list(conn, &rig).unwrap();
        let issuers: Vec<&str> = rows.iter().map(|row| row.issued_by.as_str()).collect();
        assert_eq!(issuers, ["_admin", "wallet-0x24691e54"]);
        assert_eq!(check(&rig, first.expose()), Some(rows[1].token_id));
        assert_eq!(check(&rig, second.expose()), Some(rows[0].token_id));

        assert!(!revoke(conn, &other, rows[1].token_id, NOW).unwrap());
        assert!(revoke(conn, &rig, rows[1].token_id, NOW).unwrap());
        assert_eq!(check(&rig, first.expose()), None);
        assert!(check(&rig, second.expose()).is_some());
        assert_eq!(list(conn, &rig).unwrap()[1].revoked_at, Some(NOW));
    }

    #[test]
    fn a_worker_has_at_most_8_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("t.db")).unwrap();
        let conn: &Connection = database.connection();
        let rig: WorkerId = "rig".parse().unwrap();
        let tokens: Vec<Secret> = (0..8).map(|_| issue(conn, &rig, None, NOW).unwrap()).collect();
        assert!(matches!(issue(conn, &rig, None, NOW), Err(AuthError::TooManyTokens)));
        let is_good = |token: &Secret| check(conn, &rig, token.expose()).unwrap().is_some();
        assert!(tokens.iter().all(is_good), "none is forgotten");
        let oldest = list(conn, &rig).unwrap()[7].token_id;
        assert!(revoke(conn, &rig, oldest, NOW).unwrap());
        let ninth = issue(conn, &rig, None, NOW).unwrap();
        assert_eq!(list(conn, &rig).unwrap().len(), 8, "the revoked one is");
        assert!(is_good(&ninth));
    }
}
