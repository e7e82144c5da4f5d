use super::*;
use crate::chain::{Submission, check};
use crate::pow::Verifier;
use proptest::prelude::*;
use serde_json::json;

const ALICE: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";
const BOB: &str = "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD";
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_250_000);

fn chain(start_kib: u32) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(include_str!("../../sql/003_chain.sql")).unwrap();
    conn.execute_batch(include_str!("../../sql/007_difficulty.sql")).unwrap();
    open(&conn, Difficulty::new(start_kib).unwrap()).unwrap();
    conn
}

fn checked(key: &str, account: &str, hash: &str) -> Checked {
    let body = json!({"hash_to_verify": hash, "key": key, "account": account, "attempts": "9",
        "hashes_per_second": "1200.50", "worker": "rig-1"});
    let submission = Submission::from_json(body.as_object().unwrap()).unwrap();
    check(submission, NOW, &Rules::default(), Difficulty::MIN, &Verifier::new()).unwrap()
}

fn submit(conn: &Connection, key: &str, account: &str, hash: &str) -> Result<Accepted, Refusal> {
    record(conn, NOW, &Rules::default(), &checked(key, account, hash)).unwrap()
}

fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:0width$x}", width = 64 - prefix.len())
}

fn ids(blocks: &[Block]) -> Vec<i64> {
    blocks.iter().map(|block| block.block_id).collect()
}

fn plan(conn: &Connection, sql: &str) -> String {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![None::<i64>; statement.parameter_count()];
    let steps =
        statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_block_is_answered_kept_and_paid() {
    let conn = chain(DIFFICULTY_START_KIB);
    let accepted = submit(&conn, &key("ab", 1), ALICE, "00XEN11").unwrap();
    let answer = serde_json::to_string(&accepted.wire()).unwrap();
    assert_eq!(
        answer,
        r#"{"status":"success","message":"Block accepted: normal #1","block_type":"normal","block_id":1}"#
    );
    let super_hash = format!("XEN11{}", "Q".repeat(60));
    assert_eq!(submit(&conn, &key("ab", 2), ALICE, &super_hash).unwrap().message, "Block accepted: super #2");
    assert_eq!(submit(&conn, &key("ab", 3), BOB, "XUNI5").unwrap().message, "Block accepted: xuni #3");
    let block = &last_blocks(&conn).unwrap()[0];
    let expected = format!(
        r#"{{"block_id":1,"account":"{ALICE}","key":"{}","hash_to_verify":"00XEN11","block_type":"normal","attempts":9,"hashes_per_second":"1200.50","worker":"rig-1","timestamp":1700000000.25}}"#,
        key("ab", 1)
    );
    assert_eq!(serde_json::to_string(&wire::Block::from(block)).unwrap(), expected);
    assert!(!block.pow_verified);
    assert_eq!(balance(&conn, &ALICE.to_lowercase()).unwrap(), Amount::from_millionths(60_000_000));
    assert_eq!(balance(&conn, &BOB.to_uppercase()).unwrap(), Amount::from_millionths(1_000_000));
    assert_eq!(balance(&conn, "0xnobody").unwrap(), Amount::ZERO);
    let expected = r#"{"total_blocks":3,"normal_blocks":1,"super_blocks":1,"xuni_blocks":1,"difficulty":1727,"unique_miners":2,"next_block_id":4}"#;
    assert_eq!(serde_json::to_string(&stats(&conn).unwrap()).unwrap(), expected);
}

#[test]
fn a_key_counts_once_in_any_spelling_and_for_anybody() {
    let conn = chain(DIFFICULTY_START_KIB);
    submit(&conn, &key("ab", 1), ALICE, "00XEN11").unwrap();
    let known = Refusal::new(409, "Key already exists");
    for (again, account) in [(key("ab", 1), ALICE), (key("AB", 1), BOB)] {
        assert_eq!(submit(&conn, &again, account, "11XEN11"), Err(known.clone()));
        assert_eq!(refuse_known(&conn, &again.parse().unwrap()).unwrap(), Err(known.clone()));
    }
    assert_eq!(
        serde_json::to_string(&known.wire()).unwrap(),
        r#"{"status":"error","message":"Key already exists"}"#
    );
    assert_eq!(refuse_known(&conn, &key("ab", 2).parse().unwrap()).unwrap(), Ok(()));
    assert_eq!(stats(&conn).unwrap().total_blocks, 1);
    assert_eq!(balance(&conn, ALICE).unwrap(), Amount::from_millionths(10_000_000));
    assert_eq!(submit(&conn, &key("ab", 2), ALICE, "XEN11").unwrap().block_id, 2, "numbers have no gaps");
}

#[test]
fn difficulty_grows_by_a_twentieth_every_fifty_blocks_within_its_bounds() {
    let grown = |start: u32, blocks: usize| {
        let conn = chain(start);
        for number in 0..blocks {
            submit(&conn, &key("", number), ALICE, "XEN11").unwrap();
        }
        difficulty(&conn).unwrap().kib()
    };
    assert_eq!(grown(1727, 49), 1727);
    assert_eq!(grown(1727, 50), 1813);
    assert_eq!(grown(1727, 100), 1903);
    assert_eq!(grown(99_000, 50), 100_000);
    assert_eq!(grown(8, 50), 8, "a test network's start is its floor");
    assert_eq!(grown(40, 50), 42);
}

#[test]
fn each_change_of_the_difficulty_is_remembered() {
    let conn = chain(1727);
    let at = |seconds: u64| NOW.plus(std::time::Duration::from_secs(seconds));
    for number in 0..100_usize {
        let block = checked(&key("", number), ALICE, "XEN11");
        record(&conn, at(number as u64), &Rules::default(), &block).unwrap().unwrap();
    }
    assert_eq!(difficulty_since(&conn, NOW).unwrap(), [(NOW, 1727), (at(49), 1813), (at(99), 1903)]);
    assert_eq!(difficulty_since(&conn, at(49)).unwrap(), [(at(49), 1813), (at(99), 1903)]);
    assert_eq!(difficulty_since(&conn, at(200)).unwrap(), [(at(200), 1903)]);
}

#[test]
fn a_chain_that_has_begun_keeps_its_difficulty() {
    let conn = chain(DIFFICULTY_START_KIB);
    (0..50).for_each(|number| _ = submit(&conn, &key("", number), ALICE, "XEN11").unwrap());
    open(&conn, Difficulty::new(500).unwrap()).unwrap();
    assert_eq!(difficulty(&conn).unwrap().kib(), 1813);
    assert_eq!(stats(&conn).unwrap().total_blocks, 50);
}

#[test]
fn lists_are_ordered_filtered_and_bounded() {
    let conn = chain(DIFFICULTY_START_KIB);
    let lease = "a1b2c3d4e5f60718";
    for number in 0..150 {
        let (prefix, account) = if number % 3 == 0 { (lease, ALICE) } else { ("ff", BOB) };
        submit(&conn, &key(prefix, number), account, "XEN11").unwrap();
    }
    assert_eq!(ids(&last_blocks(&conn).unwrap()), (51..=150).collect::<Vec<_>>());
    let list = |account, prefix, limit| ids(&blocks(&conn, account, prefix, limit).unwrap());
    assert_eq!(list(None, None, 3), [148, 149, 150]);
    let shouted = ALICE.to_uppercase();
    assert_eq!(list(Some(&shouted), None, 2), [148, 145]);
    assert_eq!(list(None, Some("A1B2"), 2), [148, 145]);
    assert_eq!(list(Some(BOB), Some("a1b2"), 10), [0i64; 0]);
    assert_eq!(list(Some(""), Some(""), 1), [150]);
    for none in ["a1b2g", "a1b2%", "_", "'", "fg", "\u{e9}"] {
        assert_eq!(list(None, Some(none), 10), [0i64; 0], "{none}");
    }
    assert_eq!(list(None, None, u32::MAX).len(), 150);
    let prefix = lease.parse().unwrap();
    let page = by_prefix(&conn, &prefix, Some(&ALICE.to_lowercase().parse().unwrap()), 0, 20).unwrap();
    assert_eq!(ids(&page)[..3], [1, 4, 7]);
    let rest = by_prefix(&conn, &prefix, None, page[19].block_id, 1000).unwrap();
    assert_eq!(page.len() + rest.len(), 50);
    assert!(by_prefix(&conn, &prefix, Some(&BOB.parse().unwrap()), 0, 20).unwrap().is_empty());
    let found = by_key(&conn, &key("A1B2C3D4E5F60718", 0).parse().unwrap()).unwrap().unwrap();
    assert_eq!((found.block_id, found.account.as_str()), (1, ALICE));
    assert_eq!(by_key(&conn, &key("dd", 0).parse().unwrap()).unwrap(), None);
}

#[test]
fn fault_51_no_lookup_scans_the_chain() {
    let conn = chain(DIFFICULTY_START_KIB);
    let of_blocks =
        [KEY_IS, OF_ACCOUNT, KEY_BEGINS, KEY_BEGINS_AFTER].map(|clause| format!("{SELECT_BLOCK} {clause}"));
    for sql in of_blocks {
        let plan = plan(&conn, &sql);
        assert!(plan.contains("USING INDEX") && !plan.contains("SCAN"), "{sql}: {plan}");
    }
}

proptest! {
    #[test]
    fn counters_and_balances_agree_with_the_blocks(
        sent in prop::collection::vec((0usize..30, 0usize..3, 0usize..3), 0..80)
    ) {
        let conn = chain(DIFFICULTY_START_KIB);
        for (number, account, hash) in sent {
            let hash = ["XEN11", "XUNI1", "XEN11QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"][hash];
            let _refused_when_known = submit(&conn, &key("", number), [ALICE, BOB, ""][account], hash);
        }
        let all = blocks(&conn, None, None, 1000).unwrap();
        let stats = stats(&conn).unwrap();
        let of_kind = |kind| all.iter().filter(|block| block.kind == kind).count() as i64;
        prop_assert_eq!(stats.total_blocks, all.len() as i64);
        prop_assert_eq!(stats.normal_blocks, of_kind(BlockKind::Normal));
        prop_assert_eq!(stats.super_blocks, of_kind(BlockKind::Super));
        prop_assert_eq!(stats.xuni_blocks, of_kind(BlockKind::Xuni));
        prop_assert_eq!(stats.next_block_id, all.len() as i64 + 1);
        for account in [ALICE, BOB, ""] {
            let earned: Amount = all.iter().filter(|b| b.account == account).map(|b| reward(b.kind)).sum();
            prop_assert_eq!(balance(&conn, account).unwrap(), earned);
        }
    }
}
