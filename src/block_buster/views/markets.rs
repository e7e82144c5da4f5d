//! `/theblock/markets/health`: four markets, each on its own.

use std::collections::HashSet;

use serde_json::{Map, Number, Value, json};

use super::{View, mark, seconds, text, whole_or_not};
use crate::base::Timestamp;
use crate::block_buster::facts::Facts;
use crate::block_buster::method::Method;

/// What the markets' health is made of.
pub(in crate::block_buster) const MARKETS: &[Method] =
    &[Method::Compute, Method::Storage, Method::Energy, Method::Ads];

/// A market: its name, its method, and how to read what the node says of it. The first field decides
/// whether it is healthy.
type Reading = fn(&mut Fields<'_>);
const READINGS: [(&str, Method, Reading); 4] = [
    ("compute", Method::Compute, compute),
    ("storage", Method::Storage, storage),
    ("energy", Method::Energy, energy),
    ("ads", Method::Ads, ads),
];

/// The four markets and their overall state. Never 503: a market without data says so itself.
pub(in crate::block_buster) fn health(facts: &Facts, now: Timestamp) -> View {
    let mut markets = Map::new();
    let mut healthy = 0;
    for (name, method, reading) in READINGS {
        let market = market(facts, method, reading, now);
        healthy += usize::from(market.get("status").and_then(Value::as_str) == Some("healthy"));
        markets.insert(name.to_owned(), Value::Object(market));
    }
    let overall = match healthy {
        3.. => "healthy",
        1..=2 => "degraded",
        0 => "down",
    };
    let mut fields = Map::new();
    fields.insert("overall_status".to_owned(), overall.into());
    fields.insert("markets".to_owned(), Value::Object(markets));
    fields.insert("healthy_markets".to_owned(), healthy.into());
    fields.insert("total_markets".to_owned(), READINGS.len().into());
    mark(&mut fields, facts, facts.age_of(MARKETS, now));
    fields.insert("timestamp".to_owned(), seconds(now).into());
    View { status: 200, json: Value::Object(fields) }
}

/// One market's fields; empty when the node has not said anything of it that can be shown.
pub(in crate::block_buster) fn fields_of(
    facts: &Facts,
    method: Method,
    now: Timestamp,
) -> Map<String, Value> {
    let reading = READINGS.iter().find(|(_, market, _)| *market == method).map(|(.., reading)| *reading);
    reading.map_or_else(Map::new, |reading| market(facts, method, reading, now))
}

fn market(facts: &Facts, method: Method, reading: Reading, now: Timestamp) -> Map<String, Value> {
    let unavailable = |error: &str| {
        let fields = json!({"status": "unavailable", "error": error});
        fields.as_object().cloned().unwrap_or_default()
    };
    let result = match facts.get(method, now) {
        Ok(result) if result.is_object() => result,
        Ok(_) => return unavailable("The result is not an object"),
        Err(trouble) => return unavailable(&trouble),
    };
    let mut fields = Fields { result, fields: Map::new(), trouble: None };
    // The first field, once it is known which one that is.
    fields.fields.insert("status".to_owned(), Value::Null);
    reading(&mut fields);
    if let Some(trouble) = fields.trouble {
        return unavailable(&trouble);
    }
    let first = fields.fields.values().nth(1).and_then(Value::as_f64);
    let status = if first.is_some_and(|first| first > 0.0) { "healthy" } else { "idle" };
    fields.fields.insert("status".to_owned(), status.into());
    fields.fields
}

struct Fields<'a> {
    result: &'a Value,
    fields: Map<String, Value>,
    trouble: Option<String>,
}

impl Fields<'_> {
    /// A number that the node gives, or else one computed from what it gives in its other shape.
    fn set(&mut self, field: &str, name: &str, otherwise: impl FnOnce(&Value) -> Option<Number>) {
        let value = match self.result.get(name) {
            Some(Value::Number(number)) => Some(number.clone()),
            None | Some(Value::Null) => otherwise(self.result),
            Some(_) => {
                self.trouble.get_or_insert(format!("{name} is not a number"));
                None
            }
        };
        self.fields.insert(field.to_owned(), value.into());
    }
}

fn compute(fields: &mut Fields<'_>) {
    fields.set("active_jobs", "active_jobs", |result| {
        result.get("pending").and_then(Value::as_array).map(|pending| pending.len().into())
    });
    fields.set("total_providers", "providers", |_| None);
    fields.set("avg_utilization", "avg_utilization", |result| {
        // The other shape has it in percent.
        Number::from_f64(result.get("industrial_utilization")?.as_f64()? / 100.0)
    });
    fields.set("total_revenue", "total_revenue", |_| None);
}

fn storage(fields: &mut Fields<'_>) {
    fields.set("total_stored", "total_stored", |_| None);
    fields.set("total_providers", "providers", |_| None);
    fields.set("avg_price", "avg_price", |_| None);
    fields.set("capacity_used", "capacity_used", |_| None);
}

fn energy(fields: &mut Fields<'_>) {
    fields.set("total_credits", "total_credits", |result| sum(result.get("credits")?, "amount_kwh"));
    fields.set("avg_price", "avg_price", |result| mean(result.get("providers")?, "price_per_kwh"));
    fields.set("active_traders", "active_traders", traders);
    fields.set("trading_volume", "volume_24h", |result| sum(result.get("receipts")?, "price_paid"));
}

fn ads(fields: &mut Fields<'_>) {
    for name in ["active_campaigns", "total_impressions", "total_revenue", "avg_cpm"] {
        fields.set(name, name, |_| None);
    }
}

fn values(list: &Value, name: &str) -> Option<Vec<f64>> {
    Some(list.as_array()?.iter().filter_map(|item| item.get(name)?.as_f64()).collect())
}

fn sum(list: &Value, name: &str) -> Option<Number> {
    values(list, name).and_then(|values| whole_or_not(values.iter().sum()))
}

fn mean(list: &Value, name: &str) -> Option<Number> {
    let values = values(list, name)?;
    if values.is_empty() { None } else { whole_or_not(values.iter().sum::<f64>() / values.len() as f64) }
}

/// Distinct buyers and sellers.
fn traders(result: &Value) -> Option<Number> {
    let receipts = result.get("receipts")?.as_array()?;
    let names = receipts.iter().flat_map(|receipt| [text(receipt.get("buyer")), text(receipt.get("seller"))]);
    Some(names.flatten().collect::<HashSet<_>>().len().into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn read(method: Method, result: Value) -> Value {
        let mut facts = Facts::default();
        facts.learn(method, Ok(result), Duration::ZERO, NOW);
        Value::Object(fields_of(&facts, method, NOW))
    }

    #[test]
    fn the_other_shape_of_energy_is_added_up() {
        let result = json!({
            "providers": [{"price_per_kwh": 50}, {"price_per_kwh": 51}],
            "credits": [{"amount_kwh": 120}, {"amount_kwh": 0.5}],
            "receipts": [
                {"buyer": "a", "seller": "b", "price_paid": 7},
                {"buyer": "a", "seller": "c", "price_paid": 3},
            ],
        });
        let expected = json!({
            "status": "healthy", "total_credits": 120.5, "avg_price": 50.5, "active_traders": 3, "trading_volume": 10,
        });
        assert_eq!(read(Method::Energy, result), expected);
    }

    #[test]
    fn the_other_shape_of_compute_counts_what_waits() {
        let market = read(Method::Compute, json!({"pending": [1, 2], "industrial_utilization": 40}));
        let expected = json!({
            "status": "healthy", "active_jobs": 2, "total_providers": null, "avg_utilization": 0.4, "total_revenue": null,
        });
        assert_eq!(market, expected);
    }

    #[test]
    fn a_market_whose_numbers_are_texts_is_unavailable() {
        let market = read(Method::Compute, json!({"active_jobs": "45"}));
        assert_eq!(market, json!({"status": "unavailable", "error": "active_jobs is not a number"}));
        assert_eq!(read(Method::Ads, json!([]))["status"], "unavailable");
    }
}
