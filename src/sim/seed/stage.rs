//! Performs the story by the market's rules.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::json;

use super::story::{Act, SECOND, Story};
use super::{SeedError, Seeded};
use crate::base::{AccountId, Amount, BlockKey, Timestamp};
use crate::chain::{Rules, Submission, check, simulator};
use crate::fleet::Fleet;
use crate::market::blocks::{Policy, Recorded};
use crate::market::leases::RentRequest;
use crate::market::settlement::hold;
use crate::market::{Actor, Scope, accounts, blocks, leases, ledger, pricing, workers};
use crate::pow::{Difficulty, Marker, Verifier};
use crate::protocol::{self, ReportedState, Status};
use crate::store::accounts::Role;
use crate::store::leases::Lease;
use crate::store::workers::{Pulse, write_pulse};

const HEARTBEAT_SEC: i64 = 30;
const COIN: i64 = 1_000_000;
/// The chain's difficulty moves so often over the whole history.
const ADJUSTMENTS: u32 = 12;
/// One worker in so many is offline at the end, one in so many is not for rent.
const OFFLINE_SHARE: usize = 12;
const UNLISTED_SHARE: usize = 17;

pub(super) struct Stage<'a> {
    story: &'a Story,
    random: &'a mut Xoshiro256PlusPlus,
    fleet: Fleet,
    leases: Vec<Option<Lease>>,
    policy: Policy,
    rules: Rules,
    verifier: Verifier,
    seeded: Seeded,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        scope: &mut Scope<'_>,
        story: &'a Story,
        random: &'a mut Xoshiro256PlusPlus,
    ) -> Result<Self, SeedError> {
        let first = story.acts.first().map_or(story.begin, |(at, _)| (*at).min(story.begin));
        let first = Timestamp::from_micros(first);
        ledger::open_books(scope, first)?;
        accounts::open_demo_accounts(scope, first)?;
        let start = Difficulty::new(simulator::DIFFICULTY_START_KIB).expect("the chain's own start");
        simulator::open(scope, start)?;
        for renter in 0..story.renters {
            let address = crate::base::EthAddress::from_bytes(random.random());
            accounts::open(scope, renter_id(renter), Role::Consumer, Some(address), Amount::ZERO, first)?;
        }
        let adjust_interval = (story.blocks / ADJUSTMENTS).max(50);
        Ok(Stage {
            story,
            random,
            fleet: Fleet::default(),
            leases: story.leases.iter().map(|_| None).collect(),
            policy: Policy { chain: true, require_pow: false, marker: Marker::default() },
            rules: Rules { adjust_interval, ..Rules::default() },
            verifier: Verifier::new(),
            seeded: Seeded { renters: story.renters, ..Seeded::default() },
        })
    }

    pub(super) fn perform(mut self, scope: &mut Scope<'_>) -> Result<Seeded, SeedError> {
        for (at, act) in &self.story.acts {
            let at = Timestamp::from_micros(*at);
            match *act {
                Act::Register(worker) => self.register(scope, worker, at)?,
                Act::SignIn(owner) => drop(accounts::sign_in(scope, &self.story.owners[owner], at)?),
                Act::Rent(lease) => self.rent(scope, lease, at)?,
                Act::Return(lease) => self.come_back(scope, lease, at)?,
                Act::End(lease) => self.end(scope, lease, at)?,
                Act::Block { worker, lease } => self.find_block(scope, worker, lease, at)?,
            }
        }
        self.close(scope)?;
        Ok(self.seeded)
    }

    fn register(&mut self, scope: &mut Scope<'_>, worker: usize, at: Timestamp) -> Result<(), SeedError> {
        let worker = &self.story.workers[worker];
        workers::register(scope, None, &worker.register, at)?;
        self.fleet.registered(&worker.register.worker_id, at);
        let id = &worker.register.worker_id;
        pricing::set(scope, &Actor::Unrestricted, id, worker.price, None, None)?;
        Ok(())
    }

    fn rent(&mut self, scope: &mut Scope<'_>, number: usize, at: Timestamp) -> Result<(), SeedError> {
        let plan = &self.story.leases[number];
        let worker = &self.story.workers[plan.worker];
        let consumer = renter_id(plan.renter);
        let need = hold(worker.price, plan.duration_sec);
        if accounts::get(scope, &consumer)?.available() < need {
            let coins = (need.millionths() / COIN + 1) * self.random.random_range(1..8);
            let round = (coins / 10 + 1) * 10 * COIN;
            accounts::deposit(scope, &consumer, Amount::from_millionths(round), at)?;
        }
        let id = worker.register.worker_id.clone();
        self.fleet.registered(&id, at);
        let request = RentRequest {
            consumer,
            address: None,
            duration_sec: plan.duration_sec,
            worker: Some(id),
            expected_price: None,
        };
        self.leases[number] = Some(leases::rent(scope, &self.fleet, &request, at)?);
        self.seeded.leases += 1;
        self.seeded.active += 1;
        Ok(())
    }

    fn come_back(&mut self, scope: &mut Scope<'_>, number: usize, at: Timestamp) -> Result<(), SeedError> {
        let plan = &self.story.leases[number];
        if let Some((since, _)) = plan.away {
            let worker = &self.story.workers[plan.worker].register.worker_id;
            leases::resume(scope, worker, Timestamp::from_micros(since), at)?;
        }
        Ok(())
    }

    fn end(&mut self, scope: &mut Scope<'_>, number: usize, at: Timestamp) -> Result<(), SeedError> {
        let lease = self.leases[number].as_ref().expect("a lease is rented before it ends");
        let worker = &self.story.workers[self.story.leases[number].worker];
        // The worker is there to the end.
        self.fleet.registered(&lease.worker_id, at);
        write_pulse(scope, &pulse(worker, at, at.micros_since(lease.created_at)))?;
        leases::stop(scope, &self.fleet, &Actor::Unrestricted, &lease.lease_id, at)?;
        self.seeded.active -= 1;
        Ok(())
    }

    fn find_block(
        &mut self,
        scope: &mut Scope<'_>,
        worker: usize,
        lease: Option<usize>,
        at: Timestamp,
    ) -> Result<(), SeedError> {
        let worker = &self.story.workers[worker];
        let lease = lease.and_then(|number| self.leases[number].as_ref());
        let account = lease.map(|lease| lease.consumer_address).or(worker.register.eth_address);
        let key = draw_key(lease, self.random);
        let attempts = self.random.random_range(100_000..2_000_000_i64);
        let report = protocol::Block {
            worker_id: worker.register.worker_id.clone(),
            lease_id: lease.map(|lease| lease.lease_id.clone()),
            hash: draw_hash(self.random),
            key,
            account,
            attempts,
            hashrate: format!("{:.2}", worker.rate * self.random.random_range(0.95..1.05)),
        };
        let body = json!({
            "key": report.key, "account": account, "hash_to_verify": report.hash, "attempts": attempts,
            "hashes_per_second": report.hashrate, "worker": report.worker_id,
        });
        let submission = body.as_object().map(Submission::from_json).expect("an object, as written above");
        let easiest = Difficulty::new(1).expect("the least there is");
        let checked = submission.and_then(|sent| check(sent, at, &self.rules, easiest, &self.verifier));
        let checked = checked.map_err(|_| SeedError::Config("the chain refused a drawn block"))?;
        if simulator::record(scope, at, &self.rules, &checked)?.is_ok()
            && blocks::record(scope, &self.policy, &report, at)? == Recorded::Decided
        {
            self.seeded.blocks += 1;
        }
        Ok(())
    }

    /// How things stand at the end: uptimes, who is online, who is not for rent.
    fn close(&mut self, scope: &mut Scope<'_>) -> Result<(), SeedError> {
        let now = self.story.now;
        let leased: std::collections::HashSet<usize> =
            self.story.leases.iter().filter(|lease| lease.ends.is_none()).map(|lease| lease.worker).collect();
        for (number, worker) in self.story.workers.iter().enumerate() {
            let lifetime = now.micros() - worker.registered_at;
            #[expect(clippy::cast_possible_truncation, reason = "a share of a few months in microseconds")]
            let online = (lifetime as f64 * worker.uptime) as i64;
            let offline = number % OFFLINE_SHARE == OFFLINE_SHARE - 1 && !leased.contains(&number);
            let silent_sec =
                if offline { self.random.random_range(600..86_400) } else { self.random.random_range(0..30) };
            let seen = Timestamp::from_micros((now.micros() - silent_sec * SECOND).max(worker.registered_at));
            let busy = if leased.contains(&number) { 60 * HEARTBEAT_SEC * SECOND } else { 0 };
            let mut last = Pulse { online, ..pulse(worker, seen, busy) };
            if offline {
                (last.hashrate, last.active_gpus) = (0.0, 0);
            }
            write_pulse(scope, &last)?;
            let worker_id = worker.register.worker_id.clone();
            if offline {
                let status = Status { worker_id, state: ReportedState::Offline, lease_id: None };
                workers::status(scope, None, &status, seen)?;
            } else if number % UNLISTED_SHARE == UNLISTED_SHARE - 1 && !leased.contains(&number) {
                workers::set_listed(scope, &Actor::Unrestricted, &worker_id, false)?;
            }
        }
        Ok(())
    }
}

/// The heartbeats of a lease that has gone on for `time` microseconds.
fn pulse(worker: &super::story::Worker, at: Timestamp, time: i64) -> Pulse {
    let beats = time / (HEARTBEAT_SEC * SECOND);
    Pulse {
        worker_id: worker.register.worker_id.clone(),
        hashrate: worker.rate,
        active_gpus: worker.register.gpu_count,
        last_heartbeat: at,
        online: 0,
        hashrate_sum: worker.rate * beats as f64,
        hashrate_samples: beats,
    }
}

fn renter_id(number: usize) -> AccountId {
    format!("seed-renter-{:04}", number + 1).parse().expect("of the alphabet")
}

fn draw_key(lease: Option<&Lease>, random: &mut Xoshiro256PlusPlus) -> BlockKey {
    let digits = hex::encode(random.random::<[u8; 32]>());
    let prefix = lease.map(|lease| lease.prefix.to_string()).unwrap_or_default();
    format!("{prefix}{}", &digits[prefix.len()..]).parse().expect("64 hexadecimal digits")
}

/// A bare hash such as simulators send: a marker among hexadecimal digits, now and then XUNI.
fn draw_hash(random: &mut Xoshiro256PlusPlus) -> String {
    let digits = hex::encode(random.random::<[u8; 29]>());
    let marker = match random.random_range(0..20) {
        0 => format!("XUNI{}", random.random_range(0..10)),
        _ => "XEN11".to_owned(),
    };
    format!("{}{marker}{}", &digits[..20], &digits[20..])
}
