//! A worker as the platform sees one: a raw MQTT connection that says exactly what a test wants.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::mqtt_client::{Connect, Packet, RawClient, publish, subscribe};

/// The address that rigs of tests belong to unless they say otherwise.
pub const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;

/// One worker's connection.
pub struct Rig {
    /// Its worker id.
    pub id: String,
    /// The address it registers with.
    pub owner: String,
    /// The connection itself.
    pub client: RawClient,
    heard: VecDeque<(String, Value)>,
    acked: Vec<u16>,
    grants: usize,
    last_packet_id: u16,
}

impl Rig {
    /// Connects and subscribes; the worker has not said who it is yet.
    pub fn connect(mqtt: SocketAddr, id: &str) -> Self {
        Self::connect_with(mqtt, id, &Connect::new(&format!("xenminer_{id}")))
    }

    /// The same with a CONNECT of the test's.
    pub fn connect_with(mqtt: SocketAddr, id: &str, connect: &Connect) -> Self {
        Self::try_connect_with(mqtt, id, connect).expect("a connected worker")
    }

    /// The same, with a server that may be gone: `None` then.
    fn try_connect_with(mqtt: SocketAddr, id: &str, connect: &Connect) -> Option<Self> {
        let mut client = RawClient::try_open(mqtt)?;
        client.send(&connect.bytes());
        assert_eq!(client.read()?.body, [0, 0], "CONNACK");
        let (id, owner) = (id.to_owned(), OWNER.to_owned());
        let (heard, acked) = (VecDeque::new(), Vec::new());
        let mut rig = Rig { id, owner, client, heard, acked, grants: 0, last_packet_id: 100 };
        for channel in ["task", "control"] {
            rig.client.send(&subscribe(7, format!("xenminer/{}/{channel}", rig.id).as_bytes(), 1));
        }
        while rig.grants < 2 {
            rig.hear().then_some(())?;
        }
        Some(rig)
    }

    /// A registered worker that is available.
    pub fn join(mqtt: SocketAddr, id: &str) -> Self {
        let mut rig = Self::connect(mqtt, id);
        rig.register();
        rig
    }

    /// The same, with a server that may be gone: `None` then.
    pub fn try_join(mqtt: SocketAddr, id: &str) -> Option<Self> {
        let mut rig = Self::try_connect_with(mqtt, id, &Connect::new(&format!("xenminer_{id}")))?;
        let description = rig.description();
        rig.try_say("register", &description).then_some(rig)
    }

    /// What it registers with.
    pub fn description(&self) -> Value {
        json!({
            "worker_id": self.id, "eth_address": self.owner, "gpu_count": 1, "total_memory_gb": 24,
            "gpus": [{"index": 0, "name": "NVIDIA GeForce RTX 4090", "memory_gb": 24, "bus_id": 1}],
            "version": "2.0.0", "timestamp": 0.0,
        })
    }

    /// Registers, is acknowledged and accepted, and says that it is available.
    pub fn register(&mut self) {
        let description = self.description();
        self.say("register", &description);
        let ack = self.command("register_ack");
        assert_eq!(ack["accepted"], true, "{ack}");
        self.state("AVAILABLE", None);
    }

    /// What a heartbeat says.
    pub fn beat(&self, hashrate: f64) -> Value {
        json!({
            "worker_id": self.id, "hashrate": hashrate, "active_gpus": 1, "accepted_blocks": 0,
            "difficulty": 1727, "uptime_sec": 60, "timestamp": 0.0,
        })
    }

    /// A sign of life.
    pub fn heartbeat(&mut self, hashrate: f64) {
        let beat = self.beat(hashrate);
        self.say("heartbeat", &beat);
    }

    /// A change of state.
    pub fn state(&mut self, state: &str, lease: Option<&str>) {
        let mut status = json!({"worker_id": self.id, "state": state, "timestamp": 0.0});
        if let Some(lease) = lease {
            status["lease_id"] = json!(lease);
        }
        self.say("status", &status);
    }

    /// Reports a block with a simulator's hash; returns when it is acknowledged.
    pub fn block(&mut self, lease: &str, key: &str, account: &str) {
        let block = self.block_of(lease, key, account);
        self.say("block", &block);
    }

    /// What [`Rig::block`] says.
    pub fn block_of(&self, lease: &str, key: &str, account: &str) -> Value {
        json!({
            "worker_id": self.id, "lease_id": lease, "hash": bare_hash(), "key": key, "account": account,
            "attempts": 1_000_000, "hashrate": "1234.50", "timestamp": 0.0,
        })
    }

    /// Publishes on a topic of its own and waits for the acknowledgement.
    pub fn say(&mut self, channel: &str, payload: &Value) {
        self.say_bytes(channel, payload.to_string().as_bytes());
    }

    /// The same for any bytes.
    pub fn say_bytes(&mut self, channel: &str, payload: &[u8]) {
        assert!(self.try_say_bytes(channel, payload), "{} on {channel}: no acknowledgement", self.id);
    }

    /// Whether the acknowledgement came; `false` when the connection is gone.
    pub fn try_say(&mut self, channel: &str, payload: &Value) -> bool {
        self.try_say_bytes(channel, payload.to_string().as_bytes())
    }

    /// The same for any bytes.
    pub fn try_say_bytes(&mut self, channel: &str, payload: &[u8]) -> bool {
        let id = self.publish(channel, payload);
        while !self.acked.contains(&id) {
            if !self.hear() {
                return false;
            }
        }
        self.acked.retain(|acked| *acked != id);
        true
    }

    /// Publishes and waits for nothing; returns the packet id.
    pub fn publish(&mut self, channel: &str, payload: &[u8]) -> u16 {
        self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
        let topic = format!("xenminer/{}/{channel}", self.id);
        self.client.send(&publish(topic.as_bytes(), payload, 1, self.last_packet_id, false));
        self.last_packet_id
    }

    /// Waits for the next `task` command of this name; others that came before it are dropped.
    pub fn command(&mut self, name: &str) -> Value {
        self.next(|topic, payload| topic.ends_with("/task") && payload["command"] == name)
    }

    /// Waits for the next message on `control`.
    pub fn control(&mut self) -> Value {
        self.next(|topic, _| topic.ends_with("/control"))
    }

    /// Whether a command of this name has come, after all that the platform sent so far arrived.
    pub fn has_command(&mut self, name: &str) -> bool {
        self.client.send(&[0xc0, 0]);
        while let Some(packet) = self.client.read() {
            if packet.first == 0xd0 {
                break;
            }
            self.take(packet.first, packet);
        }
        self.heard.iter().any(|(_, payload)| payload["command"] == name)
    }

    fn next(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            while let Some((topic, payload)) = self.heard.pop_front() {
                if wanted(&topic, &payload) {
                    return payload;
                }
            }
            assert!(self.hear(), "{}: the connection is closed", self.id);
        }
    }

    /// Takes one packet; `false` when the connection is closed.
    fn hear(&mut self) -> bool {
        let Some(packet) = self.client.read() else { return false };
        self.take(packet.first, packet);
        true
    }

    fn take(&mut self, first: u8, packet: Packet) {
        match first >> 4 {
            PUBACK => self.acked.push(u16::from_be_bytes([packet.body[0], packet.body[1]])),
            SUBACK => {
                assert_eq!(packet.body, [0, 7, 1], "a subscription of QoS 1");
                self.grants += 1;
            }
            PUBLISH => {
                let (topic, payload) = packet.publish();
                if first & 0b10 != 0 {
                    assert_ne!(packet.id(), 0, "QoS 1 has a packet id");
                    let [high, low] = packet.id().to_be_bytes();
                    self.client.send(&[0x40, 2, high, low]);
                }
                let payload = serde_json::from_slice(&payload).expect("the platform sends JSON");
                self.heard.push_back((topic, payload));
            }
            _ => panic!("{}: {packet:?}", self.id),
        }
    }
}

/// A hash as simulators make them up: the marker and nothing behind it.
pub fn bare_hash() -> String {
    format!("{}XEN11{}", "0123456789abcdef0123", "f".repeat(38))
}

/// A key of this prefix, the `number`th.
pub fn key_of(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:0>width$x}", width = 64 - prefix.len())
}
