//! Reputation: 40 points for verified blocks, 30 for completed leases, 20 for uptime, 10 for age
//! (contract: rest.md, reputation).

use crate::base::Timestamp;
use crate::store::workers::Worker;

const BLOCKS_FOR_ALL: f64 = 100.0;
const DAYS_FOR_ALL: f64 = 90.0;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// A worker's reputation and what it is made of; points out of 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reputation {
    /// Verified blocks, at most 100 count: up to 40 points.
    pub block_score: f64,
    /// Completed of all leases: up to 30 points; all of them when there was no lease.
    pub completion_score: f64,
    /// Time online of time since registration: up to 20 points.
    pub uptime_score: f64,
    /// Days since registration, at most 90 count: up to 10 points.
    pub age_score: f64,
    /// Verified blocks.
    pub verified_blocks: i64,
    /// Completed leases.
    pub completed_leases: i64,
    /// All leases.
    pub total_leases: i64,
    /// Seconds online.
    pub online_seconds: f64,
    /// Seconds since registration.
    pub total_seconds: f64,
}

impl Reputation {
    /// From a worker's counts.
    pub fn of(worker: &Worker, now: Timestamp) -> Self {
        let total_seconds = now.seconds() - worker.registered_at.seconds();
        let online_seconds = Timestamp::from_micros(worker.total_online).seconds();
        let completed = worker.leases_completed as f64 / worker.leases_total.max(1) as f64;
        Reputation {
            block_score: (worker.verified_blocks as f64 / BLOCKS_FOR_ALL).min(1.0) * 40.0,
            completion_score: if worker.leases_total == 0 { 30.0 } else { completed * 30.0 },
            uptime_score: (online_seconds / total_seconds.max(1.0)).min(1.0) * 20.0,
            age_score: (total_seconds / SECONDS_PER_DAY / DAYS_FOR_ALL).clamp(0.0, 1.0) * 10.0,
            verified_blocks: worker.verified_blocks,
            completed_leases: worker.leases_completed,
            total_leases: worker.leases_total,
            online_seconds,
            total_seconds,
        }
    }

    /// Points out of 100.
    pub fn score(&self) -> f64 {
        (self.block_score + self.completion_score + self.uptime_score + self.age_score).min(100.0)
    }

    /// Stars out of 5, unrounded.
    pub fn stars(&self) -> f64 {
        self.score() / 20.0
    }
}
