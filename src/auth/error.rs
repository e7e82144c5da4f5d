//! What callers are told when they are not let in.

use thiserror::Error;

use super::KeyScope;
use super::siwe::TimeError;
use crate::base::limits::WORKER_TOKENS_MAX;
use crate::store::StoreError;

/// A refusal; its text is the `detail` of the answer, word for word the prototype's.
#[derive(Debug, Error)]
pub enum AuthError {
    /// 401: an API key nobody has, or none where one is needed.
    #[error("Invalid or missing credentials")]
    Credentials,
    /// 401: no credential on a route that always needs one.
    #[error("Missing or invalid credentials. Pass Authorization: Bearer <jwt> or X-API-Key header.")]
    Missing,
    /// 401: a bearer token that is not ours, broken or expired.
    #[error("Invalid or expired token")]
    Token,
    /// 401: whatever else is wrong with a sign-in; which of its parts is told to nobody.
    #[error("Invalid signature or expired nonce")]
    Signature,
    /// 401: a sign-in message for another site than this, whose name it gives.
    #[error(
        "The message is for another site: here it must be for {0}, which the operator sets with --sign-in-domain"
    )]
    MessageDomain(String),
    /// 401: a sign-in message that does not hold now.
    #[error(transparent)]
    MessageTime(#[from] TimeError),
    /// 401: a route for wallets, and no wallet's token.
    #[error("Wallet authentication required")]
    WalletRequired,
    /// 403: an API key that was not made for this.
    #[error("This API key lacks the scope '{0}'")]
    Scope(KeyScope),
    /// 404: a key for an account that is not there, or that nobody signs in to.
    #[error("Account not found")]
    AccountNotFound,
    /// 409: a worker has as many tokens as it may.
    #[error("A worker has at most {WORKER_TOKENS_MAX} tokens: revoke one first")]
    TooManyTokens,
    /// 503: the database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for AuthError {
    fn from(error: rusqlite::Error) -> Self {
        AuthError::Store(StoreError::Sql(error))
    }
}
