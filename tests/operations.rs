//! What an operator relies on: the supervisor's protocol, logs for programs, `doctor`, and the files
//! under `deploy/`.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::PATIENCE;
use support::mqtt_client::{Connect, RawClient};
use support::rig::Rig;
use support::server::{Server, folder, program, run};
use xenblocks::auth::administrator::TEST_KEY;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

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

fn doctor(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(&[&["doctor"], arguments].concat());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn doctor_finds_a_fresh_machine_well() {
    let (_folder, db) = folder();
    let (code, said) = doctor(&server_arguments(&db)[1..]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!db.exists(), "it makes nothing");
    for subject in ["configuration", "secrets", "ports", "folder", "disk", "database"] {
        assert!(
            said.lines().any(|line| line.starts_with("ok") && line.contains(subject)),
            "{subject}: {said}"
        );
    }
}

#[test]
fn doctor_leaves_a_running_server_alone() {
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    let (mqtt, api) = (server.mqtt.port().to_string(), server.http.port().to_string());
    let path = db.to_str().unwrap();
    let (code, said) = doctor(&["--mqtt-port", &mqtt, "--api-port", &api, "--db-path", path]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("it runs already").count(), 2, "{said}");
    assert!(said.contains("every invariant holds"), "{said}");
}

#[test]
fn doctor_says_what_is_broken_and_what_to_do() {
    let (_folder, db) = folder();
    assert_eq!(Server::spawn(&db).stop("TERM").code(), Some(0));
    let sessions = db.with_extension("db.sessions.key");
    fs::set_permissions(&sessions, fs::Permissions::from_mode(0o644)).unwrap();
    let connection = rusqlite::Connection::open(&db).unwrap();
    connection
        .execute("UPDATE accounts SET balance = balance + 1 WHERE account_id = 'consumer-1'", [])
        .unwrap();
    connection.execute("UPDATE transactions SET created_at = created_at + 3600000000", []).unwrap();
    drop(connection);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = doctor(&["--mqtt-port", &port, "--api-port", "0", "--db-path", db.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    for (subject, advice) in [
        ("secrets", "chmod 600"),
        ("ports", "stop it or choose another port"),
        ("books", "restore the last backup"),
        ("clock", "set the clock"),
    ] {
        let found = said
            .lines()
            .any(|line| line.starts_with("FAIL") && line.contains(subject) && line.contains(advice));
        assert!(found, "{subject}: {said}");
    }
    let (code, said) = doctor(&["--auth", "open", "--bind", "0.0.0.0", "--db-path", "none.db"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--auth open is for loopback only"), "{said}");
}

/// The lines of a unit that set `name`.
fn settings<'a>(unit: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}

fn units() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(deploy()).unwrap().map(|entry| entry.unwrap().path());
    let units = files.filter(|path| path.extension().is_some_and(|ending| ending == "service"));
    units.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn units_name_commands_and_variables_that_exist() {
    let units = units();
    assert!(!units.is_empty());
    for (path, unit) in units {
        let start = settings(&unit, "ExecStart").next().unwrap();
        let command = start.split_whitespace().nth(1).unwrap();
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Usage: xenblocks"), "{}: {command}", path.display());
        for flag in start.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{}: {flag}", path.display());
        }
        for variable in settings(&unit, "Environment").filter_map(|setting| setting.split('=').next()) {
            assert!(help.contains(variable), "{}: {variable}", path.display());
        }
    }
}

#[test]
fn units_expose_little() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    assert!(version.status.success());
    for (path, _) in units() {
        // The threshold is in tenths: 1.5.
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=15"]).arg(&path);
        let output = analyze.output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_grafana_dashboard_asks_for_figures_that_there_are() {
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    let figures = ureq::get(format!("http://{}/metrics", server.http)).call().unwrap();
    let figures = figures.into_body().read_to_string().unwrap();
    let exported: BTreeSet<&str> =
        figures.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let dashboard = fs::read_to_string(deploy().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let words =
                target["expr"].as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            asked.extend(words.filter(|word| word.starts_with("xenblocks_")).map(str::to_owned));
        }
    }
    for name in &asked {
        assert!(exported.contains(name.as_str()), "{name} is not among {exported:?}");
    }
    let unseen: Vec<_> = exported.iter().filter(|name| !asked.contains(**name)).collect();
    assert_eq!(unseen, [&"xenblocks_build_info"], "figures that the dashboard leaves out");
}

/// nginx takes the site as it stands, with a certificate of ours.
#[test]
fn nginx_takes_the_site() {
    if Command::new("nginx").arg("-v").output().is_err() {
        println!("skipped: nginx is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=market.example"])
        .args(["-keyout", &format!("{here}/privkey.pem"), "-out", &format!("{here}/fullchain.pem")])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: openssl is not installed");
        return;
    }
    let site = fs::read_to_string(deploy().join("nginx.conf")).unwrap();
    let site = site
        .replace("/etc/letsencrypt/live/market.example", here)
        .replace("/var/cache/nginx", here)
        .replace("listen 80;", &format!("listen unix:{here}/plain;"))
        .replace("listen [::]:80;", "")
        .replace("listen 443", &format!("listen unix:{here}/tls"))
        .replace("listen [::]:443 ssl http2;", "");
    fs::write(folder.path().join("site.conf"), site).unwrap();
    let main = format!(
        "pid {here}/pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {here}; \
         proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; scgi_temp_path {here}; \
         include {here}/site.conf; }}"
    );
    fs::write(folder.path().join("nginx.conf"), main).unwrap();
    let tried =
        Command::new("nginx").args(["-t", "-q", "-c", &format!("{here}/nginx.conf")]).output().unwrap();
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
}
