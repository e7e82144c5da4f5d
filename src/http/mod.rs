//! HTTP/1.1 on sockets of our own: the listener, limits on connections, heads, bodies and time, the
//! framing, and the upgrade to WebSocket on the same port. It knows no route: a [`Handler`] from
//! above answers each request, with rouille's types.
//!
//! It promises that no client can hold up another, that bytes of a body are never taken for a
//! request, and that a handler's panic costs one answer.

mod body;
mod connection;
mod date;
mod head;
mod inbound;
mod refusal;
mod response;
mod server;
mod socket;
pub mod websocket;

use std::sync::Arc;

use rouille::{Request, Response};

pub use response::write_within;
pub use server::{Config, HttpError, Listener, Server, Timeouts};
pub use socket::{Socket, linger};

/// What a handler answers.
pub enum Reply {
    /// A response.
    Http(Response),
    /// Take the connection over as a WebSocket. The function runs after the handshake has been
    /// answered with 101, and owns the connection's thread until it returns; a request that is no
    /// valid handshake is answered 400 or 426 instead.
    WebSocket(Box<dyn FnOnce(Socket) + Send>),
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Reply::Http(response)
    }
}

/// Answers requests, on many threads at once. The request's body is complete and within
/// [`HTTP_BODY_BYTES_MAX`](crate::base::limits::HTTP_BODY_BYTES_MAX); `HEAD` arrives as itself, and
/// the body of its answer is not sent.
pub type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A handler from a function.
pub fn handler<F>(answer: F) -> Arc<Handler>
where
    F: Fn(&Request) -> Reply + Send + Sync + 'static,
{
    Arc::new(answer)
}

/// A response whose body is JSON already encoded.
pub fn json(status: u16, body: String) -> Response {
    Response::from_data("application/json", body).with_status_code(status)
}

/// An error as all our APIs show it: `{"detail": text}`.
pub fn detail(status: u16, text: &str) -> Response {
    json(status, serde_json::json!({ "detail": text }).to_string())
}
