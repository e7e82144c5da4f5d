//! What every request passes: it is matched, its origin and rate checked, its caller identified, its
//! input turned into types.

pub mod access;
pub mod call;
pub mod error;
pub mod idempotency;
pub mod input;
pub mod origin;
pub mod paging;
pub mod rate;
pub mod router;
