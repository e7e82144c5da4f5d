//! Counters and histograms, and the Prometheus text of them (exposition format 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::facts::Facts;
use super::sockets::Hub;
use super::views::network;
use crate::base::Timestamp;

/// What the gateway counts.
#[derive(Default)]
pub(super) struct Metrics {
    requests: [Counted; Endpoint::ALL.len()],
    upstream: [Counter; UPSTREAM.len()],
    upstream_time: Histogram,
}

/// An address that is counted on its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Health,
    Ready,
    Network,
    Markets,
    Receipts,
    Operations,
    Peers,
    Scheduler,
    Fullcheck,
    Features,
    Metrics,
    Rpc,
    Page,
    Socket,
    Other,
}

impl Endpoint {
    const ALL: [(Endpoint, &'static str); 15] = [
        (Endpoint::Health, "health"),
        (Endpoint::Ready, "ready"),
        (Endpoint::Network, "network_metrics"),
        (Endpoint::Markets, "markets_health"),
        (Endpoint::Receipts, "receipts"),
        (Endpoint::Operations, "operations"),
        (Endpoint::Peers, "peers_list"),
        (Endpoint::Scheduler, "scheduler_stats"),
        (Endpoint::Fullcheck, "fullcheck"),
        (Endpoint::Features, "features_schema"),
        (Endpoint::Metrics, "metrics"),
        (Endpoint::Rpc, "rpc"),
        (Endpoint::Page, "page"),
        (Endpoint::Socket, "websocket"),
        (Endpoint::Other, "other"),
    ];
}

const CODES: [(u16, &str); 9] = [
    (101, "101"),
    (200, "200"),
    (204, "204"),
    (304, "304"),
    (400, "400"),
    (404, "404"),
    (405, "405"),
    (429, "429"),
    (503, "503"),
];
const OTHER_CODE: &str = "other";
const UPSTREAM: [&str; 4] = ["ok", "rpc_error", "limited", "failed"];

/// One cache line each: neighbours that count at the same time would slow each other down.
#[derive(Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

#[derive(Default)]
struct Counted {
    codes: [Counter; CODES.len() + 1],
    time: Histogram,
}

/// Upper bounds of the buckets, seconds.
const BOUNDS: [(f64, &str); 12] = [
    (0.0001, "0.0001"),
    (0.0005, "0.0005"),
    (0.001, "0.001"),
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.02, "0.02"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
];

/// How often a duration fell between two bounds, and the sum of all.
#[derive(Default)]
struct Histogram {
    /// Not cumulative; the last one is beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|(bound, _)| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Cumulative buckets that end with `+Inf`, whose count is that of all; then sum and count.
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        let mut count = 0;
        for (bound, bucket) in bounds.zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            line(out, format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"));
        }
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let sum = Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64();
        line(out, format_args!("{name}_sum{labels} {sum}"));
        line(out, format_args!("{name}_count{labels} {count}"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, "gauge", help);
    line(out, format_args!("{name} {value}"));
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn answered(&self, endpoint: Endpoint, status: u16, time: Duration) {
        let counted = &self.requests[endpoint as usize];
        let code = CODES.iter().position(|(code, _)| *code == status).unwrap_or(CODES.len());
        counted.codes[code].0.fetch_add(1, Ordering::Relaxed);
        counted.time.observe(time);
    }

    /// Counts a call to the node.
    pub(super) fn upstream(&self, outcome: &str, time: Duration) {
        if let Some(index) = UPSTREAM.iter().position(|known| *known == outcome) {
            self.upstream[index].0.fetch_add(1, Ordering::Relaxed);
        }
        self.upstream_time.observe(time);
    }

    /// All of it as text.
    pub(super) fn text(&self, facts: &Facts, hub: &Hub, now: Timestamp) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let name = "block_buster_requests_total";
        head(&mut out, name, "counter", "Answers, by endpoint and status.");
        for (endpoint, label) in Endpoint::ALL {
            let codes = CODES.iter().map(|(_, text)| *text).chain([OTHER_CODE]);
            for (code, counter) in codes.zip(&self.requests[endpoint as usize].codes) {
                let count = counter.0.load(Ordering::Relaxed);
                if count > 0 {
                    line(&mut out, format_args!("{name}{{endpoint=\"{label}\",code=\"{code}\"}} {count}"));
                }
            }
        }
        let name = "block_buster_request_duration_seconds";
        head(&mut out, name, "histogram", "Time from a whole request to its answer.");
        for (endpoint, label) in Endpoint::ALL {
            self.requests[endpoint as usize].time.write(&mut out, name, &format!("endpoint=\"{label}\""));
        }
        let name = "block_buster_upstream_calls_total";
        head(&mut out, name, "counter", "Calls to the node, by their outcome.");
        for (outcome, counter) in UPSTREAM.iter().zip(&self.upstream) {
            line(
                &mut out,
                format_args!("{name}{{outcome=\"{outcome}\"}} {}", counter.0.load(Ordering::Relaxed)),
            );
        }
        let name = "block_buster_upstream_duration_seconds";
        head(&mut out, name, "histogram", "Time of a call to the node.");
        self.upstream_time.write(&mut out, name, "");
        node(&mut out, facts, now);
        gauge(&mut out, "block_buster_websocket_clients", "WebSocket clients.", hub.clients());
        let name = "block_buster_websocket_frames_dropped_total";
        head(&mut out, name, "counter", "Frames that a newer one replaced for a slow client.");
        line(&mut out, format_args!("{name} {}", hub.dropped.load(Ordering::Relaxed)));
        out
    }
}

/// What is known of the node; a number that is not known has no line.
fn node(out: &mut String, facts: &Facts, now: Timestamp) {
    gauge(
        out,
        "block_buster_node_up",
        "The node answered the newest call.",
        u8::from(facts.line.connected()),
    );
    if let Some(lag) = facts.lag(now) {
        let help = "Seconds since the node answered.";
        gauge(out, "block_buster_node_last_success_age_seconds", help, lag.as_secs_f64());
    }
    let view = network::metrics(facts, now).json;
    for (field, help) in [
        ("network_strength", "Strength of the network, 0 to 100."),
        ("block_height", "Height of the chain."),
        ("finality_time", "Seconds until a block is final."),
        ("peer_count", "Peers of the node."),
        ("tps", "Transactions per second."),
        ("bandwidth_in", "Bytes per second received."),
        ("bandwidth_out", "Bytes per second sent."),
    ] {
        if let Some(value) = view.get(field).filter(|value| value.is_number()) {
            gauge(out, &format!("theblock_{field}"), help, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_with_the_count() {
        let histogram = Histogram::default();
        for micros in [50, 100, 101, 700, 3_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut out = String::new();
        histogram.write(&mut out, "t", "a=\"b\"");
        for expected in [
            "t_bucket{a=\"b\",le=\"0.0001\"} 2",
            "t_bucket{a=\"b\",le=\"0.0005\"} 3",
            "t_bucket{a=\"b\",le=\"0.001\"} 4",
            "t_bucket{a=\"b\",le=\"2.5\"} 4",
            "t_bucket{a=\"b\",le=\"+Inf\"} 5",
            "t_sum{a=\"b\"} 3.000951",
            "t_count{a=\"b\"} 5",
        ] {
            assert!(out.lines().any(|line| line == expected), "{expected} in\n{out}");
        }
    }

    #[test]
    fn each_endpoint_is_at_its_own_place() {
        for (index, (endpoint, _)) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, index);
        }
    }
}
