//! The filters of one client.

use std::collections::HashSet;

use rumqttd::protocol::{Filter, QoS};

use super::Identity;
use super::registry::Registry;
use super::rules::{self, Subscription};
use crate::base::WorkerId;
use crate::base::limits::MQTT_SUBSCRIPTIONS_MAX;

/// The SUBACK code of a refused filter.
const REFUSED: u8 = 0x80;

/// What a client is subscribed to.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(HashSet<String>);

/// What is left of a SUBSCRIBE.
pub(super) struct Asked {
    /// The filters for the library.
    pub(super) filters: Vec<Filter>,
    /// The code of each filter that was asked for.
    pub(super) codes: Vec<u8>,
    /// Workers whose commands the client now takes.
    pub(super) workers: Vec<WorkerId>,
}

impl Subscriptions {
    /// Judges the filters of a SUBSCRIBE; `Err` ends the connection.
    pub(super) fn ask(
        &mut self,
        identity: &Identity,
        registry: &Registry,
        asked: Vec<Filter>,
    ) -> Result<Asked, &'static str> {
        if asked.len() > MQTT_SUBSCRIPTIONS_MAX {
            return Err("too many filters in one SUBSCRIBE");
        }
        let mut granted = Asked { filters: Vec::new(), codes: Vec::new(), workers: Vec::new() };
        for mut filter in asked {
            let kind = rules::subscription(identity, &filter.path)?;
            let is_new = !self.0.contains(&filter.path);
            let is_commands = matches!(kind, Subscription::Commands(_));
            // Over a limit, or never to be forgotten by the library and too many: refused alone.
            if is_new
                && (self.0.len() >= MQTT_SUBSCRIPTIONS_MAX
                    || !registry.admit_filter(&filter.path, is_commands))
            {
                granted.codes.push(REFUSED);
                continue;
            }
            if filter.qos == QoS::ExactlyOnce {
                filter.qos = QoS::AtLeastOnce;
            }
            if let Subscription::Commands(topic) = kind {
                granted.workers.push(topic.worker);
            }
            self.0.insert(filter.path.clone());
            granted.codes.push(filter.qos as u8);
            granted.filters.push(filter);
        }
        Ok(granted)
    }

    /// Forgets `filters`; returns those that were there, each once.
    pub(super) fn forget(&mut self, filters: Vec<String>) -> Vec<String> {
        filters.into_iter().filter(|filter| self.0.remove(filter)).collect()
    }
}
