//! What the chain's RPC says, field by field in the order of its answers (contract: pow.md).

use serde::Serialize;
use serde_json::{Map, Value};

use super::simulator;
use crate::base::Amount;
use crate::base::limits::TEXT_BYTES_MAX;

/// `GET /difficulty`: a number as text.
#[derive(Serialize)]
pub struct Difficulty {
    /// KiB.
    pub difficulty: String,
}

impl From<crate::pow::Difficulty> for Difficulty {
    fn from(difficulty: crate::pow::Difficulty) -> Self {
        Difficulty { difficulty: difficulty.to_string() }
    }
}

/// `POST /verify`, as a miner sends it.
#[derive(Serialize)]
pub struct Verify<'a> {
    /// The hash in full.
    pub hash_to_verify: &'a str,
    /// Its key.
    pub key: &'a str,
    /// `0x` and 40 digits.
    pub account: &'a str,
    /// Hashes since the last block, as text.
    pub attempts: String,
    /// Two decimals, as text.
    pub hashes_per_second: String,
    /// The machine.
    pub worker: &'a str,
}

/// `POST /verify`: the block counts.
#[derive(Serialize)]
pub struct Verified<'a> {
    /// `success`.
    pub status: &'static str,
    /// For people.
    pub message: &'a str,
    /// `normal`, `super` or `xuni`.
    pub block_type: &'static str,
    /// Its number.
    pub block_id: i64,
}

/// `POST /verify`: it does not.
#[derive(Serialize)]
pub struct Refused<'a> {
    /// `error`.
    pub status: &'static str,
    /// Why.
    pub message: &'a str,
}

/// One block of `GET /getblocks/lastblock` and `GET /chain/blocks`.
#[derive(Serialize)]
pub struct Block<'a> {
    /// Its number, from 1.
    pub block_id: i64,
    /// As it was sent.
    pub account: &'a str,
    /// In lower case.
    pub key: &'a str,
    /// As it was sent.
    pub hash_to_verify: &'a str,
    /// `normal`, `super` or `xuni`.
    pub block_type: &'static str,
    /// Hashes it took.
    pub attempts: i64,
    /// As it was sent.
    pub hashes_per_second: &'a str,
    /// The machine.
    pub worker: &'a str,
    /// Unix seconds.
    pub timestamp: f64,
}

impl<'a> From<&'a simulator::Block> for Block<'a> {
    fn from(block: &'a simulator::Block) -> Self {
        Block {
            block_id: block.block_id,
            account: &block.account,
            key: block.key.as_str(),
            hash_to_verify: &block.hash_to_verify,
            block_type: block.kind.as_str(),
            attempts: block.attempts,
            hashes_per_second: &block.hashes_per_second,
            worker: &block.worker,
            timestamp: block.created_at.seconds(),
        }
    }
}

/// `GET /chain/stats`.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct Stats {
    /// All kinds.
    pub total_blocks: i64,
    /// Of kind normal.
    pub normal_blocks: i64,
    /// Of kind super.
    pub super_blocks: i64,
    /// Of kind xuni.
    pub xuni_blocks: i64,
    /// KiB, a number here.
    pub difficulty: u32,
    /// Accounts with a block.
    pub unique_miners: i64,
    /// The number of the next block.
    pub next_block_id: i64,
}

/// `GET /balance/{address}`.
#[derive(Serialize)]
pub struct Balance<'a> {
    /// As it was asked for.
    pub address: &'a str,
    /// Coins.
    pub balance: Amount,
}

/// `POST /send_pow`: always accepted, as by the prototype.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct PowAccepted {
    /// `success`.
    pub status: &'static str,
    /// For people.
    pub message: &'static str,
    /// As it was sent, when it is a number or a short text; else 0.
    pub block_id: Value,
}

impl PowAccepted {
    /// The answer to this body.
    pub fn to(body: &Map<String, Value>) -> Self {
        let block_id = match body.get("block_id") {
            Some(Value::Number(number)) => number.clone().into(),
            Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => text.clone().into(),
            _ => 0.into(),
        };
        PowAccepted { status: "success", message: "PoW accepted (mock)", block_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json_of(answer: &impl Serialize) -> String {
        serde_json::to_string(answer).unwrap()
    }

    #[test]
    fn answers_have_their_fields_in_order() {
        let difficulty = Difficulty::from(crate::pow::Difficulty::new(1727).unwrap());
        assert_eq!(json_of(&difficulty), r#"{"difficulty":"1727"}"#);
        let verified = Verified {
            status: "success",
            message: "Block accepted: normal #1",
            block_type: "normal",
            block_id: 1,
        };
        assert_eq!(
            json_of(&verified),
            r#"{"status":"success","message":"Block accepted: normal #1","block_type":"normal","block_id":1}"#
        );
        let balance = Balance { address: "0xAB", balance: Amount::from_millionths(60_000_000) };
        assert_eq!(json_of(&balance), r#"{"address":"0xAB","balance":60.0}"#);
    }

    #[test]
    fn send_pow_answers_with_the_block_it_was_sent() {
        let accepted = |body: Value| json_of(&PowAccepted::to(body.as_object().unwrap()));
        let expected = r#"{"status":"success","message":"PoW accepted (mock)","block_id":7}"#;
        assert_eq!(accepted(json!({"block_id": 7, "merkle_root": "ab"})), expected);
        assert!(accepted(json!({"block_id": "7"})).ends_with(r#""block_id":"7"}"#));
        assert!(accepted(json!({"block_id": ["x"]})).ends_with(r#""block_id":0}"#));
    }
}
