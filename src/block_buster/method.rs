//! The calls that the gateway makes, and how often.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::limits::GATEWAY_RECEIPTS_MAX;

/// A read method of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The newest header; also what is asked to see whether a node is back.
    Header,
    /// The peers, in the documented shape.
    Peers,
    /// Throughput and bandwidth.
    Stats,
    /// What stands in for the number of peers on nodes without `net.peers`.
    Overlay,
    /// What stands in for the list of peers on nodes without `net.peers`.
    PeerStats,
    /// The compute market.
    Compute,
    /// The storage market.
    Storage,
    /// The energy market.
    Energy,
    /// The advertising market.
    Ads,
    /// The newest receipts.
    Receipts,
    /// The scheduler's queue.
    Scheduler,
    /// The gates of the markets, for the features.
    Governor,
    /// How far the chain is final; asked by a full check only.
    Finality,
    /// A name's record; asked by a full check only.
    Domain,
}

/// The name that a full check looks up.
pub const PROBED_DOMAIN: &str = "demo.block";

impl Method {
    /// How many there are.
    pub const COUNT: usize = Method::ALL.len();

    /// All, the most urgent first.
    pub const ALL: [Method; 14] = [
        Method::Header,
        Method::Peers,
        Method::Stats,
        Method::Overlay,
        Method::Receipts,
        Method::Compute,
        Method::Storage,
        Method::Energy,
        Method::Ads,
        Method::PeerStats,
        Method::Scheduler,
        Method::Governor,
        Method::Finality,
        Method::Domain,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Header => "light.latest_header",
            Method::Peers => "net.peers",
            Method::Stats => "net.stats",
            Method::Overlay => "net.overlay_status",
            Method::PeerStats => "net.peer_stats_all",
            Method::Compute => "compute_market.stats",
            Method::Storage => "storage.stats",
            Method::Energy => "energy.market_state",
            Method::Ads => "ad_market.stats",
            Method::Receipts => "receipt.audit",
            Method::Scheduler => "scheduler.stats",
            Method::Governor => "governor.status",
            Method::Finality => "consensus.finality_status",
            Method::Domain => "gateway.dns_lookup",
        }
    }

    /// Its parameters: always an object.
    pub fn params(self) -> Value {
        match self {
            Method::Receipts => json!({"limit": GATEWAY_RECEIPTS_MAX, "offset": 0}),
            Method::Domain => json!({"domain": PROBED_DOMAIN}),
            _ => json!({}),
        }
    }

    /// How often it is polled; `None` is on request only.
    pub const fn period(self) -> Option<Duration> {
        match self {
            Method::Header | Method::Peers | Method::Stats | Method::Overlay => Some(Duration::from_secs(2)),
            Method::Receipts => Some(Duration::from_secs(3)),
            Method::Compute
            | Method::Storage
            | Method::Energy
            | Method::Ads
            | Method::Scheduler
            | Method::Governor => Some(Duration::from_secs(5)),
            Method::PeerStats => Some(Duration::from_secs(10)),
            Method::Finality | Method::Domain => None,
        }
    }

    /// The method whose absence makes this one needed.
    pub const fn stands_in_for(self) -> Option<Method> {
        match self {
            Method::Overlay | Method::PeerStats => Some(Method::Peers),
            _ => None,
        }
    }

    /// Whether a full check asks it.
    pub const fn is_checked(self) -> bool {
        !matches!(self, Method::Overlay | Method::PeerStats | Method::Governor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_at_its_own_place() {
        for method in Method::ALL {
            assert_eq!(Method::ALL.iter().filter(|other| **other == method).count(), 1);
        }
    }

    #[test]
    fn polling_leaves_most_of_the_budget_to_others() {
        let per_second: f64 = Method::ALL
            .iter()
            .filter_map(|method| method.period())
            .map(|period| 1.0 / period.as_secs_f64())
            .sum();
        assert!(per_second < 5.0, "{per_second} calls a second");
    }
}
