//! Errors as JSON: `{"detail": …}` with the right status.

use std::borrow::Cow;
use std::error::Error;

use rouille::Response;
use serde_json::{Value, json};

use crate::auth::AuthError;
use crate::base::thread::causes;
use crate::http;
use crate::market::Refusal;
use crate::store::StoreError;

/// An answer that says no.
#[derive(Debug)]
pub struct ApiError {
    status: u16,
    detail: Value,
    // In a box: an error goes up through many returns.
    fact: Option<Box<(&'static str, Value)>>,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl ApiError {
    /// An error with a text.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        ApiError { status, detail: Value::String(detail.into()), fact: None, headers: Vec::new() }
    }

    /// 422 with the list of what did not validate.
    pub fn validation(problems: Vec<Value>) -> Self {
        ApiError { status: 422, detail: Value::Array(problems), fact: None, headers: Vec::new() }
    }

    /// 500; the cause goes to the log alone.
    pub fn internal(cause: &dyn Error) -> Self {
        log::error!("a request failed: {}", causes(cause));
        ApiError::new(500, "Internal Server Error")
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a field beside `detail`, for programs.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fact = Some(Box::new((name, value.into())));
        self
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// As a response.
    pub fn into_response(self) -> Response {
        let mut body = json!({ "detail": self.detail });
        if let Some(fact) = self.fact {
            let (name, value) = *fact;
            body[name] = value;
        }
        let mut response = http::json(self.status, body.to_string());
        response.headers.extend(self.headers);
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NotFound(_) => 404,
            Refusal::Invalid(_) => 400,
            Refusal::Forbidden(_) => 403,
            Refusal::Insufficient { .. } => 402,
            Refusal::PriceChanged { .. } => 409,
            Refusal::Store(_) => 503,
        };
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::PriceChanged { price_per_min } => {
                ApiError::new(status, refusal.to_string()).with_fact("price_per_min", json!(price_per_min))
            }
            other => ApiError::new(status, other.to_string()),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Store(error) => error.into(),
            AuthError::Scope(_) => ApiError::new(403, error.to_string()),
            AuthError::AccountNotFound => ApiError::new(404, error.to_string()),
            AuthError::TooManyTokens => ApiError::new(409, error.to_string()),
            other => ApiError::new(401, other.to_string()).with_header("WWW-Authenticate", "Bearer"),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        log::error!("the store failed a request: {}", causes(&error));
        ApiError::new(503, "The database is not available; nothing was changed. Try again.")
            .with_header("Retry-After", "1")
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}
