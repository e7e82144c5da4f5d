//! What strangers who want harm do to others: users keep asking at their own pace while the server is
//! attacked in each of the ways below; printed is what the slowest hundredth of the users' answers takes
//! against the seconds before. `cargo bench --bench overload [-- NAME…]`, or `make overload`.

#[path = "overload/attacks.rs"]
mod attacks;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "overload/users.rs"]
mod users;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::api::Api;
use support::server::{Server, folder, program, run};
use users::{Seen, Users};
use xenblocks::base::thread::{Deathwatch, deathwatch, spawn};

type Any = Box<dyn Error + Send + Sync>;

const ADMIN_KEY: &str = "an-administrators-key-of-the-benchmark";
/// Before each attack, to compare with.
const QUIET_TIME: Duration = Duration::from_secs(10);
const ATTACK_TIME: Duration = Duration::from_secs(15);
const OVERLOAD_TIME: Duration = Duration::from_secs(60);
/// In which the users must be served as before.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(10);
/// The slowest hundredth may take so many times what it took before.
const RATIO_MAX: f64 = 2.0;
/// Below this a p99 is the machine's scheduler, ms: ratios of less say nothing.
const FLOOR_MILLIS: f64 = 1.0;

/// What is attacked, all that an attack needs to know.
#[derive(Clone)]
struct Target {
    server: std::net::SocketAddr,
    mqtt: std::net::SocketAddr,
    api: Api,
    running: Arc<AtomicBool>,
}

fn main() -> Result<(), Any> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (watch, deaths) = deathwatch();
    let (folder, db) = folder();
    let mut server = start(folder.path(), &db);
    let users = Users::start(&server, &watch)?;
    println!(
        "{:<44} {:>9} {:>9} {:>7} {:>8} {:>10} {:>8}",
        "", "p99 quiet", "p99", "ratio", "failed", "well after", "MiB"
    );
    for (name, time, attack) in attacks::ALL {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            measure(name, *time, *attack, &server, &users, &watch)?;
        }
    }
    if let Ok(death) = deaths.try_recv() {
        return Err(format!("{death:?}").into());
    }
    let (acknowledged, balance) = users.stop_and_count()?;
    println!("acknowledged deposits: {acknowledged}, in the books: {balance}");
    assert!(acknowledged <= balance, "something acknowledged is lost");
    assert_eq!(server.stop("TERM").code(), Some(0));
    let audit = run(&["audit", "--db-path", db.to_str().ok_or("a path")?]);
    println!("audit: {}", String::from_utf8_lossy(&audit.stdout).lines().last().unwrap_or_default());
    assert!(audit.status.success());
    Ok(())
}

fn start(folder: &Path, db: &Path) -> Server {
    let key_file = folder.join("admin.key");
    std::fs::write(&key_file, ADMIN_KEY).expect("a temporary file");
    let mut restrict = std::process::Command::new("chmod");
    assert!(restrict.arg("600").arg(&key_file).status().is_ok_and(|status| status.success()));
    let mut command =
        program(&["server", "--auth", "required", "--mqtt-port", "0", "--api-port", "0", "--log", "off"]);
    command.arg("--db-path").arg(db).arg("--admin-key-file").arg(key_file);
    Server::spawn_program(command)
}

fn measure(
    name: &str,
    time: Duration,
    attack: attacks::Attack,
    server: &Server,
    users: &Users,
    watch: &Deathwatch,
) -> Result<(), Any> {
    users.take();
    std::thread::sleep(QUIET_TIME);
    let quiet = users.take();
    let running = Arc::new(AtomicBool::new(true));
    let target = Target {
        server: server.http,
        mqtt: server.mqtt,
        api: server.api.with_key(ADMIN_KEY),
        running: running.clone(),
    };
    let (said, told) = crossbeam_channel::bounded(1);
    let attacker: JoinHandle<()> = spawn("attacker", watch, move || Ok(said.send(attack(&target)?)?))?;
    std::thread::sleep(time);
    let under_attack = users.take();
    let mib = resident_mib(server.pid())?;
    running.store(false, Ordering::Relaxed);
    let ended = Instant::now();
    let usual = quiet.p99().max(FLOOR_MILLIS);
    let well_after = loop {
        let looked = ended.elapsed();
        std::thread::sleep(Duration::from_millis(500));
        let seen = users.take();
        let is_well = seen.failed == 0 && !seen.is_empty() && seen.p99() <= RATIO_MAX * usual;
        if is_well || looked > RECOVERY_TIME_MAX {
            break looked;
        }
    };
    attacker.join().map_err(|_| "the attack failed")?;
    let Seen { failed, .. } = under_attack;
    let ratio = under_attack.p99() / usual;
    println!(
        "{name:<44} {:>6.2} ms {:>6.2} ms {ratio:>7.1} {failed:>8} {:>8.1} s {mib:>8}",
        quiet.p99(),
        under_attack.p99(),
        well_after.as_secs_f64()
    );
    println!("    {}", told.recv()?);
    Ok(())
}

fn resident_mib(pid: u32) -> Result<u64, Any> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
