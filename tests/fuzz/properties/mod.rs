//! One function of bytes for each door; it returns when they did no harm, and panics when they did.

pub mod config_file;
pub mod http;
pub mod jwt;
pub mod miner_options;
pub mod mqtt_gate;
pub mod mqtt_payload;
pub mod phc;
pub mod siwe;

/// Takes any bytes; returns, or panics.
pub type Property = fn(&[u8]);

/// All of them by name.
#[allow(dead_code, reason = "a fuzz target takes one of them by its path")]
pub const PROPERTIES: &[(&str, Property)] = &[
    ("mqtt_gate", mqtt_gate::check),
    ("mqtt_payload", mqtt_payload::check),
    ("http", http::check),
    ("phc", phc::check),
    ("siwe", siwe::check),
    ("jwt", jwt::check),
    ("config_file", config_file::check),
    ("miner_options", miner_options::check),
];
