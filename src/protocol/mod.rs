//! The worker protocol over MQTT (contract: mqtt.md): topics and payloads, typed, for both sides.
//!
//! Payloads become types here or are refused with the name of the field that is missing or wrong.
//! Only what some real client leaves out may be left out.

mod commands;
mod fields;
mod messages;
mod settings;
mod topic;

pub use commands::{Command, Control, RegisterAck};
pub use messages::{Block, Gpu, Heartbeat, Message, Mining, Register, ReportedState, Status, parse};
pub use settings::{Settings, SettingsError};
pub use topic::{Channel, Topic, TopicError};

use thiserror::Error;

/// Why a payload is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PayloadError {
    /// Not a JSON object.
    #[error("the payload must be a JSON object, and {0}")]
    NotJson(String),
    /// A field is missing, of the wrong type or out of range.
    #[error("field {field}: {problem}")]
    Field {
        /// The field's name on the wire.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}
