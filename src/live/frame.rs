//! Messages and WebSocket frames as bytes: a server's frames are unmasked, so the same for everyone.

use serde::Serialize;

use crate::base::Timestamp;
use crate::http::websocket::text_header;

/// The JSON of one event: `{"type", "data", "ts"}`.
pub(super) fn event<T: Serialize + ?Sized>(
    kind: &str,
    data: &T,
    ts: Timestamp,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Event<'a, T: ?Sized> {
        #[serde(rename = "type")]
        kind: &'a str,
        data: &'a T,
        ts: Timestamp,
    }
    serde_json::to_vec(&Event { kind, data, ts })
}

/// What goes before and behind `data`, JSON of that many bytes, to make it a snapshot's message.
pub(super) fn around_snapshot(data_bytes: usize, ts: Timestamp) -> (Vec<u8>, Vec<u8>) {
    let before = br#"{"type":"snapshot","data":"#;
    let behind = format!(r#","ts":{:?}}}"#, ts.seconds()).into_bytes();
    let mut head = Vec::with_capacity(before.len() + 10);
    text_header(before.len() + data_bytes + behind.len(), &mut head);
    head.extend_from_slice(before);
    (head, behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::websocket::text;

    #[test]
    fn an_event_is_one_text_frame() {
        let json = event("block", &[1, 2], Timestamp::from_micros(1_500_000)).unwrap();
        assert_eq!(json, br#"{"type":"block","data":[1,2],"ts":1.5}"#);
        let mut out = vec![b'-'];
        text(&json, &mut out);
        assert_eq!(out[..3], [b'-', 0x81, 38]);
        assert_eq!(out[3..], json[..]);
    }

    #[test]
    fn a_snapshot_is_framed_around_its_data() {
        for (length, header) in [(10, 2), (1000, 4), (100_000, 10)] {
            let data = format!("\"{}\"", "x".repeat(length));
            let (before, behind) = around_snapshot(data.len(), Timestamp::from_seconds(7.0));
            let whole = [&before[..], data.as_bytes(), &behind].concat();
            let json: serde_json::Value = serde_json::from_slice(&whole[header..]).unwrap();
            assert_eq!((json["type"].as_str(), json["ts"].as_f64()), (Some("snapshot"), Some(7.0)));
            let mut framed = Vec::new();
            text(&whole[header..], &mut framed);
            assert_eq!(whole, framed);
        }
    }
}
