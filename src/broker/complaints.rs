//! Log lines about refused clients: enough to see what is wrong, never so many that they fill the log.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::base::limits::{MQTT_COMPLAINT_EVERY, MQTT_COMPLAINTS_AT_ONCE};

/// Characters of a stranger's text that a line shows.
const SHOWN_MAX: usize = 64;

/// What is complained about; each kind has an allowance of its own, so that none hides another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A login that nobody knows.
    Login,
    /// A client id or a worker id that cannot be one.
    Id,
    /// A publish that is not allowed.
    Publish,
    /// A filter that is not granted.
    Subscribe,
    /// Messages that are not acknowledged.
    Acknowledge,
}

/// The allowances of all kinds.
#[derive(Default)]
pub(super) struct Complaints([Mutex<Allowance>; 5]);

#[derive(Default)]
struct Allowance {
    /// Lines said and not yet forgotten, one every `MQTT_COMPLAINT_EVERY`.
    said: u32,
    forgotten_at: Option<Instant>,
    left_out: u64,
}

impl Complaints {
    /// Logs a warning, or counts it for the next one.
    pub(super) fn say(&self, kind: Kind, what: fmt::Arguments<'_>) {
        let allowance = &self.0[kind as usize];
        let left_out = allowance.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        match left_out {
            None => {}
            Some(0) => log::warn!("{what}"),
            Some(left_out) => log::warn!("{what} (and {left_out} more like it that were not logged)"),
        }
    }
}

impl Allowance {
    /// How many were left out before this one, or `None` when it is left out too.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let since = now - *self.forgotten_at.get_or_insert(now);
        let forgotten = since.as_nanos() / MQTT_COMPLAINT_EVERY.as_nanos();
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        if forgotten >= self.said {
            self.said = 0;
            self.forgotten_at = Some(now);
        } else {
            self.said -= forgotten;
            self.forgotten_at = self.forgotten_at.map(|at| at + MQTT_COMPLAINT_EVERY * forgotten);
        }
        if self.said >= MQTT_COMPLAINTS_AT_ONCE {
            self.left_out += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// A stranger's text as a log may hold it: quoted, on one line, cut.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bytes enough for the characters shown, so that a long text costs no more than a short one.
        let head = &self.0[..self.0.len().min(4 * SHOWN_MAX)];
        let text = String::from_utf8_lossy(head);
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        let cut = if shown.len() < self.0.len() { "…" } else { "" };
        write!(f, "\"{}{cut}\"", shown.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_shown() {
        let mut allowance = Allowance::default();
        let mut now = Instant::now();
        let said = (0..1000).filter(|_| allowance.take(now).is_some()).count();
        assert_eq!(said, MQTT_COMPLAINTS_AT_ONCE as usize);
        now += MQTT_COMPLAINT_EVERY;
        assert_eq!(allowance.take(now), Some(1000 - said as u64));
        assert_eq!(allowance.take(now), None);
        now += MQTT_COMPLAINT_EVERY * 1000;
        assert_eq!(allowance.take(now), Some(1));
        assert_eq!(allowance.take(now), Some(0));
    }

    #[test]
    fn strangers_text_stays_on_its_line() {
        assert_eq!(Shown(b"a\nb\x1b[2J\"").to_string(), r#""a\nb\u{1b}[2J\"""#);
        assert_eq!(Shown(b"\xff").to_string(), "\"\u{fffd}\"");
        let long = Shown(&"x".repeat(60_000).into_bytes()).to_string();
        assert_eq!(long.chars().count(), SHOWN_MAX + 3);
    }
}
