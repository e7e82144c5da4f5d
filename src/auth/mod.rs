//! Who is asking, and what they have shown for it: nonces and wallet signatures, session tokens,
//! API keys, worker tokens, the administrator's key.
//!
//! A credential that is shown and wrong is an error, never "as if none". Secrets are random, kept
//! as digests, compared in constant time and never shown. No routes, no money, no HTTP here.

pub mod administrator;
mod digest;
mod error;
pub mod eth;
pub mod keys;
mod nonces;
mod rfc3339;
mod scopes;
mod secret_file;
mod session;
pub mod sessions;
pub mod siwe;
mod tokens;
mod uri;
pub mod worker_tokens;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::base::limits::SIGN_IN_MESSAGE_BYTES_MAX;
use crate::base::{AccountId, Clock, EthAddress, Secret};

pub use error::AuthError;
pub use keys::KeyHolder;
pub use scopes::{KeyScope, KeyScopes};
pub use secret_file::SecretFileError;
pub use session::{ADMINISTRATOR_ID, Caller, Role, Session, Via};
pub use tokens::{Issued, JwtSecret};

use nonces::Nonces;
use siwe::SignInMessage;
use tokens::Tokens;

/// How strict the platform is (contract: rest.md, Modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every listener is on loopback: the prototype's manners, and its test key is known.
    Open,
    /// Strangers may knock: what is not public needs a credential, and no key is built in.
    Closed,
}

/// What to sign, as the answer to a request for a nonce.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// 32 hexadecimal digits, good for one sign-in with the address within 300 s.
    pub nonce: String,
    /// The plain text to sign.
    pub message: String,
    /// The address with its checksum (EIP-55), as a sign-in message (EIP-4361) has to spell it.
    pub address: EthAddress,
}

/// A request to sign in.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// The address that the caller claims to hold.
    pub address: &'a EthAddress,
    /// 65 bytes in hexadecimal, with or without `0x`: r, s and v.
    pub signature: &'a str,
    /// The nonce of a [`Challenge`] for the address.
    pub nonce: &'a str,
    /// The EIP-4361 message that was signed; without one, the challenge's plain message was.
    pub message: Option<&'a str>,
    /// The host (and port) that an EIP-4361 message must be for, when it is known.
    pub domain: Option<&'a str>,
}

/// The gatekeeper. Shared behind an `Arc`; all of it but key look-ups is in memory.
pub struct Auth {
    mode: Mode,
    administrator: Option<Secret>,
    clock: Clock,
    tokens: Tokens,
    nonces: Mutex<Nonces>,
}

impl Auth {
    /// A gatekeeper with a fresh book of nonces: those given out before a restart are void.
    pub fn new(mode: Mode, secret: JwtSecret, administrator: Option<Secret>, clock: Clock) -> Self {
        let nonces = Mutex::new(Nonces::new());
        Auth { mode, administrator, tokens: Tokens::new(&secret), clock, nonces }
    }

    /// The mode it was made for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who shows these credentials: a bearer token, else an API key, else nobody. `holder_of` looks
    /// an API key up (`|key| store.read(|c| keys::find(c, key, now))`); it is called for nothing else.
    pub fn identify<X: From<AuthError>>(
        &self,
        bearer: Option<&str>,
        api_key: Option<&str>,
        holder_of: impl FnOnce(&str) -> Result<Option<KeyHolder>, X>,
    ) -> Result<Caller, X> {
        if let Some(token) = bearer {
            return Ok(Caller::Account(self.tokens.read(token, self.clock.now())?));
        }
        let Some(key) = api_key else { return Ok(Caller::Nobody) };
        if self.is_administrator(key) {
            return Ok(Caller::Administrator);
        }
        let holder = holder_of(key)?.ok_or(AuthError::Credentials)?;
        Ok(Caller::Account(holder.into()))
    }

    /// Whether `key` is the administrator's. The test key opens nothing in closed mode, even if
    /// somebody has configured it.
    pub fn is_administrator(&self, key: &str) -> bool {
        let is_known = self.administrator.as_ref().is_some_and(|known| known.matches(key));
        let is_test_key = Secret::new(administrator::TEST_KEY).matches(key);
        match self.mode {
            Mode::Open => is_known || is_test_key,
            Mode::Closed => is_known && !is_test_key,
        }
    }

    /// A challenge for whoever says that `address` is theirs. Earlier ones stay good.
    pub fn nonce(&self, address: &EthAddress) -> Challenge {
        let nonce = self.nonces().issue(address, self.clock.now());
        Challenge { message: plain_message(&nonce), nonce, address: eth::checksummed(address) }
    }

    /// Checks a signature over a challenge and spends its nonce; returns the proven address, as the
    /// request spelled it. A refusal spends nothing.
    pub fn verify_signature(&self, sign_in: &SignIn<'_>) -> Result<EthAddress, AuthError> {
        let SignIn { address, signature, nonce, message, domain } = *sign_in;
        let now = self.clock.now();
        // Before the costly recovery; spending checks it again, for whoever comes twice at once.
        self.nonces().check(address, nonce, now)?;
        let signed = match message {
            None => plain_message(nonce),
            Some(text) if text.len() > SIGN_IN_MESSAGE_BYTES_MAX => return Err(AuthError::Signature),
            Some(text) => {
                let parsed = SignInMessage::parse(text).map_err(|_| AuthError::Signature)?;
                if parsed.address != *address || parsed.nonce != nonce {
                    return Err(AuthError::Signature);
                }
                if let Some(here) = domain.filter(|here| !parsed.domain.eq_ignore_ascii_case(here)) {
                    return Err(AuthError::MessageDomain(here.to_owned()));
                }
                parsed.check_time(now)?;
                text.to_owned()
            }
        };
        if eth::recover(&signed, signature) != Some(*address) {
            return Err(AuthError::Signature);
        }
        self.nonces().spend(address, nonce, now)?;
        Ok(*address)
    }

    /// A token for the session of a wallet that has proven itself: a JWT (HS256) with `sub` (the
    /// address in lower case), `role`, `account_id`, `iat`, `exp` (a day later) and `jti`.
    pub fn token(&self, account: &AccountId, role: Role, wallet: &EthAddress) -> Issued {
        self.tokens.issue(account, role, wallet, self.clock.now())
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn plain_message(nonce: &str) -> String {
    format!("Sign this message to authenticate with XenBlocks.\n\nNonce: {nonce}")
}

#[cfg(test)]
mod tests;
