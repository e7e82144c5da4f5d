//! The mining threads and what they are told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::state::{Lease, Orders};
use crate::base::limits::WORKER_BLOCKS_QUEUED_MAX;
use crate::base::thread::{self, Deathwatch};
use crate::base::{EthAddress, Prefix};
use crate::pow::{self, Backend, Device, Difficulty, Found, Job, Marker, Order, Report, Salt};

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
            Orders::Lease(Lease { renter, prefix, .. }) => (*renter, *prefix),
        };
        let Some(difficulty) = self.difficulty else { return Order::Rest };
        let salt = Salt::of(&account);
        Order::Mine(Arc::new(Job { salt, prefix, difficulty, marker: self.marker.clone() }))
    }
}

/// What the threads tell.
#[derive(Debug)]
pub(super) enum Happening {
    /// A hash worth submitting.
    Found(Found),
    /// The device of this index stopped hashing; why. It is tried again.
    Failed(usize, String),
    /// The device of this index hashes again.
    Recovered(usize),
}

/// The threads that hash.
pub(super) struct Hashing {
    slots: Vec<Slot>,
    threads: Vec<JoinHandle<()>>,
    counted: Vec<Counted>,
}

/// One place for the newest order that a thread has not seen yet.
struct Slot {
    put: Sender<Order>,
    take: Receiver<Order>,
}

/// A device and its hashes so far.
struct Counted {
    device: Device,
    attempts: Arc<AtomicU64>,
}

/// How often a stop looks whether the threads have ended.
const STOP_LOOK_TIME: Duration = Duration::from_millis(10);

impl Hashing {
    /// Starts one thread for each backend, resting. What happens arrives on the receiver, which must
    /// be drained: when it is full mining waits, for nothing found may be lost.
    pub(super) fn start(
        backends: Vec<Box<dyn Backend + Send>>,
        watch: &Deathwatch,
    ) -> io::Result<(Self, Receiver<Happening>)> {
        let (tell, happenings) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        let mut hashing = Hashing { slots: Vec::new(), threads: Vec::new(), counted: Vec::new() };
        for (index, mut backend) in backends.into_iter().enumerate() {
            let (put, take) = bounded(1);
            let attempts = Arc::new(AtomicU64::new(0));
            hashing.counted.push(Counted { device: backend.device().clone(), attempts: attempts.clone() });
            let (tell, orders) = (tell.clone(), take.clone());
            let is_made_up = backend.device().backend == "simulated";
            let body = move || {
                pow::run(&orders, backend.as_mut(), &attempts, &mut |report| {
                    let happening = match report {
                        Report::Found(_) if is_made_up => return,
                        Report::Found(found) => Happening::Found(found),
                        Report::Failed(error) => Happening::Failed(index, error.to_string()),
                        Report::Recovered => Happening::Recovered(index),
                    };
                    // An error: the owner died, which ends the process.
                    let _ = tell.send(happening);
                });
                Ok(())
            };
            hashing.threads.push(thread::spawn(&format!("mining-{index}"), watch, body)?);
            hashing.slots.push(Slot { put, take });
        }
        Ok((hashing, happenings))
    }

    /// Tells all threads, without waiting for them; each obeys the newest order before its next batch.
    pub(super) fn obey(&self, order: &Order) {
        for slot in &self.slots {
            let mut order = order.clone();
            while let Err(TrySendError::Full(back)) = slot.put.try_send(order) {
                // An older order that the thread has not seen and need not see; or it has just seen it.
                let _ = slot.take.try_recv();
                order = back;
            }
        }
    }

    /// Each device and its hashes so far.
    pub(super) fn devices(&self) -> impl ExactSizeIterator<Item = (&Device, u64)> {
        self.counted.iter().map(|counted| (&counted.device, counted.attempts.load(Ordering::Relaxed)))
    }

    /// Hashes so far.
    pub(super) fn attempts(&self) -> u64 {
        self.devices().map(|(_, attempts)| attempts).sum()
    }

    /// Ends the threads after the batch in hand; what they still find goes to `take`.
    pub(super) fn stop(&mut self, happenings: &Receiver<Happening>, mut take: impl FnMut(Happening)) {
        self.slots.clear();
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            // An error: nothing happened for a while, or all threads have just ended.
            if let Ok(happening) = happenings.recv_timeout(STOP_LOOK_TIME) {
                take(happening);
            }
        }
        happenings.try_iter().for_each(take);
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
    use crate::pow::{BackendError, KeyRun, Keys, Tag};

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

    fn own(difficulty: Option<Difficulty>) -> Own {
        Own { address: EthAddress::from_bytes([1; 20]), prefix: None, difficulty, marker: Marker::default() }
    }

    #[test]
    fn the_first_key_after_an_assignment_bears_the_prefix_and_the_renters_salt() {
        let own = own(Some(Difficulty::MIN));
        let renter = EthAddress::from_bytes([2; 20]);
        let prefix: Prefix = "a1b2c3d4e5f60718".parse().unwrap();
        let lease = Lease {
            id: "lease-1".parse().unwrap(),
            consumer: "consumer-1".parse().unwrap(),
            renter,
            prefix: Some(prefix),
            ends: None,
        };

        let (watch, _deaths) = thread::deathwatch();
        let (sender, keys) = bounded(0);
        let (mut hashing, happenings) =
            Hashing::start(vec![Box::new(Recorder(sender, Cpu::new(0)))], &watch).unwrap();
        hashing.obey(&own.order(&Orders::Own));
        let (salt, key) = keys.recv().unwrap();
        assert!(salt == Salt::of(&own.address) && !key.starts_with(&prefix));
        for _ in 0..20 {
            // Orders that a thread has not seen are as if never given, and nobody waits for it.
            hashing.obey(&own.order(&Orders::Rest));
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
        hashing.stop(&happenings, drop);
    }

    #[test]
    fn what_is_found_faster_than_it_is_taken_is_not_lost() {
        let (watch, _deaths) = thread::deathwatch();
        let (mut hashing, happenings) = Hashing::start(pow::cpu::backends(2), &watch).unwrap();
        let marker: Marker = "A".parse().unwrap();
        hashing.obey(&Own { marker, ..own(Some(Difficulty::MIN)) }.order(&Orders::Own));
        // Let the queue fill up until mining waits.
        while !happenings.is_full() {
            std::thread::yield_now();
        }
        hashing.obey(&Order::Rest);
        let mut found = 0;
        hashing.stop(&happenings, |_| found += 1);
        assert!(found >= WORKER_BLOCKS_QUEUED_MAX, "{found}");
    }

    #[test]
    fn without_a_difficulty_nothing_is_mined() {
        assert!(matches!(own(None).order(&Orders::Own), Order::Rest));
    }
}
