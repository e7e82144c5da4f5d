//! Whether the platform works, asked as its users ask: over HTTP, from the store to the broker.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

/// More than a loaded platform takes, and far less than a supervisor's patience.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Whether the platform whose API listens at `api` works. A disk that is full does not count: it keeps
/// the platform from being ready, but a supervisor's new start would bring no room.
pub(super) fn works(api: SocketAddr) -> bool {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_TIME_MAX))
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("xenblocks/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let asked = agent.get(format!("http://{api}/ready")).call();
    let said = match asked.and_then(|mut answer| answer.body_mut().read_json::<Value>()) {
        Ok(said) => said,
        Err(error) => {
            log::warn!("the platform does not say whether it is ready: {error}");
            return false;
        }
    };
    if let Some(reason) = said["reason"].as_str() {
        log::warn!("the platform is not ready: {reason}");
    }
    ["store", "broker"].iter().all(|part| said["checks"][part] == "ok")
}
