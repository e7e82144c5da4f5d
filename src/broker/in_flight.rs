//! The packet ids of the messages that one client was sent with QoS 1.
//!
//! They are the gate's own: the library is only ever asked for QoS 0. With more it would wait for the
//! client at a hundred messages, and meanwhile answer none of its packets, not even a PINGREQ.

use std::collections::VecDeque;

use crate::base::limits::MQTT_UNACKNOWLEDGED_MAX;

/// Ids go from 1 to 65,535 and begin anew (MQTT 3.1.1, section 2.3.1).
const IDS: usize = 65_535;

/// Ids given out and not acknowledged: a window over the endless row of ids.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// The id, less one, of the first in the window.
    first: usize,
    /// Whether each of the window is acknowledged; the first is not.
    acknowledged: VecDeque<bool>,
}

impl InFlight {
    /// The id of the next message; `None` when the client leaves too many unacknowledged.
    pub(super) fn next(&mut self) -> Option<u16> {
        if self.is_full() {
            return None;
        }
        let id = (self.first + self.acknowledged.len()) % IDS + 1;
        self.acknowledged.push_back(false);
        u16::try_from(id).ok()
    }

    /// The client acknowledged a message; whether it had been sent one of this id and still owed that.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        let Some(index) = usize::from(id).checked_sub(1) else { return false };
        let place = (index + IDS - self.first) % IDS;
        match self.acknowledged.get_mut(place) {
            Some(acknowledged) if !*acknowledged => *acknowledged = true,
            _ => return false,
        }
        while self.acknowledged.front() == Some(&true) {
            self.acknowledged.pop_front();
            self.first = (self.first + 1) % IDS;
        }
        true
    }

    /// Messages in the window.
    pub(super) fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// Whether the client leaves too many unacknowledged.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= MQTT_UNACKNOWLEDGED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_acknowledged_once_in_any_order_and_come_again_when_free() {
        let mut in_flight = InFlight::default();
        assert!(!in_flight.acknowledge(0) && !in_flight.acknowledge(1), "none was sent");
        let ids: Vec<u16> = (0..3).map(|_| in_flight.next().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert!(in_flight.acknowledge(2) && !in_flight.acknowledge(2), "once");
        assert_eq!(in_flight.len(), 3);
        assert!(in_flight.acknowledge(1));
        assert_eq!(in_flight.len(), 1);
        for id in (4..=u16::MAX).chain(1..=2) {
            assert_eq!(in_flight.next(), Some(id));
            assert!(in_flight.acknowledge(id));
            if in_flight.len() == 1000 {
                assert!(in_flight.acknowledge(3), "the one that held the window");
            }
        }
        assert_eq!(in_flight.next(), Some(3));
        assert_eq!(in_flight.len(), 1);
    }

    #[test]
    fn so_many_may_be_unacknowledged_and_no_more() {
        let mut in_flight = InFlight::default();
        for _ in 0..MQTT_UNACKNOWLEDGED_MAX {
            assert!(in_flight.next().is_some());
        }
        assert!(in_flight.is_full() && in_flight.next().is_none());
        assert!(in_flight.acknowledge(1) && in_flight.next().is_some());
    }
}
