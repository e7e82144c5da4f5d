//! What takes time, with a quicker pace: silence, and a queue that stays full.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket};

use super::hub::{HEARTBEAT, Hub, Pace};
use crate::base::thread::deathwatch;
use crate::base::{Clock, Timestamp};
use crate::http::{Config, Reply, Server, handler};

const WAIT: Duration = Duration::from_secs(10);
const NEVER: Duration = Duration::from_secs(3600);

fn house(pace: Pace) -> (Hub, Server) {
    let (watch, _deaths) = deathwatch();
    let hub = Hub::start_paced(Clock::manual(Timestamp::default()), 10, pace, &watch).unwrap();
    let serving = hub.clone();
    let routes = handler(move |_| {
        let hub = serving.clone();
        Reply::WebSocket(Box::new(move |socket| hub.serve(socket, || "null")))
    });
    let config = Config::new("http", "127.0.0.1:0".parse().unwrap());
    (hub, Server::start(config, &watch, routes).unwrap())
}

fn join(server: &Server) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    let mut client = tungstenite::client(format!("ws://{}/", server.local_addr()), stream).unwrap().0;
    assert!(client.read().unwrap().to_text().unwrap().contains("snapshot"));
    client
}

fn await_clients(hub: &Hub, count: usize) -> Duration {
    let started = Instant::now();
    while hub.clients() != count {
        assert!(started.elapsed() < WAIT, "{} clients, not {count}", hub.clients());
        std::thread::yield_now();
    }
    started.elapsed()
}

#[test]
fn the_silent_are_asked_and_those_who_do_not_answer_are_gone() {
    let pace = Pace {
        ping: Duration::from_millis(100),
        silence_max: Duration::from_secs(1),
        full_max: NEVER,
        delta: NEVER,
    };
    let (hub, server) = house(pace);
    let mut alive = join(&server);
    let mut dead = join(&server);
    let started = Instant::now();
    // Reading answers pings; the other one reads nothing.
    while hub.clients() == 2 {
        assert!(matches!(alive.read().unwrap(), Message::Ping(_)));
        assert!(started.elapsed() < WAIT);
    }
    assert!(started.elapsed() >= pace.silence_max);
    assert!(matches!(dead.read().unwrap(), Message::Ping(_)), "it was asked before it was dropped");
    hub.publish("block", &1);
    while !alive.read().unwrap().is_text() {}
    assert_eq!(hub.clients(), 1);
}

#[test]
fn a_full_queue_may_miss_heartbeats_for_a_while_and_nothing_else() {
    let pace = Pace { ping: NEVER, silence_max: NEVER, full_max: Duration::from_millis(500), delta: NEVER };
    let (hub, server) = house(pace);
    let large = "x".repeat(512 * 1024);
    for (kind, patience) in [(HEARTBEAT, pace.full_max), ("block", Duration::ZERO)] {
        let mut good = join(&server);
        let stuck = join(&server);
        await_clients(&hub, 2);
        let mut last = Instant::now();
        let mut slowest = Duration::ZERO;
        let started = last;
        let mut count = 0;
        while hub.clients() == 2 {
            hub.publish(kind, &large);
            assert!(good.read().unwrap().is_text());
            slowest = slowest.max(last.elapsed());
            last = Instant::now();
            count += 1;
            assert!(started.elapsed() < WAIT, "still there after {count}");
        }
        assert!(count > 100, "{kind}: what fits the queue is queued");
        assert!(started.elapsed() >= patience);
        assert!(slowest < Duration::from_secs(1), "the other one waited {slowest:?}");
        drop((good, stuck));
        await_clients(&hub, 0);
    }
}

#[test]
fn a_panicking_snapshot_costs_one_client() {
    let (watch, deaths) = deathwatch();
    let hub = Hub::start(Clock::manual(Timestamp::default()), 1, &watch).unwrap();
    let serving = hub.clone();
    let routes = handler(move |request| {
        let hub = serving.clone();
        let broken = request.url() == "/broken";
        Reply::WebSocket(Box::new(move |socket| {
            hub.serve(socket, || if broken { panic!("no snapshot") } else { "null" });
        }))
    });
    let config = Config::new("http", "127.0.0.1:0".parse().unwrap());
    let server = Server::start(config, &watch, routes).unwrap();
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    let mut broken = tungstenite::client(format!("ws://{}/broken", server.local_addr()), stream).unwrap().0;
    assert!(broken.read().is_err());
    await_clients(&hub, 0);
    drop(join(&server));
    assert!(deaths.try_recv().is_err());
}
