//! What is volatile about workers: the last sign of life, hashrate, active GPUs, what they say they
//! mine. Kept in memory, flushed to the store in batches, never a source of money by itself.
//!
//! `ingest` is the only writer of heartbeats; everybody reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::base::time::micros_of;
use crate::base::{Prefix, Timestamp, WorkerId};
use crate::protocol::{Heartbeat, Mining};
use crate::store::workers::{Pulse, Worker};

/// A worker is online while its last heartbeat is younger than this (contract: rest.md, Rules).
pub const ONLINE_WINDOW: Duration = Duration::from_secs(90);
/// Uptime grows by the time between heartbeats, at most this each (contract: rest.md, Rules).
const UPTIME_STEP_MAX: Duration = Duration::from_secs(60);
/// A worker that mines something else than it was told is told again, at most this often.
const REMINDER_INTERVAL: Duration = Duration::from_secs(10);

/// What is known of one worker now.
#[derive(Clone, Debug)]
pub struct Live {
    /// The last sign of life: a heartbeat or a registration.
    pub last_seen: Timestamp,
    /// When it said, or its will said, that it is going; `None` once it is back.
    pub gone_at: Option<Timestamp>,
    /// H/s.
    pub hashrate: f64,
    /// GPUs at work.
    pub active_gpus: u32,
    /// What it says it mines; `None` when it never said.
    pub mining: Option<Mining>,
}

impl Live {
    /// Heard of in the last 90 s and not gone.
    pub fn is_online(&self, now: Timestamp) -> bool {
        self.gone_at.is_none() && self.last_seen.plus(ONLINE_WINDOW) > now
    }

    /// Since when it is away: `None` while it is online.
    pub fn away_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_online(now) { None } else { Some(self.gone_at.unwrap_or(self.last_seen)) }
    }
}

/// What a heartbeat told beyond its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// The worker is registered; otherwise the heartbeat was ignored.
    pub known: bool,
    /// It was away since this moment, and is back.
    pub returned: Option<Timestamp>,
    /// It does not mine what it was told to.
    pub disagrees: bool,
    /// It had stopped mining for its lease, and is at work with the lease's prefix.
    pub resumes: bool,
}

/// Totals over the workers that are online.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Workers online.
    pub online: usize,
    /// Their hashrate, H/s.
    pub hashrate: f64,
    /// Their GPUs at work.
    pub active_gpus: u64,
}

/// All workers ever registered.
#[derive(Default)]
pub struct Fleet {
    members: RwLock<HashMap<WorkerId, Arc<Member>>>,
    dirty: Mutex<Vec<Arc<Member>>>,
}

struct Member {
    id: WorkerId,
    state: Mutex<State>,
}

struct State {
    live: Live,
    expected: Option<Prefix>,
    paused: bool,
    reminded: Timestamp,
    dirty: bool,
    online: i64,
    hashrate_sum: f64,
    hashrate_samples: i64,
}

impl Member {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// Takes in the workers that the store knows, at start. One that was heard of later than `now`, for
    /// the clock was put back meanwhile, counts as heard of now: it is away 90 s later like others.
    pub fn load(&self, workers: &[Worker], now: Timestamp) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        for worker in workers {
            let gone = worker.state == crate::protocol::ReportedState::Offline;
            let last_seen = worker.last_heartbeat.min(now);
            let live = Live {
                last_seen,
                // When it went is noted in its lease; by now, at the latest.
                gone_at: gone.then_some(now),
                hashrate: worker.hashrate,
                active_gpus: worker.active_gpus,
                mining: None,
            };
            members.insert(worker.worker_id.clone(), member(&worker.worker_id, live));
        }
    }

    /// A worker registered: it is alive. Returns since when it was away, if it was.
    pub fn registered(&self, id: &WorkerId, now: Timestamp) -> Option<Timestamp> {
        if let Some(member) = self.find(id) {
            let mut state = member.lock();
            let away = state.live.away_since(now);
            state.live.last_seen = now;
            state.live.gone_at = None;
            return away;
        }
        let live = Live { last_seen: now, gone_at: None, hashrate: 0.0, active_gpus: 0, mining: None };
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.insert(id.clone(), member(id, live));
        None
    }

    /// Takes a heartbeat; one of a worker that never registered is ignored.
    pub fn heartbeat(&self, beat: &Heartbeat, now: Timestamp) -> Beat {
        let Some(member) = self.find(&beat.worker_id) else { return Beat::default() };
        let mut state = member.lock();
        let returned = state.live.away_since(now);
        let gap = now.micros_since(state.live.last_seen);
        if returned.is_none() {
            state.online += gap.min(micros_of(UPTIME_STEP_MAX));
        }
        state.live.last_seen = now;
        state.live.gone_at = None;
        state.live.hashrate = beat.hashrate;
        state.live.active_gpus = beat.active_gpus;
        state.hashrate_sum += beat.hashrate;
        state.hashrate_samples += 1;
        let disagrees = beat.mining.as_ref().is_some_and(|mining| state.must_remind(mining, now));
        let resumes = state.resumes(beat);
        if beat.mining.is_some() {
            state.live.mining.clone_from(&beat.mining);
        }
        let newly_dirty = !std::mem::replace(&mut state.dirty, true);
        drop(state);
        if newly_dirty {
            self.dirty.lock().unwrap_or_else(PoisonError::into_inner).push(member);
        }
        Beat { known: true, returned, disagrees, resumes }
    }

    /// A worker said that it is going, or its will did. One that had been silent for too long before
    /// that has been away since it was last heard of.
    pub fn gone(&self, id: &WorkerId, now: Timestamp) {
        if let Some(member) = self.find(id) {
            let mut state = member.lock();
            state.live.gone_at = Some(state.live.away_since(now).unwrap_or(now));
            state.live.hashrate = 0.0;
            state.live.active_gpus = 0;
        }
    }

    /// Which prefix a worker's keys should bear from now on; `None` when it mines for itself. What
    /// was gathered for the lease before is dropped, and what the worker said of mining for it: the next
    /// heartbeat says what it mines instead.
    pub fn expect_prefix(&self, id: &WorkerId, prefix: Option<Prefix>, now: Timestamp) {
        if let Some(member) = self.find(id) {
            let mut state = member.lock();
            let before = std::mem::replace(&mut state.expected, prefix).filter(|_| prefix.is_none());
            let of_ended = |mining: &Mining| before.is_some_and(|ended| mining.is_of(ended));
            state.live.mining = state.live.mining.take().filter(|mining| !of_ended(mining));
            state.paused = false;
            state.reminded = now;
            state.hashrate_sum = 0.0;
            state.hashrate_samples = 0;
        }
    }

    /// Whether a worker has said that it does not mine for its lease.
    pub fn set_paused(&self, id: &WorkerId, paused: bool) {
        if let Some(member) = self.find(id) {
            member.lock().paused = paused;
        }
    }

    /// What is known of one worker.
    pub fn get(&self, id: &WorkerId) -> Option<Live> {
        self.find(id).map(|member| member.lock().live.clone())
    }

    /// Whether a worker is online.
    pub fn is_online(&self, id: &WorkerId, now: Timestamp) -> bool {
        self.find(id).is_some_and(|member| member.lock().live.is_online(now))
    }

    /// Totals over the workers that are online.
    pub fn totals(&self, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        self.each_online(now, |_, live| {
            totals.online += 1;
            totals.hashrate += live.hashrate;
            totals.active_gpus += u64::from(live.active_gpus);
        });
        totals
    }

    /// Visits the workers that are online, in no order.
    pub fn each_online(&self, now: Timestamp, mut visit: impl FnMut(&WorkerId, &Live)) {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        for member in members.values() {
            let state = member.lock();
            if state.live.is_online(now) {
                visit(&member.id, &state.live);
            }
        }
    }

    /// Workers that are away, with the moment they were last heard of.
    pub fn away(&self, now: Timestamp) -> Vec<(WorkerId, Timestamp)> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let away = members.values().filter_map(|member| {
            let state = member.lock();
            (!state.live.is_online(now)).then(|| (member.id.clone(), state.live.last_seen))
        });
        away.collect()
    }

    /// Number of workers known.
    pub fn len(&self) -> usize {
        self.members.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// No worker is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what heartbeats said since the last call, to be written to the store.
    pub fn take_pulses(&self) -> Vec<Pulse> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        dirty.iter().map(|member| member.lock().take_pulse(&member.id)).collect()
    }

    fn find(&self, id: &WorkerId) -> Option<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl State {
    fn is_as_told(&self, mining: &Mining) -> bool {
        let expected = self.expected.map(|prefix| prefix.to_string()).unwrap_or_default();
        mining.prefix.eq_ignore_ascii_case(&expected)
    }

    fn resumes(&self, beat: &Heartbeat) -> bool {
        let is_at_work = beat.active_gpus > 0 && beat.hashrate > 0.0;
        let is_for_lease = || beat.mining.as_ref().is_some_and(|mining| self.is_as_told(mining));
        self.paused && self.expected.is_some() && is_at_work && is_for_lease()
    }

    fn must_remind(&mut self, mining: &Mining, now: Timestamp) -> bool {
        if self.is_as_told(mining) || self.reminded.plus(REMINDER_INTERVAL) > now {
            return false;
        }
        self.reminded = now;
        true
    }

    fn take_pulse(&mut self, id: &WorkerId) -> Pulse {
        self.dirty = false;
        Pulse {
            worker_id: id.clone(),
            hashrate: self.live.hashrate,
            active_gpus: self.live.active_gpus,
            last_heartbeat: self.live.last_seen,
            online: std::mem::take(&mut self.online),
            hashrate_sum: std::mem::take(&mut self.hashrate_sum),
            hashrate_samples: std::mem::take(&mut self.hashrate_samples),
        }
    }
}

fn member(id: &WorkerId, live: Live) -> Arc<Member> {
    let state = State {
        live,
        expected: None,
        paused: false,
        reminded: Timestamp::default(),
        dirty: false,
        online: 0,
        hashrate_sum: 0.0,
        hashrate_samples: 0,
    };
    Arc::new(Member { id: id.clone(), state: Mutex::new(state) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(hashrate: f64, prefix: Option<&str>) -> Heartbeat {
        let mining = prefix.map(|prefix| Mining { prefix: prefix.into(), ..Mining::default() });
        Heartbeat { worker_id: "w".parse().unwrap(), hashrate, active_gpus: 2, mining }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_worker_is_online_for_90_seconds_and_its_return_is_noticed() {
        let (fleet, id) = (Fleet::default(), "w".parse().unwrap());
        assert!(!fleet.heartbeat(&beat(1.0, None), at(0)).known);
        assert_eq!(fleet.registered(&id, at(0)), None);
        assert!(fleet.is_online(&id, at(89)));
        assert!(!fleet.is_online(&id, at(90)));
        assert_eq!(fleet.heartbeat(&beat(1.0, None), at(200)).returned, Some(at(0)));
        fleet.gone(&id, at(210));
        assert_eq!(fleet.get(&id).unwrap().away_since(at(211)), Some(at(210)));
        fleet.gone(&id, at(215));
        assert_eq!(fleet.registered(&id, at(220)), Some(at(210)));
        fleet.gone(&id, at(500));
        assert_eq!(fleet.get(&id).unwrap().away_since(at(501)), Some(at(220)));
    }

    #[test]
    fn uptime_grows_by_at_most_a_minute_a_heartbeat_and_not_over_absences() {
        let (fleet, id) = (Fleet::default(), "w".parse().unwrap());
        fleet.registered(&id, at(0));
        fleet.heartbeat(&beat(5.0, None), at(30));
        fleet.heartbeat(&beat(7.0, None), at(110));
        fleet.heartbeat(&beat(9.0, None), at(1000));
        let pulses = fleet.take_pulses();
        assert_eq!(pulses.len(), 1);
        assert_eq!(pulses[0].online, 90_000_000);
        assert_eq!((pulses[0].hashrate_sum, pulses[0].hashrate_samples), (21.0, 3));
        assert!(fleet.take_pulses().is_empty());
    }

    #[test]
    fn a_worker_that_paused_is_seen_at_work_again_by_its_leases_prefix() {
        let (fleet, id) = (Fleet::default(), "w".parse().unwrap());
        let prefix = "00112233445566aa";
        fleet.registered(&id, at(0));
        fleet.expect_prefix(&id, Some(prefix.parse().unwrap()), at(0));
        assert!(!fleet.heartbeat(&beat(1.0, Some(prefix)), at(1)).resumes);
        fleet.set_paused(&id, true);
        assert!(!fleet.heartbeat(&beat(1.0, None), at(2)).resumes);
        assert!(!fleet.heartbeat(&beat(1.0, Some("")), at(3)).resumes);
        assert!(!fleet.heartbeat(&beat(0.0, Some(prefix)), at(4)).resumes);
        assert!(fleet.heartbeat(&beat(1.0, Some(prefix)), at(5)).resumes);
        fleet.expect_prefix(&id, None, at(6));
        assert!(!fleet.heartbeat(&beat(1.0, Some("")), at(7)).resumes);
    }

    #[test]
    fn what_was_said_of_a_lease_is_over_with_it() {
        let (fleet, id) = (Fleet::default(), "w".parse().unwrap());
        fleet.registered(&id, at(0));
        let shown = || fleet.get(&id).unwrap().mining.map(|mining| mining.prefix);
        fleet.expect_prefix(&id, Some("00112233445566aa".parse().unwrap()), at(0));
        fleet.heartbeat(&beat(1.0, Some("00112233445566AA")), at(30));
        assert_eq!(shown().as_deref(), Some("00112233445566AA"));
        fleet.expect_prefix(&id, None, at(40));
        assert_eq!(shown(), None);
        fleet.heartbeat(&beat(1.0, Some("00112233445566AA")), at(60));
        assert_eq!(shown().as_deref(), Some("00112233445566AA"), "it goes on with it, and says so");
        fleet.expect_prefix(&id, Some("ffffffffffffffff".parse().unwrap()), at(70));
        fleet.heartbeat(&beat(1.0, Some("")), at(80));
        fleet.expect_prefix(&id, None, at(90));
        assert_eq!(shown().as_deref(), Some(""), "that was not of the lease");
    }

    #[test]
    fn a_worker_that_mines_something_else_is_reminded_now_and_then() {
        let (fleet, id) = (Fleet::default(), "w".parse().unwrap());
        fleet.registered(&id, at(0));
        fleet.expect_prefix(&id, Some("00112233445566aa".parse().unwrap()), at(0));
        assert!(!fleet.heartbeat(&beat(1.0, Some("")), at(5)).disagrees);
        assert!(fleet.heartbeat(&beat(1.0, Some("")), at(15)).disagrees);
        assert!(!fleet.heartbeat(&beat(1.0, Some("")), at(20)).disagrees);
        assert!(!fleet.heartbeat(&beat(1.0, Some("00112233445566AA")), at(40)).disagrees);
        assert!(!fleet.heartbeat(&beat(1.0, None), at(60)).disagrees);
    }
}
