//! What the platform sends to workers.

use serde::{Deserialize, Serialize};
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
        /// What every key must begin with.
        prefix: Prefix,
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
            prefix: "0011223344556677".parse().unwrap(),
            duration_sec: 60,
        };
        let text = serde_json::to_string(&assign).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), assign);
        assert!(text.starts_with(r#"{"command":"assign_task","lease_id":"lease-1""#));
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
