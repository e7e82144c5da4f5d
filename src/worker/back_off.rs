//! Pauses between tries that fail.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Times that double from a shortest to a longest, each drawn from half of it to all of it, so that
/// those who were cut off together do not come back together.
pub(super) struct BackOff {
    min: Duration,
    max: Duration,
    next: Duration,
    jitter: SmallRng,
}

impl BackOff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        BackOff { min, max, next: min, jitter: SmallRng::seed_from_u64(seed) }
    }

    /// The next try after a success is the first again.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// How long to wait now; twice as long the next time.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(self.jitter.random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_with_jitter_and_stays_in_bounds() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let mut back_off = BackOff::new(min, max, 7);
        for expected_s in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let pause = back_off.next().as_secs_f64();
            assert!((expected_s / 2.0..=expected_s).contains(&pause), "{pause} of {expected_s}");
        }
        back_off.reset();
        assert!(back_off.next() <= min);
    }
}
