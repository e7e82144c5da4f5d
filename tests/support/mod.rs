//! Helpers of the black-box tests.

pub mod mqtt_client;
