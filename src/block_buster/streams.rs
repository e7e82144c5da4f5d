//! The streams of the WebSocket, and its messages.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::method::Method;
use super::views::{markets, network, receipts};
use crate::http::websocket;

/// A stream that a client can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    NetworkMetrics,
    MarketsHealth,
    Receipts,
    Operations,
    Peers,
}

impl Stream {
    pub(super) const ALL: [Stream; 5] =
        [Stream::NetworkMetrics, Stream::MarketsHealth, Stream::Receipts, Stream::Operations, Stream::Peers];

    /// Its name on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Stream::NetworkMetrics => "network_metrics",
            Stream::MarketsHealth => "markets_health",
            Stream::Receipts => "receipts",
            Stream::Operations => "operations",
            Stream::Peers => "peers",
        }
    }

    /// How often it speaks (contract: block-buster.md).
    pub(super) const fn period(self) -> Duration {
        Duration::from_secs(match self {
            Stream::NetworkMetrics => 2,
            Stream::MarketsHealth => 5,
            Stream::Receipts | Stream::Operations => 3,
            Stream::Peers => 10,
        })
    }

    /// What it is made of.
    pub(super) const fn methods(self) -> &'static [Method] {
        match self {
            Stream::NetworkMetrics => network::NETWORK,
            Stream::MarketsHealth => markets::MARKETS,
            Stream::Receipts | Stream::Operations => receipts::RECEIPTS,
            Stream::Peers => network::PEERS,
        }
    }

    /// Its bit among a client's subscriptions.
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Stream::ALL.into_iter().find(|stream| stream.name() == name)
    }
}

/// The bit of the features' feed, which has a port of its own.
pub(super) const FEATURES_BIT: u8 = 1 << 5;
/// Every stream of the main port.
pub(super) const ALL_BITS: u8 = (1 << 5) - 1;

/// A WebSocket message, framed once for everybody.
pub(super) type Framed = Arc<[u8]>;

/// A stream's frame around data that is JSON already.
pub(super) fn data_frame(stream: Stream, data: &[u8], timestamp: i64) -> Framed {
    let mut json = format!(r#"{{"type":"{}","data":"#, stream.name()).into_bytes();
    json.extend_from_slice(data);
    json.extend_from_slice(format!(r#","timestamp":{timestamp}}}"#).as_bytes());
    framed(&json)
}

/// Any message.
pub(super) fn message(json: &Value) -> Framed {
    framed(json.to_string().as_bytes())
}

/// What a client hears first.
pub(super) fn welcome(timestamp: i64) -> Framed {
    let streams = Stream::ALL.map(Stream::name);
    message(&json!({"type": "welcome", "available_streams": streams, "timestamp": timestamp}))
}

fn framed(json: &[u8]) -> Framed {
    let mut out = Vec::with_capacity(json.len() + 10);
    websocket::text(json, &mut out);
    out.into()
}

/// What a client asks.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    Subscribe(Stream),
    Unsubscribe(Stream),
    Ping(Option<Value>),
}

/// A client's message, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Request, String> {
    let message: Value = serde_json::from_str(text).map_err(|_| "Invalid JSON".to_owned())?;
    let kind = message.get("type").and_then(Value::as_str).ok_or("A message has a type")?;
    let stream = || {
        let name = message.get("stream").and_then(Value::as_str).ok_or("A subscription names its stream")?;
        Stream::parse(name)
            .ok_or_else(|| format!("Unknown stream; there are {}", Stream::ALL.map(Stream::name).join(", ")))
    };
    match kind {
        "subscribe" => stream().map(Request::Subscribe),
        "unsubscribe" => stream().map(Request::Unsubscribe),
        "ping" => Ok(Request::Ping(
            message.get("timestamp").filter(|time| !time.is_array() && !time.is_object()).cloned(),
        )),
        _ => Err("Unknown type; there are subscribe, unsubscribe and ping".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_understood_or_their_fault_is_named() {
        assert_eq!(parse(r#"{"type":"subscribe","stream":"peers"}"#), Ok(Request::Subscribe(Stream::Peers)));
        assert_eq!(parse(r#"{"type":"ping","timestamp":1.5}"#), Ok(Request::Ping(Some(json!(1.5)))));
        for (text, fault) in [
            ("{", "Invalid JSON"),
            ("[]", "A message has a type"),
            (r#"{"type":"dance"}"#, "Unknown type"),
            (r#"{"type":"subscribe"}"#, "A subscription names"),
            (r#"{"type":"subscribe","stream":"<b>"}"#, "Unknown stream"),
        ] {
            assert!(parse(text).unwrap_err().starts_with(fault), "{text}");
        }
    }

    #[test]
    fn each_stream_has_a_bit_of_its_own() {
        assert_eq!(Stream::ALL.iter().fold(0, |bits, stream| bits | stream.bit()), ALL_BITS);
        assert_eq!(ALL_BITS & FEATURES_BIT, 0);
    }
}
