//! API keys of accounts and tokens of workers: listed, made and revoked by those they belong to.

use rusqlite::Connection;
use serde::Serialize;

use super::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::auth::worker_tokens::{self, TokenRow};
use crate::auth::{Caller, Session, keys};
use crate::base::{AccountId, Timestamp, WorkerId};
use crate::market::Actor;
use crate::store::{accounts, workers};

const OF_ACCOUNT: Parameter = Parameter {
    name: "account_id",
    kind: "string",
    required: false,
    about: "Whose key; the caller's own by default, administrators must name the account",
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/api/auth/keys",
        access: Access::Credential,
        summary: "List an account's API keys, without the keys themselves",
        query: &[OF_ACCOUNT],
        body: &[],
        answer: "account_id, keys",
        handle: list_keys,
    },
    Route {
        method: Method::Delete,
        path: "/api/auth/keys/{key_id}",
        access: Access::Credential,
        summary: "Revoke an API key",
        query: &[OF_ACCOUNT],
        body: &[],
        answer: "key_id, revoked",
        handle: revoke_key,
    },
    Route {
        method: Method::Get,
        path: "/api/workers/{worker_id}/tokens",
        access: Access::Credential,
        summary: "List a worker's tokens, without the tokens themselves",
        query: &[],
        body: &[],
        answer: "worker_id, tokens",
        handle: list_tokens,
    },
    Route {
        method: Method::Post,
        path: "/api/workers/{worker_id}/tokens",
        access: Access::Credential,
        summary: "Make a token that a worker connects with as its MQTT password",
        query: &[],
        body: &[],
        answer: "worker_id, token: shown this once",
        handle: issue_token,
    },
    Route {
        method: Method::Delete,
        path: "/api/workers/{worker_id}/tokens/{token_id}",
        access: Access::Credential,
        summary: "Revoke a worker's token",
        query: &[],
        body: &[],
        answer: "token_id, revoked",
        handle: revoke_token,
    },
];

#[derive(Serialize)]
struct KeyView {
    key_id: i64,
    hint: String,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct KeyList {
    account_id: AccountId,
    keys: Vec<KeyView>,
}

#[derive(Serialize)]
struct RevokedKey {
    key_id: i64,
    revoked: bool,
}

fn list_keys(api: &Api, call: &Call<'_>) -> Answer {
    let account_id = holder(call)?;
    let rows = api.store.read::<_, ApiError, _>(|connection| {
        existing(connection, &account_id)?;
        Ok(keys::list(connection, &account_id)?)
    })?;
    let view = |row: keys::KeyRow| KeyView {
        key_id: row.key_id,
        hint: row.hint,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
    };
    json(&KeyList { account_id, keys: rows.into_iter().map(view).collect() })
}

fn revoke_key(api: &Api, call: &Call<'_>) -> Answer {
    let account = holder(call)?;
    let unknown = || ApiError::new(404, "Key not found");
    let key_id: i64 = call.parameter().parse().map_err(|_| unknown())?;
    let now = call.now;
    let revoked =
        api.store.write::<_, ApiError, _>(move |scope| Ok(keys::revoke(scope, &account, key_id, now)?))?;
    if revoked { json(&RevokedKey { key_id, revoked }) } else { Err(unknown()) }
}

/// Whose keys are asked for: an account's own, or the one an administrator names.
fn holder(call: &Call<'_>) -> Result<AccountId, ApiError> {
    let mut query = call.query();
    let named = query.optional_text("account_id");
    query.finish()?;
    let named = named
        .map(|id| id.parse::<AccountId>().map_err(|_| ApiError::new(404, "Account not found")))
        .transpose()?;
    match (call.caller.session(), named) {
        (Some(Session { account, .. }), None) => Ok(account.clone()),
        (Some(Session { account, .. }), Some(named)) if *account == named => Ok(named),
        (Some(_), Some(_)) => Err(ApiError::new(403, "You can only manage your own keys")),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(ApiError::new(400, "account_id required: an administrator has no keys here")),
    }
}

fn existing(connection: &Connection, account: &AccountId) -> Result<(), ApiError> {
    match accounts::get(connection, account)? {
        Some(_) => Ok(()),
        None => Err(ApiError::new(404, "Account not found")),
    }
}

#[derive(Serialize)]
struct TokenView {
    token_id: i64,
    issued_by: String,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct TokenList {
    worker_id: WorkerId,
    tokens: Vec<TokenView>,
}

#[derive(Serialize)]
struct Issued {
    worker_id: WorkerId,
    token: String,
}

#[derive(Serialize)]
struct RevokedToken {
    token_id: i64,
    revoked: bool,
}

fn list_tokens(api: &Api, call: &Call<'_>) -> Answer {
    let (worker_id, actor) = (call.worker_id()?, call.actor()?);
    let rows = api.store.read::<_, ApiError, _>(|connection| {
        hold_to_own(connection, &actor, &worker_id)?;
        Ok(worker_tokens::list(connection, &worker_id)?)
    })?;
    let view = |row: TokenRow| TokenView {
        token_id: row.token_id,
        issued_by: row.issued_by,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
    };
    json(&TokenList { worker_id, tokens: rows.into_iter().map(view).collect() })
}

fn issue_token(api: &Api, call: &Call<'_>) -> Answer {
    let (worker_id, actor) = (call.worker_id()?, call.actor()?);
    let issuer = match &call.caller {
        Caller::Account(session) => Some(session.account.clone()),
        Caller::Administrator | Caller::Nobody => None,
    };
    let (worker, now) = (worker_id.clone(), call.now);
    let token = api.store.write::<_, ApiError, _>(move |scope| {
        hold_to_own(scope, &actor, &worker)?;
        Ok(worker_tokens::issue(scope, &worker, issuer.as_ref(), now)?)
    })?;
    json(&Issued { worker_id, token: token.expose().to_owned() })
}

fn revoke_token(api: &Api, call: &Call<'_>) -> Answer {
    let (worker, actor) = (call.worker_id()?, call.actor()?);
    let unknown = || ApiError::new(404, "Token not found");
    let token_id: i64 = call.second_parameter().parse().map_err(|_| unknown())?;
    let now = call.now;
    let revoked = api.store.write::<_, ApiError, _>(move |scope| {
        hold_to_own(scope, &actor, &worker)?;
        Ok(worker_tokens::revoke(scope, &worker, token_id, now)?)
    })?;
    if revoked { json(&RevokedToken { token_id, revoked }) } else { Err(unknown()) }
}

/// A worker's tokens are its owner's. The id of a worker never seen is for whoever takes it first,
/// unless another account bears it.
fn hold_to_own(connection: &Connection, actor: &Actor, id: &WorkerId) -> Result<(), ApiError> {
    let Actor::Account { id: account, .. } = actor else { return Ok(()) };
    let is_own = if let Some(worker) = workers::get(connection, id)? {
        actor.owns(&worker)
    } else if accounts::get(connection, &id.account())?.is_some() {
        account.as_str() == id.as_str()
    } else {
        let tokens = worker_tokens::list(connection, id)?;
        let mut live = tokens.iter().filter(|token| token.revoked_at.is_none());
        live.all(|token| token.issued_by == account.as_str())
    };
    if is_own { Ok(()) } else { Err(ApiError::new(403, "You can only manage tokens of your own workers")) }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
