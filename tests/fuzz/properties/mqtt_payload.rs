//! What workers say: a payload that is accepted is within the limits, and says the same when it is
//! written down and read again.

use serde_json::{Value, json};
use xenblocks::base::limits::{GPUS_MAX, HASH_BYTES_MAX, HASHRATE_MAX, TEXT_BYTES_MAX};
use xenblocks::protocol::{Channel, Message, Settings, parse};

/// Takes a payload, as it could come on any of a worker's topics.
pub fn check(data: &[u8]) {
    for channel in [Channel::Task, Channel::Control] {
        assert!(parse(channel, data).is_err(), "only the platform speaks there");
    }
    for channel in [Channel::Register, Channel::Heartbeat, Channel::Status, Channel::Block] {
        match parse(channel, data) {
            Ok(message) => {
                is_within_limits(&message);
                let written = written(&message).to_string();
                assert_eq!(parse(channel, written.as_bytes()).as_ref(), Ok(&message), "{written}");
            }
            Err(error) => {
                let said = error.to_string();
                assert!(!said.is_empty() && said.len() < data.len() + 300, "{said}");
            }
        }
    }
    if let Ok(Value::Object(object)) = serde_json::from_slice(data)
        && let Ok(settings) = Settings::parse(&object)
        && let Some(address) = settings.address
    {
        assert_eq!(object["address"], address.as_str());
    }
}

fn is_within_limits(message: &Message) {
    let is_short = |text: &str| text.len() <= TEXT_BYTES_MAX;
    match message {
        Message::Register(register) => {
            assert!(register.gpus.len() <= GPUS_MAX && is_short(&register.version));
            assert!((0.0..=1e6).contains(&register.total_memory_gb));
            for gpu in &register.gpus {
                assert!(is_short(&gpu.name) && (0.0..=1e6).contains(&gpu.memory_gb));
                assert!(matches!(gpu.bus_id, None | Some(Value::Number(_) | Value::String(_))));
            }
        }
        Message::Heartbeat(heartbeat) => {
            assert!((0.0..=HASHRATE_MAX).contains(&heartbeat.hashrate));
            assert!(heartbeat.hashrate.is_sign_positive(), "a rate of -0 is shown as that");
            if let Some(mining) = &heartbeat.mining {
                assert!(
                    [&mining.address, &mining.prefix, &mining.block_pattern].into_iter().all(|t| is_short(t))
                );
            }
        }
        Message::Status(_) => {}
        Message::Block(block) => {
            assert!((1..=HASH_BYTES_MAX).contains(&block.hash.len()) && block.attempts >= 0);
            assert!(is_short(&block.hashrate), "{}", block.hashrate);
        }
    }
}

/// A message as it would be sent, with the numbers that are asked for and not kept.
fn written(message: &Message) -> Value {
    let mut written = match message {
        Message::Register(register) => json!(register),
        Message::Heartbeat(heartbeat) => json!(heartbeat),
        Message::Block(block) => json!(block),
        Message::Status(status) => json!({
            "worker_id": status.worker_id, "state": status.state.as_str(), "lease_id": status.lease_id,
        }),
    };
    for number in ["timestamp", "accepted_blocks", "difficulty", "uptime_sec"] {
        written[number] = json!(0);
    }
    written
}
