//! `xenblocks doctor`: what is well, and each kind of what is not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::server_arguments;
use crate::support::server::{Server, folder, run};

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
    assert!(said.contains("is held by the marketplace that answers"), "{said}");
    assert!(said.contains("every invariant holds"), "{said}");
}

#[test]
fn doctor_tells_the_server_of_this_database_from_another() {
    let (folder, db) = folder();
    let server = Server::spawn(&db);
    let (mqtt, api) = (server.mqtt.port().to_string(), server.http.port().to_string());
    let path = db.to_str().unwrap();
    let ports = format!("--api-port {api}, --mqtt-port {mqtt}");
    let failing = |arguments: &[&str], says: &[&str]| {
        let (code, said) = doctor(arguments);
        let fails: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(code == Some(1) && fails.len() == says.len(), "{said}");
        for (line, says) in fails.iter().zip(says) {
            assert!(line.contains(says), "{says:?}: {said}");
        }
    };
    // Its ports, another database.
    let other = folder.path().join("other.db");
    let another = "by a XenBlocks server with another database: choose another port";
    failing(&["--mqtt-port", &mqtt, "--api-port", &api, "--db-path", other.to_str().unwrap()], &[another; 2]);
    // Free ports, its database.
    let held = format!("is held by a XenBlocks server (pid {}, {ports}): stop it, or choose", server.pid());
    failing(&["--mqtt-port", "0", "--api-port", "0", "--db-path", path], &[&held]);
    // Its database and one of its ports.
    let elsewhere = format!("by the server of this database (pid {}, {ports}): give its flags", server.pid());
    failing(&["--mqtt-port", &mqtt, "--api-port", "0", "--db-path", path], &[&elsewhere, &held]);
    // Held by what is no server.
    drop(server);
    let _held = xenblocks::store::Database::open(&db).unwrap();
    let says = "is held by another xenblocks process: stop it";
    failing(&["--mqtt-port", "0", "--api-port", "0", "--db-path", path], &[says]);
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

/// What is wrong, the words for it, and the flags that bring it about: the server refuses each, too.
#[test]
fn doctor_names_every_wrong_setting_and_the_server_refuses_it() {
    let (folder, db) = folder();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let short = file("short", "too-short", 0o600);
    let open = file("open", &"k".repeat(40), 0o644);
    let published = file("published", "admin-test-key-do-not-use-in-production", 0o600);
    let two = file("two", &format!("{0}\n{0}\n{0}", "s".repeat(40)), 0o600);
    let nothing = folder.path().join("nothing").to_str().unwrap().to_owned();
    let inside_a_file = format!("{short}/market.db");
    let database = ["--db-path", db.to_str().unwrap()];
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE accounts (id)").unwrap();
    let later = folder.path().join("later.db");
    assert_eq!(Server::spawn(&later).stop("TERM").code(), Some(0));
    rusqlite::Connection::open(&later).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let wrong: [(&str, &str, &[&str]); 18] = [
        ("configuration", "are both 5055", &["--api-port", "5055", "--mqtt-port", "5055"]),
        ("configuration", "loopback only", &["--bind", "0.0.0.0", "--auth", "open"]),
        ("configuration", "is no host", &["--sign-in-domain", "https://market.example/"]),
        ("configuration", "there is no folder", &["--static-dir", &nothing]),
        ("secrets", "too short", &["--auth", "required", "--jwt-secret", "short"]),
        ("secrets", "too short", &["--jwt-secret-file", &short]),
        ("secrets", "alone on its line", &["--jwt-secret-file", &two]),
        ("secrets", "chmod 600", &["--jwt-secret-file", &open]),
        ("secrets", "No such file", &["--jwt-secret-file", &nothing]),
        ("secrets", "too short", &["--admin-key-file", &short]),
        ("secrets", "chmod 600", &["--admin-key-file", &open]),
        ("secrets", "test key from the documentation", &["--admin-key-file", &published]),
        ("ports", "Cannot assign requested address", &["--bind", "192.0.2.1"]),
        ("folder", "no folder", &["--db-path", &inside_a_file]),
        ("database", "it is a folder", &["--db-path", folder.path().to_str().unwrap()]),
        ("database", "file is not a database", &["--db-path", &short]),
        ("database", "has schema version 999", &["--db-path", later.to_str().unwrap()]),
        ("database", "was not made by this program", &["--db-path", foreign.to_str().unwrap()]),
    ];
    for (subject, says, flags) in wrong {
        let given = |flag: &&str| flags.contains(flag);
        let ports = if given(&"--api-port") { &[][..] } else { &["--api-port", "0", "--mqtt-port", "0"] };
        let on = if given(&"--db-path") { &[][..] } else { &database };
        let all = [flags, ports, on].concat();
        let (code, said) = doctor(&all);
        let found = said
            .lines()
            .any(|line| line.starts_with("FAIL") && line.contains(subject) && line.contains(says));
        assert!(code == Some(1) && found, "{flags:?}: {said}");
        let refused = run(&[&["server", "--log", "off"], &all[..]].concat());
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && stderr.contains(says), "{flags:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn doctor_and_audit_say_what_an_earlier_releases_database_needs() {
    let (_folder, db) = folder();
    let first = include_str!("../upgrade/first_release.sql");
    rusqlite::Connection::open(&db).unwrap().execute_batch(first).unwrap();
    let (code, said) = doctor(&server_arguments(&db)[1..]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the next start brings it from version 5 to"), "{said}");
    let audit = run(&["audit", "--db-path", db.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&audit.stderr);
    assert_eq!((audit.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("has schema version 5") && stderr.contains("xenblocks server"), "{stderr}");
}
