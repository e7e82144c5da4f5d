//! Simulated workers.
