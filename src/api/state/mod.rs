//! What the API itself remembers, in memory: rate limits, counts of answers, the last probe of the
//! writer, its own description, what the pages share.

pub mod memo;
pub mod memos;
pub mod roster;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::api::request::rate::Limiter;
use memos::Memos;

/// Made empty with [`Default`].
#[derive(Default)]
pub struct State {
    pub(in crate::api) limiter: Limiter,
    pub(in crate::api) answers: Answers,
    pub(in crate::api) probe: Probe,
    pub(in crate::api) description: OnceLock<String>,
    pub(in crate::api) memos: Memos,
}

/// Answers by their status' class.
#[derive(Default)]
pub(in crate::api) struct Answers([AtomicU64; 6]);

impl Answers {
    pub(in crate::api) fn count(&self, status: u16) {
        if let Some(count) = self.0.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The classes that are answered with and how often they were.
    pub(in crate::api) fn each(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().enumerate().skip(2).map(|(class, count)| (class, count.load(Ordering::Relaxed)))
    }
}

/// When the writer last stored something because it was asked to.
#[derive(Default)]
pub(in crate::api) struct Probe {
    pub(in crate::api) running: Mutex<()>,
    pub(in crate::api) stored_at: AtomicI64,
}
