//! The fields of what workers send: each of the right type and size, or an error that says in plain
//! words which is wrong and what it must be.

use serde_json::{Map, Value};

use super::PayloadError;
use crate::base::limits::TEXT_BYTES_MAX;
use crate::base::{EthAddress, LeaseId, WorkerId};

/// The object that a payload is, or what it is instead.
pub(super) fn object(payload: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(payload) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("this is {}", kind(&other))),
        Err(error) if error.is_eof() => Err("this ends too early".to_owned()),
        Err(error) => Err(format!("this is no JSON at line {}, character {}", error.line(), error.column())),
    }
}

/// What a value is, in a reader's words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of a payload, or of an object in it.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl Fields<'_> {
    pub(super) fn worker(&self) -> Result<WorkerId, PayloadError> {
        let text = self.text("worker_id", usize::MAX)?.ok_or_else(|| wrong("worker_id", "missing"))?;
        text.parse().map_err(|error| wrong("worker_id", error))
    }

    pub(super) fn lease(&self) -> Result<Option<LeaseId>, PayloadError> {
        match self.text("lease_id", usize::MAX)? {
            Some(text) if !text.is_empty() => {
                text.parse().map(Some).map_err(|error| wrong("lease_id", error))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn address(&self, name: &'static str) -> Result<Option<EthAddress>, PayloadError> {
        match self.text(name, usize::MAX)? {
            Some(text) if !text.is_empty() => text.parse().map(Some).map_err(|error| wrong(name, error)),
            _ => Ok(None),
        }
    }

    pub(super) fn text(&self, name: &'static str, bytes_max: usize) -> Result<Option<String>, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= bytes_max => Ok(Some(text.clone())),
            Some(Value::String(_)) => {
                Err(wrong(name, format_args!("must be a text of at most {bytes_max} bytes")))
            }
            Some(other) => Err(not(name, "a text", other)),
        }
    }

    pub(super) fn measure(&self, name: &'static str, max: f64) -> Result<f64, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(0.0),
            Some(Value::Number(number)) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                (0.0..=max)
                    .contains(&value)
                    .then_some(value.abs())
                    .ok_or_else(|| wrong(name, format_args!("must be from 0 to {max:e}, not {number}")))
            }
            Some(other) => Err(not(name, "a number", other)),
        }
    }

    pub(super) fn count(&self, name: &'static str) -> Result<u32, PayloadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| wrong(name, format_args!("must be a whole number from 0 up, not {number}"))),
            Some(other) => Err(not(name, "a whole number from 0 up", other)),
        }
    }

    pub(super) fn attempts(&self) -> Result<i64, PayloadError> {
        match self.0.get("attempts") {
            None | Some(Value::Null) => Some(0),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        }
        .filter(|attempts| *attempts >= 0)
        .ok_or_else(|| wrong("attempts", "must be a whole number from 0 up"))
    }

    /// What the platform has no use for, for it goes by its own clock, and still must be what the
    /// protocol says: whoever sends something else is not one of ours. Times also come as texts.
    pub(super) fn check_clock(&self) -> Result<(), PayloadError> {
        for (name, may_be_text) in
            [("timestamp", true), ("uptime_sec", false), ("accepted_blocks", false), ("difficulty", true)]
        {
            match self.0.get(name) {
                None | Some(Value::Null | Value::Number(_)) => {}
                Some(Value::String(text)) if may_be_text && text.len() <= TEXT_BYTES_MAX => {}
                Some(other) => return Err(not(name, "a number", other)),
            }
        }
        Ok(())
    }
}

/// A field that holds another kind of value than it must.
pub(super) fn not(field: &'static str, expected: &str, value: &Value) -> PayloadError {
    wrong(field, format_args!("must be {expected}, not {}", kind(value)))
}

/// A field and what is wrong with it.
pub(super) fn wrong(field: &'static str, problem: impl ToString) -> PayloadError {
    PayloadError::Field { field, problem: problem.to_string() }
}
