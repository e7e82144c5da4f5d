//! A disk that fails: full, with errors, with flushes that fail, with writes cut short. The faults come
//! from libfiu, which stands between the program and the C library (Debian: `fiu-utils`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU64;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::clients::{DEPOSITORS, RIGS, check, open_accounts, under_load};
use crate::support::await_until;
use crate::support::house::assert_books_in_order;
use crate::support::rig::Rig;
use crate::support::server::{Server, folder, program, run};

const ROUNDS: usize = 8;
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

/// A server whose calls of the C library can be made to fail.
struct Frail {
    server: Server,
    control: PathBuf,
}

impl Frail {
    fn spawn(db: &Path) -> Self {
        let control = db.with_extension("fiu");
        let plain = program(&["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path"]);
        let mut command = Command::new("fiu-run");
        command.args(["-x", "-f"]).arg(&control).arg(plain.get_program()).args(plain.get_args()).arg(db);
        for (name, value) in plain.get_envs() {
            assert!(value.is_none(), "only removed");
            command.env_remove(name);
        }
        Frail { server: Server::spawn_program(command), control }
    }

    fn control(&self, what: &str) {
        let mut control = Command::new("fiu-ctrl");
        control.args(["-c", what, "-f"]).arg(&self.control).arg(self.server.pid().to_string());
        assert!(control.status().unwrap().success(), "{what}");
    }
}

fn can_fail() -> bool {
    let can = Command::new("fiu-run").arg("-h").output().is_ok();
    if !can {
        println!("skipped: fiu-run is not installed (Debian: apt-get install fiu-utils)");
    }
    can
}

/// Under load the call `name` fails now and then; whoever was answered has what was answered, whoever was
/// not may ask again, and when the disk is well again so is the server, without a restart.
fn survives(name: &str, probability: f64, errno: u32) {
    if !can_fail() {
        return;
    }
    let (_folder, db) = folder();
    let mut expected: HashMap<String, i64> = HashMap::new();
    let keys = AtomicU64::new(1);
    let mut frail = Frail::spawn(&db);
    let (api, mqtt) = (frail.server.api.clone(), frail.server.mqtt);
    open_accounts(&api, &mut expected);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let seeds: Vec<u64> = (0..RIGS + DEPOSITORS).map(|_| random.next_u64()).collect();
        let rigs = (0..RIGS).map(|number| Rig::join(mqtt, &format!("rig-{number}"))).collect();
        frail.control(&format!("enable_random name={name},probability={probability},failinfo={errno}"));
        // Each client works until it is told that nothing could be stored.
        let told = under_load(&api, mqtt, rigs, &seeds, &keys, || ());
        frail.control(&format!("disable name={name}"));
        await_until("a server that is ready again", || api.get("/ready").status == 200);
        refused += told.iter().filter(|told| told.in_doubt.is_some()).count();
        check(&db, &api, &told, &mut expected);
    }
    assert_eq!(refused, ROUNDS * DEPOSITORS, "each depositor met the fault each time");
    frail.server.kill();
    let mut server = Server::spawn(&db);
    check(&db, &server.api, &[], &mut expected);
    assert_books_in_order(&db);
    assert_eq!(server.stop("TERM").code(), Some(0));
    let audit = run(&["audit", "--db-path", db.to_str().unwrap()]);
    assert_eq!(audit.status.code(), Some(0), "{}", String::from_utf8_lossy(&audit.stdout));
}

/// Nobody stores anything meanwhile: it is the question that finds it out.
#[test]
fn ready_says_that_nothing_can_be_stored_and_when_it_can_again() {
    if !can_fail() {
        return;
    }
    let (_folder, db) = folder();
    let frail = Frail::spawn(&db);
    let api = &frail.server.api;
    for (errno, says) in [(ENOSPC, "full"), (EIO, "I/O")] {
        assert_eq!(api.get("/ready").status, 200);
        frail.control(&format!("enable name=posix/io/rw/pwrite,failinfo={errno}"));
        let mut said = Value::Null;
        await_until("the answer that the disk does not take it", || {
            let ready = api.get("/ready");
            let refused = ready.status == 503;
            said = ready.body;
            refused
        });
        assert_eq!(said["checks"], json!({"store": "ok", "disk": "failed", "broker": "ok"}));
        assert!(said["reason"].as_str().unwrap().contains(says), "{said}");
        frail.control("disable name=posix/io/rw/pwrite");
        await_until("a server that is ready again", || api.get("/ready").status == 200);
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    survives("posix/io/rw/pwrite", 0.004, ENOSPC);
}

#[test]
fn a_disk_with_errors_loses_nothing_that_was_acknowledged() {
    survives("posix/io/rw/pwrite", 0.004, EIO);
}

#[test]
fn flushes_that_fail_lose_nothing_that_was_acknowledged() {
    survives("posix/io/sync/*", 0.1, EIO);
}
