//! The XenBlocks hashpower marketplace. `docs/architecture.md` is the plan of the house: lower
//! rooms never import upper ones, and `tests/tidy.rs` holds them to it.

pub mod api;
pub mod auth;
pub mod base;
pub mod block_buster;
pub mod broker;
pub mod chain;
pub mod cli;
pub mod fleet;
pub mod http;
pub mod jobs;
pub mod live;
pub mod market;
pub mod platform;
pub mod pow;
pub mod protocol;
pub mod sim;
pub mod store;
pub mod web;
pub mod worker;
