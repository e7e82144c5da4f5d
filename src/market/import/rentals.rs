//! Leases: those that have ended, and those that go on.

use rusqlite::named_params;

use super::source::Fields;
use super::{Import, ImportError};
use crate::base::limits::{HASHRATE_MAX, LEASE_SECONDS_MAX, PRICE_PER_MIN_MAX};
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Prefix, Timestamp, WorkerId};
use crate::market::Scope;
use crate::market::settlement::hold;
use crate::store::leases::{self, LeaseState};
use crate::store::{accounts, settlements, workers};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A lease that the prototype has not ended.
pub(super) struct Unended {
    id: LeaseId,
    worker: WorkerId,
    consumer: AccountId,
    hold: Amount,
    ends_at: Timestamp,
}

struct Lease {
    id: LeaseId,
    worker: WorkerId,
    consumer: AccountId,
    address: EthAddress,
    prefix: Prefix,
    price: Amount,
    duration_sec: i64,
    state: LeaseState,
    created_at: Timestamp,
    ends_at: Timestamp,
    ended_at: Option<Timestamp>,
    avg_hashrate: f64,
}

impl Import<'_> {
    pub(super) fn leases(&mut self, scope: &mut Scope<'_>) -> Result<Vec<Unended>, ImportError> {
        let (source, mut unended, mut late) = (self.source, Vec::new(), 0_u64);
        source.each("leases", |row| {
            let name = row.text(&["lease_id", "id"]);
            let lease = match self.lease(scope, row, &name)? {
                Ok(lease) => lease,
                Err(problem) => {
                    self.leave_out(format!("lease {name:?}, row {}: {problem}", row.number));
                    return Ok(());
                }
            };
            late += u64::from(lease.ended_at.is_some_and(|at| at > lease.ends_at));
            insert(scope, &lease, self.now)?;
            self.done.leases += 1;
            if lease.state == LeaseState::Active {
                let hold = hold(lease.price, lease.duration_sec);
                let Lease { id, worker, consumer, ends_at, .. } = lease;
                unended.push(Unended { id, worker, consumer, hold, ends_at });
            }
            Ok(())
        })?;
        if late > 0 {
            self.note(format!("{late} leases ended a little after their time; they now end at it"));
        }
        Ok(unended)
    }

    /// The lease of a row, or why it cannot be one.
    fn lease(
        &mut self,
        scope: &Scope<'_>,
        row: &Fields<'_>,
        name: &str,
    ) -> Result<Result<Lease, String>, ImportError> {
        let Ok(id) = name.parse::<LeaseId>() else { return Ok(Err("its id is none".into())) };
        if leases::get(scope, &id)?.is_some() {
            return Ok(Err("it is there twice".into()));
        }
        let worker = row.text(&["worker_id"]).parse::<WorkerId>().ok();
        let worker = worker.map(|id| workers::get(scope, &id)).transpose()?.flatten();
        let Some(worker) = worker else { return Ok(Err("its worker is unknown".into())) };
        let consumer = row.text(&["consumer_id"]).parse::<AccountId>().ok();
        let consumer = consumer.map(|id| accounts::get(scope, &id)).transpose()?.flatten();
        let Some(consumer) = consumer else { return Ok(Err("its renter is unknown".into())) };
        let address = self.address(&format!("lease {id}"), &row.text(&["consumer_address"]));
        let Some(address) = address.or(consumer.eth_address) else {
            return Ok(Err("neither it nor its renter has an address".into()));
        };
        let per_min = match row.number(&["price_per_sec"]) {
            Some(per_sec) => Amount::from_f64(per_sec * 60.0).ok(),
            None => row.amount(&["price_per_min"]).or(Some(worker.price_per_min)),
        };
        let Some(price) = per_min.filter(|price| !price.is_negative() && *price <= PRICE_PER_MIN_MAX) else {
            return Ok(Err("its price is none".into()));
        };
        let Some(created_at) = row.time(&["created_at", "started_at"]).filter(|at| *at <= self.now) else {
            return Ok(Err("it has no time of creation".into()));
        };
        let asked = row.whole(&["duration_sec"]).unwrap_or_default();
        let duration_sec = asked.clamp(1, LEASE_SECONDS_MAX);
        if asked != duration_sec {
            self.note(format!("lease {id}: a length of {asked} s becomes {duration_sec} s"));
        }
        let ends_at = Timestamp::from_micros(created_at.micros() + duration_sec * MICROS_PER_SECOND);
        let (state, ended_at) = match (row.text(&["state"]).as_str(), row.time(&["ended_at"])) {
            ("active", _) => (LeaseState::Active, None),
            ("completed", at) => (LeaseState::Completed, Some(at.unwrap_or(ends_at))),
            ("cancelled", at) => (LeaseState::Cancelled, Some(at.unwrap_or(created_at))),
            (other, _) => return Ok(Err(format!("{other:?} is no state of a lease"))),
        };
        let prefix = self.prefix(scope, &id, &row.text(&["prefix"]))?;
        let avg_hashrate = row.number(&["avg_hashrate"]).unwrap_or_default().clamp(0.0, HASHRATE_MAX);
        let (worker, consumer) = (worker.worker_id, consumer.account_id);
        Ok(Ok(Lease {
            id,
            worker,
            consumer,
            address,
            prefix,
            price,
            duration_sec,
            state,
            created_at,
            ends_at,
            ended_at,
            avg_hashrate,
        }))
    }

    fn prefix(&mut self, scope: &Scope<'_>, id: &LeaseId, text: &str) -> Result<Prefix, ImportError> {
        if let Ok(prefix) = text.parse::<Prefix>()
            && leases::with_prefix(scope, &prefix)?.is_none()
        {
            return Ok(prefix);
        }
        let prefix = Prefix::random();
        self.note(format!("lease {id}: its prefix {text:?} is none, or another's too; it has {prefix} now"));
        Ok(prefix)
    }

    /// What the prototype had not ended goes on when its time is not over, its worker is in no other
    /// lease and its renter can pay for it; else it ends now and is settled at the next start.
    pub(super) fn go_on(&mut self, scope: &mut Scope<'_>, unended: Vec<Unended>) -> Result<(), ImportError> {
        for lease in unended {
            let renter = accounts::get(scope, &lease.consumer)?.expect("looked up with the lease");
            if settlements::of_lease(scope, &lease.id)?.is_some() {
                self.note(format!("lease {}: was active and settled; it has ended", lease.id));
                continue;
            }
            let problem = if lease.ends_at <= self.now {
                Some("its time is over")
            } else if leases::active_of(scope, &lease.worker)?.is_some() {
                Some("its worker is in another lease")
            } else if renter.available() < lease.hold {
                Some("its renter cannot pay for all of it")
            } else {
                None
            };
            if let Some(problem) = problem {
                self.note(format!("lease {}: ends, and is settled at the next start: {problem}", lease.id));
                continue;
            }
            scope.execute(
                "UPDATE leases SET state = 'active', ended_at = NULL, hold = ?2 WHERE lease_id = ?1",
                (&lease.id, lease.hold),
            )?;
            accounts::add_to_held(scope, &lease.consumer, lease.hold)?;
            self.done.active += 1;
        }
        Ok(())
    }
}

/// A lease that has not ended is put down as ended now, until it is known that it can go on.
fn insert(scope: &Scope<'_>, lease: &Lease, now: Timestamp) -> Result<(), ImportError> {
    let ended_at = lease.ended_at.unwrap_or(now).min(lease.ends_at).max(lease.created_at);
    let state = if lease.state == LeaseState::Active { LeaseState::Completed } else { lease.state };
    scope
        .prepare_cached(
            "INSERT INTO leases (lease_id, worker_id, consumer_id, consumer_address, prefix, price_per_min,
                                 duration_sec, hold, state, created_at, ends_at, ended_at, back_since,
                                 hashrate_sum, hashrate_samples)
             VALUES (:id, :worker, :consumer, :address, :prefix, :price, :duration, 0, :state, :created, :ends,
                     :ended, :created, :hashrate, :samples)",
        )?
        .execute(named_params! {
            ":id": lease.id,
            ":worker": lease.worker,
            ":consumer": lease.consumer,
            ":address": lease.address,
            ":prefix": lease.prefix,
            ":price": lease.price,
            ":duration": lease.duration_sec,
            ":state": state,
            ":created": lease.created_at,
            ":ends": lease.ends_at,
            ":ended": ended_at,
            ":hashrate": lease.avg_hashrate,
            ":samples": i64::from(lease.avg_hashrate > 0.0),
        })?;
    Ok(())
}
