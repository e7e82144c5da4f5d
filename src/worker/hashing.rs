//! The mining threads and what they are told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::state::{Lease, Orders};
use crate::base::limits::WORKER_BLOCKS_QUEUED_MAX;
use crate::base::thread::{self, Deathwatch};
use crate::base::{EthAddress, Prefix};
use crate::pow::{self, Backend, Difficulty, Found, Job, Marker, Order, Report, Salt};

/// What the worker mines for its owner, and the rules of the chain that it mines on.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) address: EthAddress,
    pub(super) prefix: Option<Prefix>,
    pub(super) difficulty: Option<Difficulty>,
    pub(super) marker: Marker,
}

impl Own {
    /// What the threads are told under `orders`: a lease's prefix and salt are the lease's alone.
    pub(super) fn order(&self, orders: &Orders) -> Order {
        let (account, prefix) = match orders {
            Orders::Rest => return Order::Rest,
            Orders::Own => (self.address, self.prefix),
            Orders::Lease(Lease { renter, prefix, .. }) => (*renter, Some(*prefix)),
        };
        let Some(difficulty) = self.difficulty else { return Order::Rest };
        let salt = Salt::of(&account);
        Order::Mine(Arc::new(Job { salt, prefix, difficulty, marker: self.marker.clone() }))
    }
}

/// The threads that hash.
pub(super) struct Hashing {
    orders: Vec<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    attempts: Arc<AtomicU64>,
}

impl Hashing {
    /// Starts one thread for each backend, resting. What they find arrives on the receiver; when
    /// it is full a find is dropped with a log line, for mining never waits.
    pub(super) fn start(
        backends: Vec<Box<dyn Backend + Send>>,
        watch: &Deathwatch,
    ) -> io::Result<(Self, Receiver<Found>)> {
        let (sender, found) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        let attempts = Arc::new(AtomicU64::new(0));
        let mut hashing = Hashing { orders: Vec::new(), threads: Vec::new(), attempts };
        for (index, mut backend) in backends.into_iter().enumerate() {
            // One place: the newest order is seen before the next hash; an older one that a
            // thread has not taken yet makes the sender wait for the hash in hand.
            let (to_thread, orders) = bounded(1);
            let (sender, attempts) = (sender.clone(), hashing.attempts.clone());
            let body = move || {
                let device = backend.device().clone();
                pow::run(&orders, backend.as_mut(), &attempts, &mut |report| match report {
                    Report::Found(found) => {
                        if let Err(error) = sender.try_send(found) {
                            log::error!("a found block is lost, too many wait: {}", error.into_inner().key);
                        }
                    }
                    Report::Failed(error) => log::error!("{}: {error}; it is tried again", device.name),
                    Report::Recovered => log::info!("{} hashes again", device.name),
                });
                Ok(())
            };
            hashing.threads.push(thread::spawn(&format!("mining-{index}"), watch, body)?);
            hashing.orders.push(to_thread);
        }
        Ok((hashing, found))
    }

    /// Tells all threads; each obeys before its next hash.
    pub(super) fn obey(&self, order: &Order) {
        for thread in &self.orders {
            // An error: the thread died, which the deathwatch tells.
            let _ = thread.send(order.clone());
        }
    }

    /// Hashes so far.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Ends the threads after the hash in hand.
    pub(super) fn stop(&mut self) {
        self.orders.clear();
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported to the deathwatch.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BlockKey;
    use crate::pow::cpu::Cpu;
    use crate::pow::{BackendError, Device, KeyRun, Keys, Tag};

    /// Hands each key over before it would be hashed, and waits until the test took it.
    struct Recorder(Sender<(Salt, BlockKey)>, Cpu);

    impl Backend for Recorder {
        fn device(&self) -> &Device {
            self.1.device()
        }

        fn search(
            &mut self,
            job: &Job,
            keys: &mut Keys,
            _: &mut dyn FnMut(Found),
        ) -> Result<u64, BackendError> {
            // An error: the test has ended.
            let _ = self.0.send((job.salt, keys.take(1).key(0)));
            Ok(1)
        }

        fn tags(&mut self, _: &Salt, _: Difficulty, _: &KeyRun) -> Result<Vec<Tag>, BackendError> {
            Err(BackendError("it only records".into()))
        }
    }

    #[test]
    fn the_first_key_after_an_assignment_bears_the_prefix_and_the_renters_salt() {
        let own = Own {
            address: EthAddress::from_bytes([1; 20]),
            prefix: None,
            difficulty: Some(Difficulty::MIN),
            marker: Marker::default(),
        };
        let renter = EthAddress::from_bytes([2; 20]);
        let prefix: Prefix = "a1b2c3d4e5f60718".parse().unwrap();
        let lease = Lease { id: "lease-1".parse().unwrap(), renter, prefix, ends: None };

        let (watch, _deaths) = thread::deathwatch();
        let (sender, keys) = bounded(0);
        let (mut hashing, _found) =
            Hashing::start(vec![Box::new(Recorder(sender, Cpu::new(0)))], &watch).unwrap();
        hashing.obey(&own.order(&Orders::Own));
        let (salt, key) = keys.recv().unwrap();
        assert!(salt == Salt::of(&own.address) && !key.starts_with(&prefix));
        for _ in 0..20 {
            hashing.obey(&own.order(&Orders::Lease(lease.clone())));
            let _in_hand = keys.recv().unwrap();
            let (salt, key) = keys.recv().unwrap();
            assert!(salt == Salt::of(&renter) && key.starts_with(&prefix), "{key}");
            hashing.obey(&own.order(&Orders::Own));
            let _in_hand = keys.recv().unwrap();
            let (salt, key) = keys.recv().unwrap();
            assert!(salt == Salt::of(&own.address) && !key.starts_with(&prefix), "{key}");
        }
        drop(keys);
        hashing.stop();
    }

    #[test]
    fn without_a_difficulty_nothing_is_mined() {
        let own = Own {
            address: EthAddress::from_bytes([1; 20]),
            prefix: None,
            difficulty: None,
            marker: Marker::default(),
        };
        assert!(matches!(own.order(&Orders::Own), Order::Rest));
    }
}
