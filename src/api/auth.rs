//! Signing in: nonces and wallet signatures, accounts made by name, who one is.

use std::fmt;

use serde::Serialize;

use super::request::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::keys::{self, Terms};
use crate::auth::{ADMINISTRATOR_ID, AuthError, Caller, KeyScopes, Role, SignIn, sessions, worker_tokens};
use crate::base::limits::AGENT_CHARACTERS_MAX;
use crate::base::{AccountId, Amount, EthAddress, WorkerId};
use crate::market::{Refusal, accounts};
use crate::store::accounts::{Account, Origin, Role as AccountRole};

pub(super) const NONCE: &str = "/api/auth/nonce";
pub(super) const VERIFY: &str = "/api/auth/verify";
pub(super) const REGISTER: &str = "/api/auth/register";
pub(super) const LOGIN: &str = "/api/auth/login";

const fn text(name: &'static str, required: bool, about: &'static str) -> Parameter {
    Parameter { name, kind: "string", required, about }
}

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        NONCE,
        Access::Public,
        None,
        "Get a nonce to sign in with",
        &[text("address", true, "The wallet's address")],
        "nonce, the plain message to sign, and the address with its checksum",
        nonce,
    ),
    Route {
        method: Method::Post,
        path: VERIFY,
        access: Access::Public,
        scope: None,
        summary: "Sign in with a wallet's signature (EIP-191, or EIP-4361 with the message that was signed)",
        query: &[],
        body: &[
            text("address", true, "The wallet's address"),
            text("signature", true, "65 bytes in hexadecimal"),
            text("nonce", true, "The nonce that was signed"),
            text("message", false, "The EIP-4361 message, when one was signed"),
        ],
        answer: "token, address, account_id, role",
        handle: verify,
    },
    Route {
        method: Method::Post,
        path: REGISTER,
        access: Access::Public,
        scope: None,
        summary: "Make an account and its first API key",
        query: &[],
        body: &[
            text("account_id", true, "1 to 128 characters of A-Z a-z 0-9 . _ : -"),
            text("role", true, "provider or consumer"),
            text("eth_address", false, "Claimed, never proven by this"),
            Parameter {
                name: "balance",
                kind: "number",
                required: false,
                about: "To begin with; ignored in closed mode",
            },
        ],
        answer: "account_id, role, eth_address, balance, api_key",
        handle: register,
    },
    Route {
        method: Method::Post,
        path: LOGIN,
        access: Access::Open,
        scope: Some(KeyScope::Admin),
        summary: "Make a further API key for an account",
        query: &[],
        body: &[text("account_id", true, "The account")],
        answer: "account_id, role, api_key",
        handle: login,
    },
    Route::get(
        "/api/auth/me",
        Access::Identity,
        None,
        "Who the caller is",
        &[],
        "account_id, role, eth_address, balance, available, held",
        me,
    ),
];

/// An account as its holder and administrators see it.
#[derive(Serialize)]
pub(super) struct AccountView {
    account_id: String,
    role: &'static str,
    eth_address: String,
    balance: Amount,
    available: Amount,
    held: Amount,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        AccountView {
            account_id: account.account_id.to_string(),
            role: account.role.as_str(),
            eth_address: spelled(account.eth_address.as_ref()),
            balance: account.balance,
            available: account.available(),
            held: account.held,
        }
    }
}

/// An address as text, empty when there is none.
pub(super) fn spelled(address: Option<&EthAddress>) -> String {
    address.map(EthAddress::to_string).unwrap_or_default()
}

#[derive(Serialize)]
struct ChallengeView {
    nonce: String,
    message: String,
    address: EthAddress,
}

fn nonce(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let address = query.text("address");
    query.finish()?;
    let address: EthAddress = address.parse().map_err(|_| ApiError::new(400, "Invalid Ethereum address"))?;
    let challenge = api.auth.nonce(&address);
    json(&ChallengeView { nonce: challenge.nonce, message: challenge.message, address: challenge.address })
}

#[derive(Serialize)]
struct SignedIn {
    token: String,
    address: EthAddress,
    account_id: AccountId,
    role: &'static str,
}

fn verify(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let address = body.text("address");
    let signature = body.text("signature");
    let nonce = body.text("nonce");
    let message = body.optional_text("message");
    body.finish()?;
    let address: EthAddress = address.parse().map_err(|_| AuthError::Signature)?;
    let sign_in = SignIn {
        address: &address,
        signature: &signature,
        nonce: &nonce,
        message: message.as_deref(),
        domain: api.sign_in_domain.as_deref(),
    };
    let address = api.auth.verify_signature(&sign_in)?;
    let (now, auth) = (call.now, api.auth.clone());
    let (agent, origin) = (agent(call), call.peer().to_string());
    let (account, issued) = api.store.write::<_, ApiError, _>(move |scope| {
        let account = accounts::sign_in(scope, &address, now)?;
        let issued = auth.token(&account.account_id, Role::Provider, &address);
        sessions::begin(scope, &account.account_id, &issued, &agent, &origin, now)?;
        Ok((account, issued))
    })?;
    json(&SignedIn {
        token: issued.token.expose().to_owned(),
        address,
        account_id: account.account_id,
        role: Role::Provider.as_str(),
    })
}

/// What a client calls itself, as far as it can be shown.
fn agent(call: &Call<'_>) -> String {
    let name = call.request.header("User-Agent").unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(AGENT_CHARACTERS_MAX).collect()
}

#[derive(Serialize)]
struct Registered {
    account_id: AccountId,
    role: &'static str,
    eth_address: String,
    balance: Amount,
    api_key: String,
}

fn register(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let id = body.text("account_id");
    let role = body.text("role");
    let address = body.text_or("eth_address", "");
    let balance = body.number_or("balance", 0.0);
    body.finish()?;
    let role = match role.as_str() {
        "provider" => AccountRole::Provider,
        "consumer" => AccountRole::Consumer,
        _ => return Err(ApiError::new(400, "Role must be 'provider' or 'consumer'")),
    };
    let id: AccountId = id.parse().map_err(|error| ApiError::new(400, format!("account_id: {error}")))?;
    if id.as_str() == ADMINISTRATOR_ID {
        return Err(ApiError::new(400, format!("Account '{id}' already exists")));
    }
    let address = match address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| ApiError::new(400, format!("eth_address: {error}")))?),
    };
    let balance = if call.is_open() {
        Amount::exactly(balance).map_err(|error| ApiError::new(400, format!("balance {error}")))?
    } else {
        Amount::ZERO
    };
    let now = call.now;
    let worker: WorkerId = id.as_str().parse().expect("accounts and workers have the same alphabet");
    let (account, key) = api.store.write::<_, ApiError, _>(move |scope| {
        // Its owner will be whoever made the token, once it connects; not whoever takes its name now.
        if worker_tokens::list(scope, &worker)?.iter().any(|token| token.revoked_at.is_none()) {
            return Err(ApiError::new(400, format!("Account '{id}' already exists")));
        }
        let account = accounts::open(scope, id, role, address, balance, now)?;
        let issued = keys::issue(scope, &account.account_id, &Terms::endless(KeyScopes::ALL), now)?;
        Ok((account, issued.key))
    })?;
    json(&Registered {
        role: account.role.as_str(),
        eth_address: spelled(account.eth_address.as_ref()),
        balance: account.balance,
        account_id: account.account_id,
        api_key: key.expose().to_owned(),
    })
}

#[derive(Serialize)]
struct LoggedIn {
    account_id: AccountId,
    role: &'static str,
    api_key: String,
}

fn login(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let named = body.text("account_id");
    body.finish()?;
    let unknown = |id: &dyn fmt::Display| ApiError::new(404, format!("Account '{id}' not found"));
    let id: AccountId = named.parse().map_err(|_| unknown(&named))?;
    // In open mode without a credential anybody is let in, as by the prototype.
    if call.caller != Caller::Nobody && !call.caller.may_act_for(&id) {
        return Err(ApiError::new(403, "You can only log in to your own account"));
    }
    let session = call.caller.session();
    let scopes = session.map_or(KeyScopes::ALL, |session| session.scopes);
    let expires_at = session.and_then(|session| session.key_expires_at);
    let (terms, now) = (Terms { expires_at, ..Terms::endless(scopes) }, call.now);
    let (account, key) = call.write::<_, ApiError, _>(api, move |scope| {
        let account = crate::store::accounts::get(scope, &id)?;
        // Nobody signs in to the platform's own accounts.
        let account = account.filter(|found| !matches!(found.origin, Origin::Platform | Origin::Outside));
        let account = account.ok_or_else(|| unknown(&id))?;
        let issued = keys::issue(scope, &account.account_id, &terms, now)?;
        Ok((account, issued.key))
    })?;
    json(&LoggedIn {
        role: account.role.as_str(),
        account_id: account.account_id,
        api_key: key.expose().to_owned(),
    })
}

fn me(api: &Api, call: &Call<'_>) -> Answer {
    let session = match &call.caller {
        Caller::Account(session) => session,
        Caller::Administrator => {
            return json(&AccountView {
                account_id: ADMINISTRATOR_ID.to_owned(),
                role: "admin",
                eth_address: String::new(),
                balance: Amount::ZERO,
                available: Amount::ZERO,
                held: Amount::ZERO,
            });
        }
        Caller::Nobody => return Err(AuthError::Credentials.into()),
    };
    let account =
        api.store.read::<_, Refusal, _>(|connection| accounts::get(connection, &session.account))?;
    json(&AccountView::from(&account))
}

#[cfg(test)]
#[path = "tests/auth.rs"]
mod tests;
