//! The feature feed: 256 numbers for programs that learn, 20 of them named, the rest zero.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::facts::Facts;
use super::method::Method;
use super::views::health::{recent_errors, simple_db};
use super::views::receipts::{Market, Receipt, Receipts};
use super::views::{markets, tenths, text};
use crate::base::Timestamp;

/// Numbers in a frame.
pub(super) const SIZE: usize = 256;
/// How much of its past a running mean keeps at each step.
const DECAY: f64 = 0.995;
/// A value this far from its mean says no more than that it is far.
const FAR: f64 = 8.0;
/// Below this, a deviation is rounding.
const TINY: f64 = 1e-12;

/// The named features, in their order: name, and what it is before it is put in relation to its past.
const NAMED: [(&str, &str); 20] = [
    ("utilization_compute", "share of the compute market in use, 0 to 1"),
    ("utilization_storage", "share of the storage in use, 0 to 1"),
    ("utilization_energy", "share of the energy capacity taken, 0 to 1"),
    ("utilization_ad", "share of the advertising market in use, 0 to 1"),
    ("margin_compute", "margin of compute providers, 0 to 1"),
    ("margin_storage", "margin of storage providers, 0 to 1"),
    ("receipt_velocity", "receipts per block among those known"),
    ("job_success_rate", "share of receipts that are completed, 0 to 1"),
    ("gate_compute", "the compute market's gate: 1 trade, 0.5 rehearsal, 0 closed"),
    ("gate_storage", "the storage market's gate: 1 trade, 0.5 rehearsal, 0 closed"),
    ("volume_compute", "compute receipts among those known"),
    ("volume_storage", "storage receipts among those known"),
    ("volume_energy", "energy receipts among those known"),
    ("volume_ad", "advertising receipts among those known"),
    ("spend_compute", "sum of the amounts of compute receipts"),
    ("spend_storage", "sum of the amounts of storage receipts"),
    ("spend_energy", "sum of the amounts of energy receipts"),
    ("spend_ad", "sum of the amounts of advertising receipts"),
    ("unique_providers", "distinct providers among the receipts known"),
    ("provider_concentration", "Herfindahl-Hirschman index of providers by amount, 0 to 1"),
];

/// What the feed remembers: each named feature's past.
#[derive(Default)]
pub(super) struct Features([Running; NAMED.len()]);

impl Features {
    /// The next frame.
    pub(super) fn frame(&mut self, facts: &Facts, receipts: Option<&Receipts>, now: Timestamp) -> Value {
        let receipts = receipts.map_or(&[][..], |receipts| receipts.as_slice());
        let values = values(facts, receipts, now);
        let mut data = vec![0.0; SIZE];
        for ((slot, running), value) in data.iter_mut().zip(&mut self.0).zip(values) {
            // What is unknown says nothing, and does not become the past either.
            *slot = value.map_or(0.0, |value| running.normalise(value));
        }
        let mut frame = json!({
            "topic": "features",
            "data": data,
            "feature_lag_seconds": facts.lag(now).map(tenths),
            "recent_errors": recent_errors(facts, now),
            "simple_db": simple_db(receipts.len()),
        });
        own_up(&mut frame, facts);
        frame
    }
}

/// What the numbers are: `GET /features/schema`.
pub(super) fn schema(facts: &Facts) -> Value {
    let features: Vec<_> = NAMED
        .iter()
        .enumerate()
        .map(|(index, (name, what))| json!({"index": index, "name": name, "description": what}))
        .collect();
    let mut schema = json!({
        "topic": "features",
        "size": SIZE,
        "features": features,
        "normalization": {
            "kind": "(value - running mean) / running deviation",
            "decay": DECAY,
            "clipped_to": [-FAR, FAR],
            "unknown": 0,
        },
        "interval_seconds": 2,
    });
    own_up(&mut schema, facts);
    schema
}

/// Says where numbers are a demonstration's; the feed of a real node has no such field.
fn own_up(answer: &mut Value, facts: &Facts) {
    if facts.demo {
        answer["demo"] = true.into();
    }
}

/// A running mean and deviation.
#[derive(Clone, Copy, Default)]
struct Running {
    past: Option<(f64, f64)>,
}

impl Running {
    /// How far a value is from what was usual, in deviations; then it becomes part of the usual.
    fn normalise(&mut self, value: f64) -> f64 {
        let (mean, variance) = self.past.unwrap_or((value, 0.0));
        let distance = value - mean;
        let mean = DECAY * mean + (1.0 - DECAY) * value;
        let variance = DECAY * (variance + (1.0 - DECAY) * distance * distance);
        self.past = Some((mean, variance));
        let deviation = variance.sqrt();
        if deviation > TINY { ((value - mean) / deviation).clamp(-FAR, FAR) } else { 0.0 }
    }
}

fn values(facts: &Facts, receipts: &[Receipt], now: Timestamp) -> [Option<f64>; NAMED.len()] {
    let governor = facts.get(Method::Governor, now).ok().map(|governor| &**governor);
    let of = |method, name: &str| markets::fields_of(facts, method, now).get(name).and_then(Value::as_f64);
    let utilization = |market: &str| economics(governor, market, "utilization_ppm");
    let known = (!receipts.is_empty()).then_some(());
    let volume = |market| known.map(|()| of_market(receipts, market).count() as f64);
    let spend = |market| known.map(|()| of_market(receipts, market).map(amount).sum());
    let shares = shares(receipts);
    [
        of(Method::Compute, "avg_utilization").or_else(|| utilization("compute")),
        of(Method::Storage, "capacity_used").or_else(|| utilization("storage")),
        utilization("energy").or_else(|| energy_taken(facts, now)),
        utilization("ad"),
        economics(governor, "compute", "provider_margin_ppm"),
        economics(governor, "storage", "provider_margin_ppm"),
        velocity(receipts),
        known.map(|()| receipts.iter().filter(|r| is_completed(r)).count() as f64 / receipts.len() as f64),
        gate(governor, "compute"),
        gate(governor, "storage"),
        volume(Market::Compute),
        volume(Market::Storage),
        volume(Market::Energy),
        volume(Market::Ad),
        spend(Market::Compute),
        spend(Market::Storage),
        spend(Market::Energy),
        spend(Market::Ad),
        known.map(|()| shares.len() as f64),
        concentration(&shares),
    ]
}

fn of_market(receipts: &[Receipt], market: Market) -> impl Iterator<Item = &Receipt> {
    receipts.iter().filter(move |receipt| receipt.market == Some(market))
}

fn amount(receipt: &Receipt) -> f64 {
    receipt.fields.get("amount").and_then(Value::as_f64).unwrap_or(0.0)
}

fn is_completed(receipt: &Receipt) -> bool {
    receipt.fields.get("status").and_then(Value::as_str).is_none_or(|status| status == "completed")
}

fn economics(governor: Option<&Value>, market: &str, name: &str) -> Option<f64> {
    let metrics = governor?.get("economics_prev_market_metrics")?.as_array()?;
    let of_market = metrics.iter().find(|m| m.get("market").and_then(Value::as_str) == Some(market))?;
    Some(of_market.get(name)?.as_f64()? / 1e6)
}

fn gate(governor: Option<&Value>, name: &str) -> Option<f64> {
    let gates = governor?.get("gates")?.as_array()?;
    let gate = gates.iter().find(|gate| gate.get("name").and_then(Value::as_str) == Some(name))?;
    Some(match gate.get("state")?.as_str()? {
        "Trade" => 1.0,
        "Rehearsal" => 0.5,
        _ => 0.0,
    })
}

fn energy_taken(facts: &Facts, now: Timestamp) -> Option<f64> {
    let providers = facts.get(Method::Energy, now).ok()?.get("providers")?.as_array()?;
    let sum = |name: &str| providers.iter().filter_map(|provider| provider.get(name)?.as_f64()).sum::<f64>();
    let capacity = sum("capacity_kwh");
    (capacity > 0.0).then(|| 1.0 - sum("available_kwh") / capacity)
}

fn velocity(receipts: &[Receipt]) -> Option<f64> {
    let heights = || receipts.iter().filter_map(|receipt| receipt.fields.get("block_height")?.as_f64());
    let first = heights().reduce(f64::min)?;
    let last = heights().reduce(f64::max)?;
    Some(heights().count() as f64 / (last - first + 1.0))
}

/// Each provider's sum of amounts.
fn shares(receipts: &[Receipt]) -> HashMap<String, f64> {
    let mut shares = HashMap::new();
    for receipt in receipts {
        if let Some(provider) = text(receipt.fields.get("provider")) {
            *shares.entry(provider).or_insert(0.0) += amount(receipt);
        }
    }
    shares
}

fn concentration(shares: &HashMap<String, f64>) -> Option<f64> {
    let total: f64 = shares.values().sum();
    (total > 0.0).then(|| shares.values().map(|share| (share / total).powi(2)).sum())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::views::receipts::read;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn facts(receipts: Value) -> Facts {
        let mut facts = Facts::default();
        facts.learn(Method::Receipts, Ok(json!({"receipts": receipts})), Duration::ZERO, NOW);
        let governor = json!({
            "gates": [{"name": "compute", "state": "Trade"}, {"name": "storage", "state": "Rehearsal"}],
            "economics_prev_market_metrics": [{"market": "compute", "utilization_ppm": 500_000, "provider_margin_ppm": 120_000}],
        });
        facts.learn(Method::Governor, Ok(governor), Duration::ZERO, NOW);
        facts
    }

    fn value(facts: &Facts, name: &str) -> Option<f64> {
        let receipts = read(facts, NOW).unwrap();
        let index = NAMED.iter().position(|(named, _)| *named == name).unwrap();
        values(facts, &receipts, NOW)[index]
    }

    #[test]
    fn features_come_from_the_receipts() {
        let receipt = |market: &str, provider: &str, amount: i32, status: &str| json!({"market": market, "provider": provider, "amount": amount, "status": status, "block_height": amount});
        let facts = facts(json!([receipt("compute", "a", 1, "completed"), receipt("ad", "b", 3, "failed")]));
        assert_eq!(value(&facts, "spend_ad"), Some(3.0));
        assert_eq!(value(&facts, "volume_energy"), Some(0.0));
        assert_eq!(value(&facts, "job_success_rate"), Some(0.5));
        assert_eq!(value(&facts, "unique_providers"), Some(2.0));
        assert_eq!(value(&facts, "provider_concentration"), Some(0.625));
        assert_eq!(value(&facts, "receipt_velocity"), Some(2.0 / 3.0));
        assert_eq!(value(&facts, "gate_storage"), Some(0.5));
        assert_eq!(value(&facts, "margin_compute"), Some(0.12));
        assert_eq!(value(&facts, "utilization_energy"), None);
    }

    #[test]
    fn a_frame_has_256_numbers_and_only_the_named_ones_move() {
        let mut features = Features::default();
        let mut data = Vec::new();
        for amount in [1, 1, 1, 9] {
            let facts =
                facts(json!([{"market": "ad", "provider": "p", "amount": amount, "block_height": 1}]));
            let receipts = read(&facts, NOW).unwrap();
            let frame = features.frame(&facts, Some(&receipts), NOW);
            data = frame["data"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
        }
        assert_eq!(data.len(), SIZE);
        let spend = NAMED.iter().position(|(name, _)| *name == "spend_ad").unwrap();
        assert!(data[spend] > 1.0 && data[spend] <= FAR, "{}", data[spend]);
        assert!(data[NAMED.len()..].iter().all(|number| *number == 0.0));
        assert_eq!(schema(&Facts::default())["features"].as_array().unwrap().len(), 20);
    }
}
