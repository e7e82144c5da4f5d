//! What the platform sends to workers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::base::{AccountId, EthAddress, LeaseId, Prefix};

/// On a worker's `task` topic, told apart by `command`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// The answer to `register`.
    RegisterAck(RegisterAck),
    /// Mine for a renter from now on.
    AssignTask {
        /// The lease.
        lease_id: LeaseId,
        /// The renter's account.
        consumer_id: AccountId,
        /// Whose address to mine for: the salt.
        consumer_address: EthAddress,
        /// What every key must begin with; on the wire an empty text when there is none.
        #[serde(with = "prefix_or_empty")]
        prefix: Option<Prefix>,
        /// Time left, seconds.
        duration_sec: i64,
    },
    /// Mine for yourself again.
    Release {
        /// The lease that ended.
        lease_id: LeaseId,
    },
}

/// Whether a registration was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterAck {
    /// Taken.
    pub accepted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// On a worker's `control` topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Control {
    /// From an operator, told apart by `action`: pause, resume, shutdown, `set_config`.
    Action {
        /// What to do.
        action: String,
        /// For `set_config`: difficulty, address, prefix, `block_pattern`.
        #[serde(default)]
        config: Map<String, Value>,
    },
    /// From the owner's wallet, told apart by `command`, with its parameters beside it.
    Wallet {
        /// restart, stop, start or `update_config`.
        command: String,
        /// The parameters.
        #[serde(flatten)]
        params: Map<String, Value>,
    },
}

mod prefix_or_empty {
    use super::{Deserialize, Deserializer, Prefix, Serializer, de};

    #[expect(clippy::ref_option, reason = "the shape that serde wants")]
    pub(super) fn serialize<S: Serializer>(
        prefix: &Option<Prefix>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match prefix {
            Some(prefix) => serializer.collect_str(prefix),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Prefix>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_shape_of_the_contract() {
        let ack = Command::RegisterAck(RegisterAck { accepted: true, reason: None });
        assert_eq!(serde_json::to_string(&ack).unwrap(), r#"{"command":"register_ack","accepted":true}"#);
        let release = Command::Release { lease_id: "lease-1".parse().unwrap() };
        assert_eq!(serde_json::to_string(&release).unwrap(), r#"{"command":"release","lease_id":"lease-1"}"#);
        let assign = Command::AssignTask {
            lease_id: "lease-1".parse().unwrap(),
            consumer_id: "consumer-1".parse().unwrap(),
            consumer_address: "0xaabbccddee1234567890abcdef1234567890abcd".parse().unwrap(),
            prefix: Some("0011223344556677".parse().unwrap()),
            duration_sec: 60,
        };
        let text = serde_json::to_string(&assign).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), assign);
        assert!(text.starts_with(r#"{"command":"assign_task","lease_id":"lease-1""#));
    }

    #[test]
    fn a_lease_may_have_no_prefix_but_none_of_another_length() {
        let assign = |prefix: &str| {
            serde_json::from_value::<Command>(serde_json::json!({"command": "assign_task", "lease_id": "l",
                "consumer_id": "c", "consumer_address": "0xaabbccddee1234567890abcdef1234567890abcd",
                "prefix": prefix, "duration_sec": 60}))
        };
        let free = assign("").unwrap();
        assert!(matches!(free, Command::AssignTask { prefix: None, .. }));
        assert!(serde_json::to_string(&free).unwrap().contains(r#""prefix":"""#));
        assert!(assign("12").is_err() && assign("001122334455667788").is_err());
    }

    #[test]
    fn both_kinds_of_control_are_told_apart() {
        let action: Control = serde_json::from_str(r#"{"action":"pause","config":{}}"#).unwrap();
        assert!(matches!(action, Control::Action { .. }));
        let wallet: Control =
            serde_json::from_str(r#"{"command":"update_config","state":"AVAILABLE"}"#).unwrap();
        assert!(matches!(wallet, Control::Wallet { ref params, .. } if params["state"] == "AVAILABLE"));
    }
}
