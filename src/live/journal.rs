//! The last minute of deltas, shared by all who follow them. Each follower is a place in it: one that
//! reads slowly costs nothing, gets what it missed as one delta, and comes back by the same way.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::delta::{Delta, Gathering, merge};
use crate::base::limits::{LIVE_RESUME_BYTES_MAX, LIVE_RESUME_DELTAS_MAX, LIVE_RESUME_TIME};
use crate::base::{Secret, Timestamp};

/// Where a client says that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Which feed's numbers those are.
    pub feed: String,
    /// The last delta it has.
    pub seq: u64,
}

/// Deltas, numbered without a gap.
pub(super) struct Journal {
    /// Tells this process's numbers from another's.
    pub(super) feed: String,
    awake: AtomicBool,
    state: Mutex<State>,
}

struct State {
    newest: u64,
    deltas: VecDeque<Arc<Delta>>,
    bytes: usize,
    followers: usize,
    left_at: Option<Instant>,
}

impl Journal {
    pub(super) fn new() -> Arc<Self> {
        let state = State { newest: 0, deltas: VecDeque::new(), bytes: 0, followers: 0, left_at: None };
        Arc::new(Journal {
            feed: Secret::random(8).expose().to_owned(),
            awake: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// Whether somebody follows, or did a minute ago.
    pub(super) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::SeqCst)
    }

    /// The number of the newest delta.
    pub(super) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// A new follower, and whether it goes on where it was. What is published after this call reaches
    /// it; otherwise its place is the newest delta.
    pub(super) fn follow(self: &Arc<Self>, resume: Option<&Resume>) -> (Follower, bool) {
        let mut state = self.lock();
        if !self.awake.swap(true, Ordering::SeqCst) {
            // Nobody has noted what happened meanwhile: a gap that nobody can resume over.
            state.newest += 1;
            state.deltas.clear();
            state.bytes = 0;
        }
        let known = resume.filter(|resume| resume.feed == self.feed && state.has_all_after(resume.seq));
        let seq = known.map_or(state.newest, |resume| resume.seq);
        state.followers += 1;
        state.left_at = None;
        drop(state);
        let place = Arc::new(Place { seq: AtomicU64::new(seq), moved: AtomicU64::new(0) });
        (Follower { journal: Arc::clone(self), place }, known.is_some())
    }

    /// Adds what has gathered; the oldest go when there are too many.
    pub(super) fn add(&self, gathering: Gathering<'_>, ts: Timestamp) {
        let seq = self.newest() + 1;
        let delta = gathering.close(seq - 1, seq, ts);
        let mut state = self.lock();
        if state.newest + 1 != seq {
            // Somebody has woken the journal up in between, and will see this in its snapshot.
            return;
        }
        state.newest = seq;
        state.bytes += delta.frame.len();
        state.deltas.push_back(Arc::new(delta));
        while state.deltas.len() > LIVE_RESUME_DELTAS_MAX || state.bytes > LIVE_RESUME_BYTES_MAX {
            let Some(oldest) = state.deltas.pop_front() else { break };
            state.bytes -= oldest.frame.len();
        }
    }

    /// Falls asleep when nobody has followed for a while: then nothing need be gathered.
    pub(super) fn rest(&self) {
        let mut state = self.lock();
        if state.left_at.is_some_and(|left| left.elapsed() >= LIVE_RESUME_TIME) {
            self.awake.store(false, Ordering::SeqCst);
            (state.deltas, state.bytes, state.left_at) = (VecDeque::new(), 0, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_all_after(&self, seq: u64) -> bool {
        let missed = self.newest.checked_sub(seq);
        missed.is_some_and(|missed| missed <= self.deltas.len() as u64)
    }
}

/// Where a follower is, for the hub to look at.
pub(super) struct Place {
    seq: AtomicU64,
    moved: AtomicU64,
}

impl Place {
    /// The last delta that was taken.
    pub(super) fn seq(&self) -> u64 {
        self.seq.load(Ordering::SeqCst)
    }

    /// Grows with every piece that the client's connection takes; zero before the first.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::SeqCst)
    }

    /// Notes that the connection has taken a piece.
    pub(super) fn note_move(&self) {
        self.moved.fetch_add(1, Ordering::SeqCst);
    }
}

/// One who follows the journal, until dropped.
pub(super) struct Follower {
    journal: Arc<Journal>,
    pub(super) place: Arc<Place>,
}

impl Follower {
    /// Appends to `out` all that has come since, as one message; an error for whoever is so late that
    /// a part of it is gone.
    pub(super) fn take(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let since = self.place.seq();
        let state = self.journal.lock();
        if !state.has_all_after(since) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let missed = usize::try_from(state.newest - since).expect("no more than there are deltas");
        let skipped = state.deltas.len() - missed;
        let due: Vec<Arc<Delta>> = state.deltas.range(skipped..).cloned().collect();
        drop(state);
        let merged;
        let delta = match &due[..] {
            [] => return Ok(()),
            [one] => one,
            several => {
                merged = merge(since, several.iter().map(AsRef::as_ref)).expect("several deltas");
                &merged
            }
        };
        out.extend_from_slice(&delta.frame);
        self.place.seq.store(delta.seq, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.journal.lock();
        state.followers -= 1;
        if state.followers == 0 {
            state.left_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn note(journal: &Journal, worker: &'static str, hashrate: u32) {
        let mut gathering = Gathering::default();
        let json = format!(r#"{{"worker_id":"{worker}","hashrate":{hashrate}}}"#);
        gathering.add("heartbeat", Some(worker.into()), json.into_bytes().into());
        journal.add(gathering, Timestamp::from_seconds(1.0));
    }

    fn taken(follower: &Follower) -> Value {
        let mut out = Vec::new();
        follower.take(&mut out).unwrap();
        let Some(start) = out.windows(7).position(|bytes| bytes == br#"{"type""#) else { return Value::Null };
        serde_json::from_slice(&out[start..]).unwrap()
    }

    #[test]
    fn a_follower_gets_each_delta_or_what_it_missed_as_one() {
        let journal = Journal::new();
        assert!(!journal.is_awake());
        let (follower, resumed) = journal.follow(None);
        assert!(journal.is_awake() && !resumed);
        let start = follower.place.seq();
        assert!(taken(&follower).is_null());
        note(&journal, "a", 1);
        let first = taken(&follower);
        assert_eq!((first["since"].as_u64(), first["seq"].as_u64()), (Some(start), Some(start + 1)));
        for hashrate in 2..5 {
            note(&journal, "a", hashrate);
        }
        let rest = taken(&follower);
        assert_eq!((rest["since"].as_u64(), rest["seq"].as_u64()), (Some(start + 1), Some(start + 4)));
        assert_eq!(rest["data"]["heartbeat"].as_array().unwrap().len(), 1);
        assert_eq!(rest["data"]["heartbeat"][0]["hashrate"], 4);
        assert!(taken(&follower).is_null());
    }

    #[test]
    fn who_comes_back_goes_on_where_it_was_unless_that_is_forgotten() {
        let journal = Journal::new();
        let (follower, _) = journal.follow(None);
        let seq = follower.place.seq();
        drop(follower);
        note(&journal, "a", 1);
        let resume = Resume { feed: journal.feed.clone(), seq };
        let (back, resumed) = journal.follow(Some(&resume));
        assert!(resumed);
        assert_eq!(taken(&back)["data"]["heartbeat"][0]["hashrate"], 1);
        for other in [
            Resume { feed: "another".into(), ..resume.clone() },
            Resume { seq: seq + 2, ..resume.clone() },
            Resume { seq: seq - 1, ..resume.clone() },
            Resume { seq: u64::MAX, ..resume.clone() },
        ] {
            let (new, resumed) = journal.follow(Some(&other));
            assert!(!resumed, "{other:?}");
            assert_eq!(new.place.seq(), seq + 1);
        }
        for hashrate in 0..=u32::try_from(LIVE_RESUME_DELTAS_MAX).unwrap() {
            note(&journal, "a", hashrate);
        }
        assert!(!journal.follow(Some(&resume)).1);
        assert!(back.take(&mut Vec::new()).is_err(), "it is too late");
        assert_eq!(journal.lock().deltas.len(), LIVE_RESUME_DELTAS_MAX);
    }

    #[test]
    fn a_journal_that_nobody_follows_falls_asleep_and_wakes_with_a_gap() {
        let journal = Journal::new();
        let (follower, _) = journal.follow(None);
        note(&journal, "a", 1);
        let resume = Resume { feed: journal.feed.clone(), seq: journal.newest() };
        drop(follower);
        journal.rest();
        assert!(journal.is_awake(), "it may come back");
        journal.lock().left_at = Instant::now().checked_sub(LIVE_RESUME_TIME);
        journal.rest();
        assert!(!journal.is_awake());
        let (_, resumed) = journal.follow(Some(&resume));
        assert!(!resumed, "what happened meanwhile is not known");
    }

    #[test]
    fn large_deltas_push_out_the_oldest_and_the_newest_stays() {
        let journal = Journal::new();
        let (follower, _) = journal.follow(None);
        let start = journal.newest();
        let json = format!(r#"{{"note":"{}"}}"#, "x".repeat(1024 * 1024)).into_bytes();
        for _ in 0..20 {
            let mut gathering = Gathering::default();
            gathering.add("lease", None, json.as_slice().into());
            journal.add(gathering, Timestamp::from_seconds(1.0));
            let state = journal.lock();
            assert!(state.bytes <= LIVE_RESUME_BYTES_MAX && !state.deltas.is_empty());
            assert_eq!(state.bytes, state.deltas.iter().map(|delta| delta.frame.len()).sum::<usize>());
        }
        let kept = journal.lock().deltas.len() as u64;
        assert_eq!(kept, 15, "16 MiB, each with a little around its megabyte");
        assert!(follower.take(&mut Vec::new()).is_err(), "a part of what it missed is gone");
        let resume = |seq| journal.follow(Some(&Resume { feed: journal.feed.clone(), seq })).1;
        assert!(!resume(start) && resume(journal.newest() - kept));
    }
}
