//! The commands that work on a database: what they make, find, save and bring back.

mod support;

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::house::{RENTER, assert_books_in_order, millionths};
use support::server::{Server, folder, run};
use support::{Ends, await_until};

fn on(db: &Path, arguments: &[&str]) -> Output {
    run(&[arguments, &["--db-path", db.to_str().unwrap(), "--log", "off"]].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

#[test]
fn fault_52_what_seed_makes_is_in_order_and_served() {
    let (_folder, db) = folder();
    let seeded =
        on(&db, &["seed", "--workers", "30", "--blocks", "300", "--leases", "60", "--addresses", "5"]);
    assert_code(&seeded, 0);
    assert_code(&on(&db, &["audit"]), 0);
    let mut server = Server::spawn(&db);
    let status = server.api.get("/api/status").ok();
    assert_eq!((&status["workers"], &status["total_blocks"]), (&json!(30), &json!(300)));
    assert_eq!(server.api.get("/api/leases").ok()["total"], 60);
    // Beside a running server.
    assert_code(&on(&db, &["audit"]), 0);
    assert_eq!(server.stop("TERM").code(), Some(0));
}

#[test]
fn audit_finds_a_coin_out_of_nowhere() {
    let (_folder, db) = folder();
    Server::spawn(&db).stop("TERM");
    let clean = on(&db, &["audit"]);
    assert_code(&clean, 0);
    assert!(said(&clean).contains("every invariant holds"), "{}", said(&clean));
    let raw = rusqlite::Connection::open(&db).unwrap();
    raw.execute("UPDATE accounts SET balance = balance + 1000000 WHERE account_id = ?1", [RENTER]).unwrap();
    drop(raw);
    let broken = on(&db, &["audit"]);
    assert_code(&broken, 1);
    assert!(said(&broken).contains("account consumer-1: balance is"), "{}", said(&broken));
    assert_code(&on(&db.with_extension("missing"), &["audit"]), 1);
}

#[test]
fn a_backup_under_load_is_whole_and_brings_back_what_it_holds() {
    let (folder, db) = folder();
    let copy = folder.path().join("copy.db");
    let mut server = Server::spawn(&db);
    let deposit = json!({"amount": 1}).to_string();
    let path = format!("/api/accounts/{RENTER}/deposit");
    let balance = || millionths(&server.api.get(&format!("/api/accounts/{RENTER}/balance")).ok()["balance"]);
    let going = AtomicBool::new(true);
    let (before, after) = std::thread::scope(|scope| {
        let _end = Ends(&going);
        for _ in 0..3 {
            scope.spawn(|| {
                while going.load(Ordering::Relaxed) {
                    server.api.send("POST", &path, Some(&deposit)).ok();
                }
            });
        }
        await_until("the load", || balance() > 1_050_000_000);
        let before = balance();
        assert_code(&on(&db, &["backup", copy.to_str().unwrap()]), 0);
        (before, balance())
    });
    assert_books_in_order(&copy);
    assert_code(&on(&db, &["backup", copy.to_str().unwrap()]), 1);
    assert_code(&on(&db, &["backup", copy.to_str().unwrap(), "--overwrite"]), 0);
    let refused = on(&db, &["restore", copy.to_str().unwrap()]);
    assert_code(&refused, 1);
    assert!(said(&refused).contains("in use"), "{}", said(&refused));
    assert_eq!(server.stop("TERM").code(), Some(0));
    assert!(before < after, "there was no load while it was copied");

    let restored = folder.path().join("restored.db");
    assert_code(&on(&restored, &["restore", copy.to_str().unwrap()]), 0);
    assert_books_in_order(&restored);
    let server = Server::spawn(&restored);
    let balance = server.api.get(&format!("/api/accounts/{RENTER}/balance")).ok();
    assert!(millionths(&balance["balance"]) >= before);
}

#[test]
fn restoring_what_is_no_backup_leaves_everything_as_it_was() {
    let (folder, db) = folder();
    Server::spawn(&db).stop("TERM");
    let before = std::fs::read(&db).unwrap();
    let nonsense = folder.path().join("nonsense.db");
    std::fs::write(&nonsense, "this is no backup, not even nearly, however long it goes on and on").unwrap();
    assert_code(&on(&db, &["restore", nonsense.to_str().unwrap()]), 1);
    assert_code(&on(&db, &["restore", folder.path().join("missing.db").to_str().unwrap()]), 1);
    assert_eq!(std::fs::read(&db).unwrap(), before);
    assert_code(&on(&db, &["audit"]), 0);
}

/// Exit code 1, and one line on stderr that says this, and nothing twice.
#[track_caller]
fn assert_says_once(output: &Output, says: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_code(output, 1);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(says), "{stderr:?} does not say {says:?}");
    let parts: Vec<&str> = stderr.trim().split(": ").collect();
    let mut different = parts.clone();
    different.dedup();
    assert_eq!(parts, different, "{stderr}");
}

#[test]
fn a_command_that_fails_says_why_once_and_leaves_nothing_behind() {
    let (folder, db) = folder();
    Server::spawn(&db).stop("TERM");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(file("folder")).unwrap();
    std::fs::write(file("empty"), "").unwrap();
    std::fs::write(file("bad"), "this is no database, not even nearly, however long it goes on and on")
        .unwrap();
    let ours = file("market.db");
    let listed = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    // Reading the database at work leaves SQLite's own files beside it.
    assert_code(&on(&db, &["audit"]), 0);
    let before = listed();
    for (arguments, on_db, says) in [
        (&["audit"][..], "none", "there is no such file"),
        (&["audit"], "folder", "it is a folder"),
        (&["audit"], "empty", "it is empty"),
        (&["audit"], "bad", "file is not a database"),
        (&["backup", "copy"], "none", "there is no such file"),
        (&["backup", "folder"], "market.db", "--overwrite"),
        (&["backup", "folder", "--overwrite"], "market.db", "folder cannot be used"),
        (&["backup", "none/copy"], "market.db", "none/copy cannot be used"),
        (&["restore", "none"], "new", "there is no such file"),
        (&["restore", "bad"], "new", "file is not a database"),
        (&["restore", "empty"], "new", "it is empty"),
        (&["restore", "bad"], "market.db", "file is not a database"),
        (&["restore", &ours], "folder", "folder cannot be used"),
        (
            &["import", &ours],
            "new",
            "is a XenBlocks Platform database: put it in place with `xenblocks restore",
        ),
        (&["import", "bad"], "new", "file is not a database"),
        (&["import", "none"], "new", "there is no such file"),
        (&["server", "--api-port", "0", "--mqtt-port", "0"], "folder", "it is a folder"),
        (&["server", "--api-port", "0", "--mqtt-port", "0"], "bad/new", "no folder"),
        (&["chain", "--port", "0"], "folder", "it is a folder"),
        (&["chain", "--port", "0"], "bad", "file is not a database"),
        (&["seed"], "bad", "file is not a database"),
    ] {
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        if matches!(arguments[0].as_str(), "backup" | "restore" | "import") && arguments[1] != ours {
            arguments[1] = file(&arguments[1]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_says_once(&on(Path::new(&file(on_db)), &arguments), says);
        assert_eq!(listed(), before, "{arguments:?} on {on_db}");
    }
}
