//! Values that many requests share: computed once, good while the database stands still and for a
//! moment only, since what is volatile about workers does not show in the database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Clock, Timestamp};
use crate::market::Store;

/// How long a value may lag behind heartbeats.
pub const AGE_MAX: Duration = Duration::from_millis(250);

/// One value, computed by whoever first finds it old; others who ask meanwhile wait for that and
/// share it. Ask outside of [`Store::read`]: the computation takes a reader of its own.
pub struct Memo<T> {
    age_max: Duration,
    kept: Mutex<Option<Kept<T>>>,
}

struct Kept<T> {
    value: Arc<T>,
    generation: u64,
    taken: Timestamp,
}

impl<T> Memo<T> {
    /// Good while nothing is committed, and for [`AGE_MAX`] at most.
    pub const fn brief() -> Self {
        Memo { age_max: AGE_MAX, kept: Mutex::new(None) }
    }

    /// Good while nothing is committed: for what comes from the database alone.
    pub const fn of_database() -> Self {
        Memo { age_max: Duration::MAX, kept: Mutex::new(None) }
    }

    /// The value, no older than the last commit before the call. `compute` is given the one before.
    pub fn get<X>(
        &self,
        store: &Store,
        clock: &Clock,
        compute: impl FnOnce(Option<&T>) -> Result<T, X>,
    ) -> Result<Arc<T>, X> {
        let asked_at = store.generation();
        let mut slot = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = clock.now();
        let good = |kept: &&Kept<T>| kept.generation >= asked_at && kept.taken.plus(self.age_max) > taken;
        if let Some(kept) = slot.as_ref().filter(good) {
            return Ok(kept.value.clone());
        }
        // Before the computation: a commit during it makes the value old, never the other way round.
        let generation = store.generation();
        let value = Arc::new(compute(slot.as_ref().map(|kept| &*kept.value))?);
        *slot = Some(Kept { value: value.clone(), generation, taken });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::base::thread::deathwatch;
    use crate::market::Refusal;

    #[test]
    fn a_value_is_shared_until_a_commit_or_for_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (events, _told) = crossbeam_channel::bounded(8);
        let store = Store::open(&folder.path().join("t.db"), events, &deathwatch().0).unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1000.0));
        let (brief, lasting) = (Memo::brief(), Memo::of_database());
        let next = |before: Option<&u32>| Ok::<_, Refusal>(before.map_or(0, |value| value + 1));
        let both =
            || (*brief.get(&store, &clock, next).unwrap(), *lasting.get(&store, &clock, next).unwrap());
        assert_eq!(both(), (0, 0));
        clock.advance(Duration::from_millis(249));
        assert_eq!(both(), (0, 0));
        clock.advance(Duration::from_millis(1));
        assert_eq!(both(), (1, 0));
        store.write::<_, Refusal, _>(|_| Ok(())).unwrap();
        assert_eq!(both(), (2, 1));
        assert!(brief.get(&store, &clock, |_| Err::<u32, _>("not asked")).is_ok());
    }

    #[test]
    fn who_asks_at_once_shares_one_computation() {
        let folder = tempfile::tempdir().unwrap();
        let (events, _told) = crossbeam_channel::bounded(8);
        let store = Store::open(&folder.path().join("t.db"), events, &deathwatch().0).unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1000.0));
        let (memo, computed) = (Memo::brief(), AtomicUsize::new(0));
        let together = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    let compute =
                        |_: Option<&usize>| Ok::<_, Refusal>(computed.fetch_add(1, Ordering::SeqCst));
                    assert_eq!(*memo.get(&store, &clock, compute).unwrap(), 0);
                });
            }
        });
        assert_eq!(computed.into_inner(), 1);
    }
}
