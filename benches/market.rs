//! The whole program under load, over real sockets: rent → stop → settled cycles, and the pages of
//! the API over a seeded history. `cargo bench --bench market [-- cycles|pages]`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xenblocks::base::thread::{deathwatch, spawn};
use xenblocks::base::{Clock, WorkerId};
use xenblocks::sim::leases;
use xenblocks::worker::session::Broker;

type Any = Box<dyn Error + Send + Sync>;

const CYCLE_TIME: Duration = Duration::from_secs(5);
const PAGE_REQUESTS: usize = 200;
const PAGE_CONNECTIONS: usize = 16;
const PAGES: [&str; 22] = [
    "/",
    "/api/status",
    "/api/marketplace",
    "/api/marketplace?sort_by=reputation&available_only=false",
    "/api/marketplace?sort_by=hashrate_desc&available_only=false&gpu_type=4090",
    "/api/monitoring/fleet",
    "/api/monitoring/fleet?page=20&sort=asc",
    "/api/monitoring/stats",
    "/api/monitoring/blocks/recent",
    "/api/overview/stats",
    "/api/overview/activity",
    "/api/overview/network",
    "/api/leases",
    "/api/leases?state=completed&limit=50&offset=4000",
    "/api/blocks",
    "/api/blocks?limit=50&offset=40000",
    "/api/blocks/self-mined",
    "/api/settlements",
    "/api/accounts",
    "/chain/stats",
    "/getblocks/lastblock",
    "/api/workers",
];

fn main() -> Result<(), Any> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if runs("start") {
        start()?;
    }
    if runs("cycles") {
        cycles(1)?;
        cycles(4)?;
    }
    if runs("pages") {
        pages()?;
    }
    Ok(())
}

/// From the start of the process to its first answer, and the memory it has then.
fn start() -> Result<(), Any> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let server = Server::start(&folder.path().join("bench.db"))?;
    Connection::open(server.api)?.get("/api/status")?;
    let took = began.elapsed();
    println!("start to first answer: {:.0} ms, {} MiB", took.as_secs_f64() * 1e3, server.resident_mib()?);
    Ok(())
}

/// Callers that rent a worker each, stop it, and again; every lease must be settled.
fn cycles(callers: usize) -> Result<(), Any> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("bench.db"))?;
    let (watch, _deaths) = deathwatch();
    let (stop, stopped) = crossbeam_channel::bounded(1);
    let config = leases::Config {
        workers: u32::try_from(callers)?,
        broker: Broker { host: "127.0.0.1".into(), port: server.mqtt.port(), login: None },
        block_interval: Duration::from_secs(3600),
        gpu_count: 1,
        api_port: None,
        heartbeat_interval: Duration::from_secs(5),
        tokens: HashMap::new(),
        seed: Some(1),
    };
    let workers = spawn("workers", &watch, move || Ok(leases::run(config, Clock::system(), stopped)?))?;
    let mut connection = Connection::open(server.api)?;
    await_workers(&mut connection, callers)?;
    connection.post("/api/accounts/consumer-1/deposit", &json!({"amount": 1_000_000}))?;
    let (before, cpu_before) = (counts(&mut connection)?, server.cpu_seconds()?);
    let began = Instant::now();
    let (done, results) = crossbeam_channel::bounded(callers);
    for caller in 0..callers {
        let (done, api) = (done.clone(), server.api);
        spawn("caller", &watch, move || Ok(done.send(cycle(api, caller, began)?)?))?;
    }
    let mut latencies = Vec::new();
    for _ in 0..callers {
        latencies.extend(results.recv_timeout(CYCLE_TIME * 4)?);
    }
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    let settled = counts(&mut connection)? - before;
    let cpu_micros = (server.cpu_seconds()? - cpu_before) * 1e6 / latencies.len() as f64;
    println!(
        "cycles, {callers} callers: {rate:.0} per s, p50 {:.2} ms, p99 {:.2} ms, {cpu_micros:.0} µs of the server's \
         CPU each; {} made, {settled} settled",
        percentile(&mut latencies, 0.5),
        percentile(&mut latencies, 0.99),
        latencies.len()
    );
    drop(stop);
    let _ = workers.join();
    Ok(())
}

fn await_workers(connection: &mut Connection, count: usize) -> Result<(), Any> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        let workers: Value = serde_json::from_slice(&connection.get("/api/workers")?.1)?;
        let available = workers.as_array().ok_or("no list")?.iter().filter(|w| w["state"] == "AVAILABLE");
        if available.count() >= count {
            return Ok(());
        }
    }
    Err("the workers did not come".into())
}

fn counts(connection: &mut Connection) -> Result<i64, Any> {
    let status: Value = serde_json::from_slice(&connection.get("/api/status")?.1)?;
    Ok(status["total_settlements"].as_i64().ok_or("no count")?)
}

fn cycle(api: SocketAddr, caller: usize, began: Instant) -> Result<Vec<f64>, Any> {
    let mut connection = Connection::open(api)?;
    let worker: WorkerId = format!("sim-worker-{:03}", caller + 1).parse()?;
    let rent = json!({"consumer_id": "consumer-1", "worker_id": worker, "duration_sec": 60});
    let mut latencies = Vec::new();
    while began.elapsed() < CYCLE_TIME {
        let started = Instant::now();
        let rented = connection.post("/api/rent", &rent)?;
        let stopped = connection.post("/api/stop", &json!({"lease_id": rented["lease_id"]}))?;
        if stopped["settlement"]["total_cost"].is_null() {
            return Err(format!("not settled: {stopped}").into());
        }
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// Each page, by 16 connections that ask again as soon as they are answered.
fn pages() -> Result<(), Any> {
    let folder = tempfile::tempdir()?;
    let db = folder.path().join("bench.db");
    let sizes = ["--workers", "1000", "--blocks", "50000", "--leases", "5000", "--addresses", "100"];
    let seeded = Command::new(program()).arg("seed").args(sizes).arg("--db").arg(&db).status()?;
    if !seeded.success() {
        return Err("seed failed".into());
    }
    let server = Server::start(&db)?;
    println!("{:>9} {:>8} {:>8} {:>9}  page", "per s", "p50 ms", "p99 ms", "bytes");
    for page in PAGES {
        measure(server.api, page)?;
    }
    Ok(())
}

fn measure(api: SocketAddr, page: &'static str) -> Result<(), Any> {
    let (watch, _deaths) = deathwatch();
    let (done, results) = crossbeam_channel::bounded(PAGE_CONNECTIONS);
    let began = Instant::now();
    for _ in 0..PAGE_CONNECTIONS {
        let done = done.clone();
        spawn("reader", &watch, move || {
            let mut connection = Connection::open(api)?;
            let mut latencies = Vec::with_capacity(PAGE_REQUESTS);
            let mut bytes = 0;
            for _ in 0..PAGE_REQUESTS {
                let started = Instant::now();
                let (status, body) = connection.get(page)?;
                if status != 200 {
                    return Err(format!("{page}: {status}").into());
                }
                bytes = body.len();
                latencies.push(started.elapsed().as_secs_f64() * 1e3);
            }
            Ok(done.send((latencies, bytes))?)
        })?;
    }
    let (mut latencies, mut bytes) = (Vec::new(), 0);
    for _ in 0..PAGE_CONNECTIONS {
        let (more, size) = results.recv_timeout(Duration::from_secs(120))?;
        latencies.extend(more);
        bytes = size;
    }
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    let (p50, p99) = (percentile(&mut latencies, 0.5), percentile(&mut latencies, 0.99));
    println!("{rate:>9.0} {p50:>8.2} {p99:>8.2} {bytes:>9}  {page}");
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the list")]
fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_xenblocks")
}

/// The real program on free ports.
struct Server {
    process: Child,
    api: SocketAddr,
    mqtt: SocketAddr,
}

impl Server {
    fn start(db: &Path) -> Result<Self, Any> {
        let mut process = Command::new(program())
            .args(["server", "--mqtt-port", "0", "--api-port", "0", "--log", "warn", "--db-path"])
            .arg(db)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let ports: Value = serde_json::from_str(&line)?;
        let addr =
            |name: &str| -> Result<SocketAddr, Any> { Ok(format!("127.0.0.1:{}", ports[name]).parse()?) };
        Ok(Server { api: addr("api_port")?, mqtt: addr("mqtt_port")?, process })
    }

    /// User and system time so far, seconds.
    fn cpu_seconds(&self) -> Result<f64, Any> {
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after_name = stat.rsplit(')').next().ok_or("no stat")?;
        let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.collect::<Result<Vec<_>, _>>()?.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    fn resident_mib(&self) -> Result<u64, Any> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
        Ok(kib / 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A keep-alive connection that does as little as it can, for it shares the cores with the server.
struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(addr: SocketAddr) -> Result<Self, Any> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(Connection { reader: BufReader::with_capacity(64 * 1024, stream) })
    }

    fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), Any> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value, Any> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.reader.get_mut().write_all((head + &body).as_bytes())?;
        let (status, body) = self.answer()?;
        let value: Value = serde_json::from_slice(&body)?;
        if status == 200 { Ok(value) } else { Err(format!("{path}: {status} {value}").into()) }
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>), Any> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse()?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok((status, body))
    }
}
