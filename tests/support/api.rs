//! A client of the REST API that speaks JSON and keeps its connections.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// A caller with or without a credential.
#[derive(Clone)]
pub struct Api {
    base: String,
    agent: Agent,
    headers: Vec<(String, String)>,
}

/// An answer: its status and what was in it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body as JSON; null when it was none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// The body of a 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert!(!self.body.is_null(), "a 200 holds JSON: {:?}", self.text);
        self.body
    }

    /// The `detail` of an answer with this status.
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let detail = self.body["detail"].clone();
        assert!(!detail.is_null(), "an error has a detail: {:?}", self.text);
        detail
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl Api {
    /// Without a credential.
    pub fn new(addr: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_TIME_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        Api { base: format!("http://{addr}"), agent: config.build().into(), headers: Vec::new() }
    }

    /// The same caller, sending one more header with each request.
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut api = self.clone();
        api.headers.push((name.to_owned(), value.into()));
        api
    }

    /// With an API key.
    pub fn with_key(&self, key: &str) -> Self {
        self.with("X-API-Key", key)
    }

    /// With a session token.
    pub fn with_token(&self, token: &str) -> Self {
        self.with("Authorization", format!("Bearer {token}"))
    }

    /// The value of a header that is sent with each request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    /// `POST` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(&body.to_string()))
    }

    /// `PUT` with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(&body.to_string()))
    }

    /// Any method; a body is sent as JSON, whatever it holds.
    pub fn send(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        self.try_send(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same, for a server that may be gone.
    pub fn try_send(&self, method: &str, path: &str, body: Option<&str>) -> Result<Reply, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = match body {
            Some(body) => self
                .agent
                .run(request.header("Content-Type", "application/json").body(body.to_owned()).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let status = answer.status().as_u16();
        let pair = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = answer.headers().iter().map(pair).collect();
        let bytes = answer.into_body().into_with_config().limit(32 * 1024 * 1024).read_to_vec()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, body, text, headers })
    }
}
