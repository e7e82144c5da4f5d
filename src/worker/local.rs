//! The miner's local HTTP port: `/stats` and `/platform/status` as HiveOS scripts and users of the
//! C++ miner read them, `/metrics` for Prometheus.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::board::{Board, DeviceView, Status};
use crate::base::WorkerId;
use crate::base::thread::Deathwatch;
use crate::http::{self, HttpError, Listener, Server};

/// Connections at once: scripts of this machine ask one by one.
const CONNECTIONS_MAX: usize = 16;

/// Who the worker is, as `/stats` shows it.
#[derive(Clone, Debug)]
pub struct Name {
    /// The worker's id.
    pub worker: WorkerId,
    /// The name its owner gave it.
    pub custom: Option<String>,
}

/// Answers from `board` on `addr`; port 0 takes a free one.
pub fn serve(addr: SocketAddr, name: Name, board: Board, watch: &Deathwatch) -> Result<Server, HttpError> {
    let config = http::Config { connections_max: CONNECTIONS_MAX, ..http::Config::new("miner-http", addr) };
    let handler = http::handler(move |request| {
        let status = board.read();
        let answer = match (request.method(), request.url().as_str()) {
            ("GET" | "HEAD", "/stats") => http::json(200, stats(&name, &status).to_string()),
            ("GET" | "HEAD", "/platform/status") => http::json(200, platform(&status).to_string()),
            ("GET" | "HEAD", "/metrics") => {
                rouille::Response::from_data("text/plain; version=0.0.4; charset=utf-8", metrics(&status))
            }
            (_, "/stats" | "/platform/status" | "/metrics") => {
                http::detail(405, "Method Not Allowed").with_additional_header("Allow", "GET, HEAD")
            }
            _ => http::detail(404, "there are /stats, /platform/status and /metrics"),
        };
        answer.into()
    });
    Listener::bind(config)?.serve(watch, handler)
}

/// As the C++ miner's, and a little more.
fn stats(name: &Name, status: &Status) -> Value {
    let gpus: Vec<Value> = status.devices.iter().map(gpu).collect();
    let tally = &status.tally;
    let mut answer = json!({
        "totalHashrate": round(status.rates.seconds_10),
        "gpus": gpus,
        "uptime": status.uptime_sec,
        "acceptedBlocks": tally.accepted - tally.accepted_xuni,
        "rejectedBlocks": tally.refused,
        "normalBlocks": tally.accepted - tally.accepted_super - tally.accepted_xuni,
        "superBlocks": tally.accepted_super,
        "xuniBlocks": tally.accepted_xuni,
        "pendingBlocks": status.blocks_waiting,
        "hashrate60s": round(status.rates.seconds_60),
        "hashrate15m": round(status.rates.minutes_15),
        "totalHashCount": status.attempts,
        "difficulty": status.difficulty,
        "minerAddr": status.account,
        "workerId": name.worker,
        "version": env!("CARGO_PKG_VERSION"),
    });
    if let Some(custom) = &name.custom {
        answer["customName"] = custom.as_str().into();
    }
    answer
}

fn gpu(device: &DeviceView) -> Value {
    json!({
        "index": device.index,
        "name": device.name,
        "hashrate": round(device.hashrate),
        "busId": device.bus_id.as_deref().map_or(0, bus_number),
        "failure": device.failure,
    })
}

/// The number that HiveOS knows a card by: the bus of `domain:bus:device.function`, which is hexadecimal.
fn bus_number(bus_id: &str) -> u64 {
    let parts: Vec<&str> = bus_id.split(':').collect();
    let bus = if parts.len() >= 2 { parts[parts.len() - 2] } else { bus_id };
    u64::from_str_radix(bus, 16).unwrap_or(0)
}

fn platform(status: &Status) -> Value {
    let mut platform = Map::new();
    platform.insert("platform_mode".into(), status.has_platform.into());
    let mining = if status.lease.is_some() { "platform" } else { "self" };
    platform.insert("mining_mode".into(), mining.into());
    let state = if status.has_platform { status.state } else { "disabled" };
    platform.insert("platform_state".into(), state.into());
    platform.insert("running".into(), status.online.into());
    if let Some(trouble) = &status.trouble {
        platform.insert("detail".into(), trouble.as_str().into());
    }
    if let Some(lease) = &status.lease {
        platform.insert("lease_id".into(), json!(lease.id));
        platform.insert("consumer_id".into(), json!(lease.consumer));
        platform.insert("consumer_address".into(), json!(lease.renter));
        platform.insert("blocks_found".into(), lease.blocks.into());
        platform.insert("remaining_sec".into(), lease.remaining_sec.into());
    }
    Value::Object(platform)
}

fn metrics(status: &Status) -> String {
    let mut page = String::new();
    let mut one = |name: &str, kind: &str, help: &str, lines: &[(String, f64)]| {
        write!(page, "# HELP xenblocks_miner_{name} {help}\n# TYPE xenblocks_miner_{name} {kind}\n")
            .expect("writing to a String does not fail");
        for (labels, value) in lines {
            writeln!(page, "xenblocks_miner_{name}{labels} {value}")
                .expect("writing to a String does not fail");
        }
    };
    let plain = |value: f64| vec![(String::new(), value)];
    let devices = status.devices.iter().map(|device| {
        let name: String = device.name.chars().filter(|c| !matches!(c, '"' | '\\' | '\n')).collect();
        (format!("{{device=\"{}\",name=\"{name}\"}}", device.index), device.hashrate)
    });
    one(
        "hashrate",
        "gauge",
        "Hashes per second of each device, over 10 seconds",
        &devices.collect::<Vec<_>>(),
    );
    one("hashes_total", "counter", "Hashes since the start", &plain(status.attempts as f64));
    let failed = status.devices.iter().filter(|device| device.failure.is_some()).count();
    one("devices_failed", "gauge", "Devices that do not hash", &plain(failed as f64));
    one("difficulty_kib", "gauge", "Memory of one hash", &plain(f64::from(status.difficulty)));
    one("blocks_found_total", "counter", "Blocks found since the start", &plain(status.tally.found as f64));
    one(
        "blocks_accepted_total",
        "counter",
        "Blocks taken since the start",
        &plain(status.tally.accepted as f64),
    );
    one(
        "blocks_refused_total",
        "counter",
        "Blocks refused for good since the start",
        &plain(status.tally.refused as f64),
    );
    one(
        "blocks_waiting",
        "gauge",
        "Found blocks that chain or platform have not taken yet",
        &plain(status.blocks_waiting as f64),
    );
    one(
        "platform_up",
        "gauge",
        "Whether there is a connection to the platform",
        &plain(f64::from(u8::from(status.online))),
    );
    one(
        "leased",
        "gauge",
        "Whether a renter is mined for",
        &plain(f64::from(u8::from(status.lease.is_some()))),
    );
    one("uptime_seconds_total", "counter", "Seconds since the start", &plain(status.uptime_sec as f64));
    page
}

fn round(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::board::{LeaseView, Tally};

    fn leased() -> Status {
        Status {
            has_platform: true,
            online: true,
            state: "MINING",
            lease: Some(LeaseView {
                id: "lease-1".parse().unwrap(),
                consumer: "consumer-1".parse().unwrap(),
                renter: "0xaabbccddee1234567890abcdef1234567890abcd".parse().unwrap(),
                remaining_sec: Some(59),
                blocks: 3,
            }),
            devices: vec![DeviceView {
                index: 0,
                bus_id: Some("0000:0A:00.0".into()),
                hashrate: 1.5,
                ..DeviceView::default()
            }],
            tally: Tally { found: 9, accepted: 6, accepted_super: 1, accepted_xuni: 2, refused: 1 },
            ..Status::default()
        }
    }

    #[test]
    fn scripts_of_the_cpp_miner_read_what_they_know() {
        let name = Name { worker: "rig-1".parse().unwrap(), custom: Some("cellar".into()) };
        let stats = stats(&name, &leased());
        assert_eq!((&stats["acceptedBlocks"], &stats["rejectedBlocks"]), (&json!(4), &json!(1)));
        assert_eq!(stats["gpus"][0]["busId"], 10);
        assert_eq!((&stats["normalBlocks"], &stats["customName"]), (&json!(3), &json!("cellar")));
        let platform = platform(&leased());
        assert_eq!(
            platform,
            json!({"platform_mode": true, "mining_mode": "platform", "platform_state": "MINING", "running": true,
                "lease_id": "lease-1", "consumer_id": "consumer-1", "blocks_found": 3, "remaining_sec": 59,
                "consumer_address": "0xaabbccddee1234567890abcdef1234567890abcd"})
        );
        let alone = super::platform(&Status::default());
        assert_eq!((&alone["platform_state"], &alone["mining_mode"]), (&json!("disabled"), &json!("self")));
    }

    #[test]
    fn metrics_have_a_type_each() {
        let page = metrics(&leased());
        assert!(page.contains("\nxenblocks_miner_blocks_accepted_total 6\n"), "{page}");
        assert_eq!(page.matches("# TYPE").count(), page.matches("# HELP").count());
    }
}
