//! Receipts in one shape, the pages of `/theblock/receipts`, and `/theblock/operations`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Draft, View, text};
use crate::base::Timestamp;
use crate::base::limits::{GATEWAY_OPERATIONS_MAX, GATEWAY_RECEIPTS_MAX};
use crate::block_buster::facts::Facts;
use crate::block_buster::method::Method;

/// What receipts are made of.
pub(in crate::block_buster) const RECEIPTS: &[Method] = &[Method::Receipts];

/// A market, as receipts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::block_buster) enum Market {
    /// Computing.
    Compute,
    /// Storage.
    Storage,
    /// Energy.
    Energy,
    /// Advertising.
    Ad,
}

impl Market {
    /// All four.
    pub(in crate::block_buster) const ALL: [Market; 4] =
        [Market::Compute, Market::Storage, Market::Energy, Market::Ad];

    /// From a receipt or a query: case does not matter, `ads` is `ad`.
    pub(in crate::block_buster) fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let singular = if name == "ads" { "ad" } else { &name };
        Market::ALL.into_iter().find(|market| market.name() == singular)
    }

    /// Its name.
    pub(in crate::block_buster) const fn name(self) -> &'static str {
        match self {
            Market::Compute => "compute",
            Market::Storage => "storage",
            Market::Energy => "energy",
            Market::Ad => "ad",
        }
    }
}

/// One receipt.
#[derive(Debug)]
pub(in crate::block_buster) struct Receipt {
    /// `None` when the node names one that is not known.
    pub(in crate::block_buster) market: Option<Market>,
    pub(in crate::block_buster) id: String,
    /// All that the node says of it, and `id`, `market` and `provider` by these names.
    pub(in crate::block_buster) fields: Map<String, Value>,
    /// The same, encoded.
    pub(in crate::block_buster) json: Box<str>,
}

/// The newest receipts, shared by all who need them.
pub(in crate::block_buster) type Receipts = Arc<Vec<Receipt>>;

/// The receipts that the node has told of, or why there are none. What is no receipt is left out.
pub(in crate::block_buster) fn read(facts: &Facts, now: Timestamp) -> Result<Receipts, String> {
    let result = facts.get(Method::Receipts, now)?;
    let list = result.get("receipts").and_then(Value::as_array).ok_or("receipts is not a list")?;
    let receipts = list.iter().take(GATEWAY_RECEIPTS_MAX).filter_map(Value::as_object).map(receipt);
    Ok(Arc::new(receipts.collect()))
}

fn receipt(object: &Map<String, Value>) -> Receipt {
    let mut fields = object.clone();
    for (name, other) in [("id", "digest_hex"), ("market", "receipt_type"), ("provider", "provider_identity")]
    {
        if !fields.contains_key(name)
            && let Some(value) = fields.get(other).cloned()
        {
            let is_market = name == "market";
            let known = value.as_str().filter(|_| is_market).and_then(Market::parse);
            fields.insert(name.to_owned(), known.map_or(value, |market| market.name().into()));
        }
    }
    let market = fields.get("market").and_then(Value::as_str).and_then(Market::parse);
    let id = text(fields.get("id")).unwrap_or_default();
    let json = Value::Object(fields.clone()).to_string().into_boxed_str();
    Receipt { market, id, fields, json }
}

/// Which receipts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::block_buster) struct Page {
    pub(in crate::block_buster) limit: usize,
    pub(in crate::block_buster) offset: usize,
    pub(in crate::block_buster) market: Option<Market>,
}

/// The page's JSON list and how many are on it: filtered first, then cut.
pub(in crate::block_buster) fn page(receipts: &[Receipt], page: Page) -> (String, usize) {
    let chosen = receipts.iter().filter(|receipt| page.market.is_none() || receipt.market == page.market);
    let mut list = String::from("[");
    let mut count = 0;
    for receipt in chosen.skip(page.offset).take(page.limit) {
        if count > 0 {
            list.push(',');
        }
        list.push_str(&receipt.json);
        count += 1;
    }
    list.push(']');
    (list, count)
}

/// The frame of every page: a view without its receipts, whose errors, age and time the pages share.
pub(in crate::block_buster) fn frame(
    facts: &Facts,
    receipts: &Result<Receipts, String>,
    now: Timestamp,
) -> View {
    let mut draft = Draft::of(RECEIPTS, facts, now);
    if let Err(trouble) = receipts {
        draft.fail(Method::Receipts, trouble);
    }
    draft.finish()
}

/// The newest operations, all and by market.
pub(in crate::block_buster) fn operations(
    facts: &Facts,
    receipts: &Result<Receipts, String>,
    now: Timestamp,
) -> View {
    let mut draft = Draft::of(RECEIPTS, facts, now);
    match receipts {
        Ok(receipts) => {
            let newest: Vec<_> = receipts.iter().take(GATEWAY_OPERATIONS_MAX).map(operation).collect();
            let mut by_market = Map::new();
            for operation in &newest {
                let kind = operation["type"].as_str().unwrap_or("unknown");
                let list = by_market.entry(kind).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(operation.clone());
                }
            }
            let total = newest.len();
            draft.set("operations", newest);
            draft.set("total", total);
            draft.set("by_market", by_market);
        }
        Err(trouble) => {
            draft.fail(Method::Receipts, trouble);
            for name in ["operations", "total", "by_market"] {
                draft.set(name, Value::Null);
            }
        }
    }
    draft.finish()
}

fn operation(receipt: &Receipt) -> Value {
    let field = |name: &str| receipt.fields.get(name).cloned().unwrap_or(Value::Null);
    let named = receipt.fields.get("market").and_then(Value::as_str).unwrap_or("unknown");
    let kind = receipt.market.map_or(named, |market| market.name());
    let details = receipt.fields.get("details").or_else(|| receipt.fields.get("receipt"));
    json!({
        "id": receipt.id,
        "type": kind,
        "timestamp": field("timestamp"),
        "block_height": field("block_height"),
        "provider": field("provider"),
        "consumer": field("consumer"),
        "amount": field("amount"),
        "status": receipt.fields.get("status").cloned().unwrap_or_else(|| "completed".into()),
        "details": details.cloned().unwrap_or_else(|| json!({})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts() -> Vec<Receipt> {
        let of = |(id, market): (i32, &str)| json!({"id": id, "market": market}).as_object().map(receipt);
        [(0, "Compute"), (1, "ads"), (2, "compute"), (3, "AD"), (4, "x")].into_iter().filter_map(of).collect()
    }

    fn ids(limit: usize, offset: usize, market: Option<&str>) -> Vec<i64> {
        let market = market.map(|name| Market::parse(name).unwrap());
        let (json, count) = page(&receipts(), Page { limit, offset, market });
        let list: Vec<Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(list.len(), count);
        list.iter().map(|receipt| receipt["id"].as_i64().unwrap()).collect()
    }

    #[test]
    fn the_filter_comes_before_the_paging() {
        assert_eq!(ids(10, 0, None), [0, 1, 2, 3, 4]);
        assert_eq!(ids(1, 1, Some("COMPUTE")), [2]);
        assert_eq!(ids(9, 0, Some("Ads")), [1, 3]);
        assert!(ids(0, 0, None).is_empty() && ids(5, usize::MAX, None).is_empty());
    }

    #[test]
    fn the_other_shape_gets_the_documented_names_and_loses_nothing() {
        let object =
            json!({"receipt_type": "Compute", "digest_hex": "ab", "provider_identity": "p", "disputes": []});
        let receipt = receipt(object.as_object().unwrap());
        assert_eq!((receipt.market, receipt.id.as_str()), (Some(Market::Compute), "ab"));
        assert_eq!(receipt.fields["market"], "compute");
        assert_eq!(receipt.fields["provider"], "p");
        assert!(receipt.fields.contains_key("disputes"));
        assert_eq!(operation(&receipt)["status"], "completed");
    }
}
