//! The XenBlocks hashpower marketplace. `docs/architecture.md` is the plan of the house: lower
//! rooms never import upper ones, and `tests/tidy.rs` holds them to it.

pub mod base;
pub mod broker;
pub mod chain;
pub mod pow;
pub mod protocol;
pub mod sim;
pub mod worker;
