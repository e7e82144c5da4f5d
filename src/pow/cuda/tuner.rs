//! How many hashes a device should have in flight: the most is not always the fastest, for what
//! few hashes need may fit into the device's cache.

/// Measured in turn after all that is resident at once, as a share of it in eighths.
const EIGHTHS: [u32; 5] = [6, 4, 3, 2, 1];
/// Fewer hashes than a share like this cannot hide how long each step takes.
const CACHED_SHARE_MIN: u32 = 16;
/// What comes after this many in a row that are slower than the best is not tried.
const SLOWER_MAX: usize = 2;

/// Hashes in flight, and how many a launch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Hashes that are filled at once by one launch.
    pub(super) workers: u32,
    /// Hashes of a launch.
    pub(super) hashes: u32,
}

/// The choice for one difficulty.
pub(super) struct Tuner {
    candidates: Vec<u32>,
    tried: usize,
    slower: usize,
    best: Option<(Shape, f64)>,
}

impl Tuner {
    /// For launches that may fill up to `workers` hashes at once, in steps of `step`. `cached` of
    /// them fit into the device's cache: tried second, unless that is too few to keep it busy.
    pub(super) fn new(workers: u32, cached: u32, step: u32) -> Self {
        let share = |eighths: u32| (workers / 8 * eighths).max(step) / step * step;
        let cached = (cached >= (workers / CACHED_SHARE_MIN).max(step)).then_some(cached / step * step);
        let mut candidates = vec![workers / step * step];
        let others = cached.into_iter().chain(EIGHTHS.into_iter().map(share));
        for other in others {
            if other < candidates[0] && !candidates.contains(&other) {
                candidates.push(other);
            }
        }
        Tuner { candidates, tried: 0, slower: 0, best: None }
    }

    /// What to measure next; `None` when the choice is made.
    pub(super) fn next(&self) -> Option<u32> {
        self.candidates.get(self.tried).copied()
    }

    /// Takes note of the hashes per second of what [`Tuner::next`] said.
    pub(super) fn measured(&mut self, shape: Shape, rate: f64) {
        self.tried += 1;
        if self.best.is_none_or(|(_, best)| rate > best) {
            self.best = Some((shape, rate));
            self.slower = 0;
        } else {
            self.slower += 1;
        }
        if self.slower == SLOWER_MAX {
            self.tried = self.candidates.len();
        }
    }

    /// The fastest so far.
    pub(super) fn best(&self) -> Option<Shape> {
        self.best.map(|(shape, _)| shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a tuner chooses when `rate` says how fast each is, and what it tried.
    fn choice(workers: u32, cached: u32, rate: impl Fn(u32) -> f64) -> (u32, Vec<u32>) {
        let (mut tuner, mut tried) = (Tuner::new(workers, cached, 8), Vec::new());
        while let Some(workers) = tuner.next() {
            tried.push(workers);
            tuner.measured(Shape { workers, hashes: workers }, rate(workers));
        }
        (tuner.best().unwrap().workers, tried)
    }

    #[test]
    fn the_fastest_is_chosen_and_hopeless_ones_are_not_tried() {
        assert_eq!(choice(4224, 0, f64::from), (4224, vec![4224, 3168, 2112]));
        let pages = |workers| if workers <= 2112 { 9.0 } else { 1.0 };
        assert_eq!(choice(4224, 0, pages), (2112, vec![4224, 3168, 2112, 1584, 1056]));
    }

    #[test]
    fn what_fits_into_the_cache_is_tried_unless_it_is_too_little() {
        let fits = |workers| if workers <= 300 { 9.0 } else { 1.0 };
        assert_eq!(choice(4096, 300, fits), (296, vec![4096, 296, 3072, 2048]));
        assert!(!choice(4096, 100, fits).1.contains(&96));
        assert_eq!(choice(4096, 9000, f64::from), (4096, vec![4096, 3072, 2048]), "all of it fits");
    }

    #[test]
    fn few_workers_are_enough() {
        assert_eq!(choice(8, 8, f64::from), (8, vec![8]));
        assert_eq!(choice(16, 3, f64::from).0, 16);
        assert_eq!(choice(24, 8, |workers| -f64::from(workers)).0, 8);
    }
}
