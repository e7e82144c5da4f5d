//! The loops that the platform runs beside its edges, each on a thread of its own.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::ingest;
use crate::base::thread::{BoxError, Deathwatch, spawn};
use crate::broker::Inbound;
use crate::jobs::{self, House};
use crate::store::blocks::Block;

/// The threads, and the bell that ends them.
pub(super) struct Loops {
    threads: Vec<JoinHandle<()>>,
    bell: Sender<()>,
}

impl Loops {
    pub(super) fn start(
        house: House,
        arrivals: Receiver<Inbound>,
        to_verify: Receiver<Block>,
        watch: &Deathwatch,
    ) -> io::Result<Self> {
        let (bell, stop) = bounded(0);
        let start = |name, body: fn(&House, &Receiver<()>) -> Result<(), BoxError>| {
            let (house, stop) = (house.clone(), stop.clone());
            spawn(name, watch, move || body(&house, &stop))
        };
        let mut threads = vec![
            start("watchdog", jobs::watch_leases)?,
            start("monitoring", jobs::monitor)?,
            start("wallets", jobs::record_wallets)?,
        ];
        let ingesting = house.clone();
        threads.push(spawn("ingest", watch, move || Ok(ingest::run(&ingesting, &arrivals)?))?);
        threads.push(spawn("verifier", watch, move || jobs::verify_blocks(&house, &to_verify, &stop))?);
        Ok(Loops { threads, bell })
    }

    /// Ends them; the broker must have stopped, for ingest ends with it.
    pub(super) fn stop(self) {
        drop(self.bell);
        for thread in self.threads {
            // Err: it died of a panic, which the deathwatch has reported.
            let _ = thread.join();
        }
    }
}
