//! Administrators' acts: whatever one of them does is noted in the transaction that does it, and what
//! one is refused beside it. Which routes are acts follows from the table of routes.

use rouille::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::leases::{LIMIT, LIMIT_DEFAULT};
use super::request::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::Caller;
use crate::auth::administrator::hint;
use crate::base::Timestamp;
use crate::base::limits::{ACT_VALUE_CHARACTERS_MAX, LIST_ROWS_MAX};
use crate::market::Scope;
use crate::store::StoreError;
use crate::store::acts::{self, Act};

pub(super) const ROUTES: &[Route] = &[Route::get(
    "/api/acts",
    Access::Administrator,
    Some(KeyScope::Admin),
    "What administrators did and were refused, newest first",
    &[
        LIMIT,
        Parameter {
            name: "before",
            kind: "integer",
            required: false,
            about: "Only acts older than this act_id: the last page's next_before",
        },
    ],
    "items, limit, next_before",
    list,
)];

/// Fields that say whom an act is done to, where the path does not.
const SUBJECTS: [&str; 4] = ["account_id", "lease_id", "worker_id", "consumer_id"];

/// Fields of bodies and queries that are noted as they came: none of them can hold a secret.
const SHOWN: [&str; 15] = [
    "account_id",
    "action",
    "amount",
    "consumer_address",
    "consumer_id",
    "duration_sec",
    "eth_address",
    "expires_in_sec",
    "lease_id",
    "max_duration_sec",
    "min_duration_sec",
    "others",
    "price_per_min",
    "scopes",
    "worker_id",
];

/// Whether a route is an act when an administrator calls it: all that change something, but for those
/// that everybody may call, or wallets alone.
pub(super) fn is_act(route: &Route) -> bool {
    route.method != Method::Get && !matches!(route.access, Access::Public | Access::Wallet)
}

impl Call<'_> {
    /// Runs `work` in the writer; when an administrator asks, the act is noted in the same transaction.
    pub fn write<T, X, F>(&self, api: &Api, work: F) -> Result<T, X>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_>) -> Result<T, X> + Send + 'static,
    {
        let act = self.act(200);
        let done = api.store.write::<_, X, _>(move |scope| {
            let done = work(scope)?;
            note(scope, act.as_ref())?;
            Ok(done)
        })?;
        self.is_noted.set(true);
        Ok(done)
    }

    /// Notes the act of an administrator that changes nothing in the database, before it is done.
    pub(super) fn note(&self, api: &Api) -> Result<(), ApiError> {
        let Some(act) = self.act(200) else { return Ok(()) };
        api.store.write(move |scope| note(scope, Some(&act)))?;
        self.is_noted.set(true);
        Ok(())
    }

    /// This call as an act with this status as its answer; `None` where it is none.
    pub(super) fn act(&self, status: u16) -> Option<Act> {
        if self.caller != Caller::Administrator || !is_act(self.route) {
            return None;
        }
        let said = self.said();
        let named = || SUBJECTS.into_iter().find_map(|name| said.get(name)?.as_str());
        let subject = match self.parameters() {
            [] => named().unwrap_or_default().to_owned(),
            parameters => parameters.join(" "),
        };
        Some(Act {
            act_id: 0,
            done_at: self.now,
            key_hint: self.request.header("X-API-Key").map(hint).unwrap_or_default(),
            address: self.peer().to_string(),
            operation: format!("{} {}", self.route.method.as_str(), self.route.path),
            subject: cut(&subject),
            details: Value::Object(said).to_string(),
            status,
        })
    }

    /// The fields that may be noted, of the body or else the query.
    fn said(&self) -> Map<String, Value> {
        let body = self.bytes().ok().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let Some(Value::Object(body)) = body else {
            let of_query =
                |name: &str| Some((name.to_owned(), bounded(self.request.get_param(name)?.into())));
            return SHOWN.iter().copied().filter_map(of_query).collect();
        };
        let shown = body.into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
        shown.map(|(name, value)| (name, bounded(value))).collect()
    }
}

/// Notes an act, if it is one, in the transaction of `scope`.
pub(super) fn note(scope: &Scope<'_>, act: Option<&Act>) -> Result<(), StoreError> {
    act.map_or(Ok(()), |act| Ok(acts::insert(scope, act)?))
}

/// After the answer is made: what an administrator was refused is noted too.
pub(super) fn complete(api: &Api, call: &Call<'_>, answer: &Answer) {
    if call.is_noted.get() {
        return;
    }
    let status = answer.as_ref().map_or_else(ApiError::status, |response| response.status_code);
    let Some(act) = call.act(status) else { return };
    debug_assert!(status >= 400, "{} was done without being noted: use Call::write", act.operation);
    if let Err(error) = api.store.write(move |scope| note(scope, Some(&act))) {
        log::error!("an administrator's act was answered {status} and not noted: {error}");
    }
}

fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => cut(&text).into(),
        Value::Array(_) | Value::Object(_) => cut(&value.to_string()).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(ACT_VALUE_CHARACTERS_MAX).collect()
}

#[derive(Serialize)]
struct ActView {
    act_id: i64,
    done_at: Timestamp,
    key_hint: String,
    address: String,
    operation: String,
    subject: String,
    details: Value,
    status: u16,
}

#[derive(Serialize)]
struct Acts {
    items: Vec<ActView>,
    limit: i64,
    next_before: Option<i64>,
}

fn list(api: &Api, call: &Call<'_>) -> Result<Response, ApiError> {
    let mut query = call.query();
    let limit = query.integer("limit", LIMIT_DEFAULT, 1..=LIST_ROWS_MAX);
    let before = query.optional_integer("before", 1..=i64::MAX);
    query.finish()?;
    let page = api.store.read::<_, ApiError, _>(|connection| Ok(acts::page(connection, before, limit)?))?;
    let is_full = i64::try_from(page.len()).is_ok_and(|count| count == limit);
    let next_before = page.last().filter(|_| is_full).map(|act| act.act_id);
    let view = |act: Act| ActView {
        act_id: act.act_id,
        done_at: act.done_at,
        key_hint: act.key_hint,
        address: act.address,
        operation: act.operation,
        subject: act.subject,
        details: serde_json::from_str(&act.details).unwrap_or_default(),
        status: act.status,
    };
    json(&Acts { items: page.into_iter().map(view).collect(), limit, next_before })
}

#[cfg(test)]
#[path = "tests/acts.rs"]
mod tests;
