//! The gateway under load, with a node that plays every part beside it, all in one process:
//! `cargo bench --bench block_buster [-- rate|calls|outages|recovery|sockets]`.

use std::error::Error;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::WebSocket;
use xenblocks::base::Clock;
use xenblocks::base::thread::{Deathwatch, deathwatch, spawn};
use xenblocks::block_buster::BlockBuster;

#[path = "../tests/support/http_client.rs"]
mod http_client;
#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/the_block.rs"]
mod the_block;

use http_client::Client;
use the_block::{Mode, Node};

type Any = Box<dyn Error + Send + Sync>;
type Run = fn() -> Result<(), Any>;

const TIME: Duration = Duration::from_secs(5);
const METRICS: &str = "GET /theblock/network/metrics";
const EVERYTHING: [&str; 9] = [
    METRICS,
    "GET /health",
    "GET /ready",
    "GET /theblock/markets/health",
    "GET /theblock/receipts",
    "GET /theblock/operations",
    "GET /theblock/peers/list",
    "GET /theblock/scheduler/stats",
    "POST /theblock/fullcheck",
];
/// Clients of the WebSocket, and how many of them never read.
const LISTENERS: usize = 200;
const SILENT: usize = 20;
/// Longer than one publication takes, shorter than the time between two.
const QUIET: Duration = Duration::from_millis(400);

fn main() -> Result<(), Any> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs: [(&str, Run); 5] = [
        ("rate", rate),
        ("calls", calls),
        ("outages", outages),
        ("recovery", recovery),
        ("sockets", sockets),
    ];
    for (name, run) in runs {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run()?;
        }
    }
    Ok(())
}

/// Requests for one answer, one after the other on each of 8 connections.
fn rate() -> Result<(), Any> {
    let house = House::start()?;
    let mut times = house.load(8, &[METRICS], TIME)?;
    println!(
        "{METRICS}, 8 connections: {:.0} requests/s, p99 {:.2?}",
        times.len() as f64 / TIME.as_secs_f64(),
        share(&mut times, 990)
    );
    house.stop();
    Ok(())
}

/// What the node is asked while 20 clients ask for everything, full checks included.
fn calls() -> Result<(), Any> {
    let house = House::start()?;
    house.node.calls();
    let count = house.load(20, &EVERYTHING, TIME)?.len();
    let calls = house.node.calls();
    let in_a_second = |from: usize| {
        calls[from..].iter().take_while(|call| call.at - calls[from].at < Duration::from_secs(1)).count()
    };
    println!(
        "20 clients, {count} requests: {:.1} calls/s to the node, {} in the busiest second",
        calls.len() as f64 / TIME.as_secs_f64(),
        (0..calls.len()).map(in_a_second).max().unwrap_or(0)
    );
    house.stop();
    Ok(())
}

/// Answers from the moment on at which the node is gone, or hangs.
fn outages() -> Result<(), Any> {
    for hang in [false, true] {
        let mut house = House::start()?;
        house.break_node(hang);
        let mut times = house.load(4, &EVERYTHING, TIME)?;
        println!(
            "node {}: {} answers, p50 {:.2?}, p99 {:.2?}, worst {:.1?}",
            if hang { "hangs" } else { "gone" },
            times.len(),
            share(&mut times, 500),
            share(&mut times, 990),
            share(&mut times, 1000)
        );
        house.stop();
    }
    Ok(())
}

/// From the node's return to fresh data, ten times each way.
fn recovery() -> Result<(), Any> {
    for hang in [false, true] {
        let mut house = House::start()?;
        let mut client = Client::connect(house.gateway.http_addr());
        let mut times = Vec::new();
        for round in 0..10 {
            house.break_node(hang);
            await_true("an open breaker", || health(&mut client)["node"]["breaker"] == "open")?;
            // The return falls on another moment between two probes each time.
            std::thread::sleep(Duration::from_millis(130 * round));
            let back = Instant::now();
            house.mend_node(hang);
            await_true("fresh data", || ask(&mut client, "GET /ready").0 == 200)?;
            times.push(back.elapsed());
        }
        println!(
            "node {}: fresh again after {:.2?} in the middle, {:.2?} at worst",
            if hang { "hung" } else { "gone" },
            share(&mut times, 500),
            share(&mut times, 1000)
        );
        house.stop();
    }
    Ok(())
}

/// How long after the poll that it shows a frame is there, with clients who never read among them.
fn sockets() -> Result<(), Any> {
    let house = House::start()?;
    let addr = house.gateway.ws_addr();
    let silent: Vec<_> = (0..SILENT).map(|_| listen(addr)).collect::<Result<_, _>>()?;
    let mut readers = Vec::new();
    let until = Instant::now() + TIME * 4;
    for _ in SILENT..LISTENERS {
        let mut socket = listen(addr)?;
        readers.push(run_one(&house.watch, move || {
            let mut arrived = Vec::new();
            while Instant::now() < until {
                let message = socket.read()?;
                let now = Instant::now();
                if message.to_text()?.starts_with(r#"{"type":"network_metrics""#) {
                    arrived.push(now);
                }
            }
            Ok(arrived)
        })?);
    }
    let mut arrived = Vec::new();
    for reader in readers {
        // The first frame was ready before its reader came.
        arrived.extend(reader.recv()?.into_iter().skip(1));
    }
    arrived.sort_unstable();
    // Frames of one publication come within moments of each other, and then none for a while.
    let publications = arrived.chunk_by(|one, next| *next - *one < QUIET);
    let mut late: Vec<_> = publications.flat_map(|frames| frames.iter().map(|at| *at - frames[0])).collect();
    println!(
        "{LISTENERS} listeners, {SILENT} of them silent: {} frames, p50 {:.1?}, worst {:.1?} after the first to get the same",
        late.len(),
        share(&mut late, 500),
        share(&mut late, 1000)
    );
    drop(silent);
    house.stop();
    Ok(())
}

/// A gateway and its node.
struct House {
    node: Node,
    gateway: BlockBuster,
    watch: Deathwatch,
}

impl House {
    fn start() -> Result<Self, Any> {
        let node = Node::start(Mode::Spec);
        let gateway = BlockBuster::start(node.settings(), Clock::system())?;
        let mut client = Client::connect(gateway.http_addr());
        await_true("data", || EVERYTHING.iter().all(|request| ask(&mut client, request).0 == 200))?;
        Ok(House { node, gateway, watch: deathwatch().0 })
    }

    fn break_node(&mut self, hang: bool) {
        if hang {
            self.node.play(Mode::Hang);
        } else {
            self.node.down();
        }
    }

    fn mend_node(&mut self, hang: bool) {
        if hang {
            self.node.play(Mode::Spec);
        } else {
            self.node.up();
        }
    }

    /// How long each answer took that clients got, who ask one thing after the other.
    fn load(
        &self,
        clients: usize,
        requests: &'static [&'static str],
        time: Duration,
    ) -> Result<Vec<Duration>, Any> {
        let (addr, until) = (self.gateway.http_addr(), Instant::now() + time);
        let ask_on = move |first: usize| {
            let mut client = Client::connect(addr);
            let mut times = Vec::new();
            for request in requests.iter().cycle().skip(first) {
                let started = Instant::now();
                if started >= until {
                    break;
                }
                let status = ask(&mut client, request).0;
                times.push(started.elapsed());
                if !matches!(status, 200 | 503) {
                    return Err(format!("{request}: {status}").into());
                }
            }
            Ok(times)
        };
        let clients: Vec<_> = (0..clients)
            .map(|first| run_one(&self.watch, move || ask_on(first)))
            .collect::<Result<_, _>>()?;
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.recv()?);
        }
        Ok(times)
    }

    fn stop(self) {
        self.gateway.stop();
    }
}

/// Runs it on a thread; what it brings comes on the channel, nothing where it fails.
fn run_one<T: Send + Sync + 'static>(
    watch: &Deathwatch,
    run: impl FnOnce() -> Result<T, Any> + Send + 'static,
) -> Result<crossbeam_channel::Receiver<T>, Any> {
    let (sender, results) = crossbeam_channel::bounded(1);
    spawn("client", watch, move || Ok(sender.send(run()?)?))?;
    Ok(results)
}

fn listen(addr: SocketAddr) -> Result<WebSocket<TcpStream>, Any> {
    Ok(tungstenite::client(format!("ws://{addr}/theblock/ws"), TcpStream::connect(addr)?)?.0)
}

fn ask(client: &mut Client, request: &str) -> (u16, Vec<u8>) {
    let answer =
        client.send(format!("{request} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n")).answer();
    (answer.status, answer.body)
}

fn health(client: &mut Client) -> Value {
    serde_json::from_slice(&ask(client, "GET /health").1).unwrap_or_default()
}

fn await_true(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), Any> {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > Duration::from_secs(30) {
            return Err(format!("no {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The time that so many thousandths of all do not exceed.
fn share(times: &mut [Duration], thousandths: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * thousandths / 1000).copied().unwrap_or_default()
}
