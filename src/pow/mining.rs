//! The loop that looks for blocks, whatever hashes for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::{Backend, BackendError, Found, Job, Keys};
use crate::base::Timestamp;
use crate::base::limits::{BACKEND_RETRY_TIME_MAX, BACKEND_RETRY_TIME_MIN};

/// What a mining thread is told.
#[derive(Clone, Debug)]
pub enum Order {
    /// Leave whatever it does and look for this.
    Mine(Arc<Job>),
    /// Rest until the next order.
    Rest,
}

/// What a mining thread tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A block.
    Found(Found),
    /// The backend stopped hashing. It is tried again, at first soon, later each minute, and with
    /// every new job; one failure is told once.
    Failed(BackendError),
    /// It hashes again.
    Recovered,
}

/// Obeys `orders` until their sender is gone, resting at first. `attempts` counts every hash;
/// `report` is called on this thread and should only hand on what it is told.
pub fn run(
    orders: &Receiver<Order>,
    backend: &mut dyn Backend,
    attempts: &AtomicU64,
    report: &mut dyn FnMut(Report),
) {
    let mut miner = Miner { orders, backend, attempts, report, failure: None };
    // The sender is gone: mining is over.
    while let Ok(mut order) = orders.recv() {
        while let Order::Mine(job) = order {
            let next = miner.mine(&job);
            let finished = miner.backend.finish(&mut |found| (miner.report)(Report::Found(found)));
            miner.take_note(finished);
            match next {
                Some(next) => order = next,
                None => return,
            }
        }
    }
}

struct Miner<'a> {
    orders: &'a Receiver<Order>,
    backend: &'a mut dyn Backend,
    attempts: &'a AtomicU64,
    report: &'a mut dyn FnMut(Report),
    /// How long to wait before the next try, of a backend that fails.
    failure: Option<Duration>,
}

impl Miner<'_> {
    /// Mines one job until another order comes; `None` when none will ever come.
    fn mine(&mut self, job: &Job) -> Option<Order> {
        let mut keys = Keys::new(job.prefix);
        loop {
            let tried = self.backend.search(job, &mut keys, &mut |found| (self.report)(Report::Found(found)));
            self.take_note(tried);
            match self.failure {
                None => match self.orders.try_recv() {
                    Ok(order) => return Some(order),
                    Err(TryRecvError::Empty) => {}
                    // The sender is gone: mining is over.
                    Err(TryRecvError::Disconnected) => return None,
                },
                Some(wait) => match self.orders.recv_timeout(wait) {
                    Ok(order) => return Some(order),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The sender is gone: mining is over.
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            }
        }
    }

    fn take_note(&mut self, tried: Result<u64, BackendError>) {
        match tried {
            Ok(0) => {}
            Ok(tried) => {
                self.attempts.fetch_add(tried, Ordering::Relaxed);
                if self.failure.take().is_some() {
                    (self.report)(Report::Recovered);
                }
            }
            Err(error) => match self.failure {
                None => {
                    self.failure = Some(BACKEND_RETRY_TIME_MIN);
                    (self.report)(Report::Failed(error));
                }
                Some(wait) => self.failure = Some((2 * wait).min(BACKEND_RETRY_TIME_MAX)),
            },
        }
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
    use std::sync::atomic::AtomicBool;

    use crate::pow::cpu::Cpu;
    use crate::pow::{Device, Difficulty, Hasher, KeyRun, Salt, Tag};
    use crossbeam_channel::{Sender, bounded};

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
                run(&orders, &mut Cpu::new(0), &attempts, &mut |report| match report {
                    Report::Found(found) => _ = sender.try_send(found),
                    other => panic!("{other:?}"),
                });
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

    /// Hashes nothing while its switch is off; keeps one hash in flight.
    struct Fragile<'a> {
        works: &'a AtomicBool,
        in_flight: u64,
        device: Device,
    }

    impl Backend for Fragile<'_> {
        fn device(&self) -> &Device {
            &self.device
        }

        fn search(
            &mut self,
            _: &Job,
            keys: &mut Keys,
            _: &mut dyn FnMut(Found),
        ) -> Result<u64, BackendError> {
            if !self.works.load(Ordering::SeqCst) {
                self.in_flight = 0;
                return Err(BackendError("unplugged".into()));
            }
            keys.take(1);
            Ok(std::mem::replace(&mut self.in_flight, 1))
        }

        fn finish(&mut self, _: &mut dyn FnMut(Found)) -> Result<u64, BackendError> {
            Ok(std::mem::take(&mut self.in_flight))
        }

        fn tags(&mut self, _: &Salt, _: Difficulty, _: &KeyRun) -> Result<Vec<Tag>, BackendError> {
            Err(BackendError("it only counts".into()))
        }
    }

    #[test]
    fn a_failure_is_told_once_and_the_backend_tried_again_with_every_order() {
        let works = AtomicBool::new(true);
        let (to_miner, orders) = bounded(0);
        let (sender, reports) = bounded(8);
        let attempts = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let miner = scope.spawn(|| {
                let device = Cpu::new(0).device().clone();
                let mut backend = Fragile { works: &works, in_flight: 0, device };
                run(&orders, &mut backend, &attempts, &mut |report| sender.send(report).unwrap());
            });
            let job = Arc::new(job("1111111111111111", 8));
            to_miner.send(Order::Mine(job.clone())).unwrap();
            to_miner.send(Order::Rest).unwrap();
            to_miner.send(Order::Rest).unwrap();
            assert!(attempts.load(Ordering::SeqCst) > 0, "what was in flight counts");
            works.store(false, Ordering::SeqCst);
            to_miner.send(Order::Mine(job.clone())).unwrap();
            assert_eq!(reports.recv().unwrap(), Report::Failed(BackendError("unplugged".into())));
            to_miner.send(Order::Mine(job.clone())).unwrap();
            to_miner.send(Order::Rest).unwrap();
            assert!(reports.try_recv().is_err(), "one failure is told once");
            works.store(true, Ordering::SeqCst);
            to_miner.send(Order::Mine(job)).unwrap();
            assert_eq!(reports.recv().unwrap(), Report::Recovered);
            drop(to_miner);
            miner.join().unwrap();
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
