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
    /// The first filter that was refused, and why.
    pub(super) refused: Option<(String, &'static str)>,
}

impl Subscriptions {
    /// Judges the filters of a SUBSCRIBE, each for itself; `Err` ends the connection.
    pub(super) fn ask(
        &mut self,
        identity: &Identity,
        registry: &Registry,
        asked: Vec<Filter>,
    ) -> Result<Asked, &'static str> {
        let mut granted =
            Asked { filters: Vec::new(), codes: Vec::new(), workers: Vec::new(), refused: None };
        for mut filter in asked {
            rules::check_filter(&filter.path)?;
            let kind = match self.judge(identity, registry, &filter.path, granted.filters.len()) {
                Ok(kind) => kind,
                Err(why) => {
                    granted.codes.push(REFUSED);
                    granted.refused.get_or_insert((filter.path, why));
                    continue;
                }
            };
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
        if !self.0.contains(filter) {
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

    /// Forgets `filters`; returns those that were there, each once.
    pub(super) fn forget(&mut self, filters: Vec<String>) -> Vec<String> {
        filters.into_iter().filter(|filter| self.0.remove(filter)).collect()
    }
}
