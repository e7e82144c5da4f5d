//! Who a request comes from.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use serde::{Deserialize, Serialize};

use super::{AuthError, KeyScope, KeyScopes};
use crate::base::{AccountId, EthAddress, Timestamp};

/// The name under which the administrator appears in answers; no row of `accounts` bears it.
pub const ADMINISTRATOR_ID: &str = "_admin";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No credential was shown.
    Nobody,
    /// The holder of an account.
    Account(Session),
    /// The operator.
    Administrator,
}

/// An account that has shown a valid credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub account: AccountId,
    /// What the account was made as.
    pub role: Role,
    /// The address proven by signature; `None` for an address that is merely claimed.
    pub wallet: Option<EthAddress>,
    /// What was shown.
    pub via: Via,
    /// What it is good for: all, unless an API key was made for less.
    pub scopes: KeyScopes,
    /// When the API key that was shown ends by itself, if one was and does: what it makes ends with it.
    pub key_expires_at: Option<Timestamp>,
    /// The id of the token that was shown, if one was: its session must still stand.
    pub token_id: Option<String>,
}

/// The credential that a session came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A bearer token.
    Token,
    /// An API key.
    ApiKey,
}

/// What an account was made as; a wallet's reads `provider`, and it may rent as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Rents hashpower.
    Consumer,
    /// Offers hashpower.
    Provider,
}

impl Role {
    /// As the wire and the database spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Consumer => "consumer",
            Role::Provider => "provider",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "consumer" => Ok(Role::Consumer),
            "provider" => Ok(Role::Provider),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl Caller {
    /// The session, if an account asks.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Caller::Account(session) => Some(session),
            Caller::Nobody | Caller::Administrator => None,
        }
    }

    /// Refuses nobody, with the text for routes that always need a credential.
    pub fn require_credential(&self) -> Result<(), AuthError> {
        if *self == Caller::Nobody { Err(AuthError::Missing) } else { Ok(()) }
    }

    /// Refuses an account's API key that was not made for this.
    pub fn require_scope(&self, scope: KeyScope) -> Result<(), AuthError> {
        let lacks = self.session().is_some_and(|session| !session.scopes.holds(scope));
        if lacks { Err(AuthError::Scope(scope)) } else { Ok(()) }
    }

    /// The wallet that signed in with a token; API keys do not count here (contract: observed.md, 4).
    pub fn require_wallet(&self) -> Result<(&Session, &EthAddress), AuthError> {
        let session = self.session().filter(|session| session.via == Via::Token);
        let wallet = session.and_then(|session| Some((session, session.wallet.as_ref()?)));
        wallet.ok_or(AuthError::WalletRequired)
    }

    /// Whether this is `account`'s holder or an administrator.
    pub fn may_act_for(&self, account: &AccountId) -> bool {
        match self {
            Caller::Nobody => false,
            Caller::Account(session) => session.account == *account,
            Caller::Administrator => true,
        }
    }
}
