//! What workers send.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::fields::{Fields, kind, not, object, wrong};
use super::{Channel, PayloadError};
use crate::base::limits::{GPUS_MAX, HASH_BYTES_MAX, HASHRATE_MAX, TEXT_BYTES_MAX};
use crate::base::{BlockKey, EthAddress, LeaseId, WorkerId};

/// A worker's message, by the topic it came on.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// On `register`.
    Register(Register),
    /// On `heartbeat`.
    Heartbeat(Heartbeat),
    /// On `status`.
    Status(Status),
    /// On `block`.
    Block(Block),
}

/// Who a worker is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Register {
    /// The worker.
    pub worker_id: WorkerId,
    /// The address that names its owner; a prototype's client may leave it empty.
    #[serde(serialize_with = "address_or_empty")]
    pub eth_address: Option<EthAddress>,
    /// Number of GPUs.
    pub gpu_count: u32,
    /// Memory of all GPUs, GB.
    #[serde(serialize_with = "plain_number")]
    pub total_memory_gb: f64,
    /// The GPUs, when the worker lists them.
    pub gpus: Vec<Gpu>,
    /// The worker's software version.
    pub version: String,
}

/// One GPU of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its place on the rig.
    #[serde(default)]
    pub index: u32,
    /// Its name as the driver gives it.
    #[serde(default)]
    pub name: String,
    /// Its memory, GB.
    #[serde(default, serialize_with = "plain_number")]
    pub memory_gb: f64,
    /// Its PCI bus: a number or a text, as the worker sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus_id: Option<Value>,
}

/// A sign of life, every 30 s.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heartbeat {
    /// The worker.
    pub worker_id: WorkerId,
    /// H/s over all GPUs.
    #[serde(serialize_with = "plain_number")]
    pub hashrate: f64,
    /// GPUs at work.
    pub active_gpus: u32,
    /// What it mines now, when it says so (the C++ miner does).
    #[serde(flatten)]
    pub mining: Option<Mining>,
}

/// What a worker says it mines, as free text: only shown and compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mining {
    /// The address mined for.
    pub address: String,
    /// The key prefix in force; empty when self-mining.
    pub prefix: String,
    /// The marker looked for.
    pub block_pattern: String,
}

/// A state as workers report it (contract: mqtt.md, Worker states).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedState {
    /// Doing nothing.
    Idle,
    /// Mining for itself, ready to be leased.
    Available,
    /// Took a lease, not mining yet.
    Leased,
    /// Mining.
    Mining,
    /// A lease just ended.
    Completed,
    /// Cannot mine.
    Error,
    /// Mining for itself, not for rent.
    SelfMining,
    /// Going, or gone (its will).
    Offline,
}

impl ReportedState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReportedState::Idle => "IDLE",
            ReportedState::Available => "AVAILABLE",
            ReportedState::Leased => "LEASED",
            ReportedState::Mining => "MINING",
            ReportedState::Completed => "COMPLETED",
            ReportedState::Error => "ERROR",
            ReportedState::SelfMining => "SELF_MINING",
            ReportedState::Offline => "offline",
        }
    }

    /// From the word on the wire, without regard to case.
    pub fn parse(text: &str) -> Option<Self> {
        use ReportedState::{Available, Completed, Error, Idle, Leased, Mining, Offline, SelfMining};
        [Idle, Available, Leased, Mining, Completed, Error, SelfMining, Offline]
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(text))
    }
}

/// A change of state, or a worker's will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The worker.
    pub worker_id: WorkerId,
    /// The new state.
    pub state: ReportedState,
    /// The lease it concerns.
    pub lease_id: Option<LeaseId>,
}

/// A block that a worker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// The worker.
    pub worker_id: WorkerId,
    /// The lease it was mined in; `None` (on the wire: empty) when self-mined.
    #[serde(serialize_with = "lease_or_empty")]
    pub lease_id: Option<LeaseId>,
    /// The PHC string of a real miner, or any text of a simulator.
    pub hash: String,
    /// The key that was hashed.
    pub key: BlockKey,
    /// The address whose bytes were the salt.
    #[serde(serialize_with = "address_or_empty")]
    pub account: Option<EthAddress>,
    /// Hashes since the block before.
    pub attempts: i64,
    /// H/s as text with two decimals.
    pub hashrate: String,
}

/// Parses a payload that came on `channel`. Refuses what the worker's topics do not carry.
pub fn parse(channel: Channel, payload: &[u8]) -> Result<Message, PayloadError> {
    let object = object(payload).map_err(PayloadError::NotJson)?;
    let fields = Fields(&object);
    fields.check_clock()?;
    match channel {
        Channel::Register => register(&fields).map(Message::Register),
        Channel::Heartbeat => heartbeat(&fields).map(Message::Heartbeat),
        Channel::Status => status(&fields).map(Message::Status),
        Channel::Block => block(&fields).map(Message::Block),
        Channel::Task | Channel::Control => {
            Err(PayloadError::NotJson("only the platform speaks here".into()))
        }
    }
}

fn register(fields: &Fields) -> Result<Register, PayloadError> {
    let gpus = match fields.0.get("gpus") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) if list.len() <= GPUS_MAX => {
            let gpus = (1..).zip(list).map(|(place, entry)| {
                gpu(entry).map_err(|problem| wrong("gpus", format_args!("entry {place}: {problem}")))
            });
            gpus.collect::<Result<_, _>>()?
        }
        Some(Value::Array(_)) => return Err(wrong("gpus", format_args!("must hold at most {GPUS_MAX}"))),
        Some(other) => return Err(not("gpus", "a list", other)),
    };
    Ok(Register {
        worker_id: fields.worker()?,
        eth_address: fields.address("eth_address")?,
        gpu_count: fields.count("gpu_count")?,
        total_memory_gb: fields.measure("total_memory_gb", MEMORY_GB_MAX)?,
        gpus,
        version: fields.text("version", TEXT_BYTES_MAX)?.unwrap_or_else(|| "unknown".into()),
    })
}

const MEMORY_GB_MAX: f64 = 1e6;

/// One entry of `gpus`, or what is wrong with it.
fn gpu(entry: &Value) -> Result<Gpu, String> {
    let Value::Object(object) = entry else { return Err(format!("must be an object, not {}", kind(entry))) };
    let fields = Fields(object);
    let bus_id = match object.get("bus_id") {
        None | Some(Value::Null) => Ok(None),
        Some(number @ Value::Number(_)) => Ok(Some(number.clone())),
        Some(Value::String(_)) => fields.text("bus_id", TEXT_BYTES_MAX).map(|text| text.map(Value::String)),
        Some(other) => Err(not("bus_id", "a number or a text", other)),
    };
    let gpu = || {
        Ok(Gpu {
            index: fields.count("index")?,
            name: fields.text("name", TEXT_BYTES_MAX)?.unwrap_or_default(),
            memory_gb: fields.measure("memory_gb", MEMORY_GB_MAX)?,
            bus_id: bus_id?,
        })
    };
    gpu().map_err(|error: PayloadError| match error {
        PayloadError::Field { field, problem } => format!("{field} {problem}"),
        PayloadError::NotJson(problem) => problem,
    })
}

fn heartbeat(fields: &Fields) -> Result<Heartbeat, PayloadError> {
    let says_mining = ["address", "prefix", "block_pattern"].iter().any(|name| fields.0.contains_key(*name));
    let mining = if says_mining {
        Some(Mining {
            address: fields.text("address", TEXT_BYTES_MAX)?.unwrap_or_default(),
            prefix: fields.text("prefix", TEXT_BYTES_MAX)?.unwrap_or_default(),
            block_pattern: fields.text("block_pattern", TEXT_BYTES_MAX)?.unwrap_or_default(),
        })
    } else {
        None
    };
    Ok(Heartbeat {
        worker_id: fields.worker()?,
        hashrate: fields.measure("hashrate", HASHRATE_MAX)?,
        active_gpus: fields.count("active_gpus")?,
        mining,
    })
}

fn status(fields: &Fields) -> Result<Status, PayloadError> {
    // The C++ miner's will says `status` where everything else says `state` (contract: mqtt.md).
    let word = match fields.text("state", TEXT_BYTES_MAX)? {
        Some(word) => word,
        None => fields.text("status", TEXT_BYTES_MAX)?.ok_or_else(|| wrong("state", "missing"))?,
    };
    let state = ReportedState::parse(&word).ok_or_else(|| wrong("state", "not a state that a worker has"))?;
    Ok(Status { worker_id: fields.worker()?, state, lease_id: fields.lease()? })
}

fn block(fields: &Fields) -> Result<Block, PayloadError> {
    let key = fields.text("key", HASH_BYTES_MAX)?.ok_or_else(|| wrong("key", "missing"))?;
    let hash = fields.text("hash", HASH_BYTES_MAX)?.ok_or_else(|| wrong("hash", "missing"))?;
    if hash.is_empty() {
        return Err(wrong("hash", "empty"));
    }
    let hashrate = match fields.0.get("hashrate") {
        Some(Value::Number(_)) => format!("{:.2}", fields.measure("hashrate", HASHRATE_MAX)?),
        _ => fields.text("hashrate", TEXT_BYTES_MAX)?.unwrap_or_else(|| "0.00".into()),
    };
    Ok(Block {
        worker_id: fields.worker()?,
        lease_id: fields.lease()?,
        hash,
        key: key.parse().map_err(|error| wrong("key", error))?,
        account: fields.address("account")?,
        attempts: fields.attempts()?,
        hashrate,
    })
}

fn address_or_empty<S: Serializer>(address: &Option<EthAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(address.as_ref().map_or("", EthAddress::as_str))
}

fn lease_or_empty<S: Serializer>(lease: &Option<LeaseId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(lease.as_ref().map_or("", LeaseId::as_str))
}

/// Whole numbers without a decimal point, as clients send and expect them.
#[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
fn plain_number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused_field(channel: Channel, payload: &Value) -> &'static str {
        match parse(channel, payload.to_string().as_bytes()) {
            Err(PayloadError::Field { field, .. }) => field,
            other => panic!("{payload} gave {other:?}"),
        }
    }

    #[test]
    fn what_a_prototype_client_leaves_out_takes_its_default() {
        let Ok(Message::Register(register)) = parse(Channel::Register, br#"{"worker_id":"w"}"#) else {
            panic!()
        };
        assert_eq!(
            (register.gpu_count, register.version.as_str(), register.eth_address),
            (0, "unknown", None)
        );
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (channel, payload, field) in [
            (Channel::Heartbeat, json!({"worker_id": "w", "hashrate": "abc"}), "hashrate"),
            (Channel::Heartbeat, json!({"worker_id": "w", "hashrate": -1}), "hashrate"),
            (Channel::Heartbeat, json!({"worker_id": "w", "active_gpus": "x"}), "active_gpus"),
            (Channel::Heartbeat, json!({"hashrate": 1}), "worker_id"),
            (Channel::Register, json!({"worker_id": "w", "gpus": [1, 2]}), "gpus"),
            (Channel::Register, json!({"worker_id": "<b>"}), "worker_id"),
            (Channel::Register, json!({"worker_id": "w", "eth_address": "0x12"}), "eth_address"),
            (Channel::Status, json!({"worker_id": "w", "state": "DANCING"}), "state"),
            (Channel::Status, json!({"worker_id": "w"}), "state"),
            (Channel::Status, json!({"worker_id": "w", "state": "IDLE", "timestamp": []}), "timestamp"),
            (Channel::Register, json!({"worker_id": "w", "timestamp": {}}), "timestamp"),
            (Channel::Heartbeat, json!({"worker_id": "w", "uptime_sec": "long"}), "uptime_sec"),
            (Channel::Heartbeat, json!({"worker_id": "w", "accepted_blocks": true}), "accepted_blocks"),
            (Channel::Heartbeat, json!({"worker_id": "w", "difficulty": [8]}), "difficulty"),
            (Channel::Block, json!({"worker_id": "w", "hash": "XEN11", "key": "0x12"}), "key"),
            (Channel::Block, json!({"worker_id": "w", "hash": "", "key": "0".repeat(64)}), "hash"),
            (
                Channel::Block,
                json!({"worker_id": "w", "hash": "XEN11", "key": "0".repeat(64), "hashrate": 1e300}),
                "hashrate",
            ),
        ] {
            assert_eq!(refused_field(channel, &payload), field);
        }
        assert!(matches!(parse(Channel::Heartbeat, br#"{"hashrate":1e999}"#), Err(PayloadError::NotJson(_))));
    }

    #[test]
    fn a_refusal_says_what_is_expected_in_plain_words() {
        for (payload, expected) in [
            (
                r#"{"worker_id":"w","gpu_count":"two"}"#,
                "field gpu_count: must be a whole number from 0 up, not a text",
            ),
            (
                r#"{"worker_id":"w","gpu_count":-1}"#,
                "field gpu_count: must be a whole number from 0 up, not -1",
            ),
            (r#"{"worker_id":"w","gpus":"many"}"#, "field gpus: must be a list, not a text"),
            (r#"{"worker_id":"w","gpus":[1]}"#, "field gpus: entry 1: must be an object, not a number"),
            (
                r#"{"worker_id":"w","gpus":[{},{"index":"0"}]}"#,
                "field gpus: entry 2: index must be a whole number from 0 up, not a text",
            ),
            (
                r#"{"worker_id":"w","gpus":[{"memory_gb":-1}]}"#,
                "field gpus: entry 1: memory_gb must be from 0 to 1e6, not -1",
            ),
            ("[]", "the payload must be a JSON object, and this is a list"),
            ("{\"worker_id\":", "the payload must be a JSON object, and this ends too early"),
            ("{x}", "the payload must be a JSON object, and this is no JSON at line 1, character 2"),
        ] {
            let Err(error) = parse(Channel::Register, payload.as_bytes()) else { panic!("{payload}") };
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn times_may_be_numbers_or_texts() {
        for time in [json!(1.5), json!(1), json!(null), json!("2026-01-01T00:00:00Z")] {
            let payload = json!({"worker_id": "w", "timestamp": time, "uptime_sec": 1, "difficulty": "1727"});
            assert!(parse(Channel::Heartbeat, payload.to_string().as_bytes()).is_ok(), "{time}");
        }
    }

    #[test]
    fn the_miners_will_is_understood_by_either_key() {
        for payload in [r#"{"worker_id":"w","status":"offline"}"#, r#"{"worker_id":"w","state":"offline"}"#] {
            let Ok(Message::Status(status)) = parse(Channel::Status, payload.as_bytes()) else { panic!() };
            assert_eq!(status.state, ReportedState::Offline);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for channel in [Channel::Register, Channel::Heartbeat, Channel::Status, Channel::Block] {
                let _ = parse(channel, &bytes);
            }
        }
    }
}
