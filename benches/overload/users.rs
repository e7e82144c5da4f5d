//! Ordinary users: each asks at its own pace, whatever the answers take, and a late answer counts from
//! when it should have been asked for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use xenblocks::base::thread::{Deathwatch, spawn};

use super::support::api::Api;
use super::support::server::Server;
use super::{ADMIN_KEY, Any};

/// Users at once.
pub const USERS: usize = 8;
/// Requests a second of each: within what one address may ask.
pub const RATE: u32 = 25;
/// Every so manieth request is a deposit, the others read.
const DEPOSIT_EVERY: u64 = 5;
/// An answer that takes longer has failed.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// What users saw since the last look.
#[derive(Default)]
pub struct Seen {
    millis: Vec<f64>,
    /// Requests without a 200.
    pub failed: u64,
}

impl Seen {
    /// The slowest hundredth, ms.
    pub fn p99(&self) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Nobody was answered.
    pub fn is_empty(&self) -> bool {
        self.millis.is_empty()
    }
}

/// All of them, on threads of their own.
pub struct Users {
    seen: Arc<Mutex<Seen>>,
    acknowledged: Arc<AtomicU64>,
    running: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    admin: Api,
}

impl Users {
    /// Opens the account that they pay into, and lets them ask.
    pub fn start(server: &Server, watch: &Deathwatch) -> Result<Self, Any> {
        server.api.post("/api/auth/register", &json!({"account_id": "everybody", "role": "consumer"})).ok();
        let mut users = Users {
            seen: Arc::default(),
            acknowledged: Arc::default(),
            running: Arc::new(AtomicBool::new(true)),
            threads: Vec::new(),
            admin: server.api.with_key(ADMIN_KEY),
        };
        for number in 0..USERS {
            let (seen, acknowledged, running) =
                (users.seen.clone(), users.acknowledged.clone(), users.running.clone());
            let addr = server.http;
            let body = move || {
                ask(number, addr, &running, &seen, &acknowledged);
                Ok(())
            };
            users.threads.push(spawn("user", watch, body)?);
        }
        Ok(users)
    }

    /// What they saw since the last call.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends them; deposits that were acknowledged, and what is in the account.
    pub fn stop_and_count(mut self) -> Result<(u64, u64), Any> {
        self.running.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a user failed")?;
        }
        let shown = self.admin.get("/api/accounts/everybody/balance").ok();
        let balance = super::support::house::millionths(&shown["balance"]) / 1_000_000;
        Ok((self.acknowledged.load(Ordering::Relaxed), u64::try_from(balance)?))
    }
}

fn ask(number: usize, addr: SocketAddr, running: &AtomicBool, seen: &Mutex<Seen>, acknowledged: &AtomicU64) {
    let pause = Duration::from_secs(1) / RATE;
    let mut connection = None;
    let mut due = Instant::now();
    for asked in 0_u64.. {
        due += pause;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if !running.load(Ordering::Relaxed) {
            return;
        }
        let is_deposit = asked % DEPOSIT_EVERY == 0;
        let request = if is_deposit { deposit(number) } else { look(number, asked) };
        let status = connection.take().or_else(|| connect(addr)).and_then(|mut stream: TcpStream| {
            let status = exchange(&mut stream, &request)?;
            connection = Some(stream);
            Some(status)
        });
        let late = due.elapsed();
        if is_deposit && status == Some(200) {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.failed += u64::from(status != Some(200));
        seen.millis.push(late.as_secs_f64() * 1e3);
    }
}

fn look(number: usize, asked: u64) -> String {
    let path = ["/api/marketplace", "/api/status", "/api/overview/stats", "/health"];
    let path = path[usize::try_from(asked % 4).unwrap_or_default()];
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.0.{number}\r\n\r\n")
}

fn deposit(number: usize) -> String {
    let body = r#"{"amount": 1}"#;
    format!(
        "POST /api/accounts/everybody/deposit HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.0.{number}\r\n\
         X-API-Key: {ADMIN_KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection as users have it.
pub fn connect(addr: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, ANSWER_TIME_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// Asks, and reads the whole answer; `None` when the connection is gone or none came in time.
pub fn exchange(stream: &mut TcpStream, request: &str) -> Option<u16> {
    answer(stream, request).map(|(status, _)| status)
}

/// The same with the answer's head, in lower case.
pub fn answer(stream: &mut TcpStream, request: &str) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    let (mut come, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        come.extend(&piece[..count]);
        let Some(head) = come.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&come[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        if come.len() >= head + 4 + length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            return Some((text.get(9..12)?.parse().ok()?, text));
        }
    }
}
