//! The client of a chain's RPC: the network's, or a platform's simulator.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;
use ureq::http::Uri;

use super::Verdict;
use super::wire::Verify;
use crate::base::limits::{RPC_ANSWER_BYTES_MAX, RPC_BLOCKS_BYTES_MAX, RPC_TIME_MAX};
use crate::base::{BlockKey, Prefix, thread};
use crate::pow::Difficulty;

/// The network answers nothing to clients whose name it does not expect.
const USER_AGENT: &str = concat!("Mozilla/5.0 (compatible; xenblocks/", env!("CARGO_PKG_VERSION"), ")");

/// Talks to one chain. Cloning shares its connections; calls block, for at most
/// [`RPC_TIME_MAX`] each. How many threads call at once is for the caller to bound.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
}

/// Why a question to the chain has no answer.
#[derive(Debug, Error)]
pub enum RpcError {
    /// The base is not `http[s]://host[:port][/path]`.
    #[error("an RPC address has the form http://host:port or https://host:port")]
    Base,
    /// No connection, no answer in time, or one that is too long.
    #[error("the chain cannot be reached: {0}")]
    Unreachable(String),
    /// An answer other than the one asked for.
    #[error("the chain answered with status {status} and not with {wanted}")]
    Answer {
        /// The HTTP status.
        status: u16,
        /// What was wanted.
        wanted: &'static str,
    },
}

/// A block as the RPC lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ChainBlock {
    /// Its number.
    #[serde(deserialize_with = "number_or_text")]
    pub block_id: i64,
    /// Its key.
    pub key: BlockKey,
    /// Whose it is, as it was sent.
    pub account: String,
    /// Its hash, as it was sent.
    pub hash_to_verify: String,
}

impl Client {
    /// A client of the chain at `base`, such as `http://xenblocks.io`. Connects when first asked.
    pub fn new(base: &str) -> Result<Self, RpcError> {
        Client::with_time_max(base, RPC_TIME_MAX)
    }

    fn with_time_max(base: &str, time_max: Duration) -> Result<Self, RpcError> {
        let uri: Uri = base.parse().map_err(|_| RpcError::Base)?;
        let spoken = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().filter(|_| spoken && uri.query().is_none());
        let host = host.ok_or(RpcError::Base)?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(time_max))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(USER_AGENT);
        if ["localhost", "127.0.0.1", "[::1]"].contains(&host) {
            // A proxy of the environment could not reach this machine's own services.
            config = config.proxy(None);
        }
        Ok(Client { agent: config.build().into(), base: base.trim_end_matches('/').to_owned() })
    }

    /// The difficulty that blocks must meet now.
    pub fn difficulty(&self) -> Result<Difficulty, RpcError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "number_or_text")]
            difficulty: i64,
        }
        let wanted = "a difficulty";
        let (status, answer): (u16, Answer) = self.get("/difficulty", RPC_ANSWER_BYTES_MAX, wanted)?;
        let kib = u32::try_from(answer.difficulty).ok().and_then(|kib| Difficulty::new(kib).ok());
        kib.ok_or(RpcError::Answer { status, wanted })
    }

    /// Sends a found block and says what is to be done with it now.
    pub fn verify(&self, block: &Verify) -> Verdict {
        match self.post("/verify", block) {
            Ok((status, body)) => Verdict::of_answer(status, &body),
            Err(error) => Verdict::Retry { reason: thread::causes(&error), few: false },
        }
    }

    /// The newest blocks whose keys begin so, newest first (platforms' simulators only).
    pub fn blocks_by_prefix(&self, prefix: &Prefix) -> Result<Vec<ChainBlock>, RpcError> {
        let path = format!("/chain/blocks?prefix={prefix}&limit=1000");
        Ok(self.get(&path, RPC_BLOCKS_BYTES_MAX, "a list of blocks")?.1)
    }

    fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes_max: u64,
        wanted: &'static str,
    ) -> Result<(u16, T), RpcError> {
        let answer = self.agent.get(format!("{}{path}", self.base)).call().map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_with_config().limit(bytes_max).read_to_vec();
        let body = body.map_err(unreachable)?;
        let parsed = serde_json::from_slice(&body).ok().filter(|_| status == 200);
        parsed.map(|parsed| (status, parsed)).ok_or(RpcError::Answer { status, wanted })
    }

    fn post(&self, path: &str, body: &Verify) -> Result<(u16, String), RpcError> {
        let text = serde_json::to_string(body).expect("a struct of texts is JSON");
        let request =
            self.agent.post(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        let answer = request.send(text).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_with_config().limit(RPC_ANSWER_BYTES_MAX).read_to_vec();
        Ok((status, String::from_utf8_lossy(&body.map_err(unreachable)?).into_owned()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreachable(error: ureq::Error) -> RpcError {
    RpcError::Unreachable(thread::causes(&error))
}

/// The network writes numbers as texts, others as numbers.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| de::Error::custom("not a whole number"))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
