//! The JSON-RPC client: one call, one object, one answer that is checked before it is believed.

use std::io;
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;
use ureq::Agent;
use ureq::http::Uri;

use super::BlockBusterError;
use crate::base::limits::{GATEWAY_ANSWER_BYTES_MAX, GATEWAY_ERROR_CHARS_MAX};
use crate::base::{Secret, thread};

/// Talks to one node, from one thread.
pub(super) struct Node {
    agent: Agent,
    url: String,
    authorization: Option<Secret>,
    next_id: u64,
}

/// What a node answered.
pub(super) struct Answer {
    pub(super) result: Value,
    /// The answer says that it comes from a demonstration.
    pub(super) demo: bool,
}

/// Why a call has no result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum CallError {
    #[error("The node cannot be reached: {0}")]
    Unreachable(String),
    #[error("The node refuses the token (HTTP {0})")]
    Unauthorized(u16),
    #[error("The node answered with HTTP {0}")]
    Status(u16),
    #[error("The node's answer is not JSON-RPC")]
    NotRpc,
    #[error("The node answered another call than the one that was made")]
    WrongId,
    #[error("The node limits this gateway: {0}")]
    Limited(String),
    #[error("RPC Error {code}: {message}")]
    Rpc { code: i64, message: String },
    #[error("The result is null")]
    Null,
    /// No call was made; these words say why, whole.
    #[error("{0}")]
    Away(String),
}

const METHOD_NOT_FOUND: i64 = -32601;
/// Codes of the node's own limits: over the rate, and banned for a while.
const LIMITED: [i64; 2] = [-32001, -32002];
/// How an embedded node names itself in every answer.
pub(super) const DEMO_NAME: &str = "xenblocks demo node";

impl CallError {
    /// The node itself has answered, if only to say no.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, CallError::Rpc { .. } | CallError::Null)
    }

    /// The node does not know the method.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, CallError::Rpc { code: METHOD_NOT_FOUND, .. })
    }

    /// The outcome's name in the metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            CallError::Rpc { .. } | CallError::Null => "rpc_error",
            CallError::Limited(_) => "limited",
            _ => "failed",
        }
    }
}

impl Node {
    /// A client of the node at `url`. Connects when first asked.
    pub(super) fn new(url: &str, token: Option<Secret>) -> Result<Self, BlockBusterError> {
        let uri = address(url)?;
        let mut config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        if uri.host().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host)) {
            // A proxy of the environment could not reach this machine's own services.
            config = config.proxy(None);
        }
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Ok(Node { agent: config.build().into(), url: url.to_owned(), authorization, next_id: 1 })
    }

    /// Makes one call that may take `time` from connecting to the last byte.
    pub(super) fn call(&mut self, method: &str, params: &Value, time: Duration) -> Result<Answer, CallError> {
        let id = self.next_id;
        self.next_id += 1;
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.expose());
        }
        let answer = request.config().timeout_global(Some(time)).build().send(body).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_with_config().limit(GATEWAY_ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(unreachable)?;
        match status {
            401 | 403 => return Err(CallError::Unauthorized(status)),
            429 => return Err(CallError::Limited("HTTP 429".to_owned())),
            _ => {}
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(envelope)) => open(envelope, id),
            _ if status == 200 => Err(CallError::NotRpc),
            _ => Err(CallError::Status(status)),
        }
    }
}

/// The address of a node, or what it should have been.
pub(super) fn address(url: &str) -> Result<Uri, BlockBusterError> {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or_else(|| BlockBusterError::Url(url.to_owned()))
}

fn open(mut envelope: Map<String, Value>, id: u64) -> Result<Answer, CallError> {
    if envelope.get("id").and_then(Value::as_u64) != Some(id) {
        let is_rpc = envelope.contains_key("result") || envelope.contains_key("error");
        return Err(if is_rpc { CallError::WrongId } else { CallError::NotRpc });
    }
    let demo = envelope.get("node").and_then(Value::as_str) == Some(DEMO_NAME);
    match envelope.get("error") {
        None | Some(Value::Null) => {}
        Some(error) => return Err(rpc_error(error)),
    }
    match envelope.remove("result") {
        None => Err(CallError::NotRpc),
        Some(Value::Null) => Err(CallError::Null),
        Some(result) => Ok(Answer { result, demo }),
    }
}

fn rpc_error(error: &Value) -> CallError {
    let code = error.get("code").and_then(Value::as_i64).unwrap_or(0);
    let message = error.get("message").and_then(Value::as_str).unwrap_or("without a message");
    let message: String = message.chars().take(GATEWAY_ERROR_CHARS_MAX).collect();
    if LIMITED.contains(&code) { CallError::Limited(message) } else { CallError::Rpc { code, message } }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreachable(error: ureq::Error) -> CallError {
    CallError::Unreachable(match &error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        // By its kind: what the system says ends with a number that tells its readers nothing.
        ureq::Error::Io(io) if io.kind() != io::ErrorKind::Other => io.kind().to_string(),
        _ => thread::causes(&error),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn opened(envelope: Value) -> Result<Value, CallError> {
        let Value::Object(envelope) = envelope else { panic!("an envelope is an object") };
        open(envelope, 7).map(|answer| answer.result)
    }

    #[test]
    fn an_answer_is_believed_only_when_it_answers_this_call() {
        assert_eq!(opened(json!({"jsonrpc": "2.0", "id": 7, "result": 1})), Ok(json!(1)));
        assert_eq!(opened(json!({"id": 7, "result": 1, "error": null})), Ok(json!(1)));
        assert_eq!(opened(json!({"id": 8, "result": 1})), Err(CallError::WrongId));
        assert_eq!(opened(json!({"id": 7})), Err(CallError::NotRpc));
        assert_eq!(opened(json!({"hello": 1})), Err(CallError::NotRpc));
        assert_eq!(opened(json!({"id": 7, "result": null})), Err(CallError::Null));
    }

    #[test]
    fn why_a_node_cannot_be_reached_is_said_without_the_systems_numbers() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut node = Node::new(&format!("http://{}", nobody.local_addr().unwrap()), None).unwrap();
        let mut words = |time| node.call("net.stats", &json!({}), time).err().unwrap().to_string();
        assert_eq!(words(Duration::from_millis(50)), "The node cannot be reached: no answer in time");
        drop(nobody);
        assert_eq!(words(Duration::from_secs(2)), "The node cannot be reached: connection refused");
    }

    #[test]
    fn errors_keep_the_words_of_the_node_and_its_limits_are_told_apart() {
        let error = opened(json!({"id": 7, "error": {"code": -32601, "message": "method not found"}}));
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "RPC Error -32601: method not found");
        assert!(error.is_missing() && error.is_answer());
        let banned = opened(json!({"id": 7, "error": {"code": -32002, "message": "banned"}})).unwrap_err();
        assert_eq!((banned.kind(), banned.is_answer()), ("limited", false));
        let long =
            opened(json!({"id": 7, "error": {"code": 1, "message": "x".repeat(100_000)}})).unwrap_err();
        assert!(long.to_string().len() < 1000);
    }

    /// It would be a valid answer without its end.
    #[test]
    fn an_answer_over_its_limit_is_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut node = Node::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
        let serving = thread::spawn_connection("node", move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            let body = format!(r#"{{"id":1,"result":1}}{}"#, " ".repeat(5 * 1024 * 1024));
            // An error: the gateway has read enough.
            let _ = write!(stream, "HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        });
        let answer = node.call("net.stats", &json!({}), Duration::from_secs(10));
        assert!(matches!(answer, Err(CallError::Unreachable(_))), "{:?}", answer.err());
        drop(node);
        serving.unwrap().join().unwrap();
    }
}
