//! Hashes per second over the last seconds, minute and quarter of an hour.

use std::collections::VecDeque;
use std::time::Duration;

use super::board::Rates;
use crate::base::Timestamp;
use crate::base::time::micros_of;

/// How often a sample is to be taken.
pub(super) const MEASURE_EVERY: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_secs(10);
const MIDDLE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(15 * 60);
/// A quarter of an hour of them, and the one before it.
const SAMPLES_MAX: usize = 451;

/// Samples of a counter of hashes.
pub(super) struct Meter {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Meter {
    pub(super) fn new(now: Timestamp) -> Self {
        Meter { samples: VecDeque::from([(now, 0)]) }
    }

    /// Takes the counter as it is now, and gives the rates.
    pub(super) fn sample(&mut self, now: Timestamp, attempts: u64) -> Rates {
        self.samples.push_back((now, attempts));
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        Rates { seconds_10: self.over(SHORT), seconds_60: self.over(MIDDLE), minutes_15: self.over(LONG) }
    }

    /// Forgets the past: a rest is not to be counted as slow hashing.
    pub(super) fn restart(&mut self, now: Timestamp, attempts: u64) {
        self.samples = VecDeque::from([(now, attempts)]);
    }

    /// Over `window`, or since the first sample when that is less.
    fn over(&self, window: Duration) -> f64 {
        let Some(&(now, attempts)) = self.samples.back() else { return 0.0 };
        let within = |(then, _): &&(Timestamp, u64)| now.micros_since(*then) <= micros_of(window);
        let Some(&(then, before)) = self.samples.iter().find(within) else { return 0.0 };
        match now.micros_since(then) {
            0 => 0.0,
            micros => attempts.saturating_sub(before) as f64 * 1e6 / micros as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_its_own_rate() {
        let at = |seconds: u32| Timestamp::from_seconds(f64::from(seconds));
        let mut meter = Meter::new(at(0));
        let mut attempts = 0;
        let mut rates = Rates::default();
        // A quarter of an hour at 100 H/s, then ten seconds at 1000 H/s.
        for second in (2..=900).step_by(2) {
            attempts += 200;
            rates = meter.sample(at(second), attempts);
            assert!((rates.minutes_15 - 100.0).abs() < 1e-9);
        }
        for second in (902..=910).step_by(2) {
            attempts += 2000;
            rates = meter.sample(at(second), attempts);
        }
        assert!((rates.seconds_10 - 1000.0).abs() < 1e-9);
        assert!((rates.seconds_60 - 250.0).abs() < 1e-9);
        assert!((rates.minutes_15 - 110.0).abs() < 1e-9);
        assert!(meter.samples.len() <= SAMPLES_MAX);
        meter.restart(at(1000), attempts);
        assert!((meter.sample(at(1002), attempts + 20).minutes_15 - 10.0).abs() < 1e-9);
    }
}
