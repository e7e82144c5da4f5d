//! `Idempotency-Key`: a request that moved money and comes again gets the first answer again
//! (contract: rest.md, Rules). The answer is made and kept in the transaction that moved the money,
//! so there is no moment in which one is stored and the other is not.

use rouille::Response;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::router::{Method, Route};
use crate::api::{Answer, Api, ApiError, Call, acts};
use crate::auth::Caller;
use crate::http;
use crate::market::Scope;
use crate::market::accounts::IDEMPOTENCY_LIFETIME;
use crate::store::idempotency::{self, Answered};

/// The routes that move money.
pub(in crate::api) const PATHS: [&str; 7] = [
    "/api/accounts/{account_id}/deposit",
    "/api/accounts/{account_id}/withdraw",
    "/api/rent",
    "/api/rental/start",
    "/api/stop",
    "/api/rental/stop",
    "/api/leases/{lease_id}/extend",
];

/// Whether a route takes the header.
pub(in crate::api) fn applies_to(route: &Route) -> bool {
    route.method == Method::Post && PATHS.contains(&route.path)
}

/// The header.
pub(in crate::api) const HEADER: &str = "Idempotency-Key";
/// A UUID has 36 characters; some clients put a whole order's name here.
pub(in crate::api) const KEY_LENGTH_MAX: usize = 128;

/// Runs `work` in the writer and answers with what it returns; under a key that has been used, with
/// the first answer, or 422 when another request used it. Refusals are not kept: what failed may be
/// tried again under its key.
pub fn once<T, F>(api: &Api, call: &Call<'_>, work: F) -> Answer
where
    T: Serialize,
    F: FnOnce(&mut Scope<'_>) -> Result<T, ApiError> + Send + 'static,
{
    let Some(entry) = Entry::of(call)? else {
        let body = call.write(api, move |scope| encode(&work(scope)?))?;
        return Ok(http::json(200, body));
    };
    let (now, act) = (call.now, call.act(200));
    let (answered, is_repeated) = api.store.write(move |scope| {
        let since = now.minus(IDEMPOTENCY_LIFETIME);
        if let Some(answered) = idempotency::find(scope, &entry.caller, &entry.key, since)? {
            if answered.request_digest == entry.digest {
                return Ok((answered, true));
            }
            return Err(ApiError::new(
                422,
                "This Idempotency-Key was used for another request; take a new one",
            ));
        }
        let answer = encode(&work(scope)?)?;
        let answered = Answered { request_digest: entry.digest, status: 200, answer };
        idempotency::insert(scope, &entry.caller, &entry.key, &answered, now)?;
        acts::note(scope, act.as_ref())?;
        Ok((answered, false))
    })?;
    // What is repeated was noted when it was done.
    call.is_noted.set(true);
    let response = http::json(answered.status, answered.answer);
    Ok(if is_repeated { repeated(response) } else { response })
}

fn encode<T: Serialize>(value: &T) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|error| ApiError::internal(&error))
}

fn repeated(response: Response) -> Response {
    response.with_additional_header("Idempotency-Replayed", "true")
}

struct Entry {
    caller: String,
    key: String,
    digest: idempotency::Digest,
}

impl Entry {
    fn of(call: &Call<'_>) -> Result<Option<Self>, ApiError> {
        let mut keys = call.request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        let Some((_, key)) = keys.next() else { return Ok(None) };
        if keys.next().is_some() {
            // Which of them the client will repeat is not ours to guess.
            return Err(ApiError::new(400, format!("{HEADER} must be given once")));
        }
        if !is_key(key) {
            return Err(ApiError::new(
                400,
                format!("{HEADER} must have 1 to {KEY_LENGTH_MAX} visible ASCII characters"),
            ));
        }
        // No account's id begins with an @.
        let caller = match &call.caller {
            Caller::Account(session) => session.account.to_string(),
            Caller::Administrator => "@administrator".to_owned(),
            Caller::Nobody => "@nobody".to_owned(),
        };
        let digest = Sha256::new()
            .chain_update(call.request.method())
            .chain_update("\n")
            .chain_update(call.request.raw_url())
            .chain_update("\n")
            .chain_update(call.bytes()?)
            .finalize()
            .into();
        Ok(Some(Entry { caller, key: key.to_owned(), digest }))
    }
}

fn is_key(text: &str) -> bool {
    (1..=KEY_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::is_key;

    #[test]
    fn a_key_is_visible_and_not_too_long() {
        assert!(is_key("5f0c1b9e-4f6a-4d6c-9e6a-3a1f0e7f2b11"));
        assert!(is_key(&"k".repeat(128)));
        for bad in ["", "a b", "\t", "ä", &"k".repeat(129)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
