//! One call to the disk fails, the first in one round, the second in the next, until a round needs no
//! more calls: wherever it strikes, what was answered is stored, and the rest can be asked for again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::api::{Api, Reply};
use crate::support::await_until;
use crate::support::house::{RENTER, assert_books_in_order, millionths};
use crate::support::rig::Rig;
use crate::support::server::{Server, folder, program};

const EIO: u64 = 5;
const ENOSPC: u64 = 28;
/// More calls than any round makes.
const CALLS_MAX: u64 = 500;

/// What `disk.c` is told, and tells.
struct Disk(File);

impl Disk {
    fn fail_at(&self, call: u64, error: u64) {
        let numbers = [0, call, error].map(u64::to_le_bytes).concat();
        self.0.write_all_at(&numbers, 0).unwrap();
    }

    fn calls(&self) -> u64 {
        let mut number = [0; 8];
        self.0.read_exact_at(&mut number, 0).unwrap();
        u64::from_le_bytes(number)
    }
}

fn start(folder: &Path, db: &Path) -> (Server, Disk) {
    let (library, control) = (folder.join("disk.so"), folder.join("disk.control"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/disk.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.unwrap().success());
    let disk = Disk(File::options().create_new(true).read(true).write(true).open(&control).unwrap());
    disk.fail_at(0, 0);
    let mut command =
        program(&["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path"]);
    command.arg(db).env("LD_PRELOAD", library).env("DISK_CONTROL", control);
    (Server::spawn_program(command), disk)
}

/// Asks until it is stored: an answer of 503 says that it is not.
fn insist(api: &Api, path: &str, body: &Value) -> Reply {
    let mut reply = api.post(path, body);
    if reply.status == 503 {
        await_until("a server that is ready again", || api.get("/ready").status == 200);
        reply = api.post(path, body);
    }
    reply
}

fn active_lease(api: &Api) -> Value {
    api.get("/api/leases?state=active").ok()["items"][0]["lease_id"].clone()
}

#[test]
fn each_call_to_the_disk_may_fail_and_nothing_acknowledged_is_lost() {
    for error in [EIO, ENOSPC] {
        let (folder, db) = folder();
        let (mut server, disk) = start(folder.path(), &db);
        let api = server.api.clone();
        let mut rig = Rig::join(server.mqtt, "rig-1");
        let balance = || millionths(&api.get(&format!("/api/accounts/{RENTER}/balance")).ok()["balance"]);
        let mut expected = balance();
        let mut struck = 0;
        for call in 1..CALLS_MAX {
            disk.fail_at(call, error);
            let keyed = api.with("Idempotency-Key", format!("deposit-of-round-{call}"));
            insist(&keyed, &format!("/api/accounts/{RENTER}/deposit"), &json!({"amount": 3})).ok();
            let rent = json!({"consumer_id": RENTER, "worker_id": rig.id, "duration_sec": 60});
            let lease = match insist(&api, "/api/rent", &rent) {
                reply if reply.status == 200 => reply.ok()["lease_id"].clone(),
                // Stored, and not said so.
                _ => active_lease(&api),
            };
            rig.command("assign_task");
            let stopped = insist(&api, "/api/stop", &json!({ "lease_id": lease })).ok();
            let reached = disk.calls() >= call;
            disk.fail_at(0, 0);
            expected += 3_000_000;
            let cost = millionths(
                &api.get(&format!("/api/leases/{}", lease.as_str().unwrap())).ok()["settlement"]["total_cost"],
            );
            expected -= cost;
            assert!(stopped["settlement"]["total_cost"].is_number(), "{stopped}");
            // The page shows four decimals, the books have six.
            assert!((balance() - expected).abs() <= 50, "round {call}: {} and not {expected}", balance());
            expected = balance();
            struck += u64::from(reached);
            if !reached {
                break;
            }
        }
        println!("error {error}: {struck} calls failed, each in a round of its own");
        assert!((5..CALLS_MAX - 1).contains(&struck), "{struck}");
        server.kill();
        let server = Server::spawn(&db);
        let stored = server.api.get(&format!("/api/accounts/{RENTER}/balance")).ok();
        assert_eq!(millionths(&stored["balance"]), expected);
        assert_books_in_order(&db);
    }
}
