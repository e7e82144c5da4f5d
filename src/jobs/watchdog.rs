//! The watchdog: ends and settles leases whose time is over.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::{logged, rings, stopped};
use crate::base::Clock;
use crate::fleet::Fleet;
use crate::market::{self, Refusal, Store, settlement};
use crate::store::leases;

/// How often it looks (contract: rest.md, Rules).
pub const PERIOD: Duration = Duration::from_secs(5);

/// Looks at all active leases every five seconds, and once, at start, at those that ended without
/// a settlement. Each lease is a job of its own: one that cannot be ended keeps no other waiting.
pub struct Watchdog {
    /// The database.
    pub store: Store,
    /// Who is away.
    pub fleet: Arc<Fleet>,
    /// The time.
    pub clock: Clock,
}

impl Watchdog {
    /// Runs until told to stop.
    pub fn run(self, stop: Receiver<()>) {
        let bell = self.clock.every(PERIOD);
        logged("settling what was left", self.settle_what_was_left(&stop));
        loop {
            logged("noting interruptions", self.note_interruptions());
            logged("ending leases", self.expire(&stop));
            if !rings(&bell, &stop) {
                return;
            }
        }
    }

    fn settle_what_was_left(&self, stop: &Receiver<()>) -> Result<(), Refusal> {
        for lease in self.store.read::<_, Refusal, _>(|connection| Ok(leases::unsettled(connection)?))? {
            if stopped(stop) {
                break;
            }
            let (id, now) = (lease.lease_id.clone(), self.clock.now());
            let job = move |scope: &mut market::Scope<'_>| settlement::settle_late(scope, &lease, now);
            if let Some(settlement) = logged("a late settlement", self.store.write(job)) {
                log::info!("settled {id} at last: {}", settlement.total_cost);
            }
        }
        Ok(())
    }

    fn note_interruptions(&self) -> Result<(), Refusal> {
        let (fleet, now) = (self.fleet.clone(), self.clock.now());
        self.store.write(move |scope| market::leases::note_interruptions(scope, &fleet, now))
    }

    fn expire(&self, stop: &Receiver<()>) -> Result<(), Refusal> {
        let now = self.clock.now();
        for lease in self.store.read::<_, Refusal, _>(|connection| Ok(leases::due(connection, now)?))? {
            if stopped(stop) {
                break;
            }
            let (fleet, id) = (self.fleet.clone(), lease.lease_id);
            let job =
                move |scope: &mut market::Scope<'_>| market::leases::expire_one(scope, &fleet, &id, now);
            logged("ending a lease", self.store.write(job));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Platform;
    use super::*;
    use crate::store::leases::LeaseState;

    #[test]
    fn leases_end_by_themselves_and_one_that_fails_keeps_no_other_waiting() {
        let platform = Platform::new();
        let leases: Vec<_> = (0..3).map(|n| platform.lease(&format!("rig-{n}"), 60)).collect();
        // No payment can be made for the second: its worker's account is in the way of the schema.
        platform.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON settlements WHEN NEW.worker_id = 'rig-1'
             BEGIN SELECT raise(ABORT, 'broken'); END",
        );
        let Platform { store, fleet, clock, .. } = &platform;
        let watchdog = Watchdog { store: store.clone(), fleet: fleet.clone(), clock: clock.clone() };
        let running = platform.start(|stop| watchdog.run(stop));
        platform.clock.advance(Duration::from_secs(61));
        platform.await_ended(2);
        let state = |n: usize| platform.lease_state(&leases[n]);
        assert_eq!(
            (state(0), state(1), state(2)),
            (LeaseState::Completed, LeaseState::Active, LeaseState::Completed)
        );
        platform.execute("DROP TRIGGER broken");
        platform.clock.advance(Duration::from_secs(5));
        platform.await_ended(1);
        assert_eq!(state(1), LeaseState::Completed);
        running.stop();
    }

    #[test]
    fn what_ended_without_a_settlement_is_settled_at_start() {
        let platform = Platform::new();
        let lease = platform.lease("rig-1", 60);
        platform.execute(
            "UPDATE leases SET state = 'completed', ended_at = created_at + 60000000, hold = 0;
             UPDATE accounts SET held = 0",
        );
        let Platform { store, fleet, clock, .. } = &platform;
        let watchdog = Watchdog { store: store.clone(), fleet: fleet.clone(), clock: clock.clone() };
        let running = platform.start(|stop| watchdog.run(stop));
        let settlement = platform.await_ended(1).pop().unwrap();
        assert_eq!(settlement.lease_id, lease);
        assert_eq!(settlement.total_cost.millionths(), 600_000);
        running.stop();
    }
}
