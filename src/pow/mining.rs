//! The loop that looks for blocks, whatever hashes for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, TryRecvError};

use super::{Difficulty, Hasher, Keys, Marker, Matches, Phc, Salt};
use crate::base::{BlockKey, Prefix, Timestamp};

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose blocks they will be.
    pub salt: Salt,
    /// The lease's prefix; self-mining has none.
    pub prefix: Option<Prefix>,
    /// Memory of one hash.
    pub difficulty: Difficulty,
    /// What makes a block.
    pub marker: Marker,
}

/// A hash worth submitting. XUNI is found at any minute: whether its window is open is for the
/// submission to say ([`Matches::kind_in_window`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: BlockKey,
    /// The hash, at the difficulty it was mined at.
    pub phc: Phc,
    /// What is in it.
    pub matches: Matches,
}

/// Something that hashes: a CPU core, a GPU.
pub trait Backend {
    /// Tries the next keys of `keys`, as many as suit one batch, hands over what it finds and
    /// returns how many it tried. A batch is the time that new orders may wait.
    fn search(&mut self, job: &Job, keys: &mut Keys, found: &mut dyn FnMut(Found)) -> u64;
}

/// One CPU core; a batch is one hash.
#[derive(Default)]
pub struct Cpu {
    hasher: Hasher,
}

impl Backend for Cpu {
    fn search(&mut self, job: &Job, keys: &mut Keys, found: &mut dyn FnMut(Found)) -> u64 {
        let tag = self.hasher.hash(keys.advance(), &job.salt, job.difficulty);
        let matches = Matches::find(&tag.text(), &job.marker);
        if matches.any() {
            let phc = Phc { difficulty: job.difficulty, salt: job.salt, tag };
            found(Found { key: keys.current(), phc, matches });
        }
        1
    }
}

/// What a mining thread is told.
#[derive(Clone, Debug)]
pub enum Order {
    /// Leave whatever it does and look for this.
    Mine(Arc<Job>),
    /// Rest until the next order.
    Rest,
}

/// Obeys `orders` until their sender is gone, resting at first. `attempts` counts every hash;
/// `found` is called on this thread and should only hand the block on.
pub fn run(
    orders: &Receiver<Order>,
    backend: &mut dyn Backend,
    attempts: &AtomicU64,
    found: &mut dyn FnMut(Found),
) {
    // The sender is gone: mining is over.
    while let Ok(mut order) = orders.recv() {
        while let Order::Mine(job) = order {
            match mine(&job, orders, backend, attempts, found) {
                Some(next) => order = next,
                None => return,
            }
        }
    }
}

/// Mines one job until another order comes; `None` when none will ever come.
fn mine(
    job: &Job,
    orders: &Receiver<Order>,
    backend: &mut dyn Backend,
    attempts: &AtomicU64,
    found: &mut dyn FnMut(Found),
) -> Option<Order> {
    let mut keys = Keys::new(job.prefix);
    loop {
        match orders.try_recv() {
            Ok(order) => return Some(order),
            Err(TryRecvError::Empty) => {}
            // The sender is gone: mining is over.
            Err(TryRecvError::Disconnected) => return None,
        }
        let tried = backend.search(job, &mut keys, found);
        attempts.fetch_add(tried, Ordering::Relaxed);
    }
}

/// Hashes per second between two looks at the counter.
pub struct Hashrate {
    since: Timestamp,
    attempts: u64,
}

impl Hashrate {
    /// Begins to count.
    pub fn new(now: Timestamp, attempts: u64) -> Self {
        Hashrate { since: now, attempts }
    }

    /// The rate since the last look, H/s; 0 when no time has passed.
    pub fn sample(&mut self, now: Timestamp, attempts: u64) -> f64 {
        let micros = now.micros_since(self.since);
        let tried = attempts.saturating_sub(self.attempts);
        *self = Hashrate::new(now, attempts);
        if micros == 0 { 0.0 } else { tried as f64 * 1e6 / micros as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Sender, bounded};
    use std::time::Duration;

    fn job(prefix: &str, difficulty: u32) -> Job {
        Job {
            salt: Salt::Account([7; 20]),
            prefix: Some(prefix.parse().unwrap()),
            difficulty: Difficulty::new(difficulty).unwrap(),
            marker: "X".parse().unwrap(),
        }
    }

    /// Runs a miner beside `test`. An order is taken when its `send` returns; blocks that find
    /// their channel full are forgotten, so the miner never waits.
    fn with_miner(test: impl FnOnce(Sender<Order>, &Receiver<Found>, &AtomicU64)) {
        let (to_miner, orders) = bounded(0);
        let (sender, blocks) = bounded(8);
        let attempts = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let miner = scope.spawn(|| {
                run(&orders, &mut Cpu::default(), &attempts, &mut |found| _ = sender.try_send(found));
            });
            test(to_miner, &blocks, &attempts);
            miner.join().unwrap();
        });
    }

    fn check(found: &Found, job: &Job) {
        assert!(found.key.starts_with(&job.prefix.unwrap()));
        assert_eq!((found.phc.salt, found.phc.difficulty), (job.salt, job.difficulty));
        assert!(found.phc.verify(&found.key, &mut Hasher::new()));
        assert!(found.matches.marker && found.phc.tag.to_string().contains('X'));
    }

    #[test]
    fn what_is_found_is_of_the_job_and_verifies() {
        with_miner(|orders, blocks, attempts| {
            let (own, lease) = (job("1111111111111111", 8), job("2222222222222222", 11));
            orders.send(Order::Mine(Arc::new(own.clone()))).unwrap();
            (0..5).for_each(|_| check(&blocks.recv().unwrap(), &own));
            orders.send(Order::Rest).unwrap();
            let _old = blocks.try_iter().count();
            orders.send(Order::Mine(Arc::new(lease.clone()))).unwrap();
            (0..5).for_each(|_| check(&blocks.recv().unwrap(), &lease));
            assert!(attempts.load(Ordering::Relaxed) >= 10);
        });
    }

    #[test]
    fn an_order_that_was_taken_is_obeyed_before_the_next_hash() {
        with_miner(|orders, blocks, attempts| {
            let (own, lease) = (job("1111111111111111", 8), job("2222222222222222", 8));
            orders.send(Order::Mine(Arc::new(own.clone()))).unwrap();
            check(&blocks.recv().unwrap(), &own);
            orders.send(Order::Mine(Arc::new(lease.clone()))).unwrap();
            // Eight may wait in the channel from before; what comes after them is new.
            let later: Vec<Found> = blocks.iter().skip(8).take(4).collect();
            for found in &later {
                check(found, &lease);
            }
            orders.send(Order::Rest).unwrap();
            let rested = attempts.load(Ordering::Relaxed);
            orders.send(Order::Rest).unwrap();
            assert_eq!(attempts.load(Ordering::Relaxed), rested);
        });
    }

    #[test]
    fn the_rate_is_hashes_over_time() {
        let start = Timestamp::from_seconds(100.0);
        let mut rate = Hashrate::new(start, 50);
        assert_eq!(rate.sample(start, 60).to_bits(), 0f64.to_bits());
        let later = start.plus(Duration::from_millis(500));
        assert!((rate.sample(later, 1060) - 2000.0).abs() < 1e-9);
        assert!((rate.sample(later.plus(Duration::from_secs(1)), 1160) - 100.0).abs() < 1e-9);
    }
}
