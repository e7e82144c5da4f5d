//! From facts to the JSON of each endpoint: plain functions, in the shapes of the contract.

pub(super) mod check;
pub(super) mod health;
pub(super) mod markets;
pub(super) mod network;
pub(super) mod receipts;

use std::time::Duration;

use serde_json::{Map, Number, Value, json};

use super::facts::Facts;
use super::method::Method;
use crate::base::Timestamp;

/// An answer before it is encoded.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) status: u16,
    pub(super) json: Value,
}

/// The fields of one view, and what went wrong while they were gathered.
pub(super) struct Draft<'a> {
    facts: &'a Facts,
    now: Timestamp,
    methods: &'static [Method],
    fields: Map<String, Value>,
    errors: Map<String, Value>,
}

impl<'a> Draft<'a> {
    /// A view made of what these methods say.
    pub(super) fn of(methods: &'static [Method], facts: &'a Facts, now: Timestamp) -> Self {
        Draft { facts, now, methods, fields: Map::new(), errors: Map::new() }
    }

    /// A method's result; why there is none becomes one of the view's errors.
    pub(super) fn result(&mut self, method: Method) -> Option<&'a Value> {
        match self.facts.get(method, self.now) {
            Ok(result) if result.is_object() => Some(result),
            Ok(_) => {
                self.fail(method, "The result is not an object");
                None
            }
            Err(trouble) => {
                self.fail(method, &trouble);
                None
            }
        }
    }

    /// A number of a result; one that is absent is unknown, anything else in its place is an error.
    pub(super) fn number(&mut self, method: Method, result: Option<&Value>, name: &str) -> Option<Number> {
        match result?.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Number(number)) => Some(number.clone()),
            Some(_) => {
                self.fail(method, &format!("{name} is not a number"));
                None
            }
        }
    }

    /// Notes what went wrong with a method.
    pub(super) fn fail(&mut self, method: Method, trouble: &str) {
        self.errors.entry(method.name()).or_insert_with(|| trouble.into());
    }

    /// Adds a field; `None` is null.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// The view; 503 when nothing that its methods have said is young enough to be shown.
    pub(super) fn finish(mut self) -> View {
        let Some(age) = self.facts.age_of(self.methods, self.now) else {
            return unavailable(self.facts, self.now);
        };
        if !self.errors.is_empty() {
            let errors = std::mem::take(&mut self.errors);
            self.set("errors", errors);
        }
        mark(&mut self.fields, self.facts, Some(age));
        self.set("timestamp", seconds(self.now));
        View { status: 200, json: Value::Object(self.fields) }
    }
}

/// Says in a view's fields that its data is old, or made up by a demonstration.
pub(super) fn mark(fields: &mut Map<String, Value>, facts: &Facts, age: Option<Duration>) {
    if let Some(age) = age.filter(|age| facts.is_stale(*age)) {
        fields.insert("stale".to_owned(), true.into());
        fields.insert("age_seconds".to_owned(), tenths(age));
    }
    if facts.demo {
        fields.insert("demo".to_owned(), true.into());
    }
}

/// The answer when there is nothing to show.
pub(super) fn unavailable(facts: &Facts, now: Timestamp) -> View {
    let json = json!({
        "detail": format!("No data from the node: {}", facts.line.trouble()),
        "stale": true,
        "age_seconds": facts.lag(now).map(tenths),
        "timestamp": seconds(now),
    });
    View { status: 503, json }
}

/// Unix seconds, whole.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

/// Seconds with one decimal.
pub(super) fn tenths(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 10.0).round() / 10.0)
}

/// A sum as JSON: whole when it is.
pub(super) fn whole_or_not(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range by the line above")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// A name or id as text: some nodes number what others name.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
