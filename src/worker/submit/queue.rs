//! Which block the chain is asked for next, and what follows from its answer; without I/O.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Fate, News};
use crate::base::Timestamp;
use crate::base::limits::SUBMISSIONS_AT_ONCE;
use crate::chain::Verdict;
use crate::pow::{Marker, Matches, xuni_open};
use crate::protocol::Block;
use crate::worker::back_off::BackOff;

/// Tries of a block that the chain refused in words that may be transient.
const TRIES_MAX: u32 = 6;
/// Before the second try of such a block; doubled before each further one.
const RETRY_TIME: Duration = Duration::from_secs(2);
/// The first pause after the chain was not reached; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Blocks not settled yet, oldest first.
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    in_flight: usize,
    pause: BackOff,
    resume: Timestamp,
    /// The last answer was none: one block at a time finds out whether the chain is back.
    away: bool,
}

/// A block on its way.
pub(super) struct Waiting {
    index: usize,
    pub(super) block: Block,
    is_xuni: bool,
    due: Timestamp,
    tries: u32,
    reported: bool,
}

impl Queue {
    pub(super) fn new(seed: u64) -> Self {
        Queue {
            waiting: VecDeque::new(),
            in_flight: 0,
            pause: BackOff::new(PAUSE_MIN, PAUSE_MAX, seed),
            resume: Timestamp::default(),
            away: false,
        }
    }

    /// Blocks that are neither settled nor asked for now.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Block> {
        self.waiting.iter().map(|waiting| &waiting.block)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes a block. How many there are is bounded by whoever gives them.
    pub(super) fn push(&mut self, index: usize, block: Block, now: Timestamp) -> Option<News> {
        // The salt stands in the text too, so only what follows the last `$` is searched.
        let tag = block.hash.rsplit('$').next().unwrap_or_default();
        let is_xuni = Matches::find(tag.as_bytes(), &Marker::default()).xuni;
        let mut waiting = Waiting { index, block, is_xuni, due: now, tries: 0, reported: false };
        let news = if now < self.resume { waiting.news(Fate::Deferred) } else { None };
        self.waiting.push_back(waiting);
        news
    }

    /// The block to ask the chain for now, if there is one: at most [`SUBMISSIONS_AT_ONCE`] at once,
    /// one while the chain is away, and XUNI only while its window is open.
    pub(super) fn take(&mut self, now: Timestamp, wall: Timestamp) -> Option<Waiting> {
        let room = if self.away { 1 } else { SUBMISSIONS_AT_ONCE };
        if now < self.resume || self.in_flight >= room {
            return None;
        }
        let open = xuni_open(wall);
        let place = self.waiting.iter().position(|waiting| waiting.due <= now && (open || !waiting.is_xuni));
        let waiting = self.waiting.remove(place?)?;
        self.in_flight += 1;
        Some(waiting)
    }

    /// The news of blocks that must wait for the next window of XUNI.
    pub(super) fn defer_xuni(&mut self, wall: Timestamp) -> Vec<News> {
        let shut = !xuni_open(wall);
        self.defer(|waiting| shut && waiting.is_xuni)
    }

    /// Takes the chain's answer to a block that was taken.
    pub(super) fn judge(&mut self, mut waiting: Waiting, verdict: Verdict, now: Timestamp) -> Vec<News> {
        self.in_flight -= 1;
        if !is_silence(&verdict) {
            self.away = false;
            self.pause.reset();
        }
        match verdict {
            Verdict::Accepted | Verdict::Duplicate => waiting.news(Fate::Accepted).into_iter().collect(),
            Verdict::Final(reason) => waiting.news(Fate::Refused(reason)).into_iter().collect(),
            Verdict::Retry { reason, few: true } => {
                waiting.tries += 1;
                if waiting.tries >= TRIES_MAX {
                    return waiting.news(Fate::Refused(reason)).into_iter().collect();
                }
                waiting.due = now.plus(RETRY_TIME * 2u32.pow(waiting.tries - 1));
                self.waiting.push_back(waiting);
                Vec::new()
            }
            Verdict::Retry { reason, few: false } => {
                self.waiting.push_front(waiting);
                // Several were under way: their silences are one.
                if now >= self.resume {
                    self.away = true;
                    let pause = self.pause.next();
                    self.resume = now.plus(pause);
                    log::warn!("the chain does not answer ({reason}); again in {:.1} s", pause.as_secs_f64());
                }
                self.defer(|_| true)
            }
        }
    }

    /// Makes everything due, whatever was to be waited for.
    pub(super) fn hurry(&mut self) {
        (self.resume, self.away) = (Timestamp::default(), false);
        self.waiting.iter_mut().for_each(|waiting| waiting.due = Timestamp::default());
    }

    fn defer(&mut self, which: impl Fn(&Waiting) -> bool) -> Vec<News> {
        let waiting = self.waiting.iter_mut().filter(|waiting| which(waiting));
        waiting.filter_map(|waiting| waiting.news(Fate::Deferred)).collect()
    }
}

/// The chain said nothing.
pub(super) fn is_silence(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Retry { few: false, .. })
}

impl Waiting {
    /// Said once if the block waits, and once more at its end.
    fn news(&mut self, fate: Fate) -> Option<News> {
        if fate == Fate::Deferred && self.reported {
            return None;
        }
        let report = !self.reported && !matches!(fate, Fate::Refused(_));
        self.reported |= report;
        Some(News { index: self.index, block: self.block.clone(), fate, report })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
