//! Deltas: what changed within a moment, the newest of each thing, as one message.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::ops::Range;

use crate::base::Timestamp;
use crate::http::websocket::text;

/// What has changed since the last delta, by kind, in the order in which it first came up.
#[derive(Default)]
pub(super) struct Gathering<'a> {
    sections: Vec<Section<'a>>,
    bytes: usize,
}

struct Section<'a> {
    kind: &'static str,
    items: Vec<Item<'a>>,
    places: HashMap<Cow<'a, str>, usize>,
}

struct Item<'a> {
    key: Option<Cow<'a, str>>,
    data: Cow<'a, [u8]>,
}

/// A delta: encoded, and where in it each item is.
pub(super) struct Delta {
    /// Which one it is.
    pub(super) seq: u64,
    /// The WebSocket message for whoever has had the one before.
    pub(super) frame: Box<[u8]>,
    ts: Timestamp,
    items: Vec<Place>,
}

/// An item within a delta's frame.
struct Place {
    kind: &'static str,
    key: Option<Box<str>>,
    at: Range<usize>,
}

impl<'a> Gathering<'a> {
    /// Adds an item. One with a key takes the place of what was known of the same thing.
    pub(super) fn add(&mut self, kind: &'static str, key: Option<Cow<'a, str>>, data: Cow<'a, [u8]>) {
        let known = self.sections.iter().position(|section| section.kind == kind);
        let place = known.unwrap_or_else(|| {
            self.sections.push(Section { kind, items: Vec::new(), places: HashMap::new() });
            self.sections.len() - 1
        });
        let section = &mut self.sections[place];
        self.bytes += data.len();
        if let Some(key) = &key {
            if let Some(place) = section.places.get(key) {
                let item = &mut section.items[*place];
                self.bytes -= item.data.len();
                item.data = data;
                return;
            }
            section.places.insert(key.clone(), section.items.len());
        }
        section.items.push(Item { key, data });
    }

    /// The items' bytes together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What has gathered as the delta that follows `since`.
    pub(super) fn close(self, since: u64, seq: u64, ts: Timestamp) -> Delta {
        let (json, mut items) = self.encode(since, seq, ts);
        let mut message = Vec::with_capacity(json.len() + 10);
        text(&json, &mut message);
        let header = message.len() - json.len();
        for place in &mut items {
            place.at = place.at.start + header..place.at.end + header;
        }
        Delta { seq, frame: message.into(), ts, items }
    }

    fn encode(self, since: u64, seq: u64, ts: Timestamp) -> (Vec<u8>, Vec<Place>) {
        let mut json = Vec::with_capacity(self.bytes + self.bytes / 8 + 128);
        let mut places = Vec::new();
        write!(json, r#"{{"type":"delta","since":{since},"seq":{seq},"data":{{"#).expect(WRITABLE);
        for (nth, section) in self.sections.into_iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(json, r#"{comma}"{}":["#, section.kind).expect(WRITABLE);
            for (nth, item) in section.items.into_iter().enumerate() {
                if nth > 0 {
                    json.push(b',');
                }
                let start = json.len();
                json.extend_from_slice(&item.data);
                let key = item.key.map(|key| key.into_owned().into_boxed_str());
                places.push(Place { kind: section.kind, key, at: start..json.len() });
            }
            json.push(b']');
        }
        write!(json, r#"}},"ts":{:?}}}"#, ts.seconds()).expect(WRITABLE);
        (json, places)
    }
}

const WRITABLE: &str = "writing to a vector cannot fail";

/// Several deltas, oldest first, as one message: each thing's newest value once. `None` without any.
pub(super) fn merge<'a>(since: u64, deltas: impl IntoIterator<Item = &'a Delta>) -> Option<Delta> {
    let mut all = Gathering::default();
    let mut newest = None;
    for delta in deltas {
        for Place { kind, key, at } in &delta.items {
            all.add(kind, key.as_deref().map(Cow::Borrowed), Cow::Borrowed(&delta.frame[at.clone()]));
        }
        newest = Some((delta.seq, delta.ts));
    }
    newest.map(|(seq, ts)| all.close(since, seq, ts))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn json_of(delta: &Delta) -> Value {
        let start = delta.frame.windows(7).position(|bytes| bytes == br#"{"type""#).unwrap();
        serde_json::from_slice(&delta.frame[start..]).unwrap()
    }

    fn add(gathering: &mut Gathering<'_>, kind: &'static str, key: Option<&str>, value: &Value) {
        gathering.add(kind, key.map(|key| key.to_owned().into()), serde_json::to_vec(value).unwrap().into());
    }

    #[test]
    fn the_newest_of_a_key_and_all_without_one() {
        let mut gathering = Gathering::default();
        add(&mut gathering, "heartbeat", Some("a"), &json!({"worker_id": "a", "hashrate": 1}));
        add(&mut gathering, "block", None, &json!({"hash": "x"}));
        add(&mut gathering, "heartbeat", Some("b"), &json!(2));
        add(&mut gathering, "heartbeat", Some("a"), &json!({"worker_id": "a", "hashrate": 33}));
        add(&mut gathering, "block", None, &json!({"hash": "x"}));
        let delta = gathering.close(4, 5, Timestamp::from_seconds(7.5));
        let expected = json!({"type": "delta", "since": 4, "seq": 5, "data": {
            "heartbeat": [{"worker_id": "a", "hashrate": 33}, 2],
            "block": [{"hash": "x"}, {"hash": "x"}],
        }, "ts": 7.5});
        assert_eq!(json_of(&delta), expected);
        for place in &delta.items {
            serde_json::from_slice::<Value>(&delta.frame[place.at.clone()]).unwrap();
        }
    }

    /// What a dashboard knows after these deltas.
    fn apply(deltas: &[&Delta]) -> (BTreeMap<String, Value>, Vec<Value>) {
        let (mut values, mut blocks) = (BTreeMap::new(), Vec::new());
        for delta in deltas {
            let data = json_of(delta)["data"].clone();
            for beat in data["heartbeat"].as_array().into_iter().flatten() {
                values.insert(beat["worker_id"].to_string(), beat["hashrate"].clone());
            }
            blocks.extend(data["block"].as_array().into_iter().flatten().cloned());
        }
        (values, blocks)
    }

    proptest! {
        #[test]
        fn a_merged_delta_says_what_the_single_ones_say(
            batches in prop::collection::vec(prop::collection::vec((0_u8..6, any::<u16>()), 0..12), 1..8),
        ) {
            let mut deltas = Vec::new();
            for (nth, batch) in (1..).zip(batches) {
                let mut gathering = Gathering::default();
                for (worker, hashrate) in batch {
                    let key = worker.to_string();
                    let value = json!({"worker_id": key, "hashrate": hashrate});
                    if worker == 0 {
                        add(&mut gathering, "block", None, &value);
                    } else {
                        add(&mut gathering, "heartbeat", Some(&key), &value);
                    }
                }
                deltas.push(gathering.close(nth - 1, nth, Timestamp::from_seconds(1.0)));
            }
            let all: Vec<&Delta> = deltas.iter().collect();
            let merged = merge(0, &deltas).unwrap();
            prop_assert_eq!(merged.seq, u64::try_from(deltas.len()).unwrap());
            prop_assert_eq!(apply(&[&merged]), apply(&all));
        }
    }
}
