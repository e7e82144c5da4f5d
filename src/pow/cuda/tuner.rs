//! How many hashes a device should have in flight: the most is not always the fastest, for what
//! few hashes need may fit into the device's cache.

/// Measured in turn, as a share of what is resident at once, in eighths.
const EIGHTHS: [u32; 6] = [8, 6, 4, 3, 2, 1];
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
    /// For launches that may fill up to `workers` hashes at once, in steps of `step`.
    pub(super) fn new(workers: u32, step: u32) -> Self {
        let mut candidates: Vec<u32> =
            EIGHTHS.iter().map(|eighths| (workers / 8 * eighths).max(step) / step * step).collect();
        candidates[0] = workers / step * step;
        candidates.dedup();
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
    fn choice(workers: u32, rate: impl Fn(u32) -> f64) -> (u32, Vec<u32>) {
        let (mut tuner, mut tried) = (Tuner::new(workers, 8), Vec::new());
        while let Some(workers) = tuner.next() {
            tried.push(workers);
            tuner.measured(Shape { workers, hashes: workers }, rate(workers));
        }
        (tuner.best().unwrap().workers, tried)
    }

    #[test]
    fn the_fastest_is_chosen_and_hopeless_ones_are_not_tried() {
        assert_eq!(choice(4224, f64::from), (4224, vec![4224, 3168, 2112]));
        let cached = |workers| if workers <= 600 { 9.0 } else { 1.0 + 1.0 / f64::from(workers) };
        assert_eq!(choice(4224, cached), (528, vec![4224, 3168, 2112, 1584, 1056, 528]));
    }

    #[test]
    fn few_workers_are_enough() {
        assert_eq!(choice(8, f64::from), (8, vec![8]));
        assert_eq!(choice(16, f64::from).0, 16);
        assert_eq!(choice(24, |workers| -f64::from(workers)).0, 8);
    }
}
