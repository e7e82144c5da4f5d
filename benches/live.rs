//! The live feed at the size the platform promises: 500 heartbeats a second to 200 dashboards, each
//! as a message of its own. Prints how late they arrive: `cargo bench --bench live`.

use std::error::Error;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use xenblocks::base::Clock;
use xenblocks::base::thread::{deathwatch, spawn};
use xenblocks::http::{Config, Reply, Server, handler};
use xenblocks::live::{HEARTBEAT, Hub};

const CLIENTS: usize = 200;
const HEARTBEATS: u32 = 5_000;
const GAP: Duration = Duration::from_millis(2);

#[derive(Serialize, Deserialize)]
struct Heartbeat {
    worker_id: String,
    hashrate: f64,
    active_gpus: u32,
    sent_micros: u64,
}

#[derive(Deserialize)]
struct Message {
    data: Option<Heartbeat>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (watch, _deaths) = deathwatch();
    let hub = Hub::start(Clock::system(), CLIENTS, &watch)?;
    let serving = hub.clone();
    let routes = handler(move |_| {
        let hub = serving.clone();
        Reply::WebSocket(Box::new(move |socket| hub.serve(socket, || "null")))
    });
    let server = Server::start(Config::new("http", "127.0.0.1:0".parse()?), &watch, routes)?;
    let addr = server.local_addr();
    let began = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (mut socket, _) = tungstenite::client(format!("ws://{addr}/"), TcpStream::connect(addr)?)?;
        socket.read()?;
        let (sender, late) = crossbeam_channel::bounded(1);
        spawn("dashboard", &watch, move || {
            let mut late_micros = Vec::new();
            while late_micros.len() < HEARTBEATS as usize {
                let message: Message = serde_json::from_str(socket.read()?.to_text()?)?;
                let sent = message.data.ok_or("not a heartbeat")?.sent_micros;
                late_micros.push(micros(began).saturating_sub(sent));
            }
            sender.send(late_micros)?;
            Ok(())
        })?;
        clients.push(late);
    }
    let started = Instant::now();
    for number in 0..HEARTBEATS {
        let heartbeat = Heartbeat {
            worker_id: format!("worker-{number:05}"),
            hashrate: 1234.5,
            active_gpus: 8,
            sent_micros: micros(began),
        };
        hub.publish(HEARTBEAT, &heartbeat);
        std::thread::sleep((started + GAP * (number + 1)).saturating_duration_since(Instant::now()));
    }
    let mut late = Vec::new();
    for client in clients {
        late.extend(client.recv_timeout(Duration::from_secs(30))?);
    }
    late.sort_unstable();
    let at = |share: usize| Duration::from_micros(late[(late.len() - 1) * share / 1000]);
    let rate = late.len() as f64 / started.elapsed().as_secs_f64();
    println!(
        "{} messages, {rate:.0}/s; late by p50 {:?}, p99 {:?}, worst {:?}",
        late.len(),
        at(500),
        at(990),
        at(1000)
    );
    hub.stop();
    server.stop();
    Ok(())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
