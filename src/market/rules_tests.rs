//! Rules that were once wrong, and callers that race.

use serde_json::json;

use super::testbed::{BARE_HASH, Bed, address, key};
use super::{Actor, Refusal, accounts, blocks, leases, pricing, settlement};
use crate::base::{AccountId, Amount, Timestamp};
use crate::chain::{Rules, Submission, check, simulator};
use crate::pow::{Difficulty, Verifier};
use crate::protocol::ReportedState;
use crate::store::StoreError;
use crate::store::leases::Lease;
use crate::store::settlements::Settlement;

fn stop(bed: &Bed, lease: &Lease) -> Settlement {
    let id = lease.lease_id.clone();
    bed.write(move |scope, fleet, now| leases::stop(scope, fleet, &Actor::Unrestricted, &id, now)).unwrap()
}

fn stored(bed: &Bed, lease: &Lease) -> Lease {
    let id = lease.lease_id.clone();
    bed.store.read::<_, StoreError, _>(|c| Ok(crate::store::leases::get(c, &id)?)).unwrap().unwrap()
}

const SECOND: i64 = 1_000_000;

#[test]
fn an_absence_whose_end_is_noticed_twice_is_taken_off_once() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    bed.pass(100);
    assert_eq!(stored(&bed, &lease).interrupted_since, Some(lease.created_at));
    // The watchdog sees the worker back before the message that says so is dealt with.
    bed.fleet.registered(&lease.worker_id, bed.clock.now());
    bed.pass(0);
    let (worker, since) = (lease.worker_id.clone(), lease.created_at);
    bed.write(move |scope, _, now| leases::resume(scope, &worker, since, now)).unwrap();
    bed.pass(20);
    assert_eq!(stop(&bed, &lease).billed, 20 * SECOND);
    assert!(bed.audit().is_clean());
}

#[test]
fn an_absence_that_a_restart_forgot_is_not_taken_off_again() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    bed.pass(100);
    bed.beat("rig");
    // What the restarted platform knows is older than what the lease has counted.
    let worker = lease.worker_id.clone();
    let resumed = lease.created_at;
    bed.pass(10);
    bed.write(move |scope, _, now| leases::resume(scope, &worker, resumed, now)).unwrap();
    assert_eq!(stored(&bed, &lease).interrupted, 110 * SECOND);
    assert!(bed.audit().is_clean());
}

#[test]
fn a_look_that_waited_for_its_turn_takes_no_time_before_the_absence_off() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    let looked = bed.clock.now();
    bed.pass(60);
    bed.beat("rig");
    bed.fleet.gone(&lease.worker_id, bed.clock.now());
    bed.write(move |scope, fleet, _| leases::note_interruptions(scope, fleet, looked)).unwrap();
    bed.pass(40);
    assert_eq!(stop(&bed, &lease).billed, 60 * SECOND);
    assert!(bed.audit().is_clean());
}

/// Moments in seconds of what a worker says in its lease, the last sign of life before them at 0 and the next
/// ones as given; and how long it is not paid up to the last moment.
#[test]
fn what_is_said_within_a_silence_hides_none_of_it() {
    use ReportedState::{Error, Idle, Mining};
    for (said, beats, unpaid) in [
        (&[][..], &[96][..], 96),
        (&[(80, Idle), (85, Mining)], &[96], 96),
        (&[(85, Error)], &[96], 96),
        (&[(10, Idle), (20, Mining)], &[96], 96),
        (&[(10, Idle), (20, Mining), (30, Idle), (40, Mining), (50, Idle)], &[96], 96),
        (&[(40, Idle), (101, Mining)], &[98], 101),
        (&[(10, Idle), (20, Mining), (30, Error), (95, Mining)], &[96], 96),
        (&[(10, Idle), (20, Mining)], &[80], 10),
        (&[(10, Idle), (20, Mining)], &[30, 125], 105),
        (&[(10, Idle), (20, Mining), (50, Idle), (60, Mining)], &[30, 125], 105),
    ] {
        let bed = Bed::new();
        bed.register("rig", None).unwrap();
        let lease = bed.rent("consumer-1", None, 3600).unwrap();
        bed.says("rig", Mining, None).unwrap();
        for second in 1..=beats.iter().chain(said.iter().map(|(at, _)| at)).copied().max().unwrap() {
            bed.clock.advance(std::time::Duration::from_secs(1));
            for (_, state) in said.iter().filter(|(at, _)| *at == second) {
                bed.says("rig", *state, None).unwrap();
            }
            if beats.contains(&second) {
                bed.beat("rig");
            }
            if second % 5 == 0 {
                bed.pass(0);
            }
        }
        assert_eq!(
            stop(&bed, &lease).billed,
            bed.clock.now().micros_since(lease.created_at) - unpaid * SECOND,
            "{said:?}"
        );
        assert!(bed.audit().is_clean());
    }
}

#[test]
fn a_farewell_is_remembered_over_a_restart_at_once() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    bed.clock.advance(std::time::Duration::from_secs(20));
    bed.lose("rig").unwrap();
    let went = bed.clock.now();
    bed.restart();
    assert_eq!(stored(&bed, &lease).interrupted_since, Some(went));
    bed.pass(10);
    bed.beat("rig");
    bed.pass(0);
    assert_eq!(stop(&bed, &lease).billed, 20 * SECOND);
    assert!(bed.audit().is_clean());
}

#[test]
fn time_away_after_a_leases_end_is_not_taken_off() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 200).unwrap();
    bed.pass(80);
    bed.beat("rig");
    bed.pass(100);
    // Nobody looked at the lease's end, and the worker comes back later still.
    bed.clock.advance(std::time::Duration::from_secs(100));
    bed.beat("rig");
    bed.pass(0);
    let settlement = bed
        .store
        .read::<_, StoreError, _>(|c| Ok(crate::store::settlements::of_lease(c, &lease.lease_id)?))
        .unwrap()
        .unwrap();
    assert_eq!(settlement.billed, 80 * SECOND);
    assert!(bed.audit().is_clean());
}

#[test]
fn a_silence_that_outlasts_the_lease_is_judged_at_its_end() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 50).unwrap();
    bed.pass(500);
    let (ended, started) = (stored(&bed, &lease), lease.created_at);
    assert_eq!(
        (ended.ended_at, ended.interrupted),
        (Some(started.plus(std::time::Duration::from_secs(50))), 0)
    );
}

#[test]
fn another_accounts_block_on_the_chain_proves_no_full_hash() {
    let bed = Bed::new();
    bed.register("rig", Some(address(1))).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    let key = key(&lease.prefix.to_string(), 1);
    bed.submit(&key, &address(1));
    let renter = Some(lease.consumer_address);
    let recorded = bed.report("rig", Some(&lease.lease_id), &key, renter, &full_hash()).unwrap();
    assert_eq!(recorded, blocks::Recorded::Pending);
    let policy = bed.policy.clone();
    bed.write(move |scope, _, _| blocks::decide(scope, &policy, &key, false)).unwrap();
    assert_eq!(stored(&bed, &lease).blocks_found, 0);
    assert!(bed.audit().is_clean());
}

#[test]
fn all_blocks_of_a_lease_are_found_on_the_chain_however_many() {
    const LOST: u32 = 2300;
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    let (verifier, easy) = (Verifier::new(), Difficulty::new(1).unwrap());
    let submissions: Vec<_> = (0..LOST)
        .map(|number| {
            let key = key(&lease.prefix.to_string(), number);
            let body = json!({"key": key, "account": lease.consumer_address, "hash_to_verify": BARE_HASH});
            let submission = Submission::from_json(body.as_object().unwrap()).unwrap();
            check(submission, bed.clock.now(), &Rules::default(), easy, &verifier).unwrap()
        })
        .collect();
    bed.write(move |scope, _, now| {
        for checked in &submissions {
            assert!(simulator::record(scope, now, &Rules::default(), checked)?.is_ok());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(stop(&bed, &lease).blocks_found, i64::from(LOST));
    assert!(bed.audit().is_clean());
}

#[test]
fn a_cancelled_lease_costs_nothing() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    let lease = bed.rent("consumer-1", None, 3600).unwrap();
    bed.write(move |scope, _, _| {
        scope.execute(
            "UPDATE leases SET state = 'cancelled', hold = 0, ended_at = created_at + 60000000",
            [],
        )?;
        scope.execute("UPDATE accounts SET held = 0", [])?;
        scope.execute("UPDATE workers SET state = 'AVAILABLE'", [])?;
        Ok(())
    })
    .unwrap();
    assert_eq!(bed.write(|scope, _, now| settlement::settle_unsettled(scope, now)).unwrap(), 0);
    assert!(stored(&bed, &lease).ended_at.is_some());
    assert!(bed.audit().is_clean());
}

#[test]
fn of_many_who_rent_one_worker_at_once_exactly_one_gets_it() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    for _round in 0..20 {
        let results: Vec<Result<Lease, Refusal>> = std::thread::scope(|threads| {
            let renters: Vec<_> = (0..8)
                .map(|n| {
                    let consumer = if n % 2 == 0 { "consumer-1" } else { "consumer-2" };
                    let bed = &bed;
                    threads.spawn(move || bed.rent(consumer, Some("rig"), 60))
                })
                .collect();
            renters.into_iter().map(|renter| renter.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|lost| matches!(lost, Err(Refusal::NotFound(_)))), "{lost:?}");
        let lease = won.into_iter().next().unwrap().unwrap();
        assert!(bed.audit().is_clean());
        stop(&bed, &lease);
        bed.beat("rig");
    }
}

#[test]
fn deposits_and_withdrawals_at_once_neither_vanish_nor_pay_twice() {
    let bed = Bed::new();
    let id: AccountId = "consumer-2".parse().unwrap();
    let coins = |coins: i64| Amount::from_millionths(coins * 1_000_000);
    let paid: usize = std::thread::scope(|threads| {
        let out: Vec<_> = (0..20)
            .map(|_| {
                let (bed, id) = (&bed, id.clone());
                threads.spawn(move || {
                    let take =
                        bed.write(move |scope, _, now| accounts::withdraw(scope, &id, coins(500), None, now));
                    usize::from(take.is_ok())
                })
            })
            .collect();
        out.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert_eq!(paid, 1);
    std::thread::scope(|threads| {
        for _ in 0..60 {
            let (bed, id) = (&bed, id.clone());
            threads.spawn(move || {
                bed.write(move |scope, _, now| accounts::deposit(scope, &id, coins(1), now)).unwrap()
            });
        }
    });
    let account = bed.write(move |scope, _, _: Timestamp| accounts::get(scope, &id)).unwrap();
    assert_eq!(account.balance, coins(60));
    assert!(bed.audit().is_clean());
}

/// A hash as the network's are, of nothing.
fn full_hash() -> String {
    format!("$argon2id$v=19$m=100000,t=1,p=1${}${}", "A".repeat(27), "A".repeat(86))
}

#[test]
fn junk_uses_up_no_key() {
    let bed = Bed::new();
    bed.register("rig", None).unwrap();
    bed.register("thief", None).unwrap();
    let lease = bed.rent("consumer-1", Some("rig"), 600).unwrap();
    let found = key(&lease.prefix.to_string(), 1);
    // Somebody else's worker is first, with the key and no proof.
    assert!(matches!(bed.report("thief", None, &found, None, "junk"), Err(Refusal::Forbidden(_))));
    // So is the worker itself; then it has something to show, which is looked into.
    let report = |hash: &str| bed.report("rig", Some(&lease.lease_id), &found, None, hash).unwrap();
    assert_eq!(report("junk"), blocks::Recorded::Decided);
    assert_eq!(report("more junk"), blocks::Recorded::Repeated);
    assert_eq!(report("$argon2id$"), blocks::Recorded::Repeated, "no hash of the network either");
    assert_eq!(report(&full_hash()), blocks::Recorded::Pending);
    assert_eq!(report(&full_hash()), blocks::Recorded::Repeated);
    bed.submit(&found, &lease.consumer_address);
    assert_eq!(stored(&bed, &lease).blocks_found, 1);
    assert!(bed.audit().is_clean());
}

#[test]
fn the_platforms_own_ids_are_not_to_be_had() {
    let bed = Bed::new();
    assert!(matches!(bed.register("_admin", None), Err(Refusal::Invalid(_))));
    assert!(matches!(bed.register("_outside", None), Err(Refusal::Invalid(_))));
    let opened = bed.write(|scope, _, now| {
        let role = crate::store::accounts::Role::Consumer;
        accounts::open(scope, "_admin".parse().unwrap(), role, None, Amount::ZERO, now)
    });
    assert!(matches!(opened, Err(Refusal::Invalid(_))));
}

#[test]
fn leases_of_ones_own_worker_are_no_reputation() {
    let bed = Bed::new();
    let owner = address(1);
    bed.register("rig-1", Some(owner)).unwrap();
    bed.register("rig-2", None).unwrap();
    let price = Amount::ZERO;
    let wallet = bed.write(move |scope, _, now| accounts::sign_in(scope, &owner, now)).unwrap().account_id;
    for worker in ["rig-1", "rig-2"] {
        bed.write(move |scope, _, _| {
            let id = worker.parse().unwrap();
            pricing::set(scope, &Actor::Unrestricted, &id, price, None, None)
        })
        .unwrap();
    }
    let counts = |worker: &'static str| {
        let id = worker.parse().unwrap();
        let row = bed.store.read::<_, StoreError, _>(|c| Ok(crate::store::workers::get(c, &id)?));
        let row = row.unwrap().unwrap();
        (row.leases_total, row.leases_completed)
    };
    for (renter, worker, expected) in
        [(wallet.as_str(), "rig-1", (0, 0)), ("rig-1", "rig-1", (0, 0)), ("consumer-1", "rig-1", (1, 1))]
    {
        let lease = bed.rent(renter, Some(worker), 60).unwrap();
        assert_eq!(stored(&bed, &lease).own, expected == (0, 0));
        stop(&bed, &lease);
        assert_eq!(counts(worker), expected, "{renter}");
    }
    let lease = bed.rent(wallet.as_str(), Some("rig-2"), 60).unwrap();
    assert_eq!(counts("rig-2"), (1, 0));
    stop(&bed, &lease);
    assert_eq!(counts("rig-2"), (1, 1));
    assert!(bed.audit().is_clean());
}
