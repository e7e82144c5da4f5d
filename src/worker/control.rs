//! What operators and owners want of a worker, parsed. What it mines for itself can be changed;
//! what it mines in a lease is the lease's alone.

use serde_json::{Map, Value};

use crate::base::{EthAddress, Prefix};
use crate::pow::{Difficulty, Marker};
use crate::protocol::Control;

/// A control message, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Hash nothing until [`Wish::Resume`]; the wallet says `stop`.
    Pause,
    /// Hash again; the wallet says `start`.
    Resume,
    /// Begin afresh with what is to be mined now.
    Restart,
    /// Leave.
    Shutdown,
    /// Mine otherwise from now on.
    Configure(Settings),
}

/// What may be changed; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Memory of one hash, fixed from now on.
    pub difficulty: Option<Difficulty>,
    /// The owner's address.
    pub address: Option<EthAddress>,
    /// The prefix of the owner's keys; an empty one takes it away.
    pub prefix: Option<Option<Prefix>>,
    /// What makes a block.
    pub marker: Option<Marker>,
    /// Whether the worker is for rent.
    pub listed: Option<bool>,
}

/// Parses a control message. An error names what is wrong; nothing of it is done then.
pub fn understand(control: &Control) -> Result<Wish, String> {
    let (word, settings) = match control {
        Control::Action { action, config } => (action.as_str(), config),
        Control::Wallet { command, params } => (command.as_str(), params),
    };
    match word {
        "pause" | "stop" => Ok(Wish::Pause),
        "resume" | "start" => Ok(Wish::Resume),
        "restart" => Ok(Wish::Restart),
        "shutdown" => Ok(Wish::Shutdown),
        "set_config" | "update_config" => parse_settings(settings).map(Wish::Configure),
        other => Err(format!("no such control: {other:?}")),
    }
}

fn parse_settings(settings: &Map<String, Value>) -> Result<Settings, String> {
    let text = |name: &str| match settings.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name}: not a text")),
    };
    Ok(Settings {
        difficulty: settings.get("difficulty").filter(|v| !v.is_null()).map(parse_difficulty).transpose()?,
        address: text("address")?
            .filter(|text| !text.is_empty())
            .map(|text| parsed("address", text))
            .transpose()?,
        prefix: match text("prefix")? {
            None => None,
            Some("") => Some(None),
            Some(text) => Some(Some(parsed("prefix", text)?)),
        },
        marker: text("block_pattern")?
            .filter(|text| !text.is_empty())
            .map(|text| parsed("block_pattern", text))
            .transpose()?,
        listed: match text("state")? {
            None => None,
            Some("AVAILABLE") => Some(true),
            Some("SELF_MINING") => Some(false),
            Some(other) => return Err(format!("state: neither AVAILABLE nor SELF_MINING: {other:?}")),
        },
    })
}

fn parse_difficulty(value: &Value) -> Result<Difficulty, String> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64(),
    };
    let kib = number.and_then(|kib| u32::try_from(kib).ok()).ok_or("difficulty: not a count")?;
    Difficulty::new(kib).map_err(|error| format!("difficulty: {error}"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn understood(json: Value) -> Result<Wish, String> {
        understand(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn operators_and_wallets_say_the_same_in_their_words() {
        for (json, wish) in [
            (json!({"action": "pause"}), Wish::Pause),
            (json!({"command": "stop"}), Wish::Pause),
            (json!({"action": "resume", "config": {}}), Wish::Resume),
            (json!({"command": "start"}), Wish::Resume),
            (json!({"command": "restart"}), Wish::Restart),
            (json!({"action": "shutdown"}), Wish::Shutdown),
        ] {
            assert_eq!(understood(json), Ok(wish));
        }
        assert!(understood(json!({"action": "dance"})).unwrap_err().contains("dance"));
    }

    #[test]
    fn settings_are_taken_whole_or_not_at_all() {
        let config = json!({"difficulty": "8", "address": "0xaabbccddee1234567890abcdef1234567890abcd",
            "prefix": "", "block_pattern": "XEN"});
        let Ok(Wish::Configure(settings)) = understood(json!({"action": "set_config", "config": config}))
        else {
            panic!()
        };
        assert_eq!((settings.difficulty.map(Difficulty::kib), settings.prefix), (Some(8), Some(None)));
        assert_eq!(settings.marker.unwrap().as_str(), "XEN");
        let listing = understood(json!({"command": "update_config", "state": "SELF_MINING"}));
        assert_eq!(listing, Ok(Wish::Configure(Settings { listed: Some(false), ..Settings::default() })));
        for (field, value) in [
            ("difficulty", json!(0)),
            ("difficulty", json!(-1)),
            ("address", json!("0x12")),
            ("prefix", json!("12")),
            ("block_pattern", json!("?")),
            ("block_pattern", json!(7)),
            ("state", json!("GONE")),
        ] {
            let refused = understood(json!({"action": "set_config", "config": {field: value}}));
            assert!(refused.unwrap_err().starts_with(field), "{field}");
        }
    }
}
