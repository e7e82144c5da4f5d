//! The platform about itself: what it is, whether it lives, its figures, and the description of this API.

use rouille::Response;
use serde::Serialize;
use serde_json::json;

use super::metrics;
use super::openapi;
use super::readiness;
use super::request::router::Route;
use super::{Access, Answer, Api, ApiError, Call};
use crate::auth::{AuthError, Caller};
use crate::base::Timestamp;
use crate::http;
use crate::store::counters::{self, Counter};
use crate::store::leases;

/// What the platform calls itself, on `/`.
pub const SERVICE: &str = "XenBlocks Platform";
/// This release.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

macro_rules! about {
    ($path:literal, $summary:literal, $answer:literal, $handle:expr) => {
        Route::get($path, Access::Public, None, $summary, &[], $answer, $handle)
    };
}

pub(super) const ROUTES: &[Route] = &[
    about!(
        "/",
        "What this is; the app for browsers",
        "service, mqtt_port, api_port, connected_workers, uptime, version, uptime_seconds",
        root
    ),
    about!(
        "/api/status",
        "Counts of the platform",
        "mqtt_clients, workers, active_leases, total_blocks, self_mined_blocks, total_settlements",
        status
    ),
    about!("/health", "Whether the process answers", "status, version", health),
    about!(
        "/ready",
        "Whether the platform can work: 200, or 503 with what is wrong",
        "status, checks of store, disk and broker; with 503 reason",
        readiness::ready
    ),
    about!("/metrics", "Figures for Prometheus; from this machine, or an administrator", "Text", figures),
    about!("/api/openapi.json", "This description", "An OpenAPI 3.1 document", description),
    about!(
        "/openapi.json",
        "This description, where older clients look",
        "An OpenAPI 3.1 document",
        description
    ),
];

#[derive(Serialize)]
struct Banner {
    service: &'static str,
    mqtt_port: u16,
    api_port: u16,
    connected_workers: usize,
    uptime: &'static str,
    version: &'static str,
    uptime_seconds: i64,
}

/// The most asked for of all: no database here.
fn root(api: &Api, call: &Call<'_>) -> Answer {
    if let Some(page) = api.pages.landing(call.request) {
        return Ok(page);
    }
    let banner = super::json(&Banner {
        service: SERVICE,
        mqtt_port: api.mqtt_port,
        api_port: api.api_port,
        connected_workers: api.link.client_count(),
        uptime: "running",
        version: VERSION,
        uptime_seconds: uptime_sec(api, call.now),
    })?;
    Ok(banner.with_additional_header("Vary", "Accept"))
}

/// Whole seconds since the start.
pub(super) fn uptime_sec(api: &Api, now: Timestamp) -> i64 {
    now.micros_since(api.started_at) / 1_000_000
}

#[derive(Serialize)]
struct Status {
    mqtt_clients: Vec<String>,
    workers: usize,
    active_leases: i64,
    total_blocks: i64,
    self_mined_blocks: i64,
    total_settlements: i64,
}

fn status(api: &Api, _call: &Call<'_>) -> Answer {
    let status = api.store.read::<_, ApiError, _>(|connection| {
        Ok(Status {
            mqtt_clients: api.link.client_ids(),
            workers: api.fleet.len(),
            active_leases: leases::count_active(connection)?,
            total_blocks: counters::get(connection, Counter::Blocks)?,
            self_mined_blocks: counters::get(connection, Counter::BlocksSelfMined)?,
            total_settlements: counters::get(connection, Counter::Settlements)?,
        })
    })?;
    super::json(&status)
}

fn health(_api: &Api, _call: &Call<'_>) -> Answer {
    super::json(&json!({ "status": "ok", "version": VERSION }))
}

fn figures(api: &Api, call: &Call<'_>) -> Answer {
    match &call.caller {
        Caller::Administrator => {}
        _ if call.peer().is_loopback() => {}
        Caller::Nobody => return Err(AuthError::Missing.into()),
        Caller::Account(_) => return Err(ApiError::new(403, "Admin access required")),
    }
    let text = metrics::text(api, call.now)?;
    Ok(Response::from_data("text/plain; version=0.0.4; charset=utf-8", text))
}

#[expect(clippy::unnecessary_wraps, reason = "a handler, as others are")]
fn description(api: &Api, _call: &Call<'_>) -> Answer {
    let text = api.state.description.get_or_init(|| openapi::document().to_string());
    Ok(http::json(200, text.clone()))
}

#[cfg(test)]
#[path = "tests/system.rs"]
mod tests;
