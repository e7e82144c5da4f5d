//! Verification: recomputes the hashes of blocks that wait for it, outside the writer.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use super::{logged, stopped};
use crate::base::Clock;
use crate::market::blocks::{self, Policy};
use crate::market::{Refusal, Store};
use crate::pow::Verifier;
use crate::store::blocks::Block;

/// Rows read at once.
const BATCH: i64 = 64;
/// Before what could not be verified is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Works through the table's pending blocks, oldest first. The table is the queue: what a crash, a
/// full bell or a busy hasher left behind is found there again.
pub struct Verification {
    /// The database.
    pub store: Store,
    /// What a block must show.
    pub policy: Policy,
    /// The hashers, shared with the chain's RPC.
    pub verifier: Verifier,
    /// Rings for another try.
    pub clock: Clock,
    bell: Receiver<()>,
}

/// Says that there is a block to look into.
#[derive(Clone)]
pub struct Bell(Sender<()>);

impl Bell {
    /// To be called for every [`crate::market::Event::BlockPending`]; never waits.
    pub fn ring(&self) {
        // Full: a ring that was not answered yet counts for this one too. Disconnected: the loop
        // has ended, and the block waits in the table for the next start.
        let _ = self.0.try_send(());
    }
}

impl Verification {
    /// The loop and the bell that wakes it.
    pub fn new(store: Store, policy: Policy, verifier: Verifier, clock: Clock) -> (Self, Bell) {
        let (ring, bell) = bounded(1);
        (Verification { store, policy, verifier, clock, bell }, Bell(ring))
    }

    /// Runs until told to stop; begins with what waits in the table.
    pub fn run(self, stop: Receiver<()>) {
        let retry = self.clock.every(RETRY);
        let mut unfinished = true;
        loop {
            if unfinished {
                unfinished = logged("verifying blocks", self.work_through(&stop)).unwrap_or(true);
            }
            select_biased! {
                // Told to stop, or whoever could tell us is gone.
                recv(stop) -> _ => return,
                // Disconnected: nobody reports blocks any more, the platform is stopping.
                recv(self.bell) -> ring => match ring {
                    Ok(()) => unfinished = true,
                    Err(_) => return,
                },
                // The clock is as good as a stop when it is gone.
                recv(retry) -> ring => if ring.is_err() { return },
            }
        }
    }

    /// Looks into all that waits; true when something must be tried again later.
    fn work_through(&self, stop: &Receiver<()>) -> Result<bool, Refusal> {
        loop {
            let waiting: Vec<Block> = self
                .store
                .read::<_, Refusal, _>(|connection| Ok(crate::store::blocks::pending(connection, BATCH)?))?;
            if waiting.is_empty() {
                return Ok(false);
            }
            for block in waiting {
                if stopped(stop) {
                    return Ok(true);
                }
                let Ok(recomputed) = blocks::recomputes(&self.policy, &self.verifier, &block) else {
                    return Ok(true);
                };
                let (policy, key) = (self.policy.clone(), block.key);
                self.store
                    .write::<_, Refusal, _>(move |scope| blocks::decide(scope, &policy, &key, recomputed))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Platform;
    use super::*;
    use crate::base::BlockKey;
    use crate::market::Event;
    use crate::pow::{Difficulty, Hasher, Marker, Phc, Salt};
    use crate::protocol;

    const ADDRESS: &str = "0x24691e54afafe2416a8252097c9ca67557271475";

    /// A block whose hash shows the marker `a`; unless it is `honest`, of another key.
    fn report(n: u32, honest: bool) -> protocol::Block {
        let address = ADDRESS.parse().unwrap();
        let mut hasher = Hasher::new();
        let mut hash =
            |key: &BlockKey| Phc::compute(key, Salt::of(&address), Difficulty::new(8).unwrap(), &mut hasher);
        let key = |n: u32| -> BlockKey { format!("{n:064x}").parse().unwrap() };
        let marked = (n * 1000..).map(|n| (key(n), hash(&key(n))));
        let (key, phc) = { marked }.find(|(_, phc)| phc.tag.text().contains(&b'a')).unwrap();
        protocol::Block {
            worker_id: "rig-1".parse().unwrap(),
            lease_id: None,
            hash: phc.to_string(),
            key: if honest { key } else { format!("{}{n}", "f".repeat(63)).parse().unwrap() },
            account: Some(address),
            attempts: 1,
            hashrate: "1.00".into(),
        }
    }

    #[test]
    fn blocks_are_decided_whether_they_wait_at_start_or_come_later() {
        let platform = Platform::new();
        platform.worker("rig-1");
        let policy = Policy { chain: false, require_pow: true, marker: "a".parse::<Marker>().unwrap() };
        let record = |n, honest| {
            let (policy, report, now) = (policy.clone(), report(n, honest), platform.clock.now());
            let job =
                move |scope: &mut crate::market::Scope<'_>| blocks::record(scope, &policy, &report, now);
            assert_eq!(platform.store.write(job).unwrap(), blocks::Recorded::Pending);
        };
        record(1, true);
        record(2, false);
        let (job, bell) = Verification::new(
            platform.store.clone(),
            policy.clone(),
            Verifier::new(),
            platform.clock.clone(),
        );
        let running = platform.start(|stop| job.run(stop));
        let mut decided = platform.await_blocks(2);
        record(3, true);
        bell.ring();
        decided.extend(platform.await_blocks(1));
        let verdicts: Vec<_> = decided.iter().map(|block| (block.chain_verified, block.pending)).collect();
        assert_eq!(verdicts, [(true, false), (false, false), (true, false)]);
        assert!(!platform.events.try_iter().any(|event| matches!(event, Event::Block(_))));
        running.stop();
    }
}
