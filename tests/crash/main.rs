//! Killed in the middle of work, again and again: what was acknowledged is there, the books are in
//! order, and what was not acknowledged can be asked for again without happening twice.
//!
//! `XENBLOCKS_CRASH_ROUNDS` sets the number of rounds, `XENBLOCKS_CRASH_SEED` repeats a run's draws.

mod clients;
mod every_call;
mod faults;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use clients::{DEPOSITORS, RIGS, Told, check, open_accounts, under_load};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;
use support::house::{RENTER, assert_books_in_order};
use support::rig::Rig;
use support::server::{Server, folder, program, run};
use xenblocks::base::crash;

const ROUNDS: u64 = 100;
const BURST_MILLIS: std::ops::Range<u64> = 80..250;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = number("XENBLOCKS_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed: u64 = number("XENBLOCKS_CRASH_SEED").unwrap_or_else(|| rand::rng().next_u64());
    println!("{rounds} rounds, XENBLOCKS_CRASH_SEED={seed}");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (_folder, db) = folder();
    let mut expected: HashMap<String, i64> = HashMap::new();
    let keys = AtomicU64::new(1);
    let mut totals = (0, 0, 0, 0);

    let mut server = Server::spawn(&db);
    open_accounts(&server.api, &mut expected);
    for _ in 0..rounds {
        let burst = Duration::from_millis(random.random_range(BURST_MILLIS));
        let seeds: Vec<u64> = (0..RIGS + DEPOSITORS).map(|_| random.next_u64()).collect();
        let told = kill_under_load(&mut server, burst, &seeds, &keys);
        server = Server::spawn(&db);
        check(&db, &server.api, &told, &mut expected);
        assert_books_in_order(&db);
        totals.0 += told.iter().map(|told| told.rented.len()).sum::<usize>();
        totals.1 += told.iter().map(|told| told.stopped.len()).sum::<usize>();
        totals.2 += told.iter().map(|told| told.blocks.len()).sum::<usize>();
        totals.3 += told.iter().map(|told| told.deposits.len()).sum::<usize>();
    }
    let (rented, stopped, blocks, deposits) = totals;
    println!("acknowledged: {rented} rents, {stopped} stops, {blocks} blocks, {deposits} deposits");
    let each = |count: usize| u64::try_from(count).unwrap() >= rounds;
    assert!(each(rented) && each(blocks) && each(deposits), "there was hardly any load");
    assert_eq!(server.stop("TERM").code(), Some(0));
    let audit = run(&["audit", "--db-path", db.to_str().unwrap()]);
    assert_eq!(audit.status.code(), Some(0), "{}", String::from_utf8_lossy(&audit.stdout));
}

/// Dead at each of the named moments, early in the load and later.
#[test]
fn what_was_acknowledged_survives_every_named_moment() {
    let (_folder, db) = folder();
    let mut expected: HashMap<String, i64> = HashMap::new();
    let keys = AtomicU64::new(1);
    let mut server = Server::spawn(&db);
    open_accounts(&server.api, &mut expected);
    assert_eq!(server.stop("TERM").code(), Some(0));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    for point in crash::POINTS.into_iter().filter(|point| *point != "migration") {
        for pass in [40, 57, 131] {
            let seeds: Vec<u64> = (0..RIGS + DEPOSITORS).map(|_| random.next_u64()).collect();
            let arguments = ["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path"];
            let mut command = program(&arguments);
            command.arg(&db).env("XENBLOCKS_CRASH_AT", format!("{point}:{pass}")).stderr(Stdio::null());
            let mut dying = Server::spawn_program(command);
            let (api, mqtt) = (dying.api.clone(), dying.mqtt);
            let rigs = (0..RIGS).filter_map(|number| Rig::try_join(mqtt, &format!("rig-{number}"))).collect();
            let told = under_load(&api, mqtt, rigs, &seeds, &keys, || dying.await_death());
            let server = Server::spawn(&db);
            check(&db, &server.api, &told, &mut expected);
            assert_books_in_order(&db);
        }
    }
}

#[test]
fn fault_24_a_death_in_the_middle_of_a_settlement_leaves_neither_its_money_nor_its_record() {
    let (_folder, db) = folder();
    let mut server = Server::spawn(&db);
    let mut rig = Rig::join(server.mqtt, "rig-1");
    let body = json!({"consumer_id": RENTER, "worker_id": rig.id, "duration_sec": 600});
    let lease = server.api.post("/api/rent", &body).ok()["lease_id"].as_str().unwrap().to_owned();
    rig.command("assign_task");
    server.kill();

    let mut command =
        program(&["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path"]);
    command.arg(&db).env("XENBLOCKS_CRASH_AT", "between-legs:2").stderr(Stdio::null());
    let mut dying = Server::spawn_program(command);
    let stop = json!({ "lease_id": lease }).to_string();
    assert!(dying.api.try_send("POST", "/api/stop", Some(&stop)).is_err(), "it was to die");
    dying.await_death();

    let server = Server::spawn(&db);
    assert_books_in_order(&db);
    let shown = server.api.get(&format!("/api/leases/{lease}")).ok();
    assert_eq!((&shown["state"], &shown["settlement"]), (&json!("active"), &json!(null)));
    server.api.send("POST", "/api/stop", Some(&stop)).ok();
    assert_books_in_order(&db);
}

/// Dead within each migration of a new database.
#[test]
fn fault_57_a_migration_that_was_cut_off_is_made_again() {
    for pass in 1..=xenblocks::store::SCHEMA_VERSION {
        let (_folder, db) = folder();
        let mut command = program(&["server", "--mqtt-port", "0", "--api-port", "0", "--db-path"]);
        command.arg(&db).env("XENBLOCKS_CRASH_AT", format!("migration:{pass}"));
        assert_eq!(command.output().unwrap().status.code(), None, "it was to die");
        drop(Server::spawn(&db));
        assert_books_in_order(&db);
    }
}

/// Killed while the database is made, migrated, recovered or its books are opened.
#[test]
fn killed_while_it_starts_it_starts_the_next_time() {
    let (_folder, db) = folder();
    for millis in (0..60).step_by(2) {
        let arguments = ["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path"];
        let mut child = program(&arguments).arg(&db).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut server = Server::spawn(&db);
    let balance = server.api.get("/api/accounts/consumer-1/balance").ok();
    assert_eq!(balance["balance"], 1000.0);
    assert_eq!(server.stop("TERM").code(), Some(0));
    assert_books_in_order(&db);
}

/// Lets all clients loose, kills the server after `burst`, and returns what each was told.
fn kill_under_load(server: &mut Server, burst: Duration, seeds: &[u64], keys: &AtomicU64) -> Vec<Told> {
    let (api, mqtt) = (server.api.clone(), server.mqtt);
    // Joined before the clock runs: a burst is work, not connecting.
    let rigs = (0..RIGS).map(|number| Rig::join(mqtt, &format!("rig-{number}"))).collect();
    let started = Instant::now();
    under_load(&api, mqtt, rigs, seeds, keys, || {
        support::await_until("the end of the burst", || started.elapsed() >= burst);
        server.kill();
    })
}
