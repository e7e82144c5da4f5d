//! Messages as bytes: a server's frames are unmasked, so the same for everyone.

use super::journal::Resume;
use crate::base::Timestamp;
use crate::http::websocket::text_header;

/// What goes before and behind a first message's `data`.
pub(super) struct Around {
    before: String,
    behind: String,
}

impl Around {
    /// Of a snapshot.
    pub(super) fn snapshot(ts: Timestamp) -> Self {
        Self::new(r#"{"type":"snapshot","data":"#.into(), ts)
    }

    /// Of a first message of the second version: `kind` is snapshot or resumed.
    pub(super) fn numbered(kind: &str, at: &Resume, ts: Timestamp) -> Self {
        let Resume { feed, seq } = at;
        Self::new(format!(r#"{{"type":"{kind}","v":2,"feed":"{feed}","seq":{seq},"data":"#), ts)
    }

    fn new(before: String, ts: Timestamp) -> Self {
        Around { before, behind: format!(r#","ts":{:?}}}"#, ts.seconds()) }
    }

    /// The bytes before and behind `data`, JSON of that many bytes, which make it a text message.
    pub(super) fn frame(&self, data_bytes: usize) -> (Vec<u8>, &[u8]) {
        let mut head = Vec::with_capacity(self.before.len() + 10);
        text_header(self.before.len() + data_bytes + self.behind.len(), &mut head);
        head.extend_from_slice(self.before.as_bytes());
        (head, self.behind.as_bytes())
    }
}

/// Appends a text message with one event: `{"type", "data", "ts"}`, where `data` is JSON.
pub(super) fn event(kind: &str, data: &[u8], ts: Timestamp, out: &mut Vec<u8>) {
    let before = format!(r#"{{"type":"{kind}","data":"#);
    let behind = format!(r#","ts":{:?}}}"#, ts.seconds());
    text_header(before.len() + data.len() + behind.len(), out);
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(behind.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::websocket::text;

    #[test]
    fn an_event_is_one_text_frame() {
        let mut out = vec![b'-'];
        event("block", b"[1,2]", Timestamp::from_micros(1_500_000), &mut out);
        assert_eq!(out[..3], [b'-', 0x81, 38]);
        assert_eq!(&out[3..], br#"{"type":"block","data":[1,2],"ts":1.5}"#);
    }

    #[test]
    fn a_first_message_is_framed_around_its_data() {
        let (at, ts) = (Resume { feed: "f".into(), seq: 3 }, Timestamp::from_seconds(7.0));
        for around in [Around::snapshot(ts), Around::numbered("snapshot", &at, ts)] {
            for (length, header) in [(10, 2), (1000, 4), (100_000, 10)] {
                let data = format!("\"{}\"", "x".repeat(length));
                let (before, behind) = around.frame(data.len());
                let whole = [&before[..], data.as_bytes(), behind].concat();
                let json: serde_json::Value = serde_json::from_slice(&whole[header..]).unwrap();
                assert_eq!((json["type"].as_str(), json["ts"].as_f64()), (Some("snapshot"), Some(7.0)));
                let mut framed = Vec::new();
                text(&whole[header..], &mut framed);
                assert_eq!(whole, framed);
            }
        }
    }
}
