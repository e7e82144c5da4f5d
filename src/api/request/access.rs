//! Who may call a route (contract: rest.md, the column "who", and Modes).

use crate::auth::{AuthError, Caller, Mode};

use crate::api::ApiError;

/// A route's rule, checked before its handler runs. Handlers hold accounts to what is their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, in both modes.
    Public,
    /// Anybody in open mode; with a credential in closed mode.
    Open,
    /// Only with a credential, in both modes.
    Credential,
    /// Only with a credential, in both modes; refused in the words of `GET /api/auth/me`.
    Identity,
    /// Only with the token of a signed-in wallet, in both modes.
    Wallet,
    /// Anybody in open mode, else administrators; an account that shows itself is refused in both.
    Administrator,
}

impl Access {
    /// Lets the caller in, or says why not.
    pub fn check(self, mode: Mode, caller: &Caller) -> Result<(), ApiError> {
        match (self, caller) {
            (Access::Wallet, _) => Ok(caller.require_wallet().map(drop)?),
            (Access::Administrator, Caller::Account(_)) => Err(ApiError::new(403, "Admin access required")),
            (Access::Public, _) | (_, Caller::Administrator | Caller::Account(_)) => Ok(()),
            (Access::Open | Access::Administrator, Caller::Nobody) if mode == Mode::Open => Ok(()),
            (Access::Identity, Caller::Nobody) => Err(AuthError::Credentials.into()),
            (_, Caller::Nobody) => Err(AuthError::Missing.into()),
        }
    }
}
