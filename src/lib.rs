//! The XenBlocks hashpower marketplace. `docs/architecture.md` is the plan of the house: lower
//! rooms never import upper ones, and `tests/tidy.rs` holds them to it.

pub mod api;
pub mod auth;
pub mod base;
pub mod chain;
pub mod fleet;
pub mod http;
pub mod jobs;
pub mod live;
pub mod market;
pub mod pow;
pub mod protocol;
pub mod store;
