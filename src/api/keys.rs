//! API keys of accounts and tokens of workers: listed, made and revoked by those they belong to.

use std::ops::RangeInclusive;
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;

use super::request::input::Query;
use super::request::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::worker_tokens::{self, TokenRow};
use crate::auth::{Caller, KeyScopes, Session, keys};
use crate::base::limits::{TEXT_BYTES_MAX, UNSEEN_WORKERS_MAX};
use crate::base::{AccountId, Timestamp, WorkerId};
use crate::market::{self, Actor};
use crate::store::{accounts, workers};

const OF_ACCOUNT: Parameter = Parameter {
    name: "account_id",
    kind: "string",
    required: false,
    about: "Whose key; the caller's own by default, administrators must name the account",
};

/// A minute to a year.
const KEY_SECONDS: RangeInclusive<u64> = 60..=366 * 86_400;

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/auth/keys",
        Access::Credential,
        Some(KeyScope::Read),
        "List an account's API keys, without the keys themselves",
        &[OF_ACCOUNT],
        "account_id, keys",
        list_keys,
    ),
    Route {
        method: Method::Post,
        path: "/api/auth/keys",
        access: Access::Credential,
        scope: Some(KeyScope::Admin),
        summary: "Make an API key",
        query: &[],
        body: &[
            OF_ACCOUNT,
            Parameter { name: "label", kind: "string", required: false, about: "What you call it" },
            Parameter {
                name: "expires_in_sec",
                kind: "integer",
                required: false,
                about: "How long it is good, 60 to 31622400; as long as the caller's own key by default, which \
                    is until it is revoked where that has no end",
            },
            Parameter {
                name: "scopes",
                kind: "array",
                required: false,
                about: "What it is good for, of read, rent, provider, withdraw, admin; read is always among \
                    them; all that the caller's own credential is good for by default",
            },
        ],
        answer: "account_id, key_id, api_key: shown this once, label, expires_at, scopes",
        handle: issue_key,
    },
    Route {
        method: Method::Delete,
        path: "/api/auth/keys/{key_id}",
        access: Access::Credential,
        scope: Some(KeyScope::Admin),
        summary: "Revoke an API key",
        query: &[OF_ACCOUNT],
        body: &[],
        answer: "key_id, revoked",
        handle: revoke_key,
    },
    Route::get(
        "/api/workers/{worker_id}/tokens",
        Access::Credential,
        Some(KeyScope::Read),
        "List a worker's tokens, without the tokens themselves",
        &[],
        "worker_id, tokens",
        list_tokens,
    ),
    Route {
        method: Method::Post,
        path: "/api/workers/{worker_id}/tokens",
        access: Access::Credential,
        scope: Some(KeyScope::Provider),
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
        scope: Some(KeyScope::Provider),
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
    label: String,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    scopes: KeyScopes,
}

#[derive(Serialize)]
struct IssuedKey {
    account_id: AccountId,
    key_id: i64,
    api_key: String,
    label: String,
    expires_at: Option<Timestamp>,
    scopes: KeyScopes,
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
    let mut query = call.query();
    let account_id = holder(call, &mut query)?;
    query.finish()?;
    let rows = api.store.read::<_, ApiError, _>(|connection| {
        existing(connection, &account_id)?;
        Ok(keys::list(connection, &account_id)?)
    })?;
    let view = |row: keys::KeyRow| KeyView {
        key_id: row.key_id,
        hint: row.hint,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
        label: row.label,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        scopes: row.scopes,
    };
    json(&KeyList { account_id, keys: rows.into_iter().map(view).collect() })
}

fn issue_key(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let named = body.optional_text("account_id");
    let label = body.text_or("label", "");
    let lasts_sec = body.optional_integer("expires_in_sec");
    let wanted = body.optional_texts("scopes");
    body.finish()?;
    if label.len() > TEXT_BYTES_MAX || label.chars().any(char::is_control) {
        return Err(ApiError::new(400, format!("label: at most {TEXT_BYTES_MAX} bytes on one line")));
    }
    let lasts = lasts_sec.map(|seconds| u64::try_from(seconds).ok().filter(|s| KEY_SECONDS.contains(s)));
    if lasts == Some(None) {
        let (min, max) = (KEY_SECONDS.start(), KEY_SECONDS.end());
        return Err(ApiError::new(400, format!("expires_in_sec must lie between {min} and {max}")));
    }
    let account_id = of_caller(call, named)?;
    let expires_at = end_for(call, lasts.flatten())?;
    let terms = keys::Terms { label, expires_at, scopes: scopes_for(call, wanted)? };
    let (account, given, now) = (account_id.clone(), terms.clone(), call.now);
    let keys::Issued { key_id, key } =
        call.write::<_, ApiError, _>(api, move |scope| Ok(keys::issue(scope, &account, &given, now)?))?;
    let keys::Terms { label, expires_at, scopes } = terms;
    json(&IssuedKey { account_id, key_id, api_key: key.expose().to_owned(), label, expires_at, scopes })
}

/// What a new key is good for: what was asked for, or else as much as the caller's own credential, and
/// never more than that.
fn scopes_for(call: &Call<'_>, wanted: Option<Vec<String>>) -> Result<KeyScopes, ApiError> {
    let own = call.caller.session().map_or(KeyScopes::ALL, |session| session.scopes);
    let Some(wanted) = wanted else { return Ok(own) };
    let named = |name: &String| {
        KeyScope::named(name)
            .ok_or_else(|| ApiError::new(400, "scopes: of read, rent, provider, withdraw and admin"))
    };
    let scopes = KeyScopes::of(wanted.iter().map(named).collect::<Result<Vec<_>, _>>()?);
    scopes.each().try_for_each(|scope| call.caller.require_scope(scope))?;
    Ok(scopes)
}

/// When a new key ends: what was asked for, or else with the caller's own key, and never later than that.
fn end_for(call: &Call<'_>, lasts_sec: Option<u64>) -> Result<Option<Timestamp>, ApiError> {
    let own = call.caller.session().and_then(|session| session.key_expires_at);
    let Some(wanted) = lasts_sec.map(|seconds| call.now.plus(Duration::from_secs(seconds))) else {
        return Ok(own);
    };
    match own.filter(|own| wanted > *own) {
        Some(own) => {
            let left = own.micros_since(call.now) / 1_000_000;
            Err(ApiError::new(403, format!("This API key ends in {left} s, and what it makes ends no later")))
        }
        None => Ok(Some(wanted)),
    }
}

fn revoke_key(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let account = holder(call, &mut query)?;
    query.finish()?;
    let unknown = || ApiError::new(404, "Key not found");
    let key_id: i64 = call.parameter().parse().map_err(|_| unknown())?;
    let now = call.now;
    call.write(
        api,
        move |scope| {
            if keys::revoke(scope, &account, key_id, now)? { Ok(()) } else { Err(unknown()) }
        },
    )?;
    json(&RevokedKey { key_id, revoked: true })
}

/// Whose keys are asked for: an account's own, or the one an administrator names.
pub(super) fn holder(call: &Call<'_>, query: &mut Query<'_>) -> Result<AccountId, ApiError> {
    of_caller(call, query.optional_text("account_id"))
}

fn of_caller(call: &Call<'_>, named: Option<String>) -> Result<AccountId, ApiError> {
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
    let (token, has_voided) = call.write::<_, ApiError, _>(api, move |scope| {
        hold_to_own(scope, &actor, &worker)?;
        let is_unseen = workers::get(scope, &worker)?.is_none();
        if is_unseen {
            refuse_anothers_name(scope, issuer.as_ref(), &worker)?;
            refuse_hoarding(scope, issuer.as_ref(), &worker)?;
        }
        let token = worker_tokens::issue(scope, &worker, issuer.as_ref(), now)?;
        // Whoever took the name before an administrator gave it away does not come in with it any more.
        let has_voided = is_unseen && worker_tokens::revoke_others(scope, &worker, issuer.as_ref(), now)?;
        Ok((token, has_voided))
    })?;
    if has_voided {
        api.link.disconnect(&worker_id, None);
    }
    json(&Issued { worker_id, token: token.expose().to_owned() })
}

fn revoke_token(api: &Api, call: &Call<'_>) -> Answer {
    let (worker, actor) = (call.worker_id()?, call.actor()?);
    let unknown = || ApiError::new(404, "Token not found");
    let token_id: i64 = call.second_parameter().parse().map_err(|_| unknown())?;
    let (id, now) = (worker.clone(), call.now);
    call.write(api, move |scope| {
        hold_to_own(scope, &actor, &worker)?;
        if worker_tokens::revoke(scope, &worker, token_id, now)? { Ok(()) } else { Err(unknown()) }
    })?;
    api.link.disconnect(&id, Some(token_id));
    json(&RevokedToken { token_id, revoked: true })
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

/// A worker's earnings go to the account of its name until its wallet signs in: a name that an account
/// bears already is that account's alone, whoever asks.
fn refuse_anothers_name(
    connection: &Connection,
    issuer: Option<&AccountId>,
    id: &WorkerId,
) -> Result<(), ApiError> {
    let bearer = market::workers::check_name(connection, id)?;
    if bearer.is_none_or(|account| Some(&account.account_id) == issuer) {
        return Ok(());
    }
    Err(ApiError::new(409, format!("{id} is the name of an account; choose another id for the worker")))
}

/// Names are taken for rigs that are on their way, not to keep others from them.
fn refuse_hoarding(
    connection: &Connection,
    issuer: Option<&AccountId>,
    id: &WorkerId,
) -> Result<(), ApiError> {
    let Some(account) = issuer else { return Ok(()) };
    let has_it = worker_tokens::issuer(connection, id)?.is_some();
    if has_it || worker_tokens::count_unseen(connection, account)? < UNSEEN_WORKERS_MAX {
        return Ok(());
    }
    let text = format!(
        "{UNSEEN_WORKERS_MAX} of your workers have tokens and were never seen: connect or revoke some first"
    );
    Err(ApiError::new(409, text))
}

#[cfg(test)]
#[path = "tests/keys.rs"]
mod tests;
