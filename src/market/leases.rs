//! Leases: rent, extend, stop, expire, and what happens while a worker is away.

use rusqlite::Connection;

use crate::base::limits::LEASE_SECONDS_MAX;
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Prefix, Timestamp, WorkerId};
use crate::fleet::{Fleet, Live};
use crate::protocol::{Command, ReportedState};
use crate::store::accounts::{self, Account};
use crate::store::counters::{self, Counter};
use crate::store::leases::{self, Lease, LeaseState};
use crate::store::settlements::Settlement;
use crate::store::workers::{self, Worker};

use super::settlement::{self, hold};
use super::{Actor, Event, Refusal, Scope, absence, blocks, matching};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// What a renter asks for.
#[derive(Clone, Debug)]
pub struct RentRequest {
    /// The account that pays.
    pub consumer: AccountId,
    /// The address mined for; the account's own when it is not given.
    pub address: Option<EthAddress>,
    /// Length, seconds.
    pub duration_sec: i64,
    /// A certain worker; else the one registered first that fits.
    pub worker: Option<WorkerId>,
    /// The price that the renter was shown; at another one nothing is rented.
    pub expected_price: Option<Amount>,
}

/// Rents a worker: the lease and the hold in one transaction, the worker is told after it.
pub fn rent(
    scope: &mut Scope<'_>,
    fleet: &Fleet,
    request: &RentRequest,
    now: Timestamp,
) -> Result<Lease, Refusal> {
    check_length(request.duration_sec)?;
    let consumer = super::accounts::get(scope, &request.consumer)?;
    let address = request.address.or(consumer.eth_address);
    let address = address.ok_or_else(|| {
        Refusal::invalid(
            "consumer_address required (the account has none): 0x followed by 40 hexadecimal digits",
        )
    })?;
    let worker = matching::choose(scope, fleet, request.worker.as_ref(), request.duration_sec, now)?;
    if request.expected_price.is_some_and(|price| price != worker.price_per_min) {
        return Err(Refusal::PriceChanged { price_per_min: worker.price_per_min });
    }
    let need = hold(worker.price_per_min, request.duration_sec);
    if consumer.available() < need {
        return Err(Refusal::Insufficient { have: consumer.available(), need });
    }
    let lease = Lease {
        lease_seq: 0,
        lease_id: LeaseId::random(),
        worker_id: worker.worker_id.clone(),
        consumer_id: request.consumer.clone(),
        consumer_address: address,
        prefix: Prefix::random(),
        price_per_min: worker.price_per_min,
        duration_sec: request.duration_sec,
        hold: need,
        state: LeaseState::Active,
        created_at: now,
        ends_at: ends_at(now, request.duration_sec),
        ended_at: None,
        interrupted: 0,
        interrupted_since: None,
        paused: None,
        heard_at: None,
        unpaid_since_heard: 0,
        back_since: now,
        blocks_found: 0,
        hashrate_sum: 0.0,
        hashrate_samples: 0,
        advertised_hashrate: fleet.get(&worker.worker_id).map_or(worker.hashrate, |live| live.hashrate),
        own: is_own(&worker, &consumer, &address),
    };
    leases::insert(scope, &lease)?;
    accounts::add_to_held(scope, &lease.consumer_id, need)?;
    workers::begin_lease(scope, &lease.worker_id, !lease.own)?;
    counters::add(scope, Counter::Leases, 1)?;
    assign(scope, &lease, now);
    scope.emit(Event::LeaseStarted {
        lease: lease.lease_id.clone(),
        worker: lease.worker_id.clone(),
        consumer: lease.consumer_id.clone(),
        prefix: lease.prefix,
        duration_sec: lease.duration_sec,
    });
    Ok(lease)
}

/// Whether a worker's own owner rents it, or has it mine for the address that owns it: who could complete
/// any number of such leases for nothing.
fn is_own(worker: &Worker, renter: &Account, address: &EthAddress) -> bool {
    let is_owner = |named: &EthAddress| worker.eth_address.as_ref() == Some(named);
    renter.account_id == worker.worker_id.account()
        || worker.keeper.as_ref() == Some(&renter.account_id)
        || is_owner(address)
        || renter.eth_address.as_ref().is_some_and(is_owner)
}

/// Makes an active lease longer, at its price and with its prefix.
pub fn extend(
    scope: &mut Scope<'_>,
    actor: &Actor,
    id: &LeaseId,
    more_sec: i64,
    now: Timestamp,
) -> Result<Lease, Refusal> {
    let lease = active(scope, id)?;
    if !actor.is(&lease.consumer_id) {
        return Err(Refusal::forbidden("You can only extend your own leases"));
    }
    if lease.ends_at <= now {
        return Err(Refusal::not_found(NOT_ACTIVE));
    }
    let (duration_sec, new_hold) = extended(scope, &lease, more_sec)?;
    let need = new_hold - lease.hold;
    let consumer = super::accounts::get(scope, &lease.consumer_id)?;
    if consumer.available() < need {
        return Err(Refusal::Insufficient { have: consumer.available(), need });
    }
    leases::lengthen(scope, id, duration_sec, ends_at(lease.created_at, duration_sec), new_hold)?;
    accounts::add_to_held(scope, &lease.consumer_id, need)?;
    let lease = active(scope, id)?;
    assign(scope, &lease, now);
    scope.emit(Event::LeaseExtended {
        lease: lease.lease_id.clone(),
        worker: lease.worker_id.clone(),
        duration_sec,
    });
    Ok(lease)
}

/// The length in seconds and the hold that a lease would have when made longer.
pub fn extended(connection: &Connection, lease: &Lease, more_sec: i64) -> Result<(i64, Amount), Refusal> {
    check_length(more_sec)?;
    let duration_sec = lease.duration_sec.saturating_add(more_sec);
    check_length(duration_sec)?;
    matching::check_duration(&worker_of(connection, lease)?, duration_sec)?;
    Ok((duration_sec, hold(lease.price_per_min, duration_sec)))
}

/// Stops a lease and settles it. Its renter, its provider and administrators may.
pub fn stop(
    scope: &mut Scope<'_>,
    fleet: &Fleet,
    actor: &Actor,
    id: &LeaseId,
    now: Timestamp,
) -> Result<Settlement, Refusal> {
    let lease = active(scope, id)?;
    if !actor.is(&lease.consumer_id) && !actor.owns(&worker_of(scope, &lease)?) {
        return Err(Refusal::forbidden("You can only stop your own leases"));
    }
    end(scope, fleet, lease, now)
}

/// Ends and settles a lease whose time is over; does nothing to one that goes on or has ended.
pub fn expire(scope: &mut Scope<'_>, fleet: &Fleet, id: &LeaseId, now: Timestamp) -> Result<(), Refusal> {
    let due =
        leases::get(scope, id)?.filter(|lease| lease.state == LeaseState::Active && lease.ends_at <= now);
    match due {
        Some(lease) => end(scope, fleet, lease, now).map(drop),
        None => Ok(()),
    }
}

/// After a restart: finds blocks of active leases that the chain knows and nobody reported, and
/// returns those leases.
pub fn recover(scope: &mut Scope<'_>, now: Timestamp) -> Result<Vec<Lease>, Refusal> {
    let active = leases::active(scope)?;
    for lease in &active {
        blocks::reconcile(scope, lease, now)?;
    }
    Ok(active)
}

/// Notes since when the workers of active leases are away: that time is not billed. A lease whose
/// time is over is left to [`expire`], which asks how things stood at its end; who went or came back after
/// `now`, while this waited for its turn, is left to the next look.
pub fn note_interruptions(scope: &mut Scope<'_>, fleet: &Fleet, now: Timestamp) -> Result<(), Refusal> {
    for mut lease in leases::active(scope)?.into_iter().filter(|lease| lease.ends_at > now) {
        let Some(live) = fleet.get(&lease.worker_id) else { continue };
        let is_over = lease.interrupted_since.is_some() && lease.paused.is_none();
        let changed = match live.away_since(now) {
            Some(since) => since <= now && absence::note(&mut lease, Some(since)),
            None if is_over && live.last_seen <= now => {
                absence::end(&mut lease, None, live.last_seen, live.last_seen);
                true
            }
            None => false,
        };
        if changed {
            leases::save_absence(scope, &lease)?;
        }
    }
    Ok(())
}

/// A worker is back after being away since `since`: its lease goes on. What it said of mining for it,
/// before it went, stands until it says otherwise.
pub fn resume(
    scope: &mut Scope<'_>,
    worker: &WorkerId,
    since: Timestamp,
    now: Timestamp,
) -> Result<Option<Lease>, Refusal> {
    let Some(mut lease) = leases::active_of(scope, worker)? else { return Ok(None) };
    if lease.paused.is_none() {
        absence::end(&mut lease, Some(since), now, now);
    } else {
        absence::note(&mut lease, Some(since));
    }
    leases::save_absence(scope, &lease)?;
    Ok(Some(lease))
}

/// A lease's worker says that it goes: from now on it is not paid, until it is heard of again.
pub fn leave(
    scope: &mut Scope<'_>,
    mut lease: Lease,
    live: Option<&Live>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if lease.ends_at > now {
        absence::start(&mut lease, live, now);
        leases::save_absence(scope, &lease)?;
    }
    Ok(())
}

/// A lease's worker says that it `does` something else than mine for it: from now on it is not paid, until
/// it mines again. One that is away already has not been paid since it went.
pub fn pause(
    scope: &mut Scope<'_>,
    mut lease: Lease,
    live: Option<&Live>,
    does: ReportedState,
    now: Timestamp,
) -> Result<(), Refusal> {
    if lease.ends_at <= now || lease.paused == Some(does) {
        return Ok(());
    }
    let since = absence::start(&mut lease, live, now);
    lease.paused = Some(does);
    leases::save_absence(scope, &lease)?;
    scope.emit(Event::LeasePaused { lease: lease.lease_id, worker: lease.worker_id, does, since });
    Ok(())
}

/// A lease's worker mines for it again, and is paid again unless it is away.
pub fn unpause(
    scope: &mut Scope<'_>,
    mut lease: Lease,
    live: Option<&Live>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if lease.paused.is_none() {
        return Ok(());
    }
    match live.and_then(|live| live.away_since(now)) {
        Some(since) => _ = absence::note(&mut lease, Some(since)),
        None => absence::end(&mut lease, None, live.map_or(now, |live| live.last_seen), now),
    }
    lease.paused = None;
    leases::save_absence(scope, &lease)?;
    scope.emit(Event::LeaseUnpaused { lease: lease.lease_id, worker: lease.worker_id });
    Ok(())
}

/// Tells a lease's worker to mine for it, with the time that is left.
pub fn assign(scope: &mut Scope<'_>, lease: &Lease, now: Timestamp) {
    let left = lease.ends_at.micros_since(now);
    scope.emit(Event::Command {
        worker: lease.worker_id.clone(),
        command: Command::AssignTask {
            lease_id: lease.lease_id.clone(),
            consumer_id: lease.consumer_id.clone(),
            consumer_address: lease.consumer_address,
            prefix: Some(lease.prefix),
            // Zero would mean "never expires" to the worker.
            duration_sec: left.div_euclid(MICROS_PER_SECOND).max(1),
        },
    });
}

const NOT_ACTIVE: &str = "Lease not found or not active";

fn active(scope: &Scope<'_>, id: &LeaseId) -> Result<Lease, Refusal> {
    let lease = leases::get(scope, id)?.filter(|lease| lease.state == LeaseState::Active);
    lease.ok_or_else(|| Refusal::not_found(NOT_ACTIVE))
}

fn worker_of(connection: &Connection, lease: &Lease) -> Result<Worker, Refusal> {
    Ok(workers::get(connection, &lease.worker_id)?.expect("a lease references its worker"))
}

fn check_length(duration_sec: i64) -> Result<(), Refusal> {
    if (1..=LEASE_SECONDS_MAX).contains(&duration_sec) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("duration_sec must lie between 1 and {LEASE_SECONDS_MAX}")))
}

/// When a lease of this length ends.
pub fn ends_at(created_at: Timestamp, duration_sec: i64) -> Timestamp {
    Timestamp::from_micros(created_at.micros() + duration_sec * MICROS_PER_SECOND)
}

/// Ends an active lease: it is closed, its hold released, settled, and its worker let go.
fn end(scope: &mut Scope<'_>, fleet: &Fleet, lease: Lease, now: Timestamp) -> Result<Settlement, Refusal> {
    let ended_at = now.min(lease.ends_at).max(lease.created_at);
    let live = fleet.get(&lease.worker_id);
    let interrupted = absence::until(&lease, live.as_ref(), ended_at);
    let recovered = blocks::reconcile(scope, &lease, ended_at)?;
    leases::complete(scope, &lease.lease_id, ended_at, interrupted)?;
    accounts::add_to_held(scope, &lease.consumer_id, lease.hold.negated())?;
    let blocks_found = lease.blocks_found + recovered;
    let ended = Lease { ended_at: Some(ended_at), interrupted, blocks_found, ..lease };
    let worker = worker_of(scope, &ended)?;
    let settlement = settlement::settle(scope, &ended, &worker, ended.hold, now)?;
    let present = live.is_some_and(|live| live.gone_at.is_none());
    super::workers::let_go(scope, &worker, !ended.own, present, ended.paused)?;
    let (worker, lease_id) = (ended.worker_id, ended.lease_id);
    scope.emit(Event::Command { worker, command: Command::Release { lease_id } });
    Ok(settlement)
}

/// What a lease has cost so far, or in the end.
pub fn cost_so_far(lease: &Lease, live: Option<&Live>, now: Timestamp) -> Amount {
    let until = lease.ended_at.unwrap_or(now).min(lease.ends_at);
    let interrupted =
        if lease.ended_at.is_some() { lease.interrupted } else { absence::until(lease, live, until) };
    settlement::cost(lease.price_per_min, (until.micros_since(lease.created_at) - interrupted).max(0))
}
