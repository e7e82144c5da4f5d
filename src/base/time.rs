//! Injected time: a clock that runs steadily, or one that a test moves.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded, tick};
use serde::{Serialize, Serializer};

/// A moment: microseconds since the Unix epoch. On the wire, Unix seconds as a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const MICROS_PER_SECOND: f64 = 1e6;

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// From Unix seconds, as a prototype's database holds them; saturates.
    #[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
    pub fn from_seconds(seconds: f64) -> Self {
        Timestamp((seconds * MICROS_PER_SECOND).round() as i64)
    }

    /// Unix seconds, as the wire shows them.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND
    }

    /// Later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_add(micros_of(duration)))
    }

    /// Earlier by `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_sub(micros_of(duration)))
    }

    /// Microseconds from `earlier` to this, zero when it is not earlier.
    pub fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

/// A duration in whole microseconds, as the store keeps it.
pub fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

/// The time source that every part is given. Cloning shares it.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    Steady(Mutex<Anchor>),
    Manual(Mutex<Manual>),
}

struct Anchor {
    wall: Timestamp,
    taken: Instant,
}

struct Manual {
    now: Timestamp,
    tickers: Vec<Ticker>,
}

struct Ticker {
    period: Duration,
    due: Timestamp,
    bell: Sender<Instant>,
}

/// The most the steady clock is corrected per call of [`Clock::discipline`].
const SLEW_MAX: Duration = Duration::from_millis(5);

impl Clock {
    /// Starts at the wall's time and runs with the monotonic clock: a step of the wall clock
    /// neither ends a lease nor bills one.
    pub fn system() -> Self {
        Clock(Arc::new(Source::Steady(Mutex::new(Anchor { wall: wall_time(), taken: Instant::now() }))))
    }

    /// Stands still until [`Clock::advance`] moves it.
    pub fn manual(now: Timestamp) -> Self {
        Clock(Arc::new(Source::Manual(Mutex::new(Manual { now, tickers: Vec::new() }))))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::Steady(anchor) => {
                let anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
                anchor.wall.plus(anchor.taken.elapsed())
            }
            Source::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).now,
        }
    }

    /// What the wall's clock shows, steps and all: for what is agreed on with others by the hour
    /// and minute. Never for durations. The same as [`Clock::now`] for a manual clock.
    pub fn wall(&self) -> Timestamp {
        match &*self.0 {
            Source::Steady(_) => wall_time(),
            Source::Manual(_) => self.now(),
        }
    }

    /// Moves a steady clock a little towards the wall's time; called once a second, this follows
    /// a disciplined wall clock without ever jumping.
    pub fn discipline(&self) {
        if let Source::Steady(anchor) = &*self.0 {
            let mut anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
            let now = anchor.wall.plus(anchor.taken.elapsed());
            let slew = (wall_time().0 - now.0).clamp(-micros_of(SLEW_MAX), micros_of(SLEW_MAX));
            anchor.wall.0 += slew;
        }
    }

    /// A bell that rings every `period`; rings that nobody took are one ring.
    pub fn every(&self, period: Duration) -> Receiver<Instant> {
        match &*self.0 {
            Source::Steady(_) => tick(period),
            Source::Manual(manual) => {
                let (bell, rings) = bounded(1);
                let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
                let due = manual.now.plus(period);
                manual.tickers.push(Ticker { period, due, bell });
                rings
            }
        }
    }

    /// Moves a manual clock forward and rings the bells that came due. Panics on a steady clock.
    pub fn advance(&self, by: Duration) {
        let Source::Manual(manual) = &*self.0 else { panic!("only a manual clock can be moved") };
        let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
        manual.now = manual.now.plus(by);
        let now = manual.now;
        for ticker in &mut manual.tickers {
            if ticker.due <= now {
                ticker.due = now.plus(ticker.period);
                // Full: the last ring has not been taken yet, and one is enough.
                let _ = ticker.bell.try_send(Instant::now());
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().seconds())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(micros_of(since_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_rings_once() {
        let clock = Clock::manual(Timestamp::from_seconds(1000.0));
        let bell = clock.every(Duration::from_secs(5));
        assert!(bell.try_recv().is_err());
        clock.advance(Duration::from_secs(4));
        assert!(bell.try_recv().is_err());
        clock.advance(Duration::from_secs(60));
        assert!(bell.try_recv().is_ok());
        assert!(bell.try_recv().is_err());
        assert_eq!(clock.now(), Timestamp::from_seconds(1064.0));
    }

    #[test]
    fn discipline_never_jumps() {
        let clock = Clock::system();
        let mut last = clock.now();
        for _ in 0..1000 {
            clock.discipline();
            let now = clock.now();
            assert!(now.plus(SLEW_MAX) >= last);
            last = now;
        }
    }

    /// As if the wall's clock had been put an hour forwards or back while the program runs.
    #[test]
    fn an_hours_step_of_the_wall_is_followed_in_steps_of_milliseconds() {
        const HOUR: Duration = Duration::from_secs(3600);
        for step in [-micros_of(HOUR), micros_of(HOUR)] {
            let clock = Clock::system();
            let Source::Steady(anchor) = &*clock.0 else { panic!("a steady clock") };
            anchor.lock().unwrap().wall.0 -= step;
            let (started, before) = (Instant::now(), clock.now());
            (0..100).for_each(|_| clock.discipline());
            let moved = clock.now().0 - before.0;
            let slewed = micros_of(SLEW_MAX) * 100 * step.signum();
            // Moments are cut to whole microseconds, and so may lie one further apart than they were.
            assert!((0..=micros_of(started.elapsed()) + 1).contains(&(moved - slewed)), "{moved}");
        }
    }
}
