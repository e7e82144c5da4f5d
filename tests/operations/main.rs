//! What an operator relies on: the supervisor's protocol, logs for programs, `doctor`, and the files
//! under `deploy/`.

mod deploy;
mod doctor;
mod secrets;
#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use serde_json::{Value, json};
use support::PATIENCE;
use support::mqtt_client::{Connect, RawClient};
use support::rig::Rig;
use support::server::{Server, folder, program};
use xenblocks::auth::administrator::TEST_KEY;

fn server_arguments(db: &Path) -> [&str; 7] {
    ["server", "--mqtt-port", "0", "--api-port", "0", "--db-path", db.to_str().unwrap()]
}

#[test]
fn the_supervisor_hears_that_the_server_is_ready_works_and_stops() {
    let (folder, db) = folder();
    let socket = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut message = [0; 512];
        let length = supervisor.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap().trim().to_owned()
    };
    let mut command = program(&server_arguments(&db));
    command.args(["--log", "off"]).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000");
    let mut server = Server::spawn_program(command);
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    assert_eq!(hear(), "WATCHDOG=1");
    server.signal("TERM");
    let mut last = hear();
    while last == "WATCHDOG=1" {
        last = hear();
    }
    assert_eq!(last, "STOPPING=1");
    assert!(server.stop("TERM").code().is_some());
}

#[test]
fn logs_for_programs_are_an_object_a_line() {
    let (folder, db) = folder();
    let log = folder.path().join("log");
    let mut command = program(&server_arguments(&db));
    command.args(["--log", "debug", "--log-format", "json"]).stderr(File::create(&log).unwrap());
    assert_eq!(Server::spawn_program(command).stop("TERM").code(), Some(0));
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "stopped" && line["level"] == "info"), "{text}");
    for line in lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-11-21T05:00:00.000Z".len(), "{time}");
        assert!(line["module"].as_str().unwrap().contains("::"), "{line}");
    }
}

/// What the server logged at `info` while `work` was done with it.
fn log_of(work: impl FnOnce(&Server)) -> String {
    let (folder, db) = folder();
    let log = folder.path().join("log");
    let mut command = program(&server_arguments(&db));
    command.stderr(File::create(&log).unwrap());
    let mut server = Server::spawn_program(command);
    work(&server);
    assert_eq!(server.stop("TERM").code(), Some(0));
    fs::read_to_string(log).unwrap()
}

#[test]
fn fault_42_a_command_that_nobody_hears_names_no_other_client() {
    let log = log_of(|server| {
        let spectators: Vec<RawClient> = (0..20)
            .map(|number| RawClient::connect(server.mqtt, &Connect::new(&format!("spectator-{number}"))))
            .collect();
        drop(Rig::join(server.mqtt, "rig-1"));
        let order = json!({"action": "pause"});
        let sent = server.api.with_key(TEST_KEY).post("/api/workers/rig-1/control", &order).ok();
        assert_eq!(sent["delivered"], false);
        drop(spectators);
    });
    assert!(!log.contains("spectator"), "{log}");
}

#[test]
fn fault_47_the_live_feed_needs_nothing_beside_the_program() {
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    let (mut feed, answer) = tungstenite::connect(format!("ws://{}/ws/dashboard", server.http)).unwrap();
    assert_eq!(answer.status().as_u16(), 101);
    let frame: Value = serde_json::from_str(feed.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(frame["type"], "snapshot");
}

#[test]
fn fault_48_it_listens_on_this_machine_alone_unless_told() {
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    for port in [server.http.port(), server.mqtt.port()] {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "{port} is open beyond 127.0.0.1");
    }
    let large = "x".repeat(100_000);
    assert_eq!(server.api.send("POST", "/api/rent", Some(&large)).status, 413);
}

#[test]
fn fault_56_what_happens_often_is_not_logged() {
    let log = log_of(|server| {
        let mut rig = Rig::join(server.mqtt, "rig-1");
        for _ in 0..50 {
            rig.heartbeat(1000.0);
            server.api.get("/api/workers").ok();
        }
    });
    assert!(log.lines().count() < 15, "{log}");
    assert!(!log.contains("/api/workers") && !log.contains("heartbeat"), "{log}");
}
