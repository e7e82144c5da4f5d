//! Whether the platform works, asked as its users ask: over HTTP, from the store to the broker.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::api::SERVICE;

/// More than a loaded platform takes, and far less than a supervisor's patience.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Whether the platform whose API listens at `api` works. A disk that is full does not count: it keeps
/// the platform from being ready, but a supervisor's new start would bring no room.
pub(super) fn works(api: SocketAddr) -> bool {
    let said = match ask(api, "/ready") {
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

/// The MQTT port of the marketplace whose API listens at `api`; `None` when no marketplace answers there.
pub(super) fn marketplace(api: SocketAddr) -> Option<u16> {
    let banner = ask(api, "/").ok().filter(|banner| banner["service"] == SERVICE)?;
    banner["mqtt_port"].as_u64()?.try_into().ok()
}

fn ask(api: SocketAddr, path: &str) -> Result<Value, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_TIME_MAX))
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("xenblocks/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    agent.get(format!("http://{api}{path}")).call()?.body_mut().read_json()
}
