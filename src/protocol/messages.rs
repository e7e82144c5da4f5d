//! What workers send.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

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
    let object: Map<String, Value> =
        serde_json::from_slice(payload).map_err(|error| PayloadError::NotJson(error.to_string()))?;
    let fields = Fields(&object);
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
    let gpus: Vec<Gpu> = match fields.0.get("gpus") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => Vec::deserialize(list).map_err(|error| wrong("gpus", error))?,
    };
    if gpus.len() > GPUS_MAX {
        return Err(wrong("gpus", format_args!("at most {GPUS_MAX}")));
    }
    for gpu in &gpus {
        check_gpu(gpu)?;
    }
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

fn check_gpu(gpu: &Gpu) -> Result<(), PayloadError> {
    if gpu.name.len() > TEXT_BYTES_MAX {
        return Err(wrong("gpus.name", format_args!("at most {TEXT_BYTES_MAX} bytes")));
    }
    if !(0.0..=MEMORY_GB_MAX).contains(&gpu.memory_gb) {
        return Err(wrong("gpus.memory_gb", "out of range"));
    }
    match &gpu.bus_id {
        None | Some(Value::Number(_)) => Ok(()),
        Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(()),
        Some(_) => Err(wrong("gpus.bus_id", "a number or a short text")),
    }
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
        Some(Value::Number(number)) => format!("{:.2}", number.as_f64().unwrap_or_default()),
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

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn worker(&self) -> Result<WorkerId, PayloadError> {
        let text = self.text("worker_id", usize::MAX)?.ok_or_else(|| wrong("worker_id", "missing"))?;
        text.parse().map_err(|error| wrong("worker_id", error))
    }

    fn lease(&self) -> Result<Option<LeaseId>, PayloadError> {
        match self.text("lease_id", usize::MAX)? {
            Some(text) if !text.is_empty() => {
                text.parse().map(Some).map_err(|error| wrong("lease_id", error))
            }
            _ => Ok(None),
        }
    }

    fn address(&self, name: &'static str) -> Result<Option<EthAddress>, PayloadError> {
        match self.text(name, usize::MAX)? {
            Some(text) if !text.is_empty() => text.parse().map(Some).map_err(|error| wrong(name, error)),
            _ => Ok(None),
        }
    }

    fn text(&self, name: &'static str, bytes_max: usize) -> Result<Option<String>, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= bytes_max => Ok(Some(text.clone())),
            Some(Value::String(_)) => Err(wrong(name, format_args!("at most {bytes_max} bytes"))),
            Some(_) => Err(wrong(name, "not a text")),
        }
    }

    fn measure(&self, name: &'static str, max: f64) -> Result<f64, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(0.0),
            Some(Value::Number(number)) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                (0.0..=max).contains(&value).then_some(value.abs()).ok_or_else(|| wrong(name, "out of range"))
            }
            Some(_) => Err(wrong(name, "not a number")),
        }
    }

    fn count(&self, name: &'static str) -> Result<u32, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| wrong(name, "not a count")),
            Some(_) => Err(wrong(name, "not a number")),
        }
    }

    fn attempts(&self) -> Result<i64, PayloadError> {
        match self.0.get("attempts") {
            None | Some(Value::Null) => Some(0),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        }
        .filter(|attempts| *attempts >= 0)
        .ok_or_else(|| wrong("attempts", "not a count"))
    }
}

fn wrong(field: &'static str, problem: impl ToString) -> PayloadError {
    PayloadError::Field { field, problem: problem.to_string() }
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
            (Channel::Block, json!({"worker_id": "w", "hash": "XEN11", "key": "0x12"}), "key"),
            (Channel::Block, json!({"worker_id": "w", "hash": "", "key": "0".repeat(64)}), "hash"),
        ] {
            assert_eq!(refused_field(channel, &payload), field);
        }
        assert!(matches!(parse(Channel::Heartbeat, br#"{"hashrate":1e999}"#), Err(PayloadError::NotJson(_))));
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
