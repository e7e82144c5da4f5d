//! The thread that encodes what changed, and tells it to those who listen.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use serde_json::json;

use super::board::Board;
use super::features::Features;
use super::shared::Shared;
use super::sockets::Hub;
use super::streams::{self, Stream};
use super::views::{seconds, tenths};
use crate::base::Timestamp;

/// The herald's own state.
pub(super) struct Herald {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    features: Features,
    /// What was encoded last: facts' version, and the second.
    encoded: Option<(u64, i64)>,
    told: [Told; Stream::ALL.len()],
    features_due: Timestamp,
    stale_due: Option<Timestamp>,
    /// Receipts that were there when it was last looked; `None` before the first look.
    receipts_seen: Option<HashSet<String>>,
}

/// When a stream spoke last, and of what.
#[derive(Clone, Copy, Default)]
struct Told {
    at: Option<Timestamp>,
    answered: Option<Timestamp>,
}

const TICK: Duration = Duration::from_millis(250);
const FEATURES_PERIOD: Duration = Duration::from_secs(2);
/// Between two notices that the node is gone.
const STALE_PERIOD: Duration = Duration::from_secs(2);
/// How long a first frame waits for what is missing in it.
const WHOLE: Duration = Duration::from_secs(5);
/// Polls do not come to the millisecond.
const EARLY: Duration = Duration::from_millis(400);

impl Herald {
    pub(super) fn new(shared: Arc<Shared>, hub: Arc<Hub>) -> Self {
        let features_due = shared.clock.now();
        Herald {
            shared,
            hub,
            features: Features::default(),
            encoded: None,
            told: Default::default(),
            features_due,
            stale_due: None,
            receipts_seen: None,
        }
    }

    /// Encodes and tells until `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>, bell: &Receiver<()>) {
        let tick = self.shared.clock.every(TICK);
        loop {
            select! {
                recv(stop) -> _ => return,
                recv(bell) -> _ => {}
                recv(tick) -> _ => {}
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let now = self.shared.clock.now();
        let board = {
            let facts = self.shared.facts();
            let state = (facts.version, seconds(now));
            if self.encoded == Some(state) {
                None
            } else {
                self.encoded = Some(state);
                Some(Board::new(&facts, self.shared.started, now, Some(&self.shared.board())))
            }
        };
        if let Some(board) = board {
            self.shared.hang_up(board);
        }
        let board = self.shared.board();
        if !self.tell_stale(now) {
            for stream in Stream::ALL {
                self.tell(stream, &board, now);
            }
        }
        self.tell_features(&board, now);
    }

    /// Says that the node is gone, and goes on saying so: silence would look like calm.
    fn tell_stale(&mut self, now: Timestamp) -> bool {
        let facts = self.shared.facts();
        let lag = facts.lag(now);
        let asked = facts.line.failures > 0 || lag.is_some();
        let stale = asked && lag.is_none_or(|lag| facts.is_stale(lag));
        if !stale {
            self.stale_due = None;
            return false;
        }
        if self.stale_due.is_none_or(|due| due <= now) {
            self.stale_due = Some(now.plus(STALE_PERIOD));
            let notice = json!({
                "type": "stale",
                "message": facts.line.trouble(),
                "age_seconds": lag.map(tenths),
                "timestamp": seconds(now),
            });
            drop(facts);
            self.hub.notify(&streams::message(&notice));
        }
        true
    }

    /// A stream's frame, when its time has come and all it is made of was polled since the last one.
    fn tell(&mut self, stream: Stream, board: &Board, now: Timestamp) {
        let told = self.told[stream as usize];
        if told.at.is_some_and(|at| now.plus(EARLY) < at.plus(stream.period())) {
            return;
        }
        let answered = {
            let facts = self.shared.facts();
            let all = || stream.methods().iter().map(|method| facts.answered(*method));
            // At the start a first frame waits for the whole of it, but not for a method that hangs.
            let starting = self.shared.started.plus(WHOLE) > now;
            if starting && all().any(|answered| answered.is_none()) {
                return;
            }
            all().flatten().min()
        };
        if answered.is_none() || answered <= told.answered {
            return;
        }
        let data = match stream {
            Stream::Receipts => self.new_receipts(board),
            _ => board.of(stream).map(|prepared| prepared.body.to_vec()),
        };
        self.told[stream as usize] = Told { at: Some(now), answered };
        if let Some(data) = data {
            self.hub.publish(stream, &streams::data_frame(stream, &data, board.timestamp));
        }
    }

    /// The receipts that were not there before, as a page; `None` when there are none.
    fn new_receipts(&mut self, board: &Board) -> Option<Vec<u8>> {
        let receipts = board.receipts.as_ref().ok()?;
        let ids = receipts.iter().map(|receipt| receipt.id.clone()).collect();
        let seen = self.receipts_seen.replace(ids)?;
        let new: Vec<_> = receipts
            .iter()
            .filter(|receipt| !seen.contains(&receipt.id))
            .map(|receipt| &*receipt.json)
            .collect();
        if new.is_empty() {
            return None;
        }
        Some(format!(r#"{{"receipts":[{}],"total":{}}}"#, new.join(","), new.len()).into_bytes())
    }

    fn tell_features(&mut self, board: &Board, now: Timestamp) {
        if now < self.features_due {
            return;
        }
        self.features_due = now.plus(FEATURES_PERIOD);
        let frame = {
            let facts = self.shared.facts();
            self.features.frame(&facts, board.receipts.as_ref().ok(), now)
        };
        self.hub.publish_features(&streams::message(&frame));
    }
}
