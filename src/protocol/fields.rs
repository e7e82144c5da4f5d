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
    /// What a field holds; nothing and null are the same.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// What a field holds that every client sends.
    pub(super) fn need(&self, name: &'static str) -> Result<&Value, PayloadError> {
        self.get(name).ok_or_else(|| wrong(name, "missing"))
    }

    pub(super) fn worker(&self) -> Result<WorkerId, PayloadError> {
        let text = self.text("worker_id", usize::MAX)?;
        text.parse().map_err(|error| wrong("worker_id", error))
    }

    /// The lease that is named; an empty name is none.
    pub(super) fn lease(&self) -> Result<Option<LeaseId>, PayloadError> {
        match self.text("lease_id", usize::MAX)? {
            text if text.is_empty() => Ok(None),
            text => text.parse().map(Some).map_err(|error| wrong("lease_id", error)),
        }
    }

    /// An address; an empty one is none.
    pub(super) fn address(&self, name: &'static str) -> Result<Option<EthAddress>, PayloadError> {
        match self.text(name, usize::MAX)? {
            text if text.is_empty() => Ok(None),
            text => text.parse().map(Some).map_err(|error| wrong(name, error)),
        }
    }

    pub(super) fn text(&self, name: &'static str, bytes_max: usize) -> Result<String, PayloadError> {
        match self.need(name)? {
            Value::String(text) if text.len() <= bytes_max => Ok(text.clone()),
            Value::String(_) => Err(wrong(name, format_args!("must be a text of at most {bytes_max} bytes"))),
            other => Err(not(name, "a text", other)),
        }
    }

    /// The text of a field that a client may leave out.
    pub(super) fn text_if_any(
        &self,
        name: &'static str,
        bytes_max: usize,
    ) -> Result<Option<String>, PayloadError> {
        self.get(name).map(|_| self.text(name, bytes_max)).transpose()
    }

    pub(super) fn measure(&self, name: &'static str, max: f64) -> Result<f64, PayloadError> {
        match self.need(name)? {
            Value::Number(number) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                (0.0..=max)
                    .contains(&value)
                    .then_some(value.abs())
                    .ok_or_else(|| wrong(name, format_args!("must be from 0 to {max:e}, not {number}")))
            }
            other => Err(not(name, "a number", other)),
        }
    }

    pub(super) fn count(&self, name: &'static str) -> Result<u32, PayloadError> {
        match self.need(name)? {
            Value::Number(number) => number
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| wrong(name, format_args!("must be a whole number from 0 up, not {number}"))),
            other => Err(not(name, "a whole number from 0 up", other)),
        }
    }

    pub(super) fn attempts(&self) -> Result<i64, PayloadError> {
        match self.need("attempts")? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
        .filter(|attempts| *attempts >= 0)
        .ok_or_else(|| wrong("attempts", "must be a whole number from 0 up"))
    }

    /// A number that the platform has no use for, for it goes by its own clock and books, and that every
    /// client sends all the same: whoever does not is none of ours.
    pub(super) fn check_number(&self, name: &'static str) -> Result<(), PayloadError> {
        match self.need(name)? {
            Value::Number(_) => Ok(()),
            other => Err(not(name, "a number", other)),
        }
    }

    /// The same, where a text will do.
    pub(super) fn check_number_or_text(&self, name: &'static str) -> Result<(), PayloadError> {
        match self.need(name)? {
            Value::String(text) if text.len() <= TEXT_BYTES_MAX => Ok(()),
            _ => self.check_number(name),
        }
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
