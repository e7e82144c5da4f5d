//! The real program: how it starts, refuses, answers and stops.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::api::Api;
use support::house::{RENTER, assert_books_in_order};
use support::rig::Rig;
use support::server::{Server, folder, program, run};
use support::{Ends, await_some};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ADDRESS: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

/// Exit code 1, nothing on stdout, and one line on stderr that says these things.
fn assert_one_line(output: &Output, says: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("xenblocks: "), "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "{stderr:?} does not say {part:?}");
    }
}

fn server_on(db: &Path, further: &[&str]) -> Output {
    let arguments = ["server", "--mqtt-port", "0", "--api-port", "0", "--db-path", db.to_str().unwrap()];
    run(&[&arguments, further].concat())
}

#[test]
fn every_command_explains_itself() {
    let help = run(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert_eq!(help.status.code(), Some(0));
    let listed = text.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<&str> =
        listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).collect();
    let commands: Vec<&str> = commands.iter().filter_map(|line| line.split_whitespace().next()).collect();
    for expected in ["server", "play", "demo", "worker", "simulate", "fleet", "hash", "verify"] {
        assert!(commands.contains(&expected), "{commands:?}");
    }
    for command in commands.into_iter().filter(|command| *command != "help") {
        let output = run(&[command, "--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(text.contains(&format!("Usage: xenblocks {command}")), "{text}");
    }
    for (command, says) in [
        ("audit", "The database file to check"),
        ("backup", "The database file to copy"),
        ("restore", "The database file that the backup takes the place of"),
        ("seed", "Workers, 1 to 10000"),
        ("simulate", "in seconds [env: XENBLOCKS_BLOCK_INTERVAL=] [default: 3]"),
        ("fleet", "--api-port <PORT>"),
        ("worker", "--difficulty is needed"),
    ] {
        let text = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{command}: {text}");
    }
    let version = run(&["--version"]);
    let expected = concat!("xenblocks ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
}

#[test]
fn a_log_level_that_is_none_is_said() {
    for filter in ["verbose", "info,xenblocks::broker=loud", ""] {
        let output = run(&["hash", "--log", filter, "--key", KEY, "--address", ADDRESS, "--difficulty", "8"]);
        assert_one_line(&output, &["--log", "is no level"]);
    }
}

#[test]
fn a_worker_that_nobody_tells_the_difficulty_says_which_flags_do() {
    let output = run(&["worker", "--miner-addr", ADDRESS, "--backend", "simulated", "--http-port", "0"]);
    assert_one_line(&output, &["--rpc-link", "--difficulty KIB"]);
}

#[test]
fn after_a_clean_stop_the_database_is_one_file() {
    let (folder, db) = folder();
    let mut server = Server::spawn(&db);
    server.api.post("/api/accounts/consumer-1/deposit", &json!({"amount": 5})).ok();
    assert_eq!(server.stop("TERM").code(), Some(0));
    let copy = folder.path().join("copy.db");
    std::fs::copy(&db, &copy).unwrap();
    let again = Server::spawn(&copy);
    assert_eq!(again.api.get("/api/accounts/consumer-1/balance").ok()["balance"], 1005.0);
}

#[test]
fn a_wrong_flag_is_exit_code_2() {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["server", "--no-such-flag"],
        &["server", "--mqtt-port", "70000"],
        &["server", "--bind", "nowhere"],
        &["hash", "--key", "12", "--address", "0x12", "--difficulty", "8"],
        &["simulate", "--block-interval", "NaN"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_server_for_nobody_is_a_usage_error() {
    for flag in ["--mqtt-connections-max", "--http-connections-max"] {
        for number in ["0", "-1", "18446744073709551615"] {
            let output = run(&["server", &format!("{flag}={number}")]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{stderr}");
            let first = stderr.lines().next().unwrap_or_default();
            assert!(first.contains(&format!("invalid value '{number}' for '{flag} <N>'")), "{stderr}");
        }
    }
}

#[test]
fn fault_46_a_taken_port_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--mqtt-port", "--api-port"] {
        let (_folder, db) = folder();
        let mut arguments = vec!["server", "--db-path", db.to_str().unwrap()];
        let other = if flag == "--mqtt-port" { "--api-port" } else { "--mqtt-port" };
        arguments.extend([flag, &port, other, "0"]);
        let expected = format!("{flag}: 127.0.0.1:{port} is already taken by another program\n");
        assert_one_line(&run(&arguments), &[&expected]);
    }
}

#[test]
fn a_database_that_is_none_is_one_line_and_exit_code_1() {
    let (folder, db) = folder();
    std::fs::write(&db, "this is no database at all, not even nearly, however long it goes on and on")
        .unwrap();
    assert_one_line(&server_on(&db, &[]), &["cannot open the database", "market.db"]);
    assert_one_line(&server_on(folder.path(), &[]), &["cannot open"]);
    assert_one_line(&server_on(Path::new("/dev/null/market.db"), &[]), &["cannot open"]);
}

#[test]
fn a_newer_database_and_a_prototypes_are_one_line_and_exit_code_1() {
    let (folder, db) = folder();
    drop(xenblocks::store::Database::open(&db).unwrap());
    rusqlite::Connection::open(&db).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    assert_one_line(&server_on(&db, &[]), &["schema version 9999", "upgrade xenblocks"]);

    let prototype = folder.path().join("prototype.db");
    let schema = "CREATE TABLE schema_version (version INTEGER); INSERT INTO schema_version VALUES (11);
        CREATE TABLE accounts (account_id TEXT PRIMARY KEY, role TEXT, balance REAL)";
    rusqlite::Connection::open(&prototype).unwrap().execute_batch(schema).unwrap();
    assert_one_line(&server_on(&prototype, &[]), &["xenblocks import", "prototype.db"]);
}

#[test]
fn open_mode_is_refused_off_loopback() {
    let (_folder, db) = folder();
    assert_one_line(&server_on(&db, &["--bind", "0.0.0.0", "--auth", "open"]), &["--auth required"]);
}

#[test]
fn two_servers_on_one_database_are_refused() {
    let (_folder, db) = folder();
    let mut server = Server::spawn(&db);
    assert_one_line(&server_on(&db, &[]), &["in use", "--db-path"]);
    assert_eq!(server.api.get("/api/status").status, 200);
    assert_eq!(server.stop("TERM").code(), Some(0));
    let mut again = Server::spawn(&db);
    assert_eq!(again.stop("INT").code(), Some(0));
}

/// Vectors of the network: key, address, difficulty, tag.
const VECTORS: &[(&str, &str, &str, &str)] = &[
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0x24691E54aFafe2416a8252097C9Ca67557271475",
        "8",
        "Y0gfN0WEiayjGyeVO7l2QFWLXaiP+tYWGC1fcfUFW3neEXPl2bb/eYotFdYww5DQTNRSLwIkjnYigotqUqF16Q",
    ),
    (
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "0x24691E54aFafe2416a8252097C9Ca67557271475",
        "100",
        "hgdCBNBdDID2GilEh8YFR7GhvDSoibhCxqgTkrtOgjlYy2MkbrcHurOiLva2kINqggB7AtssXR8jlAVXw8ox1w",
    ),
    (
        "a1b2c3d4e5f60718000000000000000000000000000000000000000000000000",
        "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD",
        "1727",
        "3WHMSFgDUPlK0kYA8H+GAtYdAu65wTSSepWd0Q3y05tLVyQ6z96Njg7bBKXt1QyH/415wzJ6cPrKW8cc07BQbQ",
    ),
    (
        "ffffffff24691e54afafe2416a8252097c9ca675572714750123456789abcdef",
        "0x24691E54aFafe2416a8252097C9Ca67557271475",
        "4096",
        "txJe7QEnopNyK3J1gOcNFFh83tV24FLWi8OrLYdpm+fEZ8WTvZfBGDybd8sGKSJtYMvlPuf5wMBOb17BKDezDg",
    ),
];

/// A real block of the network, mined with the old salt.
const OLD_BLOCK: (&str, &str) = (
    "8352e490f6927d1cff31392d8be7b909a68fb567118b8d8e38aaa9ef8ade4c548734cdc01a109afb5ffc5d4b32ae97be5d07f10e0998a1bf42f5b4e8407b49b5",
    "$argon2id$v=19$m=1827,t=1,p=1$WEVOMTAwODIwMjJYRU4$Z5K2z48kj4Rwp2SXEN11JRaqRGjr+bbdolMmiXnZnpXMpcNPpfIeO1fqOCHlwozBzUEdArHUGmra+29xJwJnug",
);

#[test]
fn hash_and_verify_know_the_networks_vectors() {
    for (key, address, difficulty, tag) in VECTORS {
        let output = run(&["hash", "--key", key, "--address", address, "--difficulty", difficulty]);
        let phc = String::from_utf8(output.stdout).unwrap();
        let phc = phc.trim_end();
        assert!(phc.starts_with(&format!("$argon2id$v=19$m={difficulty},t=1,p=1$")), "{phc}");
        assert!(phc.ends_with(&format!("${tag}")), "{phc}");
        let verified = run(&["verify", phc, "--key", key]);
        assert_eq!((verified.status.code(), &verified.stdout[..]), (Some(0), &b"ok\n"[..]));
    }
    let (key, hash) = OLD_BLOCK;
    assert_eq!(run(&["verify", hash, "--key", key]).status.code(), Some(0));
    let other = format!("9{}", &key[1..]);
    assert_one_line(&run(&["verify", hash, "--key", &other]), &["not of this key"]);
}

/// Clients that keep renting, stopping, reporting and watching until the server is gone.
fn under_load(api: &Api, mqtt: SocketAddr, stop: impl FnOnce()) {
    let going = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (api, going) = (api.clone(), &going);
            scope.spawn(move || {
                let worker = format!("rig-{number}");
                let mut rig = Rig::join(mqtt, &worker);
                let rent =
                    json!({"consumer_id": RENTER, "worker_id": worker, "duration_sec": 60}).to_string();
                while going.load(Ordering::Relaxed) {
                    let Ok(lease) = api.try_send("POST", "/api/rent", Some(&rent)) else { return };
                    let beat = rig.beat(5.0);
                    if !rig.try_say("heartbeat", &beat) {
                        return;
                    }
                    let lease = json!({"lease_id": lease.body["lease_id"]}).to_string();
                    if api.try_send("POST", "/api/stop", Some(&lease)).is_err() {
                        return;
                    }
                }
            });
        }
        // Also when an assertion fails: the clients must not keep the test from ending.
        let _end = Ends(&going);
        await_some("the load", || {
            let settled = api.get("/api/status").ok()["total_settlements"].as_i64()?;
            (settled > 20).then_some(())
        });
        stop();
    });
}

fn assert_stops_under_load(signal: &str) {
    let (_folder, db) = folder();
    let mut server = Server::spawn(&db);
    // Clients that say nothing, in the middle of a request, or never read, hold nobody up.
    let mut idle: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(server.http).unwrap()).collect();
    idle.extend((0..4).map(|_| TcpStream::connect(server.mqtt).unwrap()));
    idle[0].write_all(b"POST /api/rent HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{").unwrap();
    idle[1].write_all(b"GET /api/workers HTTP/1.1\r\nHo").unwrap();
    let (api, mqtt) = (server.api.clone(), server.mqtt);
    under_load(&api, mqtt, || assert_eq!(server.stop(signal).code(), Some(0)));
    assert_books_in_order(&db);
}

#[test]
fn sigterm_under_load_is_exit_code_0_in_time() {
    assert_stops_under_load("TERM");
}

#[test]
fn fault_46_sigint_under_load_is_exit_code_0_in_time() {
    assert_stops_under_load("INT");
}

#[test]
fn play_mines_real_blocks_and_ctrl_c_stops_all_of_it() {
    let (_folder, db) = folder();
    let mut play = Server::spawn_command(
        "play",
        &db,
        &["--workers", "3", "--log", "off", "--block-marker", "XE", "--difficulty", "8"],
    );
    let api = play.api.clone();
    let block = await_some("a verified block of cpu-worker-1", || {
        let blocks = api.get("/api/blocks/self-mined?worker_id=cpu-worker-1").ok();
        let blocks = blocks["items"].as_array()?.clone();
        blocks.into_iter().find(|block| block["chain_verified"] == true)
    });
    assert!(block["hash"].as_str().unwrap().starts_with("$argon2id$v=19$m="), "{block}");
    assert_eq!(play.stop("INT").code(), Some(0));
    assert_books_in_order(&db);
}

#[test]
fn fault_53_the_demo_adds_up_and_leaves_nothing_behind() {
    let (folder, _) = folder();
    let output = program(&["demo", "--log", "off"]).env("TMPDIR", folder.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for part in ["rent ", "settlement ", "violations in the audit of the books: 0", "Every number adds up."] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_miners_token_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, _) = folder();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let state = folder.path().join("state");
    let paths = [&token, &state].map(|path| path.to_str().unwrap());
    let arguments = ["worker", "--miner-addr", ADDRESS, "--worker-id", "rig-1", "--http-port", "0"];
    let files = ["--mqtt-password-file", paths[0], "--state-dir", paths[1]];
    assert_one_line(&run(&[&arguments[..], &files].concat()), &["is open to others", "chmod 600"]);
}
