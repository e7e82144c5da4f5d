//! Whether the platform can work: its writer lives, its disk takes what is written, its broker answers.

use std::sync::TryLockError;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{Answer, Api, ApiError, Call};
use crate::base::Timestamp;
use crate::base::limits::{READY_HOLDS, READY_TIME_MAX};
use crate::base::time::micros_of;
use crate::http;
use crate::store::{self, StoreError};

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Checks {
    store: &'static str,
    disk: &'static str,
    broker: &'static str,
}

/// What keeps changes from being stored.
#[derive(Debug)]
enum Trouble {
    /// The writer does not answer.
    Writer,
    /// It answers that it cannot.
    Disk(String),
}

pub(super) fn ready(api: &Api, call: &Call<'_>) -> Answer {
    let storing = storing(api, call.now);
    let broker = api.link.is_up();
    let word = |is_well: bool| if is_well { "ok" } else { "failed" };
    let checks = Checks {
        store: word(!matches!(storing, Err(Trouble::Writer))),
        disk: word(!matches!(storing, Err(Trouble::Disk(_)))),
        broker: word(broker),
    };
    let reason = match storing {
        Err(Trouble::Disk(reason)) => Some(reason),
        Err(Trouble::Writer) => Some("the database's writer does not answer".to_owned()),
        Ok(()) => (!broker).then(|| "the broker does not answer".to_owned()),
    };
    let status = if reason.is_none() { "ready" } else { "not ready" };
    let code = if reason.is_none() { 200 } else { 503 };
    let body = serde_json::to_string(&Readiness { status, checks, reason })
        .map_err(|error| ApiError::internal(&error))?;
    Ok(http::json(code, body).with_additional_header("Cache-Control", "no-store"))
}

/// One tiny write, whose success holds for a moment unless a commit fails meanwhile. Only one caller
/// probes; the others go by the last success.
fn storing(api: &Api, now: Timestamp) -> Result<(), Trouble> {
    let probe = &api.state.probe;
    let trouble = || api.store.trouble().map_or(Ok(()), |reason| Err(Trouble::Disk(reason)));
    let stored_within = |micros: i64| now.micros() - probe.stored_at.load(Ordering::Acquire) < micros;
    if stored_within(micros_of(READY_HOLDS)) && trouble().is_ok() {
        return Ok(());
    }
    let _running = match probe.running.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) if stored_within(micros_of(READY_HOLDS + READY_TIME_MAX)) => {
            return trouble();
        }
        Err(TryLockError::WouldBlock) => return trouble().and(Err(Trouble::Writer)),
    };
    let (done, outcome) = crossbeam_channel::bounded(1);
    let submitted = api.store.submit::<_, StoreError, _, _>(
        |scope| Ok(store::probe(scope)?),
        move |result| {
            // An error is the prober that has given up waiting.
            let _ = done.send(result);
        },
    );
    submitted.map_err(|_| Trouble::Writer)?;
    match outcome.recv_timeout(READY_TIME_MAX) {
        Ok(Ok(())) => {
            probe.stored_at.store(now.micros(), Ordering::Release);
            trouble()
        }
        Ok(Err(error)) => Err(Trouble::Disk(error.to_string())),
        // Disconnected: the writer has died with the job in hand.
        Err(_) => Err(Trouble::Writer),
    }
}
