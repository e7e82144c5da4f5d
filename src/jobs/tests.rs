//! The loops on a platform whose clock is moved by hand.

use std::time::Duration;

use crossbeam_channel::bounded;

use super::testing::{ADDRESS, Platform};
use super::*;
use crate::base::limits::STORE_BULK_ROWS_MAX;
use crate::base::{BlockKey, Timestamp};
use crate::market::{self, Event, blocks};
use crate::pow::{Difficulty, Hasher, Phc, Salt};
use crate::protocol;
use crate::store::leases::LeaseState;
use crate::store::{snapshots, workers};

#[test]
fn leases_end_by_themselves_and_one_that_fails_keeps_no_other_waiting() {
    let platform = Platform::new();
    let leases: Vec<_> = (0..3).map(|n| platform.lease(&format!("rig-{n}"), 60)).collect();
    platform.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON settlements WHEN NEW.worker_id = 'rig-1'
         BEGIN SELECT raise(ABORT, 'broken'); END",
    );
    let house = platform.house();
    let running = platform.start(move |stop| watch_leases(&house, stop));
    platform.clock.advance(Duration::from_secs(61));
    platform.await_ended(2);
    let states: Vec<LeaseState> = leases.iter().map(|lease| platform.lease_state(lease)).collect();
    assert_eq!(states, [LeaseState::Completed, LeaseState::Active, LeaseState::Completed]);
    platform.execute("DROP TRIGGER broken");
    platform.clock.advance(Duration::from_secs(5));
    platform.await_ended(1);
    assert_eq!(platform.lease_state(&leases[1]), LeaseState::Completed);
    running.stop();
}

#[test]
fn what_ended_without_a_settlement_is_settled_at_start() {
    let platform = Platform::new();
    let lease = platform.lease("rig-1", 60);
    platform.execute(
        "UPDATE leases SET state = 'completed', ended_at = created_at + 60000000, hold = 0;
         UPDATE accounts SET held = 0",
    );
    let house = platform.house();
    let running = platform.start(move |stop| watch_leases(&house, stop));
    let settlement = platform.await_ended(1).pop().unwrap();
    assert_eq!((settlement.lease_id, settlement.total_cost.millionths()), (lease, 600_000));
    running.stop();
}

#[test]
fn heartbeats_are_flushed_and_samples_taken() {
    let platform = Platform::new();
    platform.worker("rig-1");
    platform.worker("rig-2");
    let house = platform.house();
    let running = platform.start(move |stop| monitor(&house, stop));
    let (epoch, worker) = (Timestamp::from_micros(0), "rig-1".parse().unwrap());
    let samples =
        |c: &rusqlite::Connection| snapshots::of_all(c, epoch, platform.clock.now(), 10).unwrap().len();
    platform.await_that(|c| samples(c) == 2);
    platform.clock.advance(Duration::from_secs(10));
    platform.beat("rig-1", 500.0);
    platform.clock.advance(Duration::from_secs(1));
    platform.await_that(|c| workers::get(c, &worker).unwrap().unwrap().hashrate > 499.0);
    platform.beat("rig-2", 7.0);
    running.stop();
    let last = platform.read(|c| workers::get(c, &"rig-2".parse().unwrap()).unwrap().unwrap());
    assert!(last.hashrate > 6.0, "the last beats are flushed at the stop");
    assert_eq!(last.total_online, 11_000_000);
}

#[test]
fn a_fleet_larger_than_one_job_writes_is_sampled_whole() {
    let platform = Platform::new();
    platform.worker("rig-0");
    let count = STORE_BULK_ROWS_MAX + 50;
    platform.execute(&format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count} - 1)
         INSERT INTO accounts (account_id, role, origin, created_at)
             SELECT 'rig-' || n, 'provider', 'worker', 1 FROM numbers;
         INSERT INTO workers (worker_id, eth_address, gpu_count, total_memory_gb, gpus, gpu_names, version, state,
                              price_per_min, registered_at, last_heartbeat)
             SELECT account_id, '{ADDRESS}', 1, 24.0, '[]', '', 'test', 'AVAILABLE', 1, 1, {}
             FROM accounts WHERE created_at = 1",
        platform.clock.now().micros()
    ));
    let known = platform.read(|connection| workers::all(connection).unwrap());
    platform.fleet.load(&known, platform.clock.now());
    let house = platform.house();
    let running = platform.start(move |stop| monitor(&house, stop));
    let now = platform.clock.now();
    let sampled = |c: &rusqlite::Connection| snapshots::count_at(c, now).unwrap();
    platform.await_that(|connection| sampled(connection) == i64::try_from(count).unwrap());
    running.stop();
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A platform that has monitored one worker for a moment, with a sample that is a day old in half an hour.
fn monitored() -> Platform {
    let platform = Platform::new();
    platform.worker("rig-1");
    let (house, old) = (platform.house(), platform.clock.now().minus(DAY).plus(HOUR / 2).micros());
    platform.execute(&format!("INSERT INTO hashrate_snapshots VALUES ('rig-1', {old}, 10.0, 1)"));
    let running = platform.start(move |stop| monitor(&house, stop));
    platform.await_that(|connection| sampled(connection).len() == 2);
    running.stop();
    platform
}

fn sampled(connection: &rusqlite::Connection) -> Vec<Timestamp> {
    let (epoch, end) = (Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    let samples = snapshots::of_all(connection, epoch, end, 10).unwrap();
    samples.into_iter().map(|sample| sample.taken_at).collect()
}

/// A beat after ten seconds is stored with its ten seconds, whatever the clock did before.
fn beats_count(platform: &Platform, online_sec: i64) {
    platform.clock.advance(Duration::from_secs(10));
    platform.beat("rig-1", 500.0);
    platform.clock.advance(Duration::from_secs(1));
    let worker = |c: &rusqlite::Connection| workers::get(c, &"rig-1".parse().unwrap()).unwrap().unwrap();
    platform.await_that(|connection| worker(connection).hashrate > 499.0);
    assert_eq!(platform.read(worker).total_online, online_sec * 1_000_000);
}

#[test]
fn after_an_hour_back_beats_are_stored_samples_taken_and_nothing_is_forgotten_early() {
    let mut platform = monitored();
    let before = platform.clock.now();
    platform.restart_at(before.minus(HOUR));
    let house = platform.house();
    let running = platform.start(move |stop| monitor(&house, stop));
    let (oldest, now) = (before.minus(DAY).plus(HOUR / 2), platform.clock.now());
    platform.await_that(|connection| sampled(connection) == [oldest, now, before]);
    beats_count(&platform, 10);
    platform.clock.advance(HOUR);
    let later = platform.clock.now();
    // The clean-up of this hour, when all are younger than a day: who is silent is not sampled.
    platform.await_that(|connection| snapshots::last_moment(connection, later).unwrap() == Some(before));
    running.stop();
    assert_eq!(platform.read(sampled), [oldest, now, before]);
}

#[test]
fn after_an_hour_forwards_silence_is_no_uptime_and_only_what_is_a_day_old_goes() {
    let mut platform = monitored();
    let before = platform.clock.now();
    platform.execute(&format!(
        "INSERT INTO idempotency VALUES ('renter', 'key', x'00', 200, '{{}}', {})",
        before.micros()
    ));
    platform.restart_at(before.plus(HOUR));
    let house = platform.house();
    let running = platform.start(move |stop| monitor(&house, stop));
    platform.await_that(|connection| sampled(connection) == [before]);
    // It was last heard of an hour ago: the time until its return is not online.
    beats_count(&platform, 0);
    platform.clock.advance(Duration::from_secs(20));
    let now = platform.clock.now();
    platform.await_that(|connection| sampled(connection) == [before, now]);
    running.stop();
    let count =
        |c: &rusqlite::Connection| c.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0));
    assert_eq!(platform.read(count), Ok(1_i64), "an answer is kept for a day");
}

/// A block whose hash shows the marker `a`; unless it is `honest`, of another key.
fn report(n: u32, honest: bool) -> protocol::Block {
    let address = ADDRESS.parse().unwrap();
    let mut hasher = Hasher::new();
    let mut hash =
        |key: &BlockKey| Phc::compute(key, Salt::of(&address), Difficulty::new(8).unwrap(), &mut hasher);
    let key = |n: u32| -> BlockKey { format!("{n:064x}").parse().unwrap() };
    let marked = (n * 1000..).map(|n| (key(n), hash(&key(n))));
    let (key, phc) = { marked }.find(|(_, phc)| phc.tag.text().contains(&b'a')).unwrap();
    protocol::Block {
        worker_id: "rig-1".parse().unwrap(),
        lease_id: None,
        hash: phc.to_string(),
        key: if honest { key } else { format!("{}{n}", "f".repeat(63)).parse().unwrap() },
        account: Some(address),
        attempts: 1,
        hashrate: "1.00".into(),
    }
}

#[test]
fn blocks_are_decided_whether_they_wait_at_start_come_later_or_find_the_queue_full() {
    let platform = Platform::new();
    platform.worker("rig-1");
    let house = platform.house();
    let record = |n, honest| {
        let (policy, report, now) = (house.policy.clone(), report(n, honest), platform.clock.now());
        let job = move |scope: &mut market::Scope<'_>| blocks::record(scope, &policy, &report, now);
        assert_eq!(platform.store.write(job).unwrap(), blocks::Recorded::Pending);
    };
    record(1, true);
    record(2, false);
    let (arrivals, queue) = bounded(1);
    let verifying = house.clone();
    let running = platform.start(move |stop| verify_blocks(&verifying, &queue, stop));
    let mut decided = platform.await_blocks(2);
    let pending = || {
        let event = platform.events.recv().unwrap();
        let Event::BlockPending(block) = event else { panic!("{event:?}") };
        block
    };
    record(3, true);
    arrivals.send(pending()).unwrap();
    decided.extend(platform.await_blocks(1));
    // The next two find the queue full: they wait in the database until the one after them is done.
    for n in 4..6 {
        record(n, true);
        pending();
    }
    record(6, true);
    arrivals.send(pending()).unwrap();
    decided.extend(platform.await_blocks(3));
    let verdicts: Vec<_> = decided.iter().map(|block| (block.chain_verified, block.pending)).collect();
    assert_eq!(verdicts[..3], [(true, false), (false, false), (true, false)]);
    assert_eq!(verdicts[3..], [(true, false); 3]);
    running.stop();
}
