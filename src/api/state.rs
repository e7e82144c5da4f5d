//! What the API itself remembers, in memory: rate limits, counts of answers, the last probe of the
//! writer, its own description, what the pages share.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use super::memos::Memos;
use super::rate::Limiter;

/// Made empty with [`Default`].
#[derive(Default)]
pub struct State {
    pub(super) limiter: Limiter,
    pub(super) answers: Answers,
    pub(super) probe: Probe,
    pub(super) description: OnceLock<String>,
    pub(super) memos: Memos,
}

/// Answers by their status' class.
#[derive(Default)]
pub(super) struct Answers([AtomicU64; 6]);

impl Answers {
    pub(super) fn count(&self, status: u16) {
        if let Some(count) = self.0.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The classes that are answered with and how often they were.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().enumerate().skip(2).map(|(class, count)| (class, count.load(Ordering::Relaxed)))
    }
}

/// When the writer last stored something because it was asked to.
#[derive(Default)]
pub(super) struct Probe {
    pub(super) running: Mutex<()>,
    pub(super) stored_at: AtomicI64,
}
