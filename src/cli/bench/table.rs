//! One line of results, as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::pow::Difficulty;
use crate::pow::bench::{BLOCK_BYTES_MOVED, Measured};

/// The columns of [`Line`].
pub(super) const HEAD: &str = "     m          H/s  H/s per CPU second  ns/block  bytes/block     GB/s  of copying  argon2 crate  ratio";

/// What was measured at one difficulty.
pub(super) struct Line {
    pub(super) difficulty: Difficulty,
    /// Of each backend.
    pub(super) measured: Vec<Measured>,
    pub(super) reference: Measured,
    /// The thread's CPU time is the device's time.
    pub(super) on_cpu: bool,
    /// Bytes a second that all devices copy.
    pub(super) copied: f64,
}

impl Line {
    /// All devices by the clock.
    fn rate(&self) -> f64 {
        self.measured.iter().map(Measured::rate).sum()
    }

    /// The mean thread.
    fn cpu_rate(&self) -> f64 {
        self.measured.iter().map(Measured::cpu_rate).sum::<f64>() / self.measured.len() as f64
    }

    fn bytes_per_hash(&self) -> f64 {
        f64::from(self.difficulty.blocks()) * BLOCK_BYTES_MOVED as f64
    }

    /// What the devices did while they had the time to: others on the same cores do not count.
    fn own_rate(&self) -> f64 {
        if self.on_cpu { self.cpu_rate() * self.measured.len() as f64 } else { self.rate() }
    }

    /// Of one device at work on one hash after another.
    fn nanoseconds_per_block(&self) -> f64 {
        1e9 * self.measured.len() as f64 / self.own_rate() / f64::from(self.difficulty.blocks())
    }

    fn bandwidth(&self) -> f64 {
        self.own_rate() * self.bytes_per_hash()
    }

    fn share(&self) -> Option<f64> {
        (self.copied > 0.0).then(|| self.bandwidth() / self.copied)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "difficulty": self.difficulty.kib(),
            "hashes_per_second": self.rate(),
            "hashes_per_cpu_second": self.cpu_rate(),
            "ns_per_block": self.nanoseconds_per_block(),
            "bytes_per_block": BLOCK_BYTES_MOVED,
            "bytes_per_second": self.bandwidth(),
            "copy_bytes_per_second": (self.copied > 0.0).then_some(self.copied),
            "share_of_copy_bandwidth": self.share(),
            "argon2_crate_hashes_per_cpu_second": self.reference.cpu_rate(),
            "ratio_per_cpu_second": self.cpu_rate() / self.reference.cpu_rate(),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.share().map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
        write!(
            f,
            "{:>6} {:>12.1} {:>19.1} {:>9.1} {:>12} {:>8.2} {:>11} {:>13.1} {:>6.2}",
            self.difficulty,
            self.rate(),
            self.cpu_rate(),
            self.nanoseconds_per_block(),
            BLOCK_BYTES_MOVED,
            self.bandwidth() / 1e9,
            share,
            self.reference.cpu_rate(),
            self.cpu_rate() / self.reference.cpu_rate(),
        )
    }
}
