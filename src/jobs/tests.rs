//! The loops on a platform whose clock is moved by hand.

use std::time::Duration;

use crossbeam_channel::bounded;

use super::testing::{ADDRESS, Platform};
use super::*;
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
fn blocks_are_decided_whether_they_wait_at_start_or_come_later() {
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
    record(3, true);
    let event = platform.events.recv().unwrap();
    let Event::BlockPending(block) = event else { panic!("{event:?}") };
    arrivals.send(block).unwrap();
    decided.extend(platform.await_blocks(1));
    let verdicts: Vec<_> = decided.iter().map(|block| (block.chain_verified, block.pending)).collect();
    assert_eq!(verdicts, [(true, false), (false, false), (true, false)]);
    running.stop();
}
