//! A clean history passes; each invariant, broken by hand in a copy, is found.

use std::path::Path;

use rusqlite::Connection;

use super::audit;
use crate::base::Amount;
use crate::market::testbed::{BARE_HASH, Bed, address, key};
use crate::market::{Actor, accounts, leases};
use crate::store::open_for_reading;

/// Two workers, a settled lease with blocks, an active one, a wallet that collected its earnings.
fn history() -> Bed {
    let bed = Bed::new();
    bed.register("rig-1", Some(address(1))).unwrap();
    bed.register("rig-2", None).unwrap();
    let lease = bed.rent("consumer-1", Some("rig-1"), 3600).unwrap();
    let renter = Some(lease.consumer_address);
    for number in 0..3 {
        let key = key(&lease.prefix.to_string(), number);
        bed.submit(&key, &lease.consumer_address);
        bed.report("rig-1", Some(&lease.lease_id), &key, renter, BARE_HASH).unwrap();
    }
    bed.report("rig-1", Some(&lease.lease_id), &key("ff", 7), renter, BARE_HASH).unwrap();
    bed.submit(&key("aa", 1), &address(1));
    bed.report("rig-1", None, &key("aa", 1), Some(address(1)), BARE_HASH).unwrap();
    bed.pass(60);
    bed.beat("rig-1");
    bed.beat("rig-2");
    let (actor, id) = (Actor::Unrestricted, lease.lease_id.clone());
    bed.write(move |scope, fleet, now| leases::stop(scope, fleet, &actor, &id, now)).unwrap();
    bed.rent("consumer-2", Some("rig-2"), 7200).unwrap();
    bed.write(|scope, _, now| accounts::sign_in(scope, &address(1), now)).unwrap();
    let some = Amount::from_millionths(1_500_000);
    bed.write(move |scope, _, now| {
        accounts::withdraw(scope, &"consumer-1".parse().unwrap(), some, None, now)
    })
    .unwrap();
    bed
}

#[test]
fn a_clean_history_passes_beside_the_running_store() {
    let bed = history();
    let reader = open_for_reading(&bed.path()).unwrap();
    let report = audit(&reader).unwrap();
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.unsettled.is_empty());
    let checked = report.checked;
    assert_eq!((checked.leases, checked.settlements, checked.imported), (2, 1, 0));
    assert_eq!((checked.blocks, checked.chain_blocks, checked.workers), (5, 4, 2));
    assert_eq!((checked.movements, checked.entries), (5, 11));
    assert_eq!(bed.audit(), report);
}

/// What is done to a copy of the database, and a part of the line that must come of it.
const BREAKAGES: &[(&str, &str)] = &[
    ("UPDATE transactions SET amount = amount + 1 WHERE transaction_id = 1", "movement 1 sums to 0.000001"),
    ("UPDATE transactions SET movement = 1 WHERE movement = 8", "was added to movement 1 after"),
    (
        "UPDATE transactions SET balance_after = balance_after + 5 WHERE transaction_id = 1",
        "balance after entry 1",
    ),
    (
        "UPDATE accounts SET balance = balance + 1 WHERE account_id = 'consumer-1'",
        "account consumer-1: balance is",
    ),
    (
        "UPDATE accounts SET balance = balance + 1 WHERE account_id = 'consumer-1'",
        "all balances sum to 0.000001",
    ),
    ("DELETE FROM transactions WHERE transaction_id = 2", "movement 1 sums to 1000"),
    (
        "UPDATE transactions SET balance_after = 0 WHERE transaction_id = (SELECT max(transaction_id)
         FROM transactions WHERE account_id = 'consumer-1')",
        "its last entry says 0.000000",
    ),
    (
        "UPDATE accounts SET held = held - 1 WHERE account_id = 'consumer-2'",
        "its active leases hold 72.000000",
    ),
    ("UPDATE accounts SET held = -1 WHERE account_id = 'consumer-1'", "is held, which is below zero"),
    (
        "UPDATE accounts SET held = 5000000000 WHERE account_id = 'consumer-1'",
        "is below the 5000.000000 held",
    ),
    ("UPDATE accounts SET origin = 'outside' WHERE account_id = 'rig-1'", "_outside alone stands for"),
    ("UPDATE leases SET hold = hold - 1 WHERE state = 'active'", "its price and length make 72.000000"),
    ("UPDATE leases SET ends_at = ends_at + 1", "instead of its beginning and length"),
    ("UPDATE leases SET settled = 1 WHERE state = 'active'", "settled while active"),
    ("UPDATE leases SET ended_at = created_at WHERE state = 'active'", "active and ended"),
    ("UPDATE workers SET state = 'AVAILABLE' WHERE worker_id = 'rig-2'", "its worker rig-2 is AVAILABLE"),
    ("UPDATE workers SET state = 'LEASED' WHERE worker_id = 'rig-1'", "is LEASED without an active lease"),
    ("UPDATE leases SET hold = 7 WHERE state = 'completed'", "has ended and still holds 0.000007"),
    ("UPDATE leases SET ended_at = ends_at + 1 WHERE state = 'completed'", "ended at"),
    (
        "UPDATE leases SET settled = 0 WHERE state = 'completed'",
        "marked as not settled, and there is a settlement",
    ),
    ("DELETE FROM settlements", "marked as settled, and there is no settlement"),
    ("DELETE FROM settlements", "which has no settlement"),
    ("DELETE FROM settlements", "counter settled: reads"),
    (
        "UPDATE leases SET interrupted = 60000001 WHERE state = 'completed'",
        "interrupted for 60000001 of 60000000",
    ),
    (
        "UPDATE leases SET interrupted = 1000 WHERE state = 'completed'",
        "bills 60000000 of 59999000 microseconds",
    ),
    (
        "UPDATE leases SET interrupted_since = created_at - 1 WHERE state = 'active'",
        "before it began or before its worker came back",
    ),
    ("UPDATE leases SET price_per_min = -1", "is no lease the market makes"),
    ("UPDATE leases SET price_per_min = 700000 WHERE state = 'completed'", "its time costs 0.700000"),
    ("UPDATE settlements SET billed = billed + 1", "microseconds"),
    ("UPDATE settlements SET blocks_found = 99", "99 blocks, the lease has 3"),
    ("UPDATE settlements SET platform_fee = platform_fee + 1", "its parts make"),
    (
        "UPDATE settlements SET platform_fee = platform_fee + 1, provider_payment = provider_payment - 1",
        "fee is 0.030001, of 0.600000 it is 0.030000",
    ),
    (
        "UPDATE settlements SET platform_fee = platform_fee + 1, total_cost = total_cost + 1",
        "the ledger does not have its charge, payout and fee",
    ),
    ("UPDATE settlements SET consumer_id = 'consumer-2'", "names consumer-2 and rig-1, the lease others"),
    ("DELETE FROM transactions WHERE type = 'platform_fee'", "does not have its charge, payout and fee"),
    ("UPDATE transactions SET lease_id = NULL WHERE type = 'lease_charge'", "(lease_charge) is of no lease"),
    ("UPDATE leases SET blocks_found = 4 WHERE state = 'completed'", "counts 4 blocks, 3 of its rows count"),
    (
        "DROP INDEX leases_one_active_per_worker;
         UPDATE leases SET state = 'active', ended_at = NULL, worker_id = 'rig-2'",
        "worker rig-2: in 2 active leases at once",
    ),
    (
        "UPDATE counters SET value = value + 1 WHERE name = 'leases'",
        "counter leases: reads 3, the rows make 2",
    ),
    ("UPDATE counters SET value = value + 1 WHERE name = 'settlements'", "counter settlements: reads 2"),
    ("UPDATE counters SET value = value + 1 WHERE name = 'fees'", "counter fees: reads 30001"),
    ("UPDATE counters SET value = value + 1 WHERE name = 'blocks'", "counter blocks: reads 6"),
    ("DELETE FROM counters WHERE name = 'blocks_self_mined'", "counter blocks_self_mined: reads -1"),
    (
        "UPDATE workers SET verified_blocks = 9 WHERE worker_id = 'rig-1'",
        "verified_blocks reads 9, the rows make 4",
    ),
    ("UPDATE workers SET self_blocks_found = 9 WHERE worker_id = 'rig-1'", "self_blocks_found reads 9"),
    (
        "UPDATE workers SET leases_total = 9 WHERE worker_id = 'rig-1'",
        "leases_total reads 9, the rows make 1",
    ),
    ("UPDATE workers SET leases_completed = 9 WHERE worker_id = 'rig-1'", "leases_completed reads 9"),
    ("UPDATE blocks SET prefix_valid = 0 WHERE block_seq = 1", "prefix_valid is false, but comparing"),
    ("UPDATE blocks SET prefix_valid = 1 WHERE block_seq = 4", "prefix_valid is true, but comparing"),
    ("UPDATE blocks SET prefix_valid = 0 WHERE lease_id IS NULL", "self-mined, yet its prefix is judged"),
    ("UPDATE blocks SET key = upper(key)", "is not 64 to 128 lower-case"),
    ("UPDATE blocks SET key = substr(key, 2)", "is not 64 to 128 lower-case"),
    ("UPDATE blocks SET worker_id = 'ghost' WHERE block_seq = 1", "worker ghost is unknown"),
    ("UPDATE blocks SET worker_id = 'rig-2' WHERE block_seq = 1", "is another worker's"),
    ("UPDATE blocks SET lease_id = 'lease-x' WHERE block_seq = 1", "lease lease-x is unknown"),
    ("UPDATE blocks SET pending = 1 WHERE block_seq = 1", "verified and still to be looked into"),
    ("UPDATE blocks SET chain_block_id = 4 WHERE block_seq = 1", "number 4 on the chain is another block"),
    ("UPDATE chain_state SET normal_blocks = 9", "chain: normal_blocks reads 9, the rows make 4"),
    ("UPDATE chain_state SET super_blocks = 9", "chain: super_blocks reads 9"),
    ("UPDATE chain_state SET xuni_blocks = 9", "chain: xuni_blocks reads 9"),
    ("UPDATE chain_state SET next_block_id = 9", "chain: next_block_id reads 9, the rows make 5"),
    ("UPDATE chain_state SET miners = 9", "chain: miners reads 9, the rows make 2"),
    ("UPDATE chain_miners SET blocks = 9", "has 9 blocks, the rows make"),
    ("UPDATE chain_miners SET balance = balance + 1", "the rewards make"),
    ("DELETE FROM chain_miners", "but its miners have 0"),
    ("DELETE FROM workers WHERE worker_id = 'rig-2'", "refers to a row of workers that is not there"),
    ("DELETE FROM accounts WHERE account_id = 'consumer-1'", "refers to a row of accounts that is not there"),
];

#[test]
fn every_invariant_broken_by_hand_is_found() {
    let bed = history();
    let whole = Connection::open(bed.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clean = folder.path().join("clean.db");
    whole.execute("VACUUM INTO ?1", [clean.to_str().unwrap()]).unwrap();
    for (breakage, expected) in BREAKAGES {
        let copy = folder.path().join("broken.db");
        std::fs::copy(&clean, &copy).unwrap();
        let connection = Connection::open(&copy).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
        connection.execute_batch(breakage).unwrap();
        let report = audit(&connection).unwrap();
        let found = report.violations.iter().any(|line| line.contains(expected));
        assert!(found, "{breakage}\n  should tell: {expected}\n  told: {:#?}", report.violations);
    }
}

#[test]
fn damage_to_the_file_is_found() {
    let bed = history();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'leases_by_consumer'";
    let whole = Connection::open(bed.path()).unwrap();
    whole.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let page: u32 = Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    overwrite(&path, (page as usize - 1) * 4096);
    let report = audit(&open_for_reading(&path).unwrap()).unwrap();
    assert!(report.violations.iter().any(|line| line.starts_with("file: ")), "{:?}", report.violations);
}

fn overwrite(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset + 1000..offset + 4096].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_lease_that_waits_for_its_settlement_is_listed_and_settled_at_start() {
    let bed = history();
    let raw = Connection::open(bed.path()).unwrap();
    raw.execute_batch(
        "UPDATE leases SET state = 'completed', ended_at = created_at + 1000000, hold = 0 WHERE state = 'active';
         UPDATE accounts SET held = 0; UPDATE workers SET state = 'offline';
         UPDATE workers SET leases_completed = 1 WHERE worker_id = 'rig-2'",
    )
    .unwrap();
    let report = bed.audit();
    assert_eq!((report.violations.len(), report.unsettled.len()), (0, 1), "{:?}", report.violations);
    let settled = bed.write(|scope, _, now| crate::market::settlement::settle_unsettled(scope, now));
    assert_eq!(settled.unwrap(), 1);
    let report = bed.audit();
    assert_eq!((report.violations, report.unsettled), (vec![], vec![]));
}

#[test]
fn more_violations_than_lines_are_counted() {
    let bed = history();
    let raw = Connection::open(bed.path()).unwrap();
    raw.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         INSERT INTO blocks (worker_id, hash, key, account, attempts, hashrate, prefix_valid, created_at)
         SELECT 'rig-1', 'XEN11', printf('bad %d', i), '', 0, '0', 1, 0 FROM n",
    )
    .unwrap();
    let report = bed.audit();
    assert_eq!(report.violations.len(), crate::base::limits::AUDIT_LINES_MAX);
    assert_eq!(report.left_off, 502);
}
