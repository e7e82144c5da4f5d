//! The public HTTP API, as any program would use it.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::base::Amount;
use crate::base::thread::causes;
use crate::cli::CliError;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// An administrator of one platform.
pub(super) struct Client {
    agent: Agent,
    base: String,
    key: String,
}

impl Client {
    pub(super) fn new(base: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_TIME_MAX))
            .http_status_as_error(false)
            // A proxy of the environment could not reach this machine's own services.
            .proxy(None);
        Client { agent: config.build().into(), base: base.to_owned(), key: key.to_owned() }
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, CliError> {
        let answer = self.agent.get(format!("{}{path}", self.base)).header("X-API-Key", &self.key).call();
        read("GET", path, answer)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("X-API-Key", &self.key);
        read("POST", path, request.header("Content-Type", "application/json").send(body.to_string()))
    }
}

fn read(
    method: &str,
    path: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, CliError> {
    let failed = |why: String| CliError::Said(format!("demo: {method} {path}: {why}"));
    let answer = answer.map_err(|error| failed(causes(&error)))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let body = body.map_err(|error| failed(causes(&error)))?;
    if status != 200 {
        return Err(failed(format!("{status} {}", String::from_utf8_lossy(&body))));
    }
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

/// A number; not a number when it is none, which no check accepts.
pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// A text; empty when it is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Money, exactly; `None` when it is no amount.
pub(super) fn amount(value: &Value) -> Option<Amount> {
    Amount::from_f64(value.as_f64()?).ok()
}

/// Money for people.
pub(super) fn coins(value: &Value) -> String {
    amount(value).map_or_else(|| value.to_string(), |amount| amount.to_string())
}
