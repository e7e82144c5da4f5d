//! Why a request is not handed to the handler.

use std::io;

use thiserror::Error;

/// A request that cannot be framed or is over a limit. Its text is the answer's `detail`; the
/// connection ends after the answer, since where the next request begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("Malformed request")]
    Malformed,
    #[error("Malformed request target")]
    Target,
    #[error("Exactly one Host header is required")]
    Host,
    #[error("Malformed or contradictory Content-Length or Transfer-Encoding")]
    Framing,
    #[error("Malformed chunked body")]
    Chunk,
    #[error("Request timed out")]
    Slow,
    #[error("Content-Length is required")]
    LengthRequired,
    #[error("Request body is too large")]
    BodyTooLarge,
    #[error("Request target is too long")]
    TargetTooLong,
    #[error("Expectation is not supported")]
    Expectation,
    #[error("Request header fields are too large or too many")]
    HeadTooLarge,
    #[error("Transfer coding is not supported")]
    Coding,
    #[error("Too many connections, try again later")]
    Overloaded,
    #[error("HTTP version is not supported")]
    Version,
}

impl Refusal {
    /// The answer's status.
    pub(super) fn status(self) -> u16 {
        match self {
            Refusal::Malformed | Refusal::Target | Refusal::Host | Refusal::Framing | Refusal::Chunk => 400,
            Refusal::Slow => 408,
            Refusal::LengthRequired => 411,
            Refusal::BodyTooLarge => 413,
            Refusal::TargetTooLong => 414,
            Refusal::Expectation => 417,
            Refusal::HeadTooLarge => 431,
            Refusal::Coding => 501,
            Refusal::Overloaded => 503,
            Refusal::Version => 505,
        }
    }
}

/// Why no request came out of a connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client went away or was idle for too long: there is nobody to answer.
    Gone,
    /// The client is there and shall know why.
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    /// A read that ran out of time in the middle of a request is a slow client; any other error is
    /// a client that went away.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Refused(Refusal::Slow),
            _ => Failure::Gone,
        }
    }
}
