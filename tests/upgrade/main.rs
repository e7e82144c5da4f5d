//! From a database of the first release to this one: it is brought up to date, its books are in order,
//! and everybody in it goes on where they were.

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};
use support::await_until;
use support::house::{House, assert_books_in_order};
use support::mqtt_client::Connect;
use support::rig::Rig;
use support::server::{Server, folder, program, run};
use xenblocks::platform::AuthMode;
use xenblocks::store::SCHEMA_VERSION;

const FIRST: &str = include_str!("first_release.sql");
const FIRST_VERSION: i64 = 5;

// Given out by the first release; the dump has their digests.
const RENATAS_KEY: &str = "28404adae4f87305ffc51a6e88274ccb";
const REVOKED_KEY: &str = "46ef698279cde291b904170214a013d6";
const TOKEN_OF_3: &str = "73ebde110d719c3124da0b8f752df176";

const RUNNING: &str = "lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376";
const RUN_OUT: &str = "lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d";

fn first_release(db: &Path) -> Connection {
    let connection = Connection::open(db).unwrap();
    connection.execute_batch(FIRST).unwrap();
    connection
}

fn version(db: &Path) -> i64 {
    Connection::open(db).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Every row of every table that the first release had, and the schema.
fn content(db: &Path) -> Vec<String> {
    let connection = Connection::open(db).unwrap();
    let rows = |sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns)
                .map(|column| Ok(format!("{:?}", row.get_ref(column)?)))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        statement.query_map([], row).unwrap().map(|row| row.unwrap().join(" ")).collect::<Vec<_>>()
    };
    let mut all = rows("SELECT type, name, sql FROM sqlite_schema ORDER BY name");
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    for table in tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap) {
        all.extend(rows(&format!("SELECT * FROM \"{table}\"")));
    }
    all
}

fn arguments(db: &Path) -> [&str; 9] {
    ["server", "--mqtt-port", "0", "--api-port", "0", "--log", "off", "--db-path", db.to_str().unwrap()]
}

/// Months after the first release was killed, with the two leases settled that ran out meanwhile.
fn moved_in() -> House {
    let house = House::with(|config| {
        config.auth = AuthMode::Required;
        drop(first_release(&config.db_path));
    });
    await_until("both settlements", || house.admin().get("/api/settlements").ok()["total"] == 8);
    house
}

#[test]
fn everybody_goes_on_where_the_first_release_left_them() {
    let house = moved_in();
    let renata = house.api.with_key(RENATAS_KEY);
    assert_eq!(renata.get("/api/auth/me").ok()["account_id"], "renata");
    house.api.with_key(REVOKED_KEY).get("/api/auth/me").refused(401);
    let keys = renata.get("/api/auth/keys").ok();
    let scopes = json!(["read", "rent", "provider", "withdraw", "admin"]);
    assert_eq!((&keys["keys"][1]["scopes"], &keys["keys"][1]["expires_at"]), (&scopes, &Value::Null));

    for (account, balance) in [("consumer-1", 1_000_000_000), ("wallet-0x4a623166", 19_999_647), ("idle", 0)]
    {
        let found = house.balance(account);
        assert!((found - balance).abs() < 1_000, "{account}: {found}");
    }
    assert_eq!(house.admin().get(&format!("/api/leases/{RUN_OUT}")).ok()["state"], "completed");
    assert_eq!(house.admin().get("/api/blocks").ok()["total"], 30);
    assert_eq!(house.admin().get("/api/acts").ok()["items"], json!([]));

    let login = Some(("sim-worker-003", TOKEN_OF_3));
    let connect = Connect { login, ..Connect::new("xenminer_sim-worker-003") };
    let mut rig = Rig::connect_with(house.mqtt(), "sim-worker-003", &connect);
    rig.owner = house.worker("sim-worker-003")["eth_address"].as_str().unwrap().to_owned();
    let description = rig.description();
    rig.say("register", &description);
    let task = rig.command("assign_task");
    assert_eq!((&task["lease_id"], &task["consumer_id"]), (&json!(RUNNING), &json!("renata")));
    let stopped = renata.post("/api/stop", &json!({ "lease_id": RUNNING })).ok();
    let cost = stopped["settlement"]["total_cost"].as_f64().unwrap();
    assert!(cost < 0.1, "the months without the worker are not billed: {stopped}");
    let me = renata.get("/api/auth/me").ok();
    assert_eq!(me["held"], 0.0, "{me}");
    // The house audits its books when it goes.
}

/// The first release did not mark them, and they made a reputation.
#[test]
fn leases_of_ones_own_worker_are_found_among_the_old_ones() {
    let house = moved_in();
    for (worker, of_others) in
        [("sim-worker-001", 1), ("sim-worker-002", 1), ("fleet-worker-001", 0), ("sim-worker-004", 1)]
    {
        let shown = house.api.get(&format!("/api/workers/{worker}/reputation")).ok();
        let detail = &shown["breakdown"]["completion_detail"];
        assert_eq!(detail["completed"], of_others, "{worker}: {detail}");
        assert_eq!(detail["total"], of_others, "{worker}: {detail}");
    }
    let of_2 = house.admin().get("/api/leases?worker_id=sim-worker-002").ok();
    assert_eq!(of_2["total"], 4, "a worker's list has them all");
}

#[test]
fn a_database_brought_up_to_date_has_the_schema_of_a_new_one() {
    let (folder, db) = folder();
    drop(first_release(&db));
    let new = folder.path().join("new.db");
    for path in [&db, &new] {
        assert_eq!(Server::spawn(path).stop("TERM").code(), Some(0));
        assert_books_in_order(path);
    }
    let schema = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection
            .prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Vec<(String, String, String)> =
            statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        found
    };
    assert_eq!(schema(&db), schema(&new));
}

/// Dead at the end of each migration: the version before it is whole, and the next start goes on.
#[test]
fn a_death_within_a_migration_leaves_the_version_before_it() {
    for pass in 1..=SCHEMA_VERSION - FIRST_VERSION {
        let (_folder, db) = folder();
        drop(first_release(&db));
        let before = content(&db);
        let mut command = program(&arguments(&db));
        command.env("XENBLOCKS_CRASH_AT", format!("migration:{pass}"));
        assert_eq!(command.output().unwrap().status.code(), None, "it was to die");
        assert_eq!(version(&db), FIRST_VERSION + pass - 1);
        assert!(pass > 1 || content(&db) == before, "something of the first migration stayed");
        assert_eq!(Server::spawn(&db).stop("TERM").code(), Some(0));
        assert_eq!(version(&db), SCHEMA_VERSION);
        assert_books_in_order(&db);
    }
}

/// Exit code 1 and one line on stderr, which says this.
fn refused(db: &Path, says: &str) {
    let output = run(&arguments(db));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn a_migration_that_fails_says_so_in_one_line_and_undoes_itself() {
    let (_folder, db) = folder();
    let connection = first_release(&db);
    connection
        .execute_batch(
            "CREATE TABLE difficulty_history (mine TEXT); INSERT INTO difficulty_history VALUES ('kept')",
        )
        .unwrap();
    drop(connection);
    refused(&db, "migration 7 failed: table difficulty_history already exists");
    assert_eq!(version(&db), 6, "those before it are done");
    Connection::open(&db).unwrap().execute_batch("DROP TABLE difficulty_history").unwrap();
    assert_eq!(Server::spawn(&db).stop("TERM").code(), Some(0));
    assert_books_in_order(&db);
}

#[test]
fn a_database_of_a_later_release_is_left_alone_and_said_in_one_line() {
    let (_folder, db) = folder();
    assert_eq!(Server::spawn(&db).stop("TERM").code(), Some(0));
    let later = SCHEMA_VERSION + 1;
    let connection = Connection::open(&db).unwrap();
    connection.pragma_update(None, "user_version", later).unwrap();
    drop(connection);
    let before = content(&db);
    refused(
        &db,
        &format!("has schema version {later}, this program knows {SCHEMA_VERSION}; upgrade xenblocks"),
    );
    assert_eq!((content(&db), version(&db)), (before, later));
}
