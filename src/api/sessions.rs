//! Sessions of signed-in wallets: seen and ended by their owner.

use serde::Serialize;

use super::keys::holder;
use super::request::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::sessions;
use crate::base::{AccountId, Timestamp};

const OF_ACCOUNT: Parameter = Parameter {
    name: "account_id",
    kind: "string",
    required: false,
    about: "Whose; the caller's own by default, administrators must name the account",
};

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/auth/sessions",
        Access::Credential,
        Some(KeyScope::Read),
        "List the sessions that stand, newest first",
        &[OF_ACCOUNT],
        "account_id, sessions; the one that asks is current",
        list,
    ),
    Route {
        method: Method::Delete,
        path: "/api/auth/sessions",
        access: Access::Credential,
        scope: Some(KeyScope::Admin),
        summary: "Sign out everywhere",
        query: &[
            OF_ACCOUNT,
            Parameter {
                name: "others",
                kind: "boolean",
                required: false,
                about: "Everywhere but here; everywhere by default",
            },
        ],
        body: &[],
        answer: "account_id, ended: how many",
        handle: end_all,
    },
    Route {
        method: Method::Delete,
        path: "/api/auth/sessions/{session_id}",
        access: Access::Credential,
        scope: Some(KeyScope::Admin),
        summary: "End one session",
        query: &[OF_ACCOUNT],
        body: &[],
        answer: "session_id, ended",
        handle: end_one,
    },
    Route {
        method: Method::Post,
        path: "/api/auth/logout",
        access: Access::Wallet,
        scope: None,
        summary: "Sign out: the token that is shown is worth nothing from now on",
        query: &[],
        body: &[],
        answer: "account_id, ended",
        handle: log_out,
    },
];

#[derive(Serialize)]
struct SessionView {
    session_id: i64,
    agent: String,
    address: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Timestamp,
    current: bool,
}

#[derive(Serialize)]
struct Sessions {
    account_id: AccountId,
    sessions: Vec<SessionView>,
}

#[derive(Serialize)]
struct EndedOne {
    session_id: i64,
    ended: bool,
}

#[derive(Serialize)]
struct Ended {
    account_id: AccountId,
    ended: usize,
}

/// The id of the token that was shown, if one was.
fn token_id(call: &Call<'_>) -> Option<String> {
    call.caller.session().and_then(|session| session.token_id.clone())
}

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let account_id = holder(call, &mut query)?;
    query.finish()?;
    let rows = api.store.read::<_, ApiError, _>(|c| Ok(sessions::list(c, &account_id, call.now)?))?;
    let current = token_id(call);
    let view = |row: sessions::SessionRow| SessionView {
        session_id: row.session_id,
        agent: row.agent,
        address: row.address,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        current: current.as_deref() == Some(&row.token_id),
    };
    json(&Sessions { account_id, sessions: rows.into_iter().map(view).collect() })
}

fn end_all(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let account_id = holder(call, &mut query)?;
    let others = query.boolean("others", false);
    query.finish()?;
    let (account, but, now) = (account_id.clone(), token_id(call).filter(|_| others), call.now);
    let ended = call.write::<_, ApiError, _>(api, move |scope| {
        Ok(sessions::end_all(scope, &account, but.as_deref(), now)?)
    })?;
    json(&Ended { account_id, ended })
}

fn end_one(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let account = holder(call, &mut query)?;
    query.finish()?;
    let unknown = || ApiError::new(404, "Session not found");
    let session_id: i64 = call.parameter().parse().map_err(|_| unknown())?;
    let now = call.now;
    call.write(
        api,
        move |scope| {
            if sessions::end(scope, &account, session_id, now)? { Ok(()) } else { Err(unknown()) }
        },
    )?;
    json(&EndedOne { session_id, ended: true })
}

fn log_out(api: &Api, call: &Call<'_>) -> Answer {
    let (session, _) = call.caller.require_wallet()?;
    let account_id = session.account.clone();
    let (account, shown, now) = (account_id.clone(), session.clone(), call.now);
    let ended = api.store.write::<_, ApiError, _>(move |scope| {
        let Some(standing) = sessions::find(scope, &shown)? else { return Ok(false) };
        Ok(sessions::end(scope, &account, standing.session_id, now)?)
    })?;
    json(&Ended { account_id, ended: usize::from(ended) })
}
