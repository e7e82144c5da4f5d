//! Bodies and queries become types here, or a 422 that lists all that is wrong, in the order the
//! fields are asked for (contract: observed.md 2, the table of validation errors).

use std::borrow::Cow;

use rouille::Request;
use serde_json::{Map, Value, json};

use crate::api::ApiError;
use crate::base::limits::JSON_DEPTH_MAX;

/// A JSON body. Ask for each field, then call [`Body::finish`] before using what came.
pub struct Body {
    object: Map<String, Value>,
    problems: Vec<Value>,
}

impl Body {
    /// Parses a body that must be a JSON object, sent as JSON.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ApiError> {
        const TEXT: &str = "Input should be a valid dictionary or object to extract fields from";
        Self::parse_as(bytes, content_type, "model_attributes_type", TEXT)
    }

    fn parse_as(
        bytes: &[u8],
        content_type: Option<&str>,
        otherwise: &str,
        text: &str,
    ) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Err(ApiError::validation(vec![problem(
                "missing",
                &json!(["body"]),
                "Field required",
                &Value::Null,
            )]));
        }
        let value = if is_json(content_type) {
            check_depth(bytes)?;
            serde_json::from_slice(bytes).map_err(|error| invalid_json(bytes, &error))?
        } else {
            Value::String(String::from_utf8_lossy(bytes).into_owned())
        };
        match value {
            Value::Object(object) => Ok(Body { object, problems: Vec::new() }),
            other => Err(ApiError::validation(vec![problem(otherwise, &json!(["body"]), text, &other)])),
        }
    }

    /// The same for a route that takes any dictionary; what is none is refused in other words.
    pub fn parse_dictionary(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ApiError> {
        Self::parse_as(bytes, content_type, "dict_type", "Input should be a valid dictionary")
    }

    /// All fields, for bodies that are stored or passed on.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// A text that must be there.
    pub fn text(&mut self, name: &str) -> String {
        match self.object.get(name).cloned() {
            Some(Value::String(text)) => text,
            Some(other) => self.wrong("string_type", name, "Input should be a valid string", &other),
            None => self.missing(name),
        }
    }

    /// A text that may be missing.
    pub fn text_or(&mut self, name: &str, default: &str) -> String {
        if self.object.contains_key(name) { self.text(name) } else { default.to_owned() }
    }

    /// A text that may be missing or null.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.is_given(name).then(|| self.text(name))
    }

    /// A finite number that must be there; numeric texts and booleans are taken, as the prototype does.
    pub fn number(&mut self, name: &str) -> f64 {
        const TEXT: &str = "Input should be a valid number";
        let Some(value) = self.object.get(name).cloned() else { return self.missing(name) };
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
            Value::String(text) => match text.trim().parse::<f64>() {
                Ok(number) => Some(number),
                Err(_) => {
                    let text = "Input should be a valid number, unable to parse string as a number";
                    return self.wrong("float_parsing", name, text, &value);
                }
            },
            _ => return self.wrong("float_type", name, TEXT, &value),
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => number,
            None => self.wrong("finite_number", name, "Input should be a finite number", &value),
        }
    }

    /// A number that may be missing.
    pub fn number_or(&mut self, name: &str, default: f64) -> f64 {
        if self.object.contains_key(name) { self.number(name) } else { default }
    }

    /// A number that may be missing or null.
    pub fn optional_number(&mut self, name: &str) -> Option<f64> {
        self.is_given(name).then(|| self.number(name))
    }

    /// A whole number that must be there; texts and floats without a fraction are taken.
    pub fn integer(&mut self, name: &str) -> i64 {
        let Some(value) = self.object.get(name).cloned() else { return self.missing(name) };
        match &value {
            Value::Number(number) => match number.as_i64().or_else(|| number.as_f64().and_then(whole)) {
                Some(integer) => integer,
                None if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
                    let text = "Input should be a valid integer, this one is too large";
                    self.wrong("int_parsing_size", name, text, &value)
                }
                None => {
                    let text = "Input should be a valid integer, got a number with a fractional part";
                    self.wrong("int_from_float", name, text, &value)
                }
            },
            Value::Bool(yes) => i64::from(*yes),
            Value::String(text) => match text.trim().parse() {
                Ok(integer) => integer,
                Err(_) => {
                    let text = "Input should be a valid integer, unable to parse string as an integer";
                    self.wrong("int_parsing", name, text, &value)
                }
            },
            _ => self.wrong("int_type", name, "Input should be a valid integer", &value),
        }
    }

    /// A whole number that may be missing.
    pub fn integer_or(&mut self, name: &str, default: i64) -> i64 {
        if self.object.contains_key(name) { self.integer(name) } else { default }
    }

    /// A whole number that may be missing or null.
    pub fn optional_integer(&mut self, name: &str) -> Option<i64> {
        self.is_given(name).then(|| self.integer(name))
    }

    /// A list of texts that may be missing or null.
    pub fn optional_texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.object.get(name).cloned() {
            None | Some(Value::Null) => None,
            Some(Value::Array(values)) => {
                let text = |value: Value| match value {
                    Value::String(text) => text,
                    other => self.wrong("string_type", name, "Input should be a valid string", &other),
                };
                Some(values.into_iter().map(text).collect())
            }
            Some(other) => Some(self.wrong("list_type", name, "Input should be a valid list", &other)),
        }
    }

    /// An object that may be missing.
    pub fn object_or_empty(&mut self, name: &str) -> Map<String, Value> {
        match self.object.get(name).cloned() {
            None => Map::new(),
            Some(Value::Object(object)) => object,
            Some(other) => self.wrong("dict_type", name, "Input should be a valid dictionary", &other),
        }
    }

    /// 422 when anything was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::validation(self.problems)) }
    }

    fn is_given(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    fn missing<T: Default>(&mut self, name: &str) -> T {
        let input = Value::Object(self.object.clone());
        self.problems.push(problem("missing", &json!(["body", name]), "Field required", &input));
        T::default()
    }

    fn wrong<T: Default>(&mut self, kind: &str, name: &str, text: &str, input: &Value) -> T {
        self.problems.push(problem(kind, &json!(["body", name]), text, input));
        T::default()
    }
}

/// A query string. Ask for each parameter, then call [`Query::finish`] before using what came.
pub struct Query<'a> {
    request: &'a Request,
    problems: Vec<Value>,
}

impl<'a> Query<'a> {
    /// The query of a request.
    pub fn new(request: &'a Request) -> Self {
        Query { request, problems: Vec::new() }
    }

    /// A text that may be missing; empty counts as missing.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.request.get_param(name).filter(|text| !text.is_empty())
    }

    /// A text of bounded length that may be missing.
    pub fn short_text(&mut self, name: &str, length_max: usize) -> Option<String> {
        let text = self.optional_text(name)?;
        if text.chars().count() <= length_max {
            return Some(text);
        }
        let message = format!("String should have at most {length_max} characters");
        self.wrong("string_too_long", name, &message, &text, Some(json!({ "max_length": length_max })));
        None
    }

    /// A text that must be there.
    pub fn text(&mut self, name: &str) -> String {
        self.request.get_param(name).unwrap_or_else(|| self.missing(name))
    }

    /// One of some words.
    pub fn word(&mut self, name: &str, default: &'static str, words: &[&'static str]) -> &'static str {
        let Some(text) = self.optional_text(name) else { return default };
        if let Some(word) = words.iter().find(|word| **word == text) {
            return word;
        }
        let pattern = format!("^({})$", words.join("|"));
        let message = format!("String should match pattern '{pattern}'");
        self.wrong("string_pattern_mismatch", name, &message, &text, Some(json!({ "pattern": pattern })));
        default
    }

    /// A whole number within a range.
    pub fn integer(&mut self, name: &str, default: i64, range: std::ops::RangeInclusive<i64>) -> i64 {
        match self.request.get_param(name) {
            None => default,
            Some(text) => self.whole_within(name, &text, range).unwrap_or(default),
        }
    }

    /// A whole number within a range that may be missing.
    pub fn optional_integer(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let text = self.optional_text(name)?;
        self.whole_within(name, &text, range)
    }

    /// A whole number within a range that must be there.
    pub fn required_integer(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> i64 {
        match self.request.get_param(name) {
            None => self.missing(name),
            Some(text) => self.whole_within(name, &text, range).unwrap_or_default(),
        }
    }

    /// A finite number that may be missing.
    pub fn optional_number(&mut self, name: &str) -> Option<f64> {
        let text = self.optional_text(name)?;
        match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Some(number),
            None => {
                let message = "Input should be a valid number, unable to parse string as a number";
                self.wrong("float_parsing", name, message, &text, None);
                None
            }
        }
    }

    /// A finite number within a range.
    pub fn number(&mut self, name: &str, default: f64, min: f64, max: f64) -> f64 {
        let Some(number) = self.optional_number(name) else { return default };
        let raw = self.request.get_param(name).unwrap_or_default();
        if number < min {
            self.out_of_range(name, &raw, "greater_than_equal", "ge", &json!(min));
        } else if number > max {
            self.out_of_range(name, &raw, "less_than_equal", "le", &json!(max));
        }
        number
    }

    /// A yes or no.
    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        let Some(text) = self.request.get_param(name) else { return default };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => true,
            "false" | "0" | "no" | "off" | "f" | "n" => false,
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                self.wrong("bool_parsing", name, message, &text, None);
                default
            }
        }
    }

    /// 422 when anything was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::validation(self.problems)) }
    }

    fn whole_within(&mut self, name: &str, text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let trimmed = text.trim();
        let parsed = trimmed.parse().ok();
        let Some(integer) = parsed.or_else(|| trimmed.parse().ok().and_then(whole)) else {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            self.wrong("int_parsing", name, message, text, None);
            return None;
        };
        if integer < *range.start() {
            self.out_of_range(name, text, "greater_than_equal", "ge", &json!(range.start()));
        } else if integer > *range.end() {
            self.out_of_range(name, text, "less_than_equal", "le", &json!(range.end()));
        }
        Some(integer)
    }

    fn out_of_range(&mut self, name: &str, input: &str, kind: &str, bound: &str, limit: &Value) {
        let relation = kind.replace('_', " ").replace("equal", "or equal to");
        let message = format!("Input should be {relation} {limit}");
        self.wrong(kind, name, &message, input, Some(json!({ bound: limit })));
    }

    fn missing<T: Default>(&mut self, name: &str) -> T {
        self.problems.push(problem("missing", &json!(["query", name]), "Field required", &Value::Null));
        T::default()
    }

    fn wrong(&mut self, kind: &str, name: &str, text: &str, input: &str, context: Option<Value>) {
        let mut entry = problem(kind, &json!(["query", name]), text, &json!(input));
        if let Some(context) = context {
            entry["ctx"] = context;
        }
        self.problems.push(entry);
    }
}

/// A path segment with its percent-encoding undone.
pub fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return segment.into();
    }
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned().into()
}

/// One entry of a 422's `detail`.
pub(in crate::api) fn problem(kind: &str, location: &Value, text: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": location, "msg": text, "input": input })
}

fn is_json(content_type: Option<&str>) -> bool {
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// Parsing recurses, and the stack is a connection's: what is nested too deeply is not parsed.
fn check_depth(bytes: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(json_problem(position, format!("nested more than {JSON_DEPTH_MAX} levels deep")));
        }
    }
    Ok(())
}

fn invalid_json(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let position = before + error.column().saturating_sub(1);
    json_problem(position, error.to_string())
}

fn json_problem(position: usize, error: String) -> ApiError {
    let mut entry = problem("json_invalid", &json!(["body", position]), "JSON decode error", &json!({}));
    entry["ctx"] = json!({ "error": error });
    ApiError::validation(vec![entry])
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
