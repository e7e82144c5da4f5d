//! Helpers of the black-box tests: a house in this process, the real binary, and clients for both.

#![allow(dead_code, reason = "each test file that includes this uses a part of it")]

pub mod accessibility;
pub mod api;
pub mod cdp;
pub mod house;
pub mod log_lines;
pub mod mqtt_client;
pub mod proxy;
pub mod rig;
pub mod server;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long something that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Asks again and again until the answer is there. Panics, naming `what`, after [`PATIENCE`].
pub fn await_some<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come within {PATIENCE:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// The same for a condition.
pub fn await_until(what: &str, mut holds: impl FnMut() -> bool) {
    await_some(what, || holds().then_some(()));
}

/// Ends what runs beside a test, also when an assertion fails.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
