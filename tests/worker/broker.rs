//! A broker that does what a test says: it accepts, acknowledges and records, can hold its
//! acknowledgements back and can cut connections.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use crossbeam_channel::{Receiver, Sender, bounded};
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error, QoS};
use serde_json::Value;
use xenblocks::base::thread::spawn_connection;

const PATIENCE: Duration = Duration::from_secs(60);
const PACKET_BYTES_MAX: usize = 65_536;

/// What a client did.
#[derive(Clone, Debug)]
pub enum Seen {
    Connect(Box<Connect>),
    Subscribe(Vec<String>),
    Publish {
        topic: String,
        json: Value,
    },
    Disconnect,
    /// The socket closed.
    Gone,
}

impl Seen {
    /// The payload, if this was published on a topic that ends so.
    pub fn on(&self, suffix: &str) -> Option<&Value> {
        match self {
            Seen::Publish { topic, json, .. } if topic.rsplit('/').next() == Some(suffix) => Some(json),
            _ => None,
        }
    }
}

pub struct Broker {
    pub port: u16,
    seen: Receiver<(String, Seen)>,
    clients: Arc<Mutex<HashMap<String, TcpStream>>>,
    acknowledge: Arc<AtomicBool>,
}

impl Broker {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (sender, seen) = bounded(100_000);
        let clients = Arc::new(Mutex::new(HashMap::new()));
        let acknowledge = Arc::new(AtomicBool::new(true));
        let port = listener.local_addr().unwrap().port();
        let broker = Broker { port, seen, clients: clients.clone(), acknowledge: acknowledge.clone() };
        spawn_connection("broker", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, clients, acknowledge) = (sender.clone(), clients.clone(), acknowledge.clone());
                spawn_connection("client", move || serve(stream, &sender, &clients, &acknowledge)).unwrap();
            }
        })
        .unwrap();
        broker
    }

    /// The next thing that `pick` picks; what comes before it is passed over.
    pub fn until<T>(&self, what: &str, mut pick: impl FnMut(&str, &Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (client, seen) =
                self.seen.recv_deadline(deadline).unwrap_or_else(|_| panic!("{what} did not come"));
            if let Some(picked) = pick(&client, &seen) {
                return picked;
            }
        }
    }

    /// The next payload on a topic that ends so.
    pub fn next_on(&self, suffix: &str) -> Value {
        self.until(suffix, |_, seen| seen.on(suffix).cloned())
    }

    /// The next change of state to `state`.
    pub fn next_state(&self, state: &str) -> Value {
        self.until(state, |_, seen| seen.on("status").filter(|json| json["state"] == state).cloned())
    }

    /// Publishes to a client, as a platform would.
    pub fn send(&self, worker: &str, suffix: &str, json: &Value) {
        let mut publish =
            Publish::new(format!("xenminer/{worker}/{suffix}"), QoS::AtLeastOnce, json.to_string());
        publish.pkid = 1;
        let clients = self.clients.lock().unwrap();
        let stream = clients.get(&format!("xenminer_{worker}")).expect("the client is connected");
        write(stream, &Packet::Publish(publish));
    }

    /// Registers the next worker that asks, and gives its id.
    pub fn accept_next(&self) -> String {
        let worker = self.next_on("register")["worker_id"].as_str().unwrap().to_owned();
        self.send(&worker, "task", &serde_json::json!({"command": "register_ack", "accepted": true}));
        worker
    }

    /// Cuts a client's connection.
    pub fn cut(&self, worker: &str) {
        let clients = self.clients.lock().unwrap();
        clients[&format!("xenminer_{worker}")].shutdown(Shutdown::Both).unwrap();
    }

    /// Whether publishes are acknowledged from now on.
    pub fn acknowledge(&self, acknowledge: bool) {
        self.acknowledge.store(acknowledge, Ordering::SeqCst);
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Sender<(String, Seen)>,
    clients: &Mutex<HashMap<String, TcpStream>>,
    acknowledge: &AtomicBool,
) {
    let mut client = String::new();
    let mut buffer = BytesMut::new();
    let mut chunk = [0; 4096];
    while let Ok(1..) = stream.read(&mut chunk).inspect(|count| buffer.extend_from_slice(&chunk[..*count])) {
        loop {
            let packet = match Packet::read(&mut buffer, PACKET_BYTES_MAX) {
                Ok(packet) => packet,
                Err(Error::InsufficientBytes(_)) => break,
                Err(error) => panic!("{client} sent nonsense: {error}"),
            };
            // The test has ended: nobody reads any more.
            let see = |client: &str, what| _ = seen.send((client.to_owned(), what));
            match packet {
                Packet::Connect(connect) => {
                    client.clone_from(&connect.client_id);
                    clients.lock().unwrap().insert(client.clone(), stream.try_clone().unwrap());
                    see(&client, Seen::Connect(Box::new(connect)));
                    write(&stream, &Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
                }
                Packet::Subscribe(subscribe) => {
                    let filters: Vec<_> = subscribe.filters.iter().map(|f| f.path.clone()).collect();
                    let codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); filters.len()];
                    see(&client, Seen::Subscribe(filters));
                    write(&stream, &Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
                }
                Packet::Publish(publish) => {
                    assert_eq!(publish.qos, QoS::AtLeastOnce);
                    let json = serde_json::from_slice(&publish.payload).unwrap();
                    let topic = publish.topic;
                    assert_eq!(publish.retain, topic.ends_with("/status"), "a state takes the will's place");
                    see(&client, Seen::Publish { topic, json });
                    if acknowledge.load(Ordering::SeqCst) {
                        write(&stream, &Packet::PubAck(PubAck::new(publish.pkid)));
                    }
                }
                Packet::PingReq => write(&stream, &Packet::PingResp),
                Packet::Disconnect => see(&client, Seen::Disconnect),
                _ => {}
            }
        }
    }
    // The test has ended: nobody reads any more.
    let _ = seen.send((client, Seen::Gone));
}

fn write(mut stream: &TcpStream, packet: &Packet) {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, PACKET_BYTES_MAX).unwrap();
    // A client that has just gone reads nothing; its absence is what the test then sees.
    let _ = stream.write_all(&bytes);
}
