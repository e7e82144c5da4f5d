//! Prototype databases of several versions, made by hand with all that went wrong in them.

mod prototype;

use std::path::Path;

use self::prototype::{Prototype, prefix};
use super::{Config, ImportError, run};
use crate::auth::keys;
use crate::base::Amount;
use crate::market::audit::{Report, audit};
use crate::market::testbed::{START as NOW, address, key};
use crate::market::{Event, accounts, settlement};
use crate::store::{Database, StoreError, open_for_reading};

fn clean(path: &Path) -> Report {
    let report = audit(&open_for_reading(path).unwrap()).unwrap();
    assert_eq!(report.violations, Vec::<String>::new());
    report
}

fn balance(path: &Path, id: &str) -> i64 {
    let connection = open_for_reading(path).unwrap();
    connection
        .query_row("SELECT balance FROM accounts WHERE account_id = ?1", [id], |row| row.get(0))
        .unwrap()
}

fn text(path: &Path, sql: &str) -> String {
    open_for_reading(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn every_version_comes_over_with_its_balances_and_passes_the_audit() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..=11 {
        let prototype = Prototype::new(folder.path(), version);
        prototype.history();
        let (imported, lines, path) = prototype.import();
        let imported = imported.unwrap();
        assert_eq!((imported.version, imported.accounts, imported.workers), (version, 4, 3), "{lines:#?}");
        assert_eq!((imported.leases, imported.active, imported.settlements, imported.blocks), (4, 1, 1, 2));
        assert_eq!(imported.left_out, 0, "{lines:#?}");
        let report = clean(&path);
        assert_eq!(
            (report.checked.imported, report.unsettled.as_slice()),
            (1, &["lease-forgotten".to_owned()][..])
        );
        assert_eq!(balance(&path, "renter"), 899_990_000);
        assert_eq!(balance(&path, "rig-1"), 95_009_500);
        assert_eq!(balance(&path, "platform-treasury"), 5_000_500);
        assert!(
            lines.iter().any(|l| l.starts_with("account renter: balance 899.9900000000002 is rounded")),
            "{lines:#?}"
        );
        assert_eq!(
            text(&path, "SELECT state || hold FROM leases WHERE lease_id = 'lease-active'"),
            "active72000000"
        );
        let cost = "SELECT total_cost || ' ' || provider_payment || ' ' || platform_fee FROM settlements";
        assert_eq!(text(&path, cost), "100010000 95009500 5000500");
        assert_eq!(text(&path, "SELECT group_concat(listed, '') FROM workers"), "110");
    }
}

#[test]
fn the_market_goes_on_where_the_prototype_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    prototype.history();
    let path = prototype.import().2;
    let mut database = Database::open(&path).unwrap();
    database
        .write_alone::<Event, _, crate::market::Refusal, _>(|scope| {
            assert_eq!(settlement::settle_unsettled(scope, NOW)?, 1);
            // Rig 1 names a wallet, which now signs in for the first time.
            let wallet = accounts::sign_in(scope, &address(1), NOW)?;
            assert_eq!(wallet.balance, Amount::from_millionths(95_009_500 + 5_700_000));
            Ok(())
        })
        .unwrap();
    drop(database);
    assert!(clean(&path).unsettled.is_empty());
    assert_eq!(balance(&path, "renter"), 899_990_000 - 6_000_000);
}

#[test]
fn keys_go_on_working_but_a_wallet_needs_its_signature() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    let wallet = address(5);
    let id = format!("wallet-{}", &wallet.lower()[..10]);
    prototype.account(&id, "provider", wallet.as_str(), 12.5);
    prototype.account("wallet-fake", "provider", address(6).as_str(), 1.0);
    prototype.sql("UPDATE accounts SET api_key = hex(account_id) || 'k'");
    prototype.sql("UPDATE accounts SET api_key = 'shared' WHERE account_id IN ('broke', 'rig-2')");
    let (imported, lines, path) = prototype.import();
    assert_eq!(imported.unwrap().keys, 4, "{lines:#?}");
    let connection = open_for_reading(&path).unwrap();
    let holder =
        |key: &str| keys::find(&connection, key, NOW).unwrap().map(|holder| holder.account.to_string());
    assert_eq!(holder(&format!("{}k", hex::encode_upper("renter"))).as_deref(), Some("renter"));
    assert_eq!(holder("shared").as_deref(), Some("broke"));
    assert_eq!(holder(&format!("{}k", hex::encode_upper(&id))), None);
    assert_eq!(holder(&format!("{}k", hex::encode_upper("platform-treasury"))), None);
    for told in [format!("account {id}: its API key ends"), "account rig-2: its API key is another".into()] {
        assert!(lines.iter().any(|line| line.contains(&told)), "{told}: {lines:#?}");
    }
    let origin = |id: &str| text(&path, &format!("SELECT origin FROM accounts WHERE account_id = '{id}'"));
    assert_eq!((origin(&id).as_str(), origin("wallet-fake").as_str()), ("wallet", "registered"));
    clean(&path);
}

#[test]
fn leases_that_cannot_go_on_end_and_wait_for_their_settlement() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    prototype.lease("lease-over", ("rig-1", "renter"), "active", 3.0, 600);
    prototype.lease("lease-broke", ("rig-2", "broke"), "active", 0.5, 7200);
    prototype.lease("lease-one", ("rig-3", "renter"), "active", 0.5, 7200);
    prototype.lease("lease-two", ("rig-3", "renter"), "active", 0.4, 7200);
    prototype.lease("lease-paid", ("rig-1", "renter"), "active", 0.5, 7200);
    prototype.settle("lease-paid", "rig-1", 2.0);
    let (imported, lines, path) = prototype.import();
    assert_eq!(imported.unwrap().active, 1, "{lines:#?}");
    for told in ["its time is over", "cannot pay", "in another lease", "was active and settled"] {
        assert_eq!(lines.iter().filter(|line| line.contains(told)).count(), 1, "{told}: {lines:#?}");
    }
    let mut unsettled = clean(&path).unsettled;
    unsettled.sort();
    assert_eq!(unsettled, ["lease-broke", "lease-over", "lease-two"]);
}

#[test]
fn what_is_bad_is_told_a_line_each_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    prototype.history();
    prototype.account("bad id", "consumer", "", 1.0);
    prototype.account("_outside", "consumer", "", 1.0);
    prototype.account("chief", "emperor", "", 1.0);
    prototype.account("inf", "consumer", "", f64::INFINITY);
    prototype.account("minus", "consumer", "0x12", -5.0);
    prototype.worker("<img>", "", "AVAILABLE");
    prototype.sql(
        "UPDATE workers SET gpus = '[1, 2]', price_per_min = -1, min_duration_sec = 9, max_duration_sec = 2
                   WHERE worker_id = 'rig-3'",
    );
    prototype.lease("lease-nobody", ("rig-1", "nobody"), "completed", 9.0, 60);
    prototype.lease("lease-ghost", ("ghost", "renter"), "completed", 9.0, 60);
    prototype.lease("lease-forever", ("rig-1", "renter"), "completed", 9.0, 1_000_000_000);
    prototype.lease("lease-weird", ("rig-1", "renter"), "paused", 9.0, 60);
    prototype.settle("lease-ghost", "ghost", 1.0);
    prototype.settle("lease-settled", "rig-1", 100.01);
    prototype.settle("lease-cancelled", "rig-1", 1.0);
    prototype.settle("lease-forgotten", "rig-1", f64::NAN);
    prototype.block("lease-settled", "rig-1", key(&prefix("lease-settled"), 1).as_str());
    prototype.block("lease-settled", "rig-2", key(&prefix("lease-settled"), 5).as_str());
    prototype.block("lease-settled", "rig-1", key("ee", 5).as_str());
    prototype.block("", "ghost", key("cd", 5).as_str());
    prototype.block("", "rig-1", "0x12");
    prototype.sql(
        "INSERT INTO hashrate_snapshots VALUES (1, 'rig-1', 5.5, 1, 1789990000.5), (2, 'rig-1', 5.5, 1, 1789990000.5),
            (3, 'rig-1', 'abc', 1, 1789990001);
         INSERT INTO wallet_snapshots VALUES (1, '0xabababababababababababababababababababab', 5, 1, 1, 2, 9, 3.5,
            1789990000), (2, '0xabababababababababababababababababababab', 5, 1, 1, 2, 11, 4.5, 1789993600),
            (3, 'nobody', 5, 1, 1, 2, 9, 0, 1789990000);
         CREATE TABLE notes (text); INSERT INTO notes VALUES ('x');",
    );
    let (imported, lines, path) = prototype.import();
    let imported = imported.unwrap();
    for told in [
        "row 6 of accounts, \"bad id\"",
        "account _outside: the name",
        "\"emperor\" is no role",
        "account inf: balance \"inf\"",
        "account minus: balance \"-5\"",
        "account minus: \"0x12\" is no address",
        "row 4 of workers, \"<img>\"",
        "worker rig-3: its list of GPUs",
        "worker rig-3: price \"-1\"",
        "worker rig-3: no lease lasts 9 to 2 s",
        "\"lease-nobody\", row 5: its renter",
        "\"lease-ghost\", row 6: its worker",
        "a length of 1000000000 s becomes 31622400 s",
        "\"paused\" is no state",
        "settlement of \"lease-ghost\", row 2: its lease is not there",
        "row 3: the lease has one already",
        "row 4: its lease was cancelled",
        "row 5: its amounts are none",
        "is there already; a block counts once",
        "is unknown or another worker's",
        "the worker of key cd",
        "a key is 64 to 128",
        "1 blocks: whether the key bears",
        "row 2 of hashrate_snapshots",
        "row 3 of hashrate_snapshots",
        "row 3 of wallet_snapshots",
        "1 rows of the table notes",
        "1 rows of transactions",
    ] {
        assert!(lines.iter().any(|line| line.contains(told)), "{told}: {lines:#?}");
    }
    let left_out = lines.iter().filter(|line| line.starts_with("left out: ")).count();
    assert_eq!(imported.left_out, left_out as u64);
    assert_eq!((imported.hashrates, imported.wallets), (1, 2));
    assert_eq!(
        text(&path, "SELECT group_concat(earnings) FROM wallet_snapshots WHERE resolution = 'hour'"),
        "3500000,1000000"
    );
    clean(&path);
}

#[test]
fn a_renter_who_earns_too_is_never_below_zero_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    // It spends before it earns.
    prototype.lease("lease-4", ("rig-2", "rig-1"), "completed", 10.0, 60);
    prototype.settle("lease-4", "rig-2", 20.0);
    prototype.sql("UPDATE settlements SET consumer_id = 'rig-1'");
    for (number, cost) in [(1, 3.0), (2, 40.0), (3, 700.0)] {
        let id = format!("lease-{number}");
        prototype.lease(&id, ("rig-1", "renter"), "completed", 9.0 - f64::from(number), 60);
        prototype.settle(&id, "rig-1", cost);
    }
    prototype.sql("UPDATE accounts SET balance = 0 WHERE account_id = 'rig-1'");
    let (imported, lines, path) = prototype.import();
    assert_eq!(imported.unwrap().settlements, 4, "{lines:#?}");
    clean(&path);
    assert_eq!((balance(&path, "rig-1"), balance(&path, "renter")), (0, 899_990_000));
    assert_eq!(
        text(&path, "SELECT min(balance_after) || '' FROM transactions WHERE account_id <> '_outside'"),
        "0"
    );
}

#[test]
fn what_is_no_prototype_or_not_new_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let prototype = Prototype::new(folder.path(), 11);
    prototype.import().0.unwrap();
    let again = prototype.import().0;
    assert!(matches!(again, Err(ImportError::NotEmpty(_))), "{again:?}");
    prototype.sql("UPDATE schema_version SET version = 12");
    assert!(matches!(prototype.import().0, Err(ImportError::Version { found: 12, .. })));
    prototype.sql("DROP TABLE schema_version");
    assert!(matches!(prototype.import().0, Err(ImportError::NotAPrototype(_))));
    let missing = Config { from: folder.path().join("no.db"), path: folder.path().join("x.db"), now: NOW };
    assert!(matches!(run(&missing, &mut |_| {}), Err(ImportError::Source { .. })));
    let fresh = Prototype::new(folder.path(), 3);
    let held = Database::open(&fresh.path.with_extension("new.db")).unwrap();
    assert!(matches!(fresh.import().0, Err(ImportError::Store(StoreError::InUse(_)))));
    drop(held);
}
