//! What workers send.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::fields::{Fields, kind, not, object, wrong};
use super::{Channel, PayloadError};
use crate::base::limits::{GPUS_MAX, HASH_BYTES_MAX, HASHRATE_MAX, TEXT_BYTES_MAX};
use crate::base::{BlockKey, EthAddress, LeaseId, Prefix, WorkerId};

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

impl Mining {
    /// Whether it is for the lease of this prefix.
    pub fn is_of(&self, prefix: Prefix) -> bool {
        self.prefix.eq_ignore_ascii_case(&prefix.to_string())
    }
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

/// Parses a payload that came on `channel`. Refuses what the worker's topics do not carry, and what lacks
/// a field that the platform goes by and every client sends (contract: mqtt.md, What real clients do).
pub fn parse(channel: Channel, payload: &[u8]) -> Result<Message, PayloadError> {
    let object = object(payload).map_err(PayloadError::NotJson)?;
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
    let worker_id = fields.worker()?;
    let gpus = match fields.need("gpus")? {
        Value::Array(list) if list.len() <= GPUS_MAX => {
            let gpus = (1..).zip(list).map(|(place, entry)| {
                gpu(entry).map_err(|problem| wrong("gpus", format_args!("entry {place}: {problem}")))
            });
            gpus.collect::<Result<_, _>>()?
        }
        Value::Array(_) => return Err(wrong("gpus", format_args!("must hold at most {GPUS_MAX}"))),
        other => return Err(not("gpus", "a list", other)),
    };
    fields.check_number_or_text("timestamp")?;
    Ok(Register {
        worker_id,
        eth_address: fields.address("eth_address")?,
        gpu_count: fields.count("gpu_count")?,
        total_memory_gb: fields.measure("total_memory_gb", MEMORY_GB_MAX)?,
        gpus,
        version: fields.text("version", TEXT_BYTES_MAX)?,
    })
}

const MEMORY_GB_MAX: f64 = 1e6;

/// One entry of `gpus`, or what is wrong with it.
fn gpu(entry: &Value) -> Result<Gpu, String> {
    let Value::Object(object) = entry else { return Err(format!("must be an object, not {}", kind(entry))) };
    let fields = Fields(object);
    let bus_id = match fields.get("bus_id") {
        None => Ok(None),
        Some(number @ Value::Number(_)) => Ok(Some(number.clone())),
        Some(Value::String(_)) => fields.text("bus_id", TEXT_BYTES_MAX).map(|text| Some(Value::String(text))),
        Some(other) => Err(not("bus_id", "a number or a text", other)),
    };
    let gpu = || {
        Ok(Gpu {
            index: fields.count("index")?,
            name: fields.text("name", TEXT_BYTES_MAX)?,
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
    let worker_id = fields.worker()?;
    let says_mining = ["address", "prefix", "block_pattern"].iter().any(|name| fields.0.contains_key(*name));
    let mining = if says_mining {
        Some(Mining {
            address: fields.text_if_any("address", TEXT_BYTES_MAX)?.unwrap_or_default(),
            prefix: fields.text_if_any("prefix", TEXT_BYTES_MAX)?.unwrap_or_default(),
            block_pattern: fields.text_if_any("block_pattern", TEXT_BYTES_MAX)?.unwrap_or_default(),
        })
    } else {
        None
    };
    for name in ["accepted_blocks", "uptime_sec"] {
        fields.check_number(name)?;
    }
    for name in ["difficulty", "timestamp"] {
        fields.check_number_or_text(name)?;
    }
    Ok(Heartbeat {
        worker_id,
        hashrate: fields.measure("hashrate", HASHRATE_MAX)?,
        active_gpus: fields.count("active_gpus")?,
        mining,
    })
}

fn status(fields: &Fields) -> Result<Status, PayloadError> {
    let worker_id = fields.worker()?;
    // The C++ miner's will says `status` where everything else says `state` (contract: mqtt.md).
    let is_will = fields.get("state").is_none() && fields.get("status").is_some();
    let word = fields.text(if is_will { "status" } else { "state" }, TEXT_BYTES_MAX)?;
    let state = ReportedState::parse(&word).ok_or_else(|| wrong("state", "not a state that a worker has"))?;
    fields.check_number_or_text("timestamp")?;
    let lease_id = fields.get("lease_id").map(|_| fields.lease()).transpose()?.flatten();
    Ok(Status { worker_id, state, lease_id })
}

fn block(fields: &Fields) -> Result<Block, PayloadError> {
    let worker_id = fields.worker()?;
    let key = fields.text("key", HASH_BYTES_MAX)?;
    let hash = fields.text("hash", HASH_BYTES_MAX)?;
    if hash.is_empty() {
        return Err(wrong("hash", "empty"));
    }
    let hashrate = match fields.get("hashrate") {
        Some(Value::Number(_)) => format!("{:.2}", fields.measure("hashrate", HASHRATE_MAX)?),
        _ => fields.text("hashrate", TEXT_BYTES_MAX)?,
    };
    fields.check_number_or_text("timestamp")?;
    Ok(Block {
        worker_id,
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

    /// What clients send and the platform has no use for.
    const UNUSED: [&str; 4] = ["timestamp", "accepted_blocks", "difficulty", "uptime_sec"];

    /// What every client sends on a topic.
    fn whole(channel: Channel) -> Value {
        match channel {
            Channel::Register => json!({
                "worker_id": "w", "eth_address": "", "gpu_count": 1, "total_memory_gb": 24,
                "gpus": [{"index": 0, "name": "RTX 4090", "memory_gb": 24}], "version": "2.0.0", "timestamp": 0,
            }),
            Channel::Heartbeat => json!({
                "worker_id": "w", "hashrate": 1, "active_gpus": 1, "accepted_blocks": 0, "difficulty": 8,
                "uptime_sec": 60, "timestamp": 0,
            }),
            Channel::Status => json!({"worker_id": "w", "state": "IDLE", "timestamp": 0}),
            _ => json!({
                "worker_id": "w", "lease_id": "", "hash": "XEN11", "key": "0".repeat(64), "account": "",
                "attempts": 1, "hashrate": "1.00", "timestamp": 0,
            }),
        }
    }

    fn with(channel: Channel, field: &str, value: Value) -> Value {
        let mut payload = whole(channel);
        payload[field] = value;
        payload
    }

    #[test]
    fn a_field_that_the_platform_goes_by_is_missed_by_name() {
        for channel in [Channel::Register, Channel::Heartbeat, Channel::Status, Channel::Block] {
            let payload = whole(channel);
            assert!(parse(channel, payload.to_string().as_bytes()).is_ok(), "{payload}");
            for name in payload.as_object().unwrap().keys() {
                let mut without = payload.clone();
                without.as_object_mut().unwrap().remove(name);
                for less in [without, with(channel, name, json!(null))] {
                    if UNUSED.contains(&name.as_str()) {
                        assert!(parse(channel, less.to_string().as_bytes()).is_ok(), "{less}");
                    } else {
                        assert_eq!(refused_field(channel, &less), name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (channel, field, value) in [
            (Channel::Heartbeat, "hashrate", json!("abc")),
            (Channel::Heartbeat, "hashrate", json!(-1)),
            (Channel::Heartbeat, "active_gpus", json!("x")),
            (Channel::Heartbeat, "uptime_sec", json!("long")),
            (Channel::Heartbeat, "accepted_blocks", json!(true)),
            (Channel::Heartbeat, "difficulty", json!([8])),
            (Channel::Heartbeat, "prefix", json!(7)),
            (Channel::Register, "gpus", json!([1, 2])),
            (Channel::Register, "worker_id", json!("<b>")),
            (Channel::Register, "eth_address", json!("0x12")),
            (Channel::Register, "timestamp", json!({})),
            (Channel::Status, "state", json!("DANCING")),
            (Channel::Status, "timestamp", json!([])),
            (Channel::Block, "key", json!("0x12")),
            (Channel::Block, "hash", json!("")),
            (Channel::Block, "hashrate", json!(1e300)),
            (Channel::Block, "attempts", json!(-1)),
        ] {
            assert_eq!(refused_field(channel, &with(channel, field, value)), field);
        }
        assert!(matches!(parse(Channel::Heartbeat, br#"{"hashrate":1e999}"#), Err(PayloadError::NotJson(_))));
    }

    #[test]
    fn what_is_over_its_limit_is_refused_and_what_is_at_it_is_not() {
        let text = |length: usize| json!("x".repeat(length));
        let gpu = json!({"index": 0, "name": "", "memory_gb": 1});
        let gpus = |count| json!(vec![gpu.clone(); count]);
        for (channel, field, most, more) in [
            (Channel::Register, "version", text(TEXT_BYTES_MAX), text(TEXT_BYTES_MAX + 1)),
            (Channel::Register, "gpus", gpus(GPUS_MAX), gpus(GPUS_MAX + 1)),
            (Channel::Heartbeat, "hashrate", json!(HASHRATE_MAX), json!(HASHRATE_MAX * 1.01)),
            (Channel::Block, "hash", text(HASH_BYTES_MAX), text(HASH_BYTES_MAX + 1)),
        ] {
            let most = with(channel, field, most).to_string();
            assert!(parse(channel, most.as_bytes()).is_ok(), "{field}");
            assert_eq!(refused_field(channel, &with(channel, field, more)), field);
        }
    }

    #[test]
    fn a_refusal_says_what_is_expected_in_plain_words() {
        for (field, value, expected) in [
            ("gpu_count", json!(null), "field gpu_count: missing"),
            ("gpu_count", json!("two"), "field gpu_count: must be a whole number from 0 up, not a text"),
            ("gpu_count", json!(-1), "field gpu_count: must be a whole number from 0 up, not -1"),
            ("gpus", json!("many"), "field gpus: must be a list, not a text"),
            ("gpus", json!([1]), "field gpus: entry 1: must be an object, not a number"),
            ("gpus", json!([{"index": 0, "memory_gb": 1}]), "field gpus: entry 1: name missing"),
            ("gpus", json!([{"index": 0, "name": "A"}]), "field gpus: entry 1: memory_gb missing"),
            (
                "gpus",
                json!([{"index": 0, "name": "A", "memory_gb": 1}, {"index": "0"}]),
                "field gpus: entry 2: index must be a whole number from 0 up, not a text",
            ),
            (
                "gpus",
                json!([{"index": 0, "name": "A", "memory_gb": -1}]),
                "field gpus: entry 1: memory_gb must be from 0 to 1e6, not -1",
            ),
        ] {
            let payload = with(Channel::Register, field, value).to_string();
            let Err(error) = parse(Channel::Register, payload.as_bytes()) else { panic!("{payload}") };
            assert_eq!(error.to_string(), expected);
        }
        for (payload, expected) in [
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
        for time in [json!(1.5), json!(1), json!("2026-01-01T00:00:00Z")] {
            let payload = with(Channel::Heartbeat, "timestamp", time);
            assert!(parse(Channel::Heartbeat, payload.to_string().as_bytes()).is_ok(), "{payload}");
        }
        let payload = with(Channel::Heartbeat, "difficulty", json!("1727"));
        assert!(parse(Channel::Heartbeat, payload.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn the_miners_will_is_understood_by_either_key() {
        for payload in [
            r#"{"worker_id":"w","status":"offline","timestamp":0}"#,
            r#"{"worker_id":"w","state":"offline","timestamp":0}"#,
        ] {
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
