//! The XenBlocks chain: what it accepts, a simulator of it in SQLite, and the client of its RPC.
//!
//! Promises: a hash in full is always recomputed before it counts; a key counts once, however
//! often and in whatever spelling it is sent; a found block is never reported as lost because the
//! RPC was slow, away or confused. Knows nothing of the marketplace.

mod client;
pub mod simulator;
mod submission;
mod verdict;
pub mod wire;

pub use client::{ChainBlock, Client, RpcError};
pub use submission::{Checked, Refusal, Rules, Submission, check};
pub use verdict::Verdict;
