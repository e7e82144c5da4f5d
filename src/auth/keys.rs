//! API keys of accounts, over the table `api_keys`. A key is shown once, when it is issued.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::digest::{CREDENTIAL_BYTES, HINT_LENGTH, digest};
use super::{AuthError, KeyScopes, Role, Session, Via};
use crate::base::limits::API_KEYS_MAX;
use crate::base::{AccountId, EthAddress, Secret, Timestamp};
use crate::store::StoreError;

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key's number.
    pub key_id: i64,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The account.
    pub account: AccountId,
    /// What it was made as.
    pub role: Role,
    /// Its address, if a signature has proven it.
    pub wallet: Option<EthAddress>,
    /// What the key is good for.
    pub scopes: KeyScopes,
    /// When the key ends by itself.
    pub expires_at: Option<Timestamp>,
}

impl From<KeyHolder> for Session {
    fn from(holder: KeyHolder) -> Self {
        let KeyHolder { account, role, wallet, scopes, expires_at, .. } = holder;
        Session {
            account,
            role,
            wallet,
            via: Via::ApiKey,
            scopes,
            key_expires_at: expires_at,
            token_id: None,
        }
    }
}

/// What a key is made for.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What its owner calls it.
    pub label: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// What it is good for.
    pub scopes: KeyScopes,
}

impl Terms {
    /// No label and no end.
    pub const fn endless(scopes: KeyScopes) -> Self {
        Terms { label: String::new(), expires_at: None, scopes }
    }
}

/// A key, without what would let anybody use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// What its owner calls it.
    pub label: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// What it is good for.
    pub scopes: KeyScopes,
    /// To revoke it by.
    pub key_id: i64,
    /// Its first 8 characters.
    pub hint: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key that was just made: the only time that it is seen.
#[derive(Debug)]
pub struct Issued {
    /// To revoke it by.
    pub key_id: i64,
    /// 32 hexadecimal digits.
    pub key: Secret,
}

/// A further key for `account`. Refuses accounts that nobody signs in to
/// (the platform's own) and those that are not there.
///
/// Full, at 1000 keys: a revoked key is forgotten, or else the oldest goes. Each login makes a key,
/// so refusing would one day lock out whoever logs in often.
pub fn issue(
    conn: &Connection,
    account: &AccountId,
    terms: &Terms,
    now: Timestamp,
) -> Result<Issued, AuthError> {
    let key = Secret::random(CREDENTIAL_BYTES);
    let hint = &key.expose()[..HINT_LENGTH];
    let Terms { label, expires_at, scopes } = terms;
    let mut insert = conn.prepare_cached(
        "INSERT INTO api_keys (account_id, digest, hint, created_at, label, expires_at, scopes)
         SELECT account_id, ?2, ?3, ?4, ?5, ?6, ?7 FROM accounts
         WHERE account_id = ?1 AND origin IN ('registered', 'worker', 'wallet') RETURNING key_id",
    )?;
    let row = params![account.as_str(), digest(key.expose()), hint, now, label, expires_at, scopes];
    let key_id = insert.query_row(row, |row| row.get(0)).optional()?.ok_or(AuthError::AccountNotFound)?;
    let mut forget = conn.prepare_cached(
        "DELETE FROM api_keys WHERE key_id IN (
             SELECT key_id FROM api_keys WHERE account_id = ?1
             ORDER BY revoked_at IS NULL DESC, key_id DESC LIMIT -1 OFFSET ?2)",
    )?;
    forget.execute(params![account.as_str(), API_KEYS_MAX])?;
    Ok(Issued { key_id, key })
}

/// Keeps a key that was issued elsewhere working, as an import brings it; `false` when it belongs to
/// an account already, or to one that nobody signs in to. Only its digest is stored.
pub fn adopt(
    conn: &Connection,
    account: &AccountId,
    key: &Secret,
    now: Timestamp,
) -> Result<bool, AuthError> {
    let hint: String = key.expose().chars().take(HINT_LENGTH).collect();
    let mut insert = conn.prepare_cached(
        "INSERT INTO api_keys (account_id, digest, hint, created_at)
         SELECT account_id, ?2, ?3, ?4 FROM accounts
         WHERE account_id = ?1 AND origin IN ('registered', 'worker', 'wallet') ON CONFLICT (digest) DO NOTHING",
    )?;
    Ok(insert.execute(params![account.as_str(), digest(key.expose()), hint, now.micros()])? == 1)
}

/// Whose `key` is, unless it is unknown or revoked.
pub fn find(conn: &Connection, key: &str, now: Timestamp) -> Result<Option<KeyHolder>, AuthError> {
    let mut query = conn.prepare_cached(
        "SELECT a.account_id, a.role, CASE a.origin WHEN 'wallet' THEN a.eth_address END, k.key_id, k.last_used_at,
                k.scopes, k.expires_at
         FROM api_keys k JOIN accounts a ON a.account_id = k.account_id
         WHERE k.digest = ?1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?2)
               AND a.origin IN ('registered', 'worker', 'wallet')",
    )?;
    let row = query.query_row(params![digest(key), now], |row| {
        let wallet: Option<String> = row.get(2)?;
        let key = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
        Ok((row.get::<_, String>(0)?, row.get(1)?, wallet, key))
    });
    let Some((account, role, wallet, key)) = row.optional()? else { return Ok(None) };
    let (key_id, last_used_at, scopes, expires_at) = key;
    let account = account.parse().map_err(|error| corrupt(0, error))?;
    let wallet = wallet.map(|text| text.parse()).transpose().map_err(|error| corrupt(2, error))?;
    Ok(Some(KeyHolder { key_id, last_used_at, account, role, wallet, scopes, expires_at }))
}

/// The keys of `account`, newest first, the revoked ones too.
pub fn list(conn: &Connection, account: &AccountId) -> Result<Vec<KeyRow>, AuthError> {
    let mut query = conn.prepare_cached(
        "SELECT key_id, hint, created_at, revoked_at, label, expires_at, last_used_at, scopes
         FROM api_keys
         WHERE account_id = ?1
         ORDER BY key_id DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![account.as_str(), API_KEYS_MAX], key_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Revokes a key of `account`; says whether there was one to revoke.
pub fn revoke(
    conn: &Connection,
    account: &AccountId,
    key_id: i64,
    now: Timestamp,
) -> Result<bool, AuthError> {
    let mut update = conn.prepare_cached(
        "UPDATE api_keys SET revoked_at = ?3 WHERE key_id = ?1 AND account_id = ?2 AND revoked_at IS NULL",
    )?;
    Ok(update.execute(params![key_id, account.as_str(), now.micros()])? == 1)
}

/// Notes that a key was used.
pub fn note_use(conn: &Connection, key_id: i64, now: Timestamp) -> Result<(), AuthError> {
    conn.prepare_cached("UPDATE api_keys SET last_used_at = ?2 WHERE key_id = ?1")?
        .execute(params![key_id, now])?;
    Ok(())
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        key_id: row.get(0)?,
        hint: row.get(1)?,
        created_at: Timestamp::from_micros(row.get(2)?),
        revoked_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
        label: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
        scopes: row.get(7)?,
    })
}

/// A row that this program cannot have written.
fn corrupt(column: usize, error: crate::base::ids::IdError) -> AuthError {
    let kind = rusqlite::types::Type::Text;
    StoreError::Sql(rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn with_accounts(test: impl FnOnce(&Connection)) {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("t.db")).unwrap();
        let accounts = "INSERT INTO accounts (account_id, role, origin, eth_address, created_at) VALUES
            ('consumer-1', 'consumer', 'registered', '0xaabbccddee1234567890abcdef1234567890abcd', 0),
            ('rig', 'provider', 'worker', '', 0),
            ('platform-treasury', 'consumer', 'platform', '', 0),
            ('wallet-0x24691e54', 'provider', 'wallet', '0x24691e54afafe2416a8252097c9ca67557271475', 0)";
        database.connection().execute_batch(accounts).unwrap();
        test(database.connection());
    }

    fn id(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    fn issued(conn: &Connection, account: &str) -> Secret {
        issue(conn, &id(account), &Terms::endless(KeyScopes::ALL), NOW).unwrap().key
    }

    #[test]
    fn a_key_finds_its_account_and_only_a_wallets_address_is_proven() {
        with_accounts(|conn| {
            let key = issued(conn, "consumer-1");
            assert_eq!(key.expose().len(), 32);
            let holder = find(conn, key.expose(), NOW).unwrap().unwrap();
            assert_eq!(
                (holder.account, holder.role, holder.wallet),
                (id("consumer-1"), Role::Consumer, None)
            );

            let key = issued(conn, "wallet-0x24691e54");
            let holder = find(conn, key.expose(), NOW).unwrap().unwrap();
            assert_eq!(holder.role, Role::Provider);
            assert_eq!(holder.wallet, Some("0x24691e54afafe2416a8252097c9ca67557271475".parse().unwrap()));
        });
    }

    #[test]
    fn a_key_with_an_end_is_good_until_then() {
        with_accounts(|conn| {
            let end = NOW.plus(std::time::Duration::from_secs(60));
            let terms = Terms { label: "backups".into(), expires_at: Some(end), scopes: KeyScopes::of([]) };
            let Issued { key_id, key } = issue(conn, &id("rig"), &terms, NOW).unwrap();
            assert!(
                find(conn, key.expose(), end.minus(std::time::Duration::from_micros(1))).unwrap().is_some()
            );
            assert!(find(conn, key.expose(), end).unwrap().is_none());
            note_use(conn, key_id, NOW).unwrap();
            let row = &list(conn, &id("rig")).unwrap()[0];
            assert_eq!(
                (row.label.as_str(), row.expires_at, row.last_used_at),
                ("backups", Some(end), Some(NOW))
            );
        });
    }

    #[test]
    fn wrong_keys_find_nobody() {
        with_accounts(|conn| {
            let key = issued(conn, "rig");
            let upper = key.expose().to_uppercase();
            for wrong in ["", "nonsense", &key.expose()[1..], &format!("{} ", key.expose()), "' OR 1=1 --"] {
                assert_eq!(find(conn, wrong, NOW).unwrap(), None, "{wrong}");
            }
            assert!(upper == key.expose() || find(conn, &upper, NOW).unwrap().is_none());
        });
    }

    #[test]
    fn the_platforms_account_has_no_keys() {
        with_accounts(|conn| {
            let refused = issue(conn, &id("platform-treasury"), &Terms::endless(KeyScopes::ALL), NOW);
            assert!(matches!(refused, Err(AuthError::AccountNotFound)));
            assert!(matches!(
                issue(conn, &id("nobody"), &Terms::endless(KeyScopes::ALL), NOW),
                Err(AuthError::AccountNotFound)
            ));
            conn.execute(
                "INSERT INTO api_keys (account_id, digest, hint, created_at) VALUES ('platform-treasury', ?1, '', 0)",
                [digest("planted")],
            )
            .unwrap();
            assert_eq!(find(conn, "planted", NOW).unwrap(), None);
        });
    }

    #[test]
    fn keys_are_stored_as_digests_listed_by_hint_and_revoked_by_their_owner() {
        with_accounts(|conn| {
            let key = issued(conn, "rig");
            let found: i64 = conn
                .query_row(
                    "SELECT count(*) FROM api_keys WHERE hint = ?1 OR digest = ?1",
                    [key.expose()],
                    |r| r.get(0),
                )
                .unwrap();
            assert_eq!(found, 0, "the key itself is nowhere");
            let rows = list(conn, &id("rig")).unwrap();
            assert_eq!((rows.len(), rows[0].hint.as_str()), (1, &key.expose()[..8]));
            let key_id = rows[0].key_id;
            assert!(!revoke(conn, &id("consumer-1"), key_id, NOW).unwrap(), "not one's own");
            assert!(find(conn, key.expose(), NOW).unwrap().is_some());
            assert!(revoke(conn, &id("rig"), key_id, NOW).unwrap());
            assert!(!revoke(conn, &id("rig"), key_id, NOW).unwrap(), "once");
            assert_eq!(find(conn, key.expose(), NOW).unwrap(), None);
            assert_eq!(list(conn, &id("rig")).unwrap()[0].revoked_at, Some(NOW));
        });
    }

    #[test]
    fn an_account_has_at_most_1000_keys_and_loses_revoked_ones_first() {
        with_accounts(|conn| {
            let first = issued(conn, "rig");
            let second = issued(conn, "rig");
            let foreign = issued(conn, "consumer-1");
            let second_id = list(conn, &id("rig")).unwrap()[0].key_id;
            revoke(conn, &id("rig"), second_id, NOW).unwrap();
            for _ in 2..=API_KEYS_MAX {
                issued(conn, "rig");
            }
            let rows = list(conn, &id("rig")).unwrap();
            assert_eq!(i64::try_from(rows.len()).unwrap(), API_KEYS_MAX);
            assert!(rows.iter().all(|row| row.revoked_at.is_none()), "the revoked one went first");
            assert!(find(conn, first.expose(), NOW).unwrap().is_some());
            issued(conn, "rig");
            assert!(find(conn, first.expose(), NOW).unwrap().is_none(), "then the oldest");
            assert!(find(conn, second.expose(), NOW).unwrap().is_none());
            assert!(find(conn, foreign.expose(), NOW).unwrap().is_some());
        });
    }
}
