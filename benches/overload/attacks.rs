//! The attacks: each runs until it is told to stop, and says what it did.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use xenblocks::base::thread::{deathwatch, spawn};

use super::support::mqtt_client::{Connect, RawClient, publish, subscribe};
use super::users::{self, RATE, USERS};
use super::{ADMIN_KEY, ATTACK_TIME, Any, OVERLOAD_TIME, Target};

/// Runs until its target's `running` is false.
pub type Attack = fn(&Target) -> Result<String, Any>;

/// All of them, with how long each lasts.
pub const ALL: &[(&str, Duration, Attack)] = &[
    ("1000 half-open HTTP connections", ATTACK_TIME, half_open),
    ("1000 MQTT connections without CONNECT", ATTACK_TIME, without_connect),
    ("a subscriber that does not read", ATTACK_TIME, deaf_subscriber),
    ("50 dashboards that do not read", ATTACK_TIME, deaf_dashboards),
    ("128 MiB of headers, 4 at a time", ATTACK_TIME, headers),
    ("refused requests, a connection each, 4 at a time", ATTACK_TIME, refused),
    ("ten times the users' requests, for a minute", OVERLOAD_TIME, ten_times),
    ("requests without pause, 8 connections", ATTACK_TIME, without_pause),
];

const SOCKETS: usize = 1000;
const HEADER_BYTES: usize = 128 * 1024 * 1024;
const SPEAKERS: usize = 20;
const DASHBOARDS: usize = 50;

impl Target {
    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }
}

/// Each sends another byte of a header now and then, so that it is never quite silent.
fn half_open(target: &Target) -> Result<String, Any> {
    hold_open(target, target.server, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"x")
}

fn without_connect(target: &Target) -> Result<String, Any> {
    hold_open(target, target.mqtt, b"", b"")
}

/// Keeps sockets open; those that the server closes are opened again.
fn hold_open(target: &Target, addr: SocketAddr, first: &[u8], then: &[u8]) -> Result<String, Any> {
    let mut sockets: Vec<TcpStream> = Vec::new();
    let (mut opened, mut closed) = (0, 0);
    while target.is_running() {
        while sockets.len() < SOCKETS && target.is_running() {
            let Ok(mut socket) = TcpStream::connect(addr) else { break };
            opened += 1;
            // An error: it is closed already, which the next round sees.
            let _ = socket.write_all(first);
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        std::thread::sleep(Duration::from_millis(500));
        let before = sockets.len();
        sockets.retain_mut(|socket| {
            let is_open =
                matches!(socket.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            is_open && (then.is_empty() || socket.write_all(then).is_ok())
        });
        closed += before - sockets.len();
    }
    Ok(format!("{opened} were opened, the server closed {closed}"))
}

/// An administrator's client that may hear everything hears nothing, while workers say a lot.
fn deaf_subscriber(target: &Target) -> Result<String, Any> {
    let connect = Connect { login: Some(("admin", ADMIN_KEY)), ..Connect::new("deaf") };
    let mut deaf = RawClient::connect(target.mqtt, &connect);
    deaf.send(&subscribe(1, b"xenminer/#", 1));
    let said = speak(target)?;
    Ok(format!(
        "{said}; {} of it reached a subscriber's socket",
        if deaf.read().is_some() { "some" } else { "none" }
    ))
}

fn deaf_dashboards(target: &Target) -> Result<String, Any> {
    let url = format!("ws://{}/ws/dashboard", target.server);
    let mut deaf = Vec::new();
    for _ in 0..DASHBOARDS {
        deaf.push(tungstenite::client(&url, TcpStream::connect(target.server)?)?);
    }
    Ok(format!("{} dashboards; {}", deaf.len(), speak(target)?))
}

/// Workers that say as much as they may: 40 heartbeats a second each, 8 KiB each.
fn speak(target: &Target) -> Result<String, Any> {
    let mut workers = Vec::new();
    for number in 0..SPEAKERS {
        let id = format!("speaker-{number}");
        let token = target.api.post(&format!("/api/workers/{id}/tokens"), &json!({})).ok();
        let token = token["token"].as_str().ok_or("no token")?.to_owned();
        let connect = Connect { login: Some((&id, &token)), ..Connect::new(&id) };
        let mut worker = RawClient::connect(target.mqtt, &connect);
        let register = json!({
            "worker_id": id, "eth_address": "", "gpu_count": 1, "total_memory_gb": 0, "gpus": [],
            "version": "2.0.0", "timestamp": 0,
        })
        .to_string();
        worker.send(&publish(format!("xenminer/{id}/register").as_bytes(), register.as_bytes(), 0, 0, false));
        workers.push((id, worker));
    }
    let mut said = 0_u64;
    let mut due = Instant::now();
    while target.is_running() {
        due += Duration::from_millis(25);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for (id, worker) in &mut workers {
            let beat = json!({
                "worker_id": id, "hashrate": said % 1000, "active_gpus": 1, "accepted_blocks": 0,
                "difficulty": 8, "uptime_sec": 0, "timestamp": 0, "x": "x".repeat(8000),
            });
            let topic = format!("xenminer/{id}/heartbeat");
            worker.send(&publish(topic.as_bytes(), beat.to_string().as_bytes(), 0, 0, false));
            said += 1;
        }
    }
    Ok(format!("{said} heartbeats of 8 KiB were said"))
}

fn headers(target: &Target) -> Result<String, Any> {
    let line = format!("X-Long: {}\r\n", "y".repeat(1000));
    let count = on_threads(4, target, move |target, _| {
        let Some(mut socket) = users::connect(target.server) else { return };
        let mut sent = socket.write(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap_or(0);
        // Until all is sent or the server has closed.
        while sent < HEADER_BYTES && target.is_running() && socket.write_all(line.as_bytes()).is_ok() {
            sent += line.len();
        }
    })?;
    Ok(format!("{} requests were sent until they were closed", count[0]))
}

/// Begun anew as soon as it is refused.
fn refused(target: &Target) -> Result<String, Any> {
    let count = on_threads(4, target, |target, counts| {
        let Some(mut socket) = users::connect(target.server) else { return };
        let answer = users::answer(&mut socket, "GET / HTTP/1.1\r\nno header\r\n\r\n");
        counts.add(if answer.is_some_and(|(status, _)| status == 400) { 1 } else { 2 });
    })?;
    Ok(format!("{} requests were refused, {} not answered", count[1], count[2]))
}

/// Ten times what all users ask together, from 20 addresses, which is twice what each may.
fn ten_times(target: &Target) -> Result<String, Any> {
    const STRANGERS: usize = 20;
    let pause = Duration::from_secs(1) * u32::try_from(STRANGERS)? / (10 * RATE * u32::try_from(USERS)?);
    let counts = on_threads(STRANGERS, target, move |target, counts| {
        let from = counts.number;
        let (mut due, mut socket) = (Instant::now(), users::connect(target.server));
        while target.is_running() {
            due += pause;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            request(target, &mut socket, from, counts);
        }
    })?;
    Ok(counts_text(&counts))
}

/// From one address, as fast as the answers come.
fn without_pause(target: &Target) -> Result<String, Any> {
    let counts = on_threads(8, target, |target, counts| {
        let mut socket = users::connect(target.server);
        while target.is_running() {
            request(target, &mut socket, 200, counts);
        }
    })?;
    Ok(counts_text(&counts))
}

fn counts_text([_, served, limited, told_when]: &[u64; 4]) -> String {
    format!("{served} were served, {limited} answered 429, {told_when} of these with Retry-After")
}

fn request(target: &Target, socket: &mut Option<TcpStream>, from: usize, counts: &Counts) {
    let request =
        format!("GET /api/marketplace HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.2.0.{from}\r\n\r\n");
    let answer = socket.as_mut().and_then(|socket| users::answer(socket, &request));
    match answer {
        Some((200, _)) => counts.add(1),
        Some((429, head)) => {
            counts.add(2);
            if head.contains("\r\nretry-after: ") {
                counts.add(3);
            }
        }
        Some(_) => {}
        None => *socket = users::connect(target.server),
    }
}

struct Counts {
    number: usize,
    shared: Arc<[AtomicU64; 4]>,
}

impl Counts {
    fn add(&self, which: usize) {
        self.shared[which].fetch_add(1, Ordering::Relaxed);
    }
}

/// The same on so many threads, again and again while the attack runs: how often, and what they counted.
fn on_threads(
    threads: usize,
    target: &Target,
    attack: impl Fn(&Target, &Counts) + Clone + Send + 'static,
) -> Result<[u64; 4], Any> {
    let shared: Arc<[AtomicU64; 4]> = Arc::default();
    let (watch, _deaths) = deathwatch();
    let mut running = Vec::new();
    for number in 0..threads {
        let (target, attack, counts) =
            (target.clone(), attack.clone(), Counts { number, shared: shared.clone() });
        running.push(spawn("attack", &watch, move || {
            while target.is_running() {
                attack(&target, &counts);
                counts.add(0);
            }
            Ok(())
        })?);
    }
    for thread in running {
        thread.join().map_err(|_| "an attack failed")?;
    }
    Ok(std::array::from_fn(|which| shared[which].load(Ordering::Relaxed)))
}
