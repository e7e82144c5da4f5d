//! What operators and owners want of a worker, parsed. What it mines for itself can be changed;
//! what it mines in a lease is the lease's alone.

use crate::protocol::{Control, Settings};

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
        "set_config" | "update_config" => {
            Settings::parse(settings).map(Wish::Configure).map_err(|error| error.to_string())
        }
        other => Err(format!("no such control: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pow::Difficulty;

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
