//! One session's life on the sessions' thread: connect, serve, leave, wait, again.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Sender;
use rumqttc::{
    AsyncClient, ConnectionError, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS,
    SubscribeFilter,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Broker, Event, GOODBYE_TIME_MAX, Outbox, Tagged, Ticket, locked};
use crate::base::Clock;
use crate::base::limits::{MQTT_PACKET_BYTES_MAX, WORKER_MESSAGES_QUEUED_MAX};
use crate::protocol::{Channel, Command, Register, ReportedState, Topic};
use crate::worker::back_off::BackOff;
use crate::worker::wire;

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Unacknowledged publishes at once; the next ones wait in the outbox.
const IN_FLIGHT_MAX: u16 = 16;
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lived this long was a good one: the next pause is short again.
const SETTLED_TIME: Duration = Duration::from_secs(10);

/// A session as its task sees it.
pub(super) struct Line {
    pub(super) index: usize,
    pub(super) broker: Broker,
    pub(super) register: Register,
    pub(super) clock: Clock,
    pub(super) outbox: Arc<Mutex<Outbox>>,
    pub(super) wanted: watch::Receiver<bool>,
    pub(super) events: Sender<Tagged>,
}

/// The connection's own memory, gone with it.
#[derive(Default)]
struct Flight {
    in_flight: HashMap<u16, Option<Ticket>>,
    goodbye: Option<Ticket>,
}

impl Line {
    /// Keeps the session up while it is wanted; ends when its owner drops it.
    pub(super) async fn drive(mut self, seed: u64) {
        let mut back_off = BackOff::new(BACK_OFF_MIN, BACK_OFF_MAX, seed);
        // An error: the owner dropped the session while it was offline.
        while self.wanted.wait_for(|online| *online).await.is_ok() {
            let served = self.connection(&mut back_off).await;
            locked(&self.outbox).client = None;
            // An error: the owner has stopped; the session's own end follows.
            let _ = self.events.send((self.index, Event::Disconnected));
            match served {
                Ok(()) => {}
                Err(error) => {
                    let pause = back_off.next();
                    log::warn!(
                        "worker {}: broker {}:{}: {error}; again in {:.1} s",
                        self.register.worker_id,
                        self.broker.host,
                        self.broker.port,
                        pause.as_secs_f64()
                    );
                    tokio::select! {
                        () = sleep(pause) => {}
                        changed = self.wanted.changed() => if changed.is_err() { return },
                    }
                }
            }
        }
    }

    /// One connection from CONNECT to its end; `Ok` when it was left on purpose.
    async fn connection(&mut self, back_off: &mut BackOff) -> Result<(), ConnectionError> {
        // A fresh event loop each time: the library would repeat what was not acknowledged, and
        // show events of the old connection on the new one.
        let (client, mut event_loop) = AsyncClient::new(self.options(), WORKER_MESSAGES_QUEUED_MAX);
        let mut flight = Flight::default();
        let mut settled = pin!(sleep(SETTLED_TIME));
        loop {
            let event = tokio::select! {
                biased;
                // Cutting the poll short can lose a message half written to a full socket; we are
                // leaving, and who wants a receipt will not have got one.
                _ = self.wanted.changed() => break,
                // Not at once: two workers with one id would take turns without end.
                () = &mut settled, if !settled.is_elapsed() => {
                    back_off.reset();
                    continue;
                }
                event = event_loop.poll() => event?,
            };
            if let rumqttc::Event::Incoming(Packet::ConnAck(_)) = &event {
                self.greet(&client);
            }
            self.take(event, &mut flight);
        }
        self.leave(&client, &mut event_loop, &mut flight).await
    }

    fn options(&self) -> MqttOptions {
        let worker = &self.register.worker_id;
        let broker = &self.broker;
        let mut options = MqttOptions::new(format!("xenminer_{worker}"), &broker.host, broker.port);
        let topic = self.topic(Channel::Status).to_string();
        let will = LastWill::new(topic, wire::will(worker, self.clock.now()), QoS::AtLeastOnce, true);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(true)
            .set_inflight(IN_FLIGHT_MAX)
            .set_max_packet_size(MQTT_PACKET_BYTES_MAX, MQTT_PACKET_BYTES_MAX)
            .set_last_will(will);
        if let Some(login) = &broker.login {
            options.set_credentials(&login.user, login.password.expose());
        }
        options
    }

    /// Subscribes and registers, then lets the owner speak.
    fn greet(&self, client: &AsyncClient) {
        let filters = [Channel::Task, Channel::Control]
            .map(|channel| SubscribeFilter::new(self.topic(channel).to_string(), QoS::AtLeastOnce));
        client.try_subscribe_many(filters).expect("a fresh queue has room and the filters are valid");
        let mut outbox = locked(&self.outbox);
        outbox.awaiting.clear();
        outbox.client = Some(client.clone());
        let registration = wire::stamped(&self.register, self.clock.now());
        outbox.publish(&self.topic(Channel::Register), registration, false);
        drop(outbox);
        self.tell(Event::Connected);
    }

    fn take(&self, event: rumqttc::Event, flight: &mut Flight) {
        match event {
            rumqttc::Event::Outgoing(Outgoing::Publish(id)) => {
                let ticket = locked(&self.outbox).awaiting.pop_front().flatten();
                flight.in_flight.insert(id, ticket);
            }
            rumqttc::Event::Incoming(Packet::PubAck(ack)) => {
                match flight.in_flight.remove(&ack.pkid).flatten() {
                    Some(ticket) if flight.goodbye == Some(ticket) => flight.goodbye = None,
                    Some(ticket) => self.tell(Event::Receipt(ticket)),
                    None => {}
                }
            }
            rumqttc::Event::Incoming(Packet::Publish(publish)) => {
                if let Some(event) = self.understand(&publish) {
                    self.tell(event);
                }
            }
            rumqttc::Event::Incoming(Packet::SubAck(ack))
                if ack.return_codes.contains(&rumqttc::SubscribeReasonCode::Failure) =>
            {
                log::error!("worker {}: the broker refused its topics", self.register.worker_id);
            }
            _ => {}
        }
    }

    /// Says `offline`, waits for its acknowledgement, disconnects.
    async fn leave(
        &self,
        client: &AsyncClient,
        event_loop: &mut EventLoop,
        flight: &mut Flight,
    ) -> Result<(), ConnectionError> {
        let deadline = Instant::now() + GOODBYE_TIME_MAX;
        let offline =
            wire::status(&self.register.worker_id, ReportedState::Offline, None, None, self.clock.now());
        {
            let mut outbox = locked(&self.outbox);
            flight.goodbye = outbox.publish(&self.topic(Channel::Status), offline, true);
            outbox.client = None;
        }
        while flight.goodbye.is_some() {
            match timeout_at(deadline, event_loop.poll()).await {
                Ok(event) => self.take(event?, flight),
                // The broker does not answer: its will speaks for the worker.
                Err(_) => return Ok(()),
            }
        }
        // Full cannot be (all was acknowledged); closed cannot be (the event loop is here).
        if client.try_disconnect().is_ok() && event_loop.network.is_some() {
            while let Ok(Ok(event)) = timeout_at(deadline, event_loop.poll()).await {
                if event == rumqttc::Event::Outgoing(Outgoing::Disconnect) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn topic(&self, channel: Channel) -> Topic {
        Topic { worker: self.register.worker_id.clone(), channel }
    }

    fn tell(&self, event: Event) {
        // An error: the owner has stopped reading; it lets go of the session next.
        let _ = self.events.send((self.index, event));
    }

    fn understand(&self, publish: &Publish) -> Option<Event> {
        let worker = &self.register.worker_id;
        let channel = match publish.topic.parse::<Topic>() {
            Ok(topic) if topic.worker == *worker => topic.channel,
            _ => {
                log::warn!("worker {worker}: a message on somebody else's topic");
                return None;
            }
        };
        match understand(channel, &publish.payload) {
            Ok(event) => Some(event),
            Err(problem) => {
                log::warn!("worker {worker}: {}: {problem}", channel.as_str());
                (channel == Channel::Task).then_some(Event::BadTask(problem))
            }
        }
    }
}

/// What the platform's payload says; a `task` that is no command of a lease is a control.
fn understand(channel: Channel, payload: &[u8]) -> Result<Event, String> {
    let json: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let is_command = matches!(json["command"].as_str(), Some("register_ack" | "assign_task" | "release"));
    if channel == Channel::Task && is_command {
        serde_json::from_value::<Command>(json).map(Event::Command).map_err(|error| error.to_string())
    } else {
        serde_json::from_value(json).map(Event::Control).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Control;

    #[test]
    fn commands_controls_and_nonsense_are_told_apart() {
        let release = br#"{"command":"release","lease_id":"lease-1"}"#;
        assert!(matches!(understand(Channel::Task, release), Ok(Event::Command(Command::Release { .. }))));
        let wallet = br#"{"command":"restart"}"#;
        assert!(matches!(
            understand(Channel::Task, wallet),
            Ok(Event::Control(Control::Wallet { ref command, .. })) if command == "restart"
        ));
        let bad_prefix = br#"{"command":"assign_task","lease_id":"l","consumer_id":"c",
            "consumer_address":"0xaabbccddee1234567890abcdef1234567890abcd","prefix":"12","duration_sec":5}"#;
        assert!(understand(Channel::Task, bad_prefix).unwrap_err().contains("16 hexadecimal"));
        assert!(understand(Channel::Task, b"[1]").is_err());
        assert!(understand(Channel::Control, b"{").is_err());
    }
}
