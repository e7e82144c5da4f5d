//! The watchdog: ends leases whose time is over, notes whose worker is away.

use std::time::Duration;

use crossbeam_channel::{Receiver, select};

use super::House;
use crate::base::Timestamp;
use crate::base::thread::BoxError;
use crate::market::{Refusal, leases, settlement};
use crate::store::{self, StoreError};

/// How often it looks (contract: rest.md, Rules).
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs until `stop` closes. An `Err` is the store's end.
pub fn watch_leases(house: &House, stop: &Receiver<()>) -> Result<(), BoxError> {
    let ticks = house.clock.every(INTERVAL);
    house.settle_leftovers()?;
    loop {
        house.look(house.clock.now())?;
        select! {
            recv(ticks) -> _ => {}
            // Closed: the platform is stopping.
            recv(stop) -> _ => return Ok(()),
        }
    }
}

impl House {
    fn settle_leftovers(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let settled =
            self.store.write::<_, Refusal, _>(move |scope| settlement::settle_unsettled(scope, now));
        match settled {
            Ok(0) => Ok(()),
            Ok(count) => {
                log::info!("settled {count} leases that had ended without a settlement");
                Ok(())
            }
            Err(refusal) => store_alone(refusal, "settling what had ended"),
        }
    }

    /// Each lease ends in a job of its own, so that one that cannot end holds up no other.
    fn look(&self, now: Timestamp) -> Result<(), StoreError> {
        let due =
            self.store.read::<_, StoreError, _>(|connection| Ok(store::leases::due(connection, now)?))?;
        for lease in due {
            let (fleet, id) = (self.fleet.clone(), lease.lease_id.clone());
            let ended =
                self.store.write::<_, Refusal, _>(move |scope| leases::expire(scope, &fleet, &id, now));
            if let Err(refusal) = ended {
                store_alone(refusal, lease.lease_id.as_str())?;
            }
        }
        let fleet = self.fleet.clone();
        let noted =
            self.store.write::<_, Refusal, _>(move |scope| leases::note_interruptions(scope, &fleet, now));
        noted.or_else(|refusal| store_alone(refusal, "noting interruptions"))
    }
}

/// Passes on what only the store's end explains; logs the rest, which the next tick tries again.
fn store_alone(refusal: Refusal, what: &str) -> Result<(), StoreError> {
    match refusal {
        Refusal::Store(error @ StoreError::Stopped) => Err(error),
        other => {
            log::error!("{what}: {other}");
            Ok(())
        }
    }
}
