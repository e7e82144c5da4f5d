//! Wallet history: what each address mined and earned, by the hour and by the day.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};

use super::House;
use crate::base::Timestamp;
use crate::base::thread::BoxError;
use crate::store::{StoreError, snapshots};

const INTERVAL: Duration = Duration::from_secs(3600);
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Runs until `stop` closes. An `Err` is the store's end.
pub fn record_wallets(house: &House, stop: &Receiver<()>) -> Result<(), BoxError> {
    let ticks = house.clock.every(INTERVAL);
    loop {
        select! {
            recv(ticks) -> _ => house.record(house.clock.now())?,
            // Closed: the platform is stopping.
            recv(stop) -> _ => return Ok(()),
        }
    }
}

impl House {
    /// Writes the hour that has just ended, and renews the day it belongs to.
    fn record(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut hashrates: HashMap<_, f64> = HashMap::new();
        self.fleet.each_online(now, |worker, live| {
            hashrates.insert(worker.clone(), live.hashrate);
        });
        let hour = Timestamp::from_micros((now.micros() - HOUR).div_euclid(HOUR) * HOUR);
        let day = Timestamp::from_micros(hour.micros().div_euclid(DAY) * DAY);
        let written = self.store.write_bulk::<_, StoreError, _>(move |scope| {
            snapshots::record_hour(scope, hour, Timestamp::from_micros(hour.micros() + HOUR), &hashrates)?;
            Ok(snapshots::record_day(scope, day, Timestamp::from_micros(day.micros() + DAY))?)
        });
        match written {
            Err(StoreError::Stopped) => Err(StoreError::Stopped),
            Err(error) => {
                log::error!("wallet history: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
