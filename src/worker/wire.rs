//! What a worker publishes, with the time it was said. The bodies are the protocol's own types.

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{LeaseId, Timestamp, WorkerId};
use crate::protocol::{Heartbeat, ReportedState};

/// Any message with the moment it was sent, as the wire wants it (contract: mqtt.md).
#[derive(Serialize)]
struct Stamped<'a, T> {
    #[serde(flatten)]
    body: &'a T,
    timestamp: Timestamp,
}

/// A heartbeat with what the protocol's core does not read.
#[derive(Clone, Debug, Serialize)]
pub struct Pulse {
    /// What the platform reads.
    #[serde(flatten)]
    pub heartbeat: Heartbeat,
    /// Blocks accepted since the start.
    pub accepted_blocks: u64,
    /// Memory of one hash, KiB; 0 when not known yet.
    pub difficulty: u32,
    /// Since the start, seconds.
    pub uptime_sec: i64,
}

/// The JSON of `body` sent at `now`.
pub(super) fn stamped<T: Serialize>(body: &T, now: Timestamp) -> Vec<u8> {
    serde_json::to_vec(&Stamped { body, timestamp: now }).expect("a message of ours is a JSON object")
}

/// The JSON of a change of state.
pub(super) fn status(
    worker: &WorkerId,
    state: ReportedState,
    lease: Option<&LeaseId>,
    detail: Option<&str>,
    now: Timestamp,
) -> Vec<u8> {
    let mut body = json!({"worker_id": worker, "state": state.as_str(), "timestamp": now});
    if let Some(lease) = lease {
        body["lease_id"] = Value::String(lease.to_string());
    }
    if let Some(detail) = detail {
        body["detail"] = Value::String(detail.to_owned());
    }
    body.to_string().into_bytes()
}

/// The JSON of a will: the key is `status`, as the C++ miner's (contract: mqtt.md).
pub(super) fn will(worker: &WorkerId, now: Timestamp) -> Vec<u8> {
    let offline = ReportedState::Offline.as_str();
    json!({"worker_id": worker, "status": offline, "timestamp": now}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Channel, Message, Mining, Status, parse};

    #[test]
    fn what_is_sent_is_what_the_platform_reads() {
        let (worker, now): (WorkerId, _) = ("rig-1".parse().unwrap(), Timestamp::from_seconds(1000.5));
        let heartbeat = Heartbeat {
            worker_id: worker.clone(),
            hashrate: 120.25,
            active_gpus: 2,
            mining: Some(Mining {
                address: "0x1".into(),
                prefix: "ab".into(),
                block_pattern: "XEN11".into(),
            }),
        };
        let pulse =
            Pulse { heartbeat: heartbeat.clone(), accepted_blocks: 3, difficulty: 1727, uptime_sec: 60 };
        let text = stamped(&pulse, now);
        assert_eq!(parse(Channel::Heartbeat, &text), Ok(Message::Heartbeat(heartbeat)));
        let json: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            json,
            json!({"worker_id": "rig-1", "hashrate": 120.25, "active_gpus": 2, "address": "0x1",
                "prefix": "ab", "block_pattern": "XEN11", "accepted_blocks": 3, "difficulty": 1727,
                "uptime_sec": 60, "timestamp": 1000.5})
        );

        let lease: LeaseId = "lease-7".parse().unwrap();
        let text = status(&worker, ReportedState::Mining, Some(&lease), None, now);
        let status =
            Status { worker_id: worker.clone(), state: ReportedState::Mining, lease_id: Some(lease) };
        assert_eq!(parse(Channel::Status, &text), Ok(Message::Status(status)));

        let will: Value = serde_json::from_slice(&will(&worker, now)).unwrap();
        assert_eq!(will, json!({"worker_id": "rig-1", "status": "offline", "timestamp": 1000.5}));
    }
}
