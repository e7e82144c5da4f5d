//! The filters of one client.

use std::collections::HashMap;

use bytes::Bytes;
use rumqttd::protocol::{Filter, QoS, matches};

use super::Identity;
use super::registry::Registry;
use super::retained::Owed;
use super::rules::{self, Subscription};
use super::server::Shared;
use crate::base::WorkerId;
use crate::base::limits::MQTT_SUBSCRIPTIONS_MAX;

/// The SUBACK code of a refused filter.
const REFUSED: u8 = 0x80;

/// What a client is subscribed to, and with which QoS.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(HashMap<String, u8>);

/// What is left of a SUBSCRIBE.
#[derive(Default)]
pub(super) struct Asked {
    /// The filters for the library, which is asked for QoS 0: the gate sees to the rest.
    pub(super) filters: Vec<Filter>,
    /// The code of each filter that was asked for.
    pub(super) codes: Vec<u8>,
    /// The retained messages that the granted ones bring.
    pub(super) owed: Vec<Owed>,
    /// Workers whose commands the client now takes.
    pub(super) workers: Vec<WorkerId>,
    /// The first filter that was refused, and why.
    pub(super) refused: Option<(String, &'static str)>,
}

impl Subscriptions {
    /// Judges the filters of a SUBSCRIBE, each for itself; `Err` ends the connection.
    pub(super) fn ask(
        &mut self,
        identity: &Identity,
        shared: &Shared,
        asked: Vec<Filter>,
    ) -> Result<Asked, &'static str> {
        let mut granted = Asked::default();
        for mut filter in asked {
            rules::check_filter(&filter.path)?;
            let kind = match self.judge(identity, &shared.registry, &filter.path, granted.filters.len()) {
                Ok(kind) => kind,
                Err(why) => {
                    granted.codes.push(REFUSED);
                    granted.refused.get_or_insert((filter.path, why));
                    continue;
                }
            };
            // At most 1: no message is sent with more.
            let qos = u8::from(filter.qos != QoS::AtMostOnce);
            filter.qos = QoS::AtMostOnce;
            if let Subscription::Commands(topic) = kind {
                granted.workers.push(topic.worker);
            }
            self.0.insert(filter.path.clone(), qos);
            granted.codes.push(qos);
            granted.owed.push(shared.retained.owed(filter.path.clone(), qos));
            granted.filters.push(filter);
        }
        Ok(granted)
    }

    /// Whether one filter is granted, or why it is not.
    fn judge(
        &self,
        identity: &Identity,
        registry: &Registry,
        filter: &str,
        granted: usize,
    ) -> Result<Subscription, &'static str> {
        let kind = rules::subscription(identity, filter)?;
        if granted >= MQTT_SUBSCRIPTIONS_MAX {
            return Err("too many filters in one SUBSCRIBE");
        }
        if !self.0.contains_key(filter) {
            if self.0.len() >= MQTT_SUBSCRIPTIONS_MAX {
                return Err("too many filters of one client");
            }
            // The library never forgets one.
            if !registry.admit_filter(filter, matches!(kind, Subscription::Commands(_))) {
                return Err("too many filters in the life of this process");
            }
        }
        Ok(kind)
    }

    /// The QoS for a message on `topic`: the highest of the filters that match (MQTT 3.1.1, section
    /// 3.3.5).
    pub(super) fn qos(&self, topic: &Bytes) -> u8 {
        let highest = self.0.values().copied().max().unwrap_or(0);
        if self.0.values().all(|qos| *qos == highest) {
            return highest;
        }
        let topic = std::str::from_utf8(topic).unwrap_or_default();
        let matching = self.0.iter().filter(|(filter, _)| matches(topic, filter));
        matching.map(|(_, qos)| *qos).max().unwrap_or(0)
    }

    /// Forgets `filters`; returns those that were there, each once.
    pub(super) fn forget(&mut self, filters: Vec<String>) -> Vec<String> {
        filters.into_iter().filter(|filter| self.0.remove(filter).is_some()).collect()
    }
}

#[cfg(test)]
impl<'a> FromIterator<(&'a str, u8)> for Subscriptions {
    fn from_iter<I: IntoIterator<Item = (&'a str, u8)>>(filters: I) -> Self {
        Subscriptions(filters.into_iter().map(|(filter, qos)| (filter.to_owned(), qos)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_delivered_with_the_highest_qos_of_the_filters_that_match() {
        let mixed = Subscriptions::from_iter([("a/#", 0), ("a/b", 1)]);
        for (topic, qos) in [("a/b", 1), ("a/c", 0), ("else", 0)] {
            assert_eq!(mixed.qos(&Bytes::from(topic)), qos, "{topic}");
        }
        assert_eq!(Subscriptions::from_iter([("a/#", 1)]).qos(&Bytes::from("a/c")), 1);
        assert_eq!(Subscriptions::default().qos(&Bytes::from("a")), 0);
    }
}
