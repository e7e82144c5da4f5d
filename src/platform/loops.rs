//! The loops that the platform runs beside its edges, each on a thread of its own.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::ingest;
use crate::base::Clock;
use crate::base::thread::{Deathwatch, spawn};
use crate::broker::Inbound;
use crate::fleet::Fleet;
use crate::live::Hub;
use crate::market::Store;
use crate::market::blocks::Policy;
use crate::pow::Verifier;
use crate::store::blocks::Block;

/// What the loops work with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) fleet: Arc<Fleet>,
    pub(super) clock: Clock,
    pub(super) live: Hub,
    pub(super) policy: Policy,
    pub(super) verifier: Verifier,
}

/// The threads, and the bells that end them.
pub(super) struct Loops {
    ingest: JoinHandle<()>,
    others: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Loops {
    pub(super) fn start(
        parts: Parts,
        arrivals: Receiver<Inbound>,
        to_verify: Receiver<Block>,
        watch: &Deathwatch,
    ) -> std::io::Result<Self> {
        let house = parts.clone();
        let ingest = spawn("ingest", watch, move || Ok(ingest::run(&house, &arrivals)?))?;
        drop((to_verify, bounded::<()>(0)));
        Ok(Loops { ingest, others: Vec::new() })
    }

    /// Ends them; the broker must have stopped, for ingest ends with it.
    pub(super) fn stop(self) {
        // Err: it died of a panic, which the deathwatch has reported.
        let _ = self.ingest.join();
        for (stop, thread) in self.others {
            drop(stop);
            let _ = thread.join();
        }
    }
}
