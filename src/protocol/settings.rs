//! What a worker mines for itself, as operators and owners may change it.

use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::base::{EthAddress, Prefix};
use crate::pow::{Difficulty, Marker};

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

/// Which of the settings is wrong, and how.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct SettingsError {
    /// Its name on the wire.
    pub field: String,
    /// What it should be.
    pub problem: String,
}

impl Settings {
    /// What `set_config` may hold (contract: mqtt.md); `update_config` may say `state` beside it.
    pub const FIELDS: [&'static str; 4] = ["difficulty", "address", "prefix", "block_pattern"];

    /// Parses settings, all or nothing. Fields of other names are for others.
    pub fn parse(settings: &Map<String, Value>) -> Result<Self, SettingsError> {
        let text = |field: &str| match settings.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong(field, "not a text")),
        };
        let difficulty = settings.get("difficulty").filter(|value| !value.is_null());
        Ok(Settings {
            difficulty: difficulty.map(parse_difficulty).transpose()?,
            address: parsed("address", text("address")?)?,
            prefix: match text("prefix")? {
                Some("") => Some(None),
                prefix => parsed("prefix", prefix)?.map(Some),
            },
            marker: parsed("block_pattern", text("block_pattern")?)?,
            listed: match text("state")? {
                None => None,
                Some("AVAILABLE") => Some(true),
                Some("SELF_MINING") => Some(false),
                Some(other) => {
                    return Err(wrong("state", format!("neither AVAILABLE nor SELF_MINING: {other:?}")));
                }
            },
        })
    }
}

fn wrong(field: &str, problem: impl Into<String>) -> SettingsError {
    SettingsError { field: field.to_owned(), problem: problem.into() }
}

fn parse_difficulty(value: &Value) -> Result<Difficulty, SettingsError> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64(),
    };
    let kib = number.and_then(|kib| u32::try_from(kib).ok());
    let kib = kib.ok_or_else(|| wrong("difficulty", "not a count"))?;
    Difficulty::new(kib).map_err(|error| wrong("difficulty", error.to_string()))
}

/// An empty text changes nothing.
fn parsed<T: FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: Option<&str>,
) -> Result<Option<T>, SettingsError> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|error: T::Err| wrong(field, error.to_string()))).transpose()
}
