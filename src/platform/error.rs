//! Why a platform does not start: one line that says what to do.

use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::auth::SecretFileError;
use crate::broker::BrokerError;
use crate::http::HttpError;
use crate::market::Refusal;
use crate::store::StoreError;

/// Why a platform does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The MQTT port; the broker's text names it.
    #[error("--mqtt-port: {0}")]
    MqttPort(BrokerError),
    /// The HTTP port; the listener's text names it.
    #[error("--api-port: {0}")]
    ApiPort(String),
    /// The broker.
    #[error(transparent)]
    Broker(BrokerError),
    /// The HTTP server.
    #[error(transparent)]
    Http(HttpError),
    /// A key file.
    #[error(transparent)]
    SecretFile(#[from] SecretFileError),
    /// The market's books could not be prepared.
    #[error(transparent)]
    Market(#[from] Refusal),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Open mode off loopback.
    #[error("--auth open is for loopback only, and {0} is not; use --auth required")]
    OpenToStrangers(IpAddr),
    /// One port for two listeners.
    #[error("--api-port and --mqtt-port are both {0}: give one of them another")]
    SamePort(u16),
    /// A host that no sign-in message can name.
    #[error(
        "--sign-in-domain: {0:?} is no host; give it as in market.example or localhost:8080, without https://"
    )]
    SignInDomain(String),
    /// No pages to show.
    #[error("--static-dir: there is no folder {}", .0.display())]
    StaticDir(PathBuf),
    /// A short secret in closed mode.
    #[error("the JWT secret is too short: give at least 32 bytes, or leave it out to have one made")]
    WeakSecret,
}

impl From<BrokerError> for StartError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Taken(_) | BrokerError::Listen { .. } => StartError::MqttPort(error),
            BrokerError::Threads(_) | BrokerError::Router(_) => StartError::Broker(error),
        }
    }
}

impl From<HttpError> for StartError {
    fn from(error: HttpError) -> Self {
        match &error {
            HttpError::Taken(_) => StartError::ApiPort(error.to_string()),
            HttpError::Listen { source, .. } => StartError::ApiPort(format!("{error}: {source}")),
            HttpError::Thread(_) => StartError::Http(error),
        }
    }
}
