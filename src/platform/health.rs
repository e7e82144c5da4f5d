//! Whether the platform works, asked as its users ask: over HTTP, from the store to the broker.

use std::net::SocketAddr;
use std::time::Duration;

/// More than a loaded platform takes, and far less than a supervisor's patience.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Whether the platform whose API listens at `api` says that it is ready.
pub(super) fn is_ready(api: SocketAddr) -> bool {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_TIME_MAX))
        .proxy(None)
        .user_agent(concat!("xenblocks/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    match agent.get(format!("http://{api}/ready")).call() {
        Ok(_) => true,
        Err(error) => {
            log::warn!("the platform does not say that it is ready: {error}");
            false
        }
    }
}
