//! A block as somebody sends it, and the judgement that needs no database.

use std::borrow::Cow;

use serde_json::{Map, Value};
use thiserror::Error;

use super::wire;
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::{HASH_BYTES_MAX, TEXT_BYTES_MAX};
use crate::base::{BlockKey, EthAddress, Timestamp};
use crate::pow::{BlockKind, Difficulty, Marker, Matches, Phc, PhcError, Verifier, xuni_open};

/// What this chain accepts.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The text that makes a block.
    pub marker: Marker,
    /// Only hashes in full count, none by its marker alone.
    pub require_pow: bool,
    /// XUNI counts only in its window.
    pub enforce_xuni_window: bool,
    /// Blocks between two adjustments of the difficulty.
    pub adjust_interval: u32,
}

impl Default for Rules {
    /// As the prototype's simulator (contract: pow.md).
    fn default() -> Self {
        Rules {
            marker: Marker::default(),
            require_pow: false,
            enforce_xuni_window: false,
            adjust_interval: 50,
        }
    }
}

/// The chain says no.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The text, as the prototype's or the network's clients know it.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// With this status and text.
    pub fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status, message: message.into() }
    }

    /// The body of the answer.
    pub fn wire(&self) -> wire::Refused<'_> {
        wire::Refused { status: "error", message: &self.message }
    }
}

/// A block as it was sent, in bounds and well spelled but not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub(super) hash: String,
    pub(super) key: BlockKey,
    pub(super) account: String,
    pub(super) attempts: i64,
    pub(super) hashes_per_second: String,
    pub(super) worker: String,
}

impl Submission {
    /// From the body of `POST /verify`. Missing fields are empty, as in the prototype; a number
    /// may stand for a text and a text for a number; an unreadable statistic counts as 0, for no
    /// block is worth losing over it.
    pub fn from_json(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let text = |name: &str| body.get(name).map(text_of).unwrap_or_default();
        let key = parse_key(&text("key"))?;
        Ok(Submission {
            hash: bounded(text("hash_to_verify"), "hash_to_verify", HASH_BYTES_MAX)?,
            key,
            account: bounded(text("account"), "account", ID_LENGTH_MAX)?,
            attempts: parse_attempts(&text("attempts")),
            hashes_per_second: parse_rate(text("hashes_per_second")),
            worker: bounded(text("worker"), "worker", TEXT_BYTES_MAX)?,
        })
    }

    /// Its key, to ask the chain whether it is known before the costly check.
    pub fn key(&self) -> &BlockKey {
        &self.key
    }
}

/// A submission that counts unless its key is already on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub(super) submission: Submission,
    pub(super) kind: BlockKind,
    pub(super) pow_verified: bool,
}

/// Judges a submission at the chain's `difficulty`. Recomputes a hash in full, which takes CPU
/// and may wait for its turn: call it outside the writer, after
/// [`refuse_known`](super::simulator::refuse_known).
pub fn check(
    submission: Submission,
    now: Timestamp,
    rules: &Rules,
    difficulty: Difficulty,
    verifier: &Verifier,
) -> Result<Checked, Refusal> {
    let phc = if submission.hash.starts_with('$') { Some(parse_phc(&submission.hash)?) } else { None };
    if phc.is_some_and(|phc| phc.difficulty < difficulty) {
        let text = format!("Hash does not contain 'm={difficulty}'. Mine at the current difficulty.");
        return Err(Refusal::new(401, text));
    }
    let matches = match &phc {
        Some(phc) => Matches::find(&phc.tag.text(), &rules.marker),
        None => Matches::find(submission.hash.as_bytes(), &rules.marker),
    };
    let kind = judge_kind(matches, now, rules)?;
    let pow_verified = match &phc {
        Some(phc) => {
            verify(phc, &submission, verifier)?;
            true
        }
        None if rules.require_pow => return Err(not_verified()),
        None => false,
    };
    Ok(Checked { submission, kind, pow_verified })
}

fn judge_kind(matches: Matches, now: Timestamp, rules: &Rules) -> Result<BlockKind, Refusal> {
    if !matches.any() {
        let marker = rules.marker.as_str();
        let text = format!("Hash does not contain valid block marker ({marker} or XUNI)");
        return Err(Refusal::new(500, text));
    }
    let kind =
        if rules.enforce_xuni_window { matches.kind_in_window(xuni_open(now)) } else { matches.kind() };
    kind.ok_or_else(|| Refusal::new(400, "XUNI found outside of time window"))
}

fn verify(phc: &Phc, submission: &Submission, verifier: &Verifier) -> Result<(), Refusal> {
    // Work is done for an address: an account that is none owns no hash in full.
    let account = submission.account.parse::<EthAddress>();
    let owned = account.is_ok_and(|account| phc.salt.belongs_to(&account));
    if !owned {
        return Err(not_verified());
    }
    match verifier.verify(phc, &submission.key) {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_verified()),
        Err(busy) => Err(Refusal::new(503, busy.to_string())),
    }
}

fn not_verified() -> Refusal {
    Refusal::new(401, "Hash verification failed.")
}

fn parse_phc(text: &str) -> Result<Phc, Refusal> {
    text.parse().map_err(|error| match error {
        PhcError::Salt => Refusal::new(400, "Invalid salt format"),
        _ => not_verified(),
    })
}

fn parse_key(text: &str) -> Result<BlockKey, Refusal> {
    let length = text.chars().count();
    match length {
        0 => return Err(Refusal::new(500, "Key is empty")),
        1..64 => return Err(Refusal::new(500, format!("Key too short: {length} chars (need >= 64)"))),
        _ => {}
    }
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::new(500, "Key contains non-hex characters"));
    }
    text.parse().map_err(|_| Refusal::new(400, "Invalid key format"))
}

/// Text that is stored and shown: printable ASCII, free of what HTML would take for its own.
fn bounded(text: String, name: &str, bytes_max: usize) -> Result<String, Refusal> {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"<>&\"'`".contains(&b));
    if plain && text.len() <= bytes_max {
        Ok(text)
    } else {
        Err(Refusal::new(400, format!("Invalid {name}")))
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn parse_attempts(text: &str) -> i64 {
    let attempts = text.trim().parse().unwrap_or_else(|_| {
        let number: f64 = text.trim().parse().unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate, NaN is 0")]
        let whole = number as i64;
        whole
    });
    attempts.max(0)
}

/// The text as it was sent if it is a rate, for the prototype answers it unchanged.
fn parse_rate(text: String) -> String {
    const LENGTH_MAX: usize = 32;
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
    if rate.is_some() && text.len() <= LENGTH_MAX { text } else { "0".to_owned() }
}

#[cfg(test)]
#[path = "submission_tests.rs"]
mod tests;
