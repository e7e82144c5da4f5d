//! How much one client may send.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttd::protocol::v4;

use super::session::{Stop, unreadable};
use crate::base::limits::{MQTT_MESSAGES_PER_SECOND, MQTT_PACKET_BYTES_MAX};

/// Packets that may come at once from a client that was quiet, in seconds of its rate.
const BURST_SECONDS: f64 = 4.0;

/// The type of a PUBACK, in the high half of its first byte.
const PUBACK: u8 = 4;

/// The packets that one client may still send.
pub(super) struct Allowance {
    packets: f64,
    at: Option<Instant>,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { packets: f64::from(MQTT_MESSAGES_PER_SECOND) * BURST_SECONDS, at: None }
    }
}

impl Allowance {
    /// Takes one packet's worth. Out of it, the client's packets wait in the buffer, and when too many
    /// wait, it is dropped. Acknowledgements are free: it owes them.
    pub(super) fn pay(&mut self, stream: &BytesMut) -> Result<(), Stop> {
        v4::check(stream.iter(), MQTT_PACKET_BYTES_MAX).map_err(unreadable)?;
        if stream.first().is_some_and(|first| first >> 4 == PUBACK) {
            return Ok(());
        }
        let rate = f64::from(MQTT_MESSAGES_PER_SECOND);
        let now = Instant::now();
        let passed = self.at.replace(now).map_or(Duration::ZERO, |before| now - before);
        self.packets = (self.packets + passed.as_secs_f64() * rate).min(rate * BURST_SECONDS);
        if self.packets < 1.0 {
            let too_many = stream.len() > 2 * MQTT_PACKET_BYTES_MAX;
            return Err(if too_many { "far over its rate".into() } else { Stop::Slow });
        }
        self.packets -= 1.0;
        Ok(())
    }
}
