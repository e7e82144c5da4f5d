//! All answers, encoded when something changed and not when somebody asks.

use std::sync::Arc;

use serde_json::Value;

use super::facts::Facts;
use super::method::Method;
use super::streams::Stream;
use super::views::receipts::{self, Page, Receipts};
use super::views::{View, health, markets, network, seconds};
use crate::base::Timestamp;

/// An encoded answer. Cloning shares its bytes.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) status: u16,
    pub(super) body: Arc<[u8]>,
}

impl Prepared {
    pub(super) fn new(view: &View) -> Self {
        Prepared { status: view.status, body: view.json.to_string().into_bytes().into() }
    }
}

/// The answers of one moment.
pub(super) struct Board {
    pub(super) network: Prepared,
    pub(super) markets: Prepared,
    pub(super) operations: Prepared,
    pub(super) peers: Prepared,
    pub(super) scheduler: Prepared,
    pub(super) health: Prepared,
    pub(super) ready: Prepared,
    /// What every page of receipts says behind its receipts: `"key":value,…}`.
    receipts_frame: Prepared,
    pub(super) receipts: Result<Receipts, String>,
    receipts_answered: Option<Timestamp>,
    /// When it was encoded, Unix seconds.
    pub(super) timestamp: i64,
}

impl Board {
    /// Encodes what is known; receipts that have not changed are not read again.
    pub(super) fn new(facts: &Facts, started: Timestamp, now: Timestamp, last: Option<&Board>) -> Self {
        let answered = facts.answered(Method::Receipts);
        let unchanged = last.filter(|last| {
            last.receipts.is_ok()
                && last.receipts_answered == answered
                && facts.get(Method::Receipts, now).is_ok()
        });
        let receipts = unchanged.map_or_else(|| receipts::read(facts, now), |last| last.receipts.clone());
        let kept = receipts.as_ref().map_or(0, |receipts| receipts.len());
        Board {
            network: Prepared::new(&network::metrics(facts, now)),
            markets: Prepared::new(&markets::health(facts, now)),
            operations: Prepared::new(&receipts::operations(facts, &receipts, now)),
            peers: Prepared::new(&network::peers(facts, now)),
            scheduler: Prepared::new(&network::scheduler(facts, now)),
            health: Prepared::new(&health::health(facts, started, kept, now)),
            ready: Prepared::new(&health::ready(facts, now)),
            receipts_frame: Prepared::new(&receipts::frame(facts, &receipts, now)),
            receipts,
            receipts_answered: answered,
            timestamp: seconds(now),
        }
    }

    /// A page of receipts.
    pub(super) fn receipts_page(&self, page: Page) -> Prepared {
        if self.receipts_frame.status != 200 {
            return self.receipts_frame.clone();
        }
        let (list, total) = match &self.receipts {
            Ok(receipts) => {
                let (list, count) = receipts::page(receipts, page);
                (list, Value::from(count))
            }
            Err(_) => ("null".to_owned(), Value::Null),
        };
        let Page { limit, offset, .. } = page;
        let mut body =
            format!(r#"{{"receipts":{list},"total":{total},"limit":{limit},"offset":{offset},"#).into_bytes();
        // The frame's fields, of which there is one at least, without its first brace.
        body.extend_from_slice(&self.receipts_frame.body[1..]);
        Prepared { status: 200, body: body.into() }
    }

    /// What a stream's frame holds; `None` when there is nothing to show. Receipts are no state.
    pub(super) fn of(&self, stream: Stream) -> Option<&Prepared> {
        let prepared = match stream {
            Stream::NetworkMetrics => &self.network,
            Stream::MarketsHealth => &self.markets,
            Stream::Operations => &self.operations,
            Stream::Peers => &self.peers,
            Stream::Receipts => return None,
        };
        (prepared.status == 200).then_some(prepared)
    }
}
