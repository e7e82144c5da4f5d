//! Retained messages. The gate keeps them and sends them itself: the library sends a hundred or two of
//! them to a new subscription, and none to one that is renewed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rumqttd::protocol::matches;

use super::Identity;
use super::rules;
use crate::base::limits::{
    MQTT_RETAINED_BYTES_MAX, MQTT_RETAINED_LOOKS_MAX, MQTT_RETAINED_OVERHEAD_BYTES,
    MQTT_RETAINED_PIECE_BYTES, MQTT_RETAINED_UNACKNOWLEDGED_MAX,
};

/// The messages that are retained, by topic.
#[derive(Default)]
pub(super) struct Retained(Mutex<Table>);

#[derive(Default)]
struct Table {
    messages: BTreeMap<Bytes, Kept>,
    bytes: usize,
    /// How many were ever stored.
    stored: u64,
}

struct Kept {
    payload: Bytes,
    is_qos_0: bool,
    /// Its place among all that were ever stored.
    number: u64,
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    /// The lower of the QoS it was sent with and that of the subscription.
    pub(super) qos: u8,
}

impl Retained {
    /// Keeps the last message of a topic; an empty one removes what was there. Whether it fits.
    pub(super) fn retain(&self, topic: &Bytes, payload: &Bytes, is_qos_0: bool) -> bool {
        let mut table = self.table();
        let cost = |payload: &Bytes| topic.len() + payload.len() + MQTT_RETAINED_OVERHEAD_BYTES;
        let before = table.messages.get(topic).map_or(0, |kept| cost(&kept.payload));
        if payload.is_empty() {
            table.messages.remove(topic);
            table.bytes -= before;
            return true;
        }
        let bytes = table.bytes - before + cost(payload);
        if bytes > MQTT_RETAINED_BYTES_MAX {
            return false;
        }
        table.bytes = bytes;
        table.stored += 1;
        let kept = Kept { payload: payload.clone(), is_qos_0, number: table.stored };
        table.messages.insert(topic.clone(), kept);
        true
    }

    /// What a subscription that begins now is owed. Later messages reach it as any others do: the library
    /// is handed them after it.
    pub(super) fn owed(&self, filter: String, qos: u8) -> Owed {
        Owed { filter, qos, until: self.table().stored, seen: None }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The retained messages that one subscription has still to get.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) filter: String,
    qos: u8,
    /// The last that had been stored when the subscription began.
    until: u64,
    /// The topic up to which it has been served.
    seen: Option<Bytes>,
}

impl Owed {
    /// Adds what comes next, a piece at most; whether that was the last.
    fn read(&mut self, retained: &Retained, identity: &Identity, piece: &mut Piece) -> bool {
        let table = retained.table();
        // Matching topics lie together, behind what the filter begins with; `a/#` is for `a` as well.
        let literal = self.filter.split(['+', '#']).next().unwrap_or_default();
        let is_exact = literal.len() == self.filter.len();
        let literal = if self.filter.ends_with("/#") { literal.trim_end_matches('/') } else { literal };
        let from = match &self.seen {
            Some(topic) => Bound::Excluded(&topic[..]),
            None => Bound::Included(literal.as_bytes()),
        };
        let mut topics = table.messages.range::<[u8], _>((from, Bound::Unbounded));
        while piece.has_room() {
            let next = topics.next().filter(|(topic, _)| topic.starts_with(literal.as_bytes()));
            let Some((topic, kept)) = next.filter(|(topic, _)| !is_exact || topic.len() == literal.len())
            else {
                return true;
            };
            piece.looks += 1;
            let text = std::str::from_utf8(topic).unwrap_or_default();
            if kept.number <= self.until && matches(text, &self.filter) && rules::may_read(identity, text) {
                let qos = if kept.is_qos_0 { 0 } else { self.qos };
                piece.push(Message { topic: topic.clone(), payload: kept.payload.clone(), qos });
            }
            self.seen = Some(topic.clone());
        }
        false
    }
}

/// What is sent in one go, so that neither this client's buffer nor anybody's wait grows.
struct Piece {
    messages: Vec<Message>,
    messages_max: usize,
    bytes: usize,
    looks: usize,
}

impl Piece {
    fn has_room(&self) -> bool {
        self.messages.len() < self.messages_max
            && self.bytes < MQTT_RETAINED_PIECE_BYTES
            && self.looks < MQTT_RETAINED_LOOKS_MAX
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.topic.len() + message.payload.len();
        self.messages.push(message);
    }
}

/// What one client is owed, by subscription: at most one for each of its filters.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    owed: VecDeque<Owed>,
    /// A piece has been asked for and not been written yet.
    is_asked_for: bool,
}

impl Backlog {
    /// A subscription was acknowledged, and its messages may go. One of the same filter begins anew.
    pub(super) fn begin(&mut self, owed: Owed) {
        self.forget(std::slice::from_ref(&owed.filter));
        self.owed.push_back(owed);
    }

    /// Subscriptions have ended.
    pub(super) fn forget(&mut self, filters: &[String]) {
        self.owed.retain(|owed| !filters.contains(&owed.filter));
    }

    /// Whether a piece is to be asked for now: one at a time, while the client acknowledges.
    pub(super) fn ask(&mut self, unacknowledged: usize) -> bool {
        let ask =
            !self.is_asked_for && !self.owed.is_empty() && unacknowledged < MQTT_RETAINED_UNACKNOWLEDGED_MAX;
        self.is_asked_for |= ask;
        ask
    }

    /// The piece that was asked for.
    pub(super) fn read(
        &mut self,
        retained: &Retained,
        identity: &Identity,
        unacknowledged: usize,
    ) -> Vec<Message> {
        self.is_asked_for = false;
        let messages_max = MQTT_RETAINED_UNACKNOWLEDGED_MAX.saturating_sub(unacknowledged);
        let mut piece = Piece { messages: Vec::new(), messages_max, bytes: 0, looks: 0 };
        while let Some(owed) = self.owed.front_mut() {
            if !owed.read(retained, identity, &mut piece) {
                break;
            }
            self.owed.pop_front();
        }
        piece.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(retained: &Retained, topic: &str, payload: &str) -> bool {
        retained.retain(&Bytes::from(topic.to_owned()), &Bytes::from(payload.to_owned()), false)
    }

    /// All that a subscription gets, in how many pieces.
    fn read(retained: &Retained, identity: &Identity, owed: Owed) -> (Vec<String>, usize) {
        let (mut backlog, mut topics, mut pieces) = (Backlog::default(), Vec::new(), 0);
        backlog.begin(owed);
        while backlog.ask(0) {
            pieces += 1;
            for message in backlog.read(retained, identity, 0) {
                topics.push(String::from_utf8(message.topic.to_vec()).unwrap());
            }
        }
        (topics, pieces)
    }

    #[test]
    fn they_have_a_budget() {
        let retained = Retained::default();
        let full = "x".repeat(MQTT_RETAINED_BYTES_MAX - 1 - MQTT_RETAINED_OVERHEAD_BYTES);
        assert!(keep(&retained, "t", &full) && keep(&retained, "t", &full), "in its own place");
        assert!(!keep(&retained, "u", "y"));
        assert!(keep(&retained, "t", "") && keep(&retained, "u", "y"));
        assert_eq!(read(&retained, &Identity::Anyone, retained.owed("+".to_owned(), 0)).0, ["u"]);
    }

    #[test]
    fn every_filter_finds_what_it_matches_and_that_once() {
        let retained = Retained::default();
        let topics = [
            "/",
            "/a",
            "a",
            "a!",
            "a/",
            "a/b",
            "a/b/c",
            "a/c",
            "ab",
            "b",
            "b/a",
            "xenminer",
            "xenminer/r/task",
        ];
        for topic in topics {
            assert!(keep(&retained, topic, "x"));
        }
        for filter in [
            "#", "+", "+/#", "+/+", "/#", "a", "a/#", "a/+", "a/+/#", "a/b", "a/b/#", "+/a", "none",
            "none/#", "/+",
        ] {
            let expected: Vec<&str> = topics.into_iter().filter(|topic| matches(topic, filter)).collect();
            let (found, _) = read(&retained, &Identity::Anyone, retained.owed(filter.to_owned(), 0));
            assert_eq!(found, expected, "{filter}");
        }
        let worker = Identity::Worker("r".parse().unwrap());
        let all = || retained.owed("#".to_owned(), 0);
        assert_eq!(read(&retained, &worker, all()).0, ["xenminer/r/task"], "whatever the filter");
        assert_eq!(read(&retained, &Identity::Administrator, all()).0, ["xenminer/r/task"]);
    }

    #[test]
    fn pieces_are_small_and_together_everything_that_was_there() {
        let retained = Retained::default();
        let payload = "x".repeat(1000);
        for n in 0..500 {
            assert!(keep(&retained, &format!("many/{n:03}"), &payload));
        }
        let mut backlog = Backlog::default();
        backlog.begin(retained.owed("many/+".to_owned(), 1));
        assert!(!backlog.ask(MQTT_RETAINED_UNACKNOWLEDGED_MAX), "the client does not keep up");
        assert!(backlog.ask(0) && !backlog.ask(0), "one at a time");
        let first = backlog.read(&retained, &Identity::Anyone, 0);
        assert!((30..40).contains(&first.len()) && first.iter().all(|message| message.qos == 1));
        // What changes meanwhile comes as any other message does.
        assert!(keep(&retained, "many/100", "new") && keep(&retained, "many/999", "new"));
        let mut rest = 0;
        while backlog.ask(0) {
            rest += backlog.read(&retained, &Identity::Anyone, 0).len();
        }
        assert_eq!(first.len() + rest, 499);
    }

    #[test]
    fn few_matches_among_many_topics_come_in_short_looks() {
        let retained = Retained::default();
        for n in 0..2500 {
            assert!(keep(&retained, &format!("{n:04}/a"), "x"));
        }
        assert!(keep(&retained, "9999/b", "x"));
        let (found, pieces) = read(&retained, &Identity::Anyone, retained.owed("+/b".to_owned(), 0));
        assert_eq!((found, pieces), (vec!["9999/b".to_owned()], 3));
    }

    #[test]
    fn a_renewed_subscription_begins_anew_and_an_ended_one_ends() {
        let retained = Retained::default();
        assert!(keep(&retained, "a", "x"));
        let mut backlog = Backlog::default();
        backlog.begin(retained.owed("a".to_owned(), 0));
        backlog.begin(retained.owed("a".to_owned(), 1));
        assert!(backlog.ask(0));
        let qos: Vec<u8> = backlog.read(&retained, &Identity::Anyone, 0).iter().map(|m| m.qos).collect();
        assert_eq!(qos, [1]);
        backlog.begin(retained.owed("a".to_owned(), 1));
        backlog.forget(&["a".to_owned()]);
        assert!(!backlog.ask(0));
    }
}
