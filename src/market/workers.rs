//! Workers: registration, states, listing, coming and going.

use rusqlite::Connection;

use crate::auth::worker_tokens;
use crate::base::{LeaseId, Timestamp, WorkerId};
use crate::fleet::Live;
use crate::protocol::{Command, Register, RegisterAck, ReportedState, Status};
use crate::store::accounts::{self, Account, Origin, Role};
use crate::store::leases::{self, Lease};
use crate::store::workers::{self, Worker};

use super::pricing::DEFAULT_PRICE_PER_MIN;
use super::{Actor, Event, Refusal, Scope, leases as lease_rules, ledger};

/// Registers a worker, or renews it. A worker in an active lease stays in it and is told so again.
/// `live` is what was known of it before.
pub fn register(
    scope: &mut Scope<'_>,
    live: Option<&Live>,
    register: &Register,
    now: Timestamp,
) -> Result<(), Refusal> {
    open_provider_account(scope, register, now)?;
    let id = &register.worker_id;
    let known = workers::get(scope, id)?;
    let listed = known.as_ref().is_none_or(|worker| worker.listed);
    let away = live.and_then(|live| live.away_since(now));
    let lease = match away {
        Some(since) => lease_rules::resume(scope, id, since, now)?,
        None => leases::active_of(scope, id)?,
    };
    let state = if lease.is_some() { ReportedState::Leased } else { free_state(listed) };
    workers::upsert(scope, register, state, DEFAULT_PRICE_PER_MIN, now)?;
    find_keeper(scope, register, known.as_ref())?;
    acknowledge(scope, id, RegisterAck { accepted: true, reason: None });
    if let Some(lease) = lease {
        lease_rules::assign(scope, &lease, now);
    }
    scope.emit(if known.is_some() {
        Event::WorkerChanged(id.clone())
    } else {
        Event::RosterChanged(id.clone())
    });
    Ok(())
}

/// Refuses a registration that would change the address of a worker, and with it who is paid
/// (contract: rest.md, Rules).
pub fn keep_address(scope: &Scope<'_>, register: &Register) -> Result<(), Refusal> {
    let id = &register.worker_id;
    let address = workers::get(scope, id)?.and_then(|worker| worker.eth_address);
    match address.filter(|address| register.eth_address != Some(*address)) {
        Some(address) => Err(Refusal::forbidden(format!(
            "eth_address of {id} is {address} and stays so: take another worker_id for another address"
        ))),
        None => Ok(()),
    }
}

/// A worker whose address names no wallet that has signed in is managed by whoever gave it its token.
fn find_keeper(scope: &Scope<'_>, register: &Register, known: Option<&Worker>) -> Result<(), Refusal> {
    let id = &register.worker_id;
    let before = known.and_then(|worker| worker.keeper.clone());
    let has_wallet = match &register.eth_address {
        Some(address) => accounts::of_wallet(scope, address)?.is_some(),
        None => false,
    };
    let keeper = match before.clone() {
        _ if has_wallet => None,
        Some(keeper) => Some(keeper),
        None => worker_tokens::issuer(scope, id)?,
    };
    if keeper != before {
        workers::set_keeper(scope, id, keeper.as_ref())?;
    }
    Ok(())
}

/// Tells a worker that its registration was not taken, and why.
pub fn refuse_registration(scope: &mut Scope<'_>, id: &WorkerId, reason: String) {
    acknowledge(scope, id, RegisterAck { accepted: false, reason: Some(reason) });
}

/// Takes a change of state. A worker cannot make itself available while its lease is active, nor
/// leased while it is not; whoever disagrees is told again. `live` is what was known of it before.
pub fn status(
    scope: &mut Scope<'_>,
    live: Option<&Live>,
    status: &Status,
    now: Timestamp,
) -> Result<(), Refusal> {
    let id = &status.worker_id;
    let standing = workers::standing(scope, id)?.ok_or_else(|| Refusal::not_found("Worker not found"))?;
    let is_of = |lease: &LeaseId| status.lease_id.as_ref().is_none_or(|named| named == lease);
    if standing.lease.as_ref().is_some_and(is_of) && status.state != ReportedState::Leased {
        hear_of_lease(scope, live, status, standing.state, now)?;
    }
    match (status.state, standing.lease) {
        (state @ (ReportedState::Offline | ReportedState::Error), _)
        | (state @ (ReportedState::Idle | ReportedState::SelfMining), None) => set_state(scope, id, state),
        (state @ (ReportedState::Leased | ReportedState::Mining), Some(lease)) => match &status.lease_id {
            Some(other) if *other != lease => tell_again(scope, id, now),
            _ => set_state(scope, id, state),
        },
        (ReportedState::Available | ReportedState::Idle, Some(_)) => tell_again(scope, id, now),
        // The end of a lease that has been ended here already, or the beginning of one that has.
        (ReportedState::Completed | ReportedState::SelfMining, Some(_))
        | (ReportedState::Completed, None) => Ok(()),
        (ReportedState::Leased | ReportedState::Mining, None) => {
            if let Some(lease_id) = status.lease_id.clone() {
                scope.emit(Event::Command { worker: id.clone(), command: Command::Release { lease_id } });
            }
            Ok(())
        }
        (ReportedState::Available, None) => set_state(scope, id, free_state(standing.listed)),
    }
}

/// What a change of state from `before` means for the lease that the worker is in. Who has taken the lease
/// has not stopped; a farewell and a will are an absence of another kind than a pause.
fn hear_of_lease(
    scope: &mut Scope<'_>,
    live: Option<&Live>,
    status: &Status,
    before: ReportedState,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(lease) = leases::active_of(scope, &status.worker_id)? else { return Ok(()) };
    match status.state {
        ReportedState::Leased => Ok(()),
        ReportedState::Mining => lease_rules::unpause(scope, lease, live, now),
        ReportedState::Offline => lease_rules::leave(scope, lease, live, now),
        // Of one that has not said since it was told of the lease that it mines, this may be the end of the
        // lease before, or what it said before it was told.
        ReportedState::Available | ReportedState::Completed
            if before != ReportedState::Mining && lease.paused.is_none() =>
        {
            Ok(())
        }
        does => {
            lease_rules::pause(scope, lease, live, does, now)?;
            if before == ReportedState::Mining {
                set_state(scope, &status.worker_id, ReportedState::Leased)?;
            }
            Ok(())
        }
    }
}

/// A worker that had stopped mining for its lease is at work with `prefix`: as good as a word that it
/// mines again, which a lost connection may have swallowed.
pub fn mines_again(
    scope: &mut Scope<'_>,
    live: Option<&Live>,
    id: &WorkerId,
    prefix: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let lease = leases::active_of(scope, id)?.filter(|lease| lease.paused.is_some());
    match lease.filter(|lease| lease.prefix.to_string().eq_ignore_ascii_case(prefix)) {
        Some(lease) => {
            lease_rules::unpause(scope, lease, live, now)?;
            set_state(scope, id, ReportedState::Mining)
        }
        None => Ok(()),
    }
}

/// Tells a worker once more which lease it is in.
fn tell_again(scope: &mut Scope<'_>, id: &WorkerId, now: Timestamp) -> Result<(), Refusal> {
    if let Some(lease) = leases::active_of(scope, id)? {
        lease_rules::assign(scope, &lease, now);
    }
    Ok(())
}

/// A worker that was away since `since` is heard of again.
pub fn returned(
    scope: &mut Scope<'_>,
    id: &WorkerId,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(worker) = workers::get(scope, id)? else { return Ok(()) };
    match lease_rules::resume(scope, id, since, now)? {
        Some(lease) => {
            if worker.state == ReportedState::Offline {
                set_state(scope, id, ReportedState::Leased)?;
            }
            lease_rules::assign(scope, &lease, now);
            Ok(())
        }
        None if worker.state == ReportedState::Offline => set_state(scope, id, free_state(worker.listed)),
        None => Ok(()),
    }
}

/// A worker says that it mines with `prefix` (empty: for itself), which is not what it was told.
pub fn remind(scope: &mut Scope<'_>, id: &WorkerId, prefix: &str, now: Timestamp) -> Result<(), Refusal> {
    if let Some(lease) = leases::active_of(scope, id)? {
        if !lease.prefix.to_string().eq_ignore_ascii_case(prefix) {
            lease_rules::assign(scope, &lease, now);
        }
        return Ok(());
    }
    let ended = match prefix.parse() {
        Ok(prefix) => leases::with_prefix(scope, &prefix)?,
        Err(_) => None,
    };
    if let Some(Lease { lease_id, worker_id, .. }) = ended.filter(|lease| lease.worker_id == *id) {
        scope.emit(Event::Command { worker: worker_id, command: Command::Release { lease_id } });
    }
    Ok(())
}

/// Offers a worker for rent, or takes it off the market; not while it is leased.
pub fn set_listed(
    scope: &mut Scope<'_>,
    actor: &Actor,
    id: &WorkerId,
    listed: bool,
) -> Result<Worker, Refusal> {
    let worker = workers::get(scope, id)?.ok_or_else(|| Refusal::not_found("Worker not found"))?;
    if !actor.owns(&worker) {
        return Err(Refusal::forbidden("Worker does not belong to this wallet"));
    }
    if !listed && leases::active_of(scope, id)?.is_some() {
        return Err(Refusal::invalid("A leased worker cannot be unlisted; stop the lease first"));
    }
    workers::set_listed(scope, id, listed)?;
    if matches!(worker.state, ReportedState::Available | ReportedState::SelfMining) {
        workers::set_state(scope, id, free_state(listed))?;
    }
    scope.emit(Event::WorkerChanged(id.clone()));
    Ok(workers::get(scope, id)?.expect("the worker was there above"))
}

/// A worker's lease has ended: it is free again, unless it is away or does something else (`paused`) that
/// leaves no room for another lease.
pub(super) fn let_go(
    scope: &mut Scope<'_>,
    worker: &Worker,
    counts: bool,
    present: bool,
    paused: Option<ReportedState>,
) -> Result<(), Refusal> {
    let state = match paused {
        _ if !present => ReportedState::Offline,
        Some(busy @ (ReportedState::Idle | ReportedState::Error | ReportedState::SelfMining)) => busy,
        _ => free_state(worker.listed),
    };
    workers::end_lease(scope, &worker.worker_id, state, counts)?;
    scope.emit(Event::WorkerChanged(worker.worker_id.clone()));
    Ok(())
}

fn free_state(listed: bool) -> ReportedState {
    if listed { ReportedState::Available } else { ReportedState::SelfMining }
}

fn set_state(scope: &mut Scope<'_>, id: &WorkerId, state: ReportedState) -> Result<(), Refusal> {
    if workers::set_state(scope, id, state)? {
        scope.emit(Event::WorkerChanged(id.clone()));
    }
    Ok(())
}

fn acknowledge(scope: &mut Scope<'_>, id: &WorkerId, ack: RegisterAck) {
    scope.emit(Event::Command { worker: id.clone(), command: Command::RegisterAck(ack) });
}

fn open_provider_account(scope: &mut Scope<'_>, register: &Register, now: Timestamp) -> Result<(), Refusal> {
    if check_name(scope, &register.worker_id)?.is_some() {
        return Ok(());
    }
    let id = register.worker_id.account();
    let account = Account::empty(id, Role::Provider, Origin::Worker, register.eth_address, now);
    Ok(accounts::insert(scope, &account)?)
}

/// Refuses a name that no worker can register under: the platform's own, and those of renters. Answers
/// the account that bears it.
pub fn check_name(connection: &Connection, id: &WorkerId) -> Result<Option<Account>, Refusal> {
    let id = id.account();
    ledger::refuse_reserved(&id)?;
    match accounts::get(connection, &id)? {
        Some(account) if account.role != Role::Provider => {
            Err(Refusal::invalid(format!("the id {id} belongs to a renter's account; choose another")))
        }
        account => Ok(account),
    }
}
