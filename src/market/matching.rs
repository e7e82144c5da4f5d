//! Matching: which worker a renter gets.

use rusqlite::Connection;

use super::Refusal;
use super::pricing::duration_limits;
use crate::base::{Timestamp, WorkerId};
use crate::fleet::Fleet;
use crate::protocol::ReportedState;
use crate::store::leases;
use crate::store::workers::{self, Worker};

const NONE_AVAILABLE: &str = "No available workers";

/// The worker named, or the one registered first among those that are for rent, online and free.
pub fn choose(
    connection: &Connection,
    fleet: &Fleet,
    wanted: Option<&WorkerId>,
    duration_sec: i64,
    now: Timestamp,
) -> Result<Worker, Refusal> {
    let Some(id) = wanted else { return first_fit(connection, fleet, duration_sec, now) };
    let worker = workers::get(connection, id)?.filter(|worker| is_for_rent(worker, fleet, now));
    let worker = worker.ok_or_else(|| Refusal::not_found(NONE_AVAILABLE))?;
    if leases::active_of(connection, id)?.is_some() {
        return Err(Refusal::not_found(NONE_AVAILABLE));
    }
    check_duration(&worker, duration_sec)?;
    Ok(worker)
}

/// Listed, available and online; whether it has an active lease is the database's to say.
pub fn is_for_rent(worker: &Worker, fleet: &Fleet, now: Timestamp) -> bool {
    worker.listed && worker.state == ReportedState::Available && fleet.is_online(&worker.worker_id, now)
}

/// Limits that the provider has set bind; the defaults only advise (contract: rest.md, POST /api/rent).
pub fn check_duration(worker: &Worker, duration_sec: i64) -> Result<(), Refusal> {
    if worker.min_duration_sec.is_some_and(|min| duration_sec < min) {
        let (min, _) = duration_limits(worker);
        return Err(Refusal::invalid(format!("Duration below minimum ({min}s)")));
    }
    if worker.max_duration_sec.is_some_and(|max| duration_sec > max) {
        let (_, max) = duration_limits(worker);
        return Err(Refusal::invalid(format!("Duration above maximum ({max}s)")));
    }
    Ok(())
}

fn first_fit(
    connection: &Connection,
    fleet: &Fleet,
    duration_sec: i64,
    now: Timestamp,
) -> Result<Worker, Refusal> {
    let mut chosen = None;
    workers::each_for_rent(connection, |worker| {
        let fits = fleet.is_online(&worker.worker_id, now) && check_duration(&worker, duration_sec).is_ok();
        if fits {
            chosen = Some(worker);
        }
        !fits
    })?;
    chosen.ok_or_else(|| Refusal::not_found(NONE_AVAILABLE))
}
