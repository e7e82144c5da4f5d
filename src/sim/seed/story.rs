//! What happens when: drawn in full before anything is written.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::super::fleet::{draw_models, gpu};
use super::Config;
use crate::base::{Amount, EthAddress, Timestamp};
use crate::market::pricing::suggest;
use crate::protocol::Register;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// Lengths that renters like, seconds.
const LENGTHS: [i64; 9] = [300, 900, 1800, 3600, 3600, 7200, 14_400, 43_200, 86_400];
const STOPPED_EARLY: f64 = 0.25;
const INTERRUPTED: f64 = 0.06;
const IN_LEASES_OF_TEN: u32 = 6;
/// One active lease for so many leases, and for so many workers at most.
const ACTIVE_SHARE: u32 = 40;
const ACTIVE_WORKERS_SHARE: u32 = 5;
const LEASES_PER_RENTER: u32 = 40;

pub(super) struct Worker {
    pub(super) register: Register,
    pub(super) registered_at: i64,
    pub(super) price: Amount,
    /// H/s of the whole rig.
    pub(super) rate: f64,
    /// Share of its time online.
    pub(super) uptime: f64,
}

pub(super) struct Lease {
    pub(super) worker: usize,
    pub(super) renter: usize,
    pub(super) created: i64,
    pub(super) duration_sec: i64,
    /// When it ends; `None` when it is still active.
    pub(super) ends: Option<i64>,
    /// When its worker went away and came back.
    pub(super) away: Option<(i64, i64)>,
}

/// What happens, to which of the story's workers, leases or owners.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Register(usize),
    SignIn(usize),
    Rent(usize),
    Return(usize),
    End(usize),
    Block { worker: usize, lease: Option<usize> },
}

pub(super) struct Story {
    pub(super) owners: Vec<EthAddress>,
    pub(super) workers: Vec<Worker>,
    pub(super) leases: Vec<Lease>,
    pub(super) renters: usize,
    pub(super) acts: Vec<(i64, Act)>,
    pub(super) begin: i64,
    pub(super) blocks: u32,
    pub(super) now: Timestamp,
}

impl Story {
    pub(super) fn draw(config: &Config, random: &mut Xoshiro256PlusPlus) -> Self {
        let begin = config.now.micros() - 30 * DAY;
        let owners: Vec<EthAddress> =
            (0..config.addresses).map(|_| EthAddress::from_bytes(random.random())).collect();
        let workers: Vec<Worker> =
            (0..config.workers).map(|number| draw_worker(number, &owners, begin, random)).collect();
        let mut story = Story {
            renters: (config.leases.div_ceil(LEASES_PER_RENTER) as usize).max(1),
            owners,
            workers,
            leases: Vec::new(),
            acts: Vec::new(),
            begin,
            blocks: config.blocks,
            now: config.now,
        };
        story.draw_leases(config.leases, random);
        story.draw_acts(random);
        story.draw_blocks(config.blocks, random);
        // Stable: what was drawn first happens first within one microsecond.
        story.acts.sort_by_key(|(at, _)| *at);
        story
    }

    /// Each worker's month in as many parts as it has leases, one in each; some workers are leased now.
    fn draw_leases(&mut self, leases: u32, random: &mut Xoshiro256PlusPlus) {
        let workers = u32::try_from(self.workers.len()).expect("at most ten thousand");
        let active = (leases.div_ceil(ACTIVE_SHARE)).min(workers.div_ceil(ACTIVE_WORKERS_SHARE)).min(leases);
        let mut counts = vec![0_i64; self.workers.len()];
        for _ in active..leases {
            counts[random.random_range(0..self.workers.len())] += 1;
        }
        let now = self.now.micros();
        for (worker, count) in counts.into_iter().enumerate() {
            let from = self.workers[worker].registered_at.max(self.begin) + HOUR;
            let slot = (now - 2 * HOUR - from) / count.max(1);
            for number in 0..count {
                let lease = self.draw_lease(worker, from + number * slot, slot, random);
                self.leases.push(lease);
            }
        }
        for worker in 0..active as usize {
            let created = now - random.random_range(MINUTE..HOUR);
            let renter = random.random_range(0..self.renters);
            let duration_sec = 3600 * random.random_range(2..12);
            self.leases.push(Lease { worker, renter, created, duration_sec, ends: None, away: None });
        }
    }

    fn draw_lease(&self, worker: usize, from: i64, slot: i64, random: &mut Xoshiro256PlusPlus) -> Lease {
        let longest = (slot * 3 / 4 / SECOND).max(1);
        let duration_sec = LENGTHS[random.random_range(0..LENGTHS.len())].min(longest);
        let duration = duration_sec * SECOND;
        let created = from + random.random_range(0..=(slot - duration - slot / 10).max(0));
        let lasts = if random.random_bool(STOPPED_EARLY) {
            random.random_range(duration / 10..duration)
        } else {
            duration
        };
        let long_enough = lasts > 10 * MINUTE;
        let away = (long_enough && random.random_bool(INTERRUPTED)).then(|| {
            let since = created + random.random_range(MINUTE..lasts / 2);
            (since, since + random.random_range(2 * MINUTE..lasts / 3))
        });
        let renter = random.random_range(0..self.renters);
        Lease { worker, renter, created, duration_sec, ends: Some(created + lasts), away }
    }

    fn draw_acts(&mut self, random: &mut Xoshiro256PlusPlus) {
        for (number, worker) in self.workers.iter().enumerate() {
            self.acts.push((worker.registered_at, Act::Register(number)));
        }
        for owner in 0..self.owners.len() {
            if random.random_bool(0.7) {
                self.acts.push((self.begin + random.random_range(0..25 * DAY), Act::SignIn(owner)));
            }
        }
        for (number, lease) in self.leases.iter().enumerate() {
            self.acts.push((lease.created, Act::Rent(number)));
            if let Some((_, back)) = lease.away {
                self.acts.push((back, Act::Return(number)));
            }
            if let Some(ends) = lease.ends {
                self.acts.push((ends, Act::End(number)));
            }
        }
    }

    fn draw_blocks(&mut self, blocks: u32, random: &mut Xoshiro256PlusPlus) {
        let in_leases = if self.leases.is_empty() { 0 } else { blocks / 10 * IN_LEASES_OF_TEN };
        let now = self.now.micros();
        for number in 0..blocks {
            let (worker, lease, from, to) = if number < in_leases {
                let number = random.random_range(0..self.leases.len());
                let lease = &self.leases[number];
                (lease.worker, Some(number), lease.created, lease.ends.unwrap_or(now))
            } else {
                let number = random.random_range(0..self.workers.len());
                (number, None, self.workers[number].registered_at.max(self.begin), now)
            };
            let at = random.random_range(from + 1..to.max(from + 2));
            self.acts.push((at, Act::Block { worker, lease }));
        }
    }
}

fn draw_worker(number: u32, owners: &[EthAddress], begin: i64, random: &mut Xoshiro256PlusPlus) -> Worker {
    // Everybody owns one; of the rest the first have more than the last, as farms do.
    let owner = owners.get(number as usize).unwrap_or_else(|| {
        let skewed = random.random_range(0.0..1.0_f64).powi(2) * owners.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10000")]
        let index = skewed as usize;
        &owners[index.min(owners.len() - 1)]
    });
    let models = draw_models(random);
    let gpus: Vec<_> = (0..).zip(&models).map(gpu).collect();
    let register = Register {
        worker_id: format!("seed-worker-{:04}", number + 1).parse().expect("of the alphabet"),
        eth_address: Some(*owner),
        gpu_count: u32::try_from(gpus.len()).expect("a rig has at most eight"),
        total_memory_gb: gpus.iter().map(|gpu| gpu.memory_gb).sum(),
        gpus,
        version: "2.0.0".into(),
    };
    let worth = suggest(&register.gpus, register.gpu_count, register.total_memory_gb);
    // To the cent, as people set prices.
    let cents = worth.scale(random.random_range(70..140), 100).millionths() / 10_000;
    Worker {
        register,
        registered_at: begin + random.random_range(-45 * DAY..3 * DAY),
        price: Amount::from_millionths(cents.max(1) * 10_000),
        rate: models.iter().map(|model| random.random_range(model.rate_min..=model.rate_max)).sum(),
        uptime: random.random_range(0.7..0.995),
    }
}
