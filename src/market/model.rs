//! Random stories on the real market, told at the same time to a small naive model of it; at each
//! step both must agree, and the audit must find nothing.

mod reference;

use std::time::Duration;

use proptest::prelude::*;

use self::reference::{Lease as ModelLease, Model};
use super::testbed::{BARE_HASH, Bed, START, address, key};
use super::{Actor, Refusal, accounts, leases, pricing, workers};
use crate::base::{AccountId, Amount, EthAddress, WorkerId};
use crate::protocol::ReportedState;
use crate::store::{self, StoreError};

/// One step of a story. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Register(u8),
    Beat(u8),
    AllBeat,
    Lose(u8),
    /// The worker of a lease shows that it is at work for it.
    Works(u8),
    /// A worker says something, perhaps of some lease.
    Says {
        worker: u8,
        state: u8,
        lease: Option<u8>,
    },
    /// The worker of a lease does, perhaps by the lease's name.
    SaysAtWork {
        lease: u8,
        state: u8,
        named: bool,
    },
    Pass(u32),
    Rent {
        renter: u8,
        worker: Option<u8>,
        duration_sec: i64,
    },
    Stop {
        who: u8,
        lease: u8,
    },
    Extend {
        who: u8,
        lease: u8,
        more_sec: i64,
    },
    Deposit(u8, i64),
    Withdraw(u8, i64),
    SignIn(u8),
    List {
        who: u8,
        worker: u8,
        listed: bool,
    },
    Price(u8, i64),
    Block {
        worker: u8,
        lease: Option<u8>,
        number: u32,
        bears: bool,
        own: bool,
    },
    Submit {
        lease: Option<u8>,
        number: u32,
        bears: bool,
        own: bool,
    },
}

const WORKERS: u8 = 3;
const ADDRESSES: u8 = 3;
const STATES: [ReportedState; 7] = [
    ReportedState::Available,
    ReportedState::SelfMining,
    ReportedState::Error,
    ReportedState::Mining,
    ReportedState::Leased,
    ReportedState::Completed,
    ReportedState::Idle,
];

fn step() -> impl Strategy<Value = Step> {
    let (worker, some) = (0..WORKERS, || 0..8u8);
    prop_oneof![
        2 => worker.clone().prop_map(Step::Register),
        2 => worker.clone().prop_map(Step::Beat),
        4 => Just(Step::AllBeat),
        1 => worker.clone().prop_map(Step::Lose),
        1 => some().prop_map(Step::Works),
        2 => (worker.clone(), 0..7u8, prop::option::weighted(0.3, some()))
            .prop_map(|(worker, state, lease)| Step::Says { worker, state, lease }),
        6 => (some(), 0..7u8, any::<bool>())
            .prop_map(|(lease, state, named)| Step::SaysAtWork { lease, state, named }),
        5 => prop_oneof![0..60_000u32, 0..200_000u32].prop_map(Step::Pass),
        6 => (prop_oneof![0..3u8, some()], prop::option::of(worker.clone()), 1..400i64)
            .prop_map(|(renter, worker, duration_sec)| Step::Rent { renter, worker, duration_sec }),
        3 => (some(), some()).prop_map(|(who, lease)| Step::Stop { who, lease }),
        2 => (some(), some(), 1..400i64)
            .prop_map(|(who, lease, more_sec)| Step::Extend { who, lease, more_sec }),
        1 => (some(), -5..50_000_000i64).prop_map(|(who, amount)| Step::Deposit(who, amount)),
        1 => (some(), -5..900_000_000i64).prop_map(|(who, amount)| Step::Withdraw(who, amount)),
        1 => (0..ADDRESSES).prop_map(Step::SignIn),
        1 => (some(), worker.clone(), any::<bool>())
            .prop_map(|(who, worker, listed)| Step::List { who, worker, listed }),
        1 => (worker.clone(), prop_oneof![0..3_000_000i64, 0..200_000_000i64])
            .prop_map(|(worker, price)| Step::Price(worker, price)),
        3 => (worker, prop::option::of(some()), 0..6u32, any::<bool>(), any::<bool>()).prop_map(
            |(worker, lease, number, bears, own)| Step::Block { worker, lease, number, bears, own }
        ),
        3 => (prop::option::of(some()), 0..6u32, any::<bool>(), any::<bool>())
            .prop_map(|(lease, number, bears, own)| Step::Submit { lease, number, bears, own }),
    ]
}

/// How much is told: `make model` asks for more than each run of the tests.
fn asked(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().map_or(otherwise, |number| number.parse().expect("a number"))
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    let steps = asked("XENBLOCKS_STORY_STEPS", 35) as usize;
    prop::collection::vec(step(), steps / 2..=steps * 3 / 2)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: asked("XENBLOCKS_STORIES", 48),
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    })]
    #[test]
    fn market_and_model_agree_and_the_books_are_clean(story in story()) {
        let mut play = Play { bed: Bed::new(), model: Model::new() };
        // Without workers there is little to tell; who goes and comes back, the story says.
        let begin = (0..WORKERS).map(Step::Register).collect::<Vec<_>>();
        for step in begin.iter().chain(&story) {
            play.act(step);
            play.compare();
        }
        let report = play.bed.audit();
        prop_assert!(report.is_clean(), "{:#?}", report.violations);
    }
}

struct Play {
    bed: Bed,
    model: Model,
}

fn worker_name(number: u8) -> String {
    format!("rig-{number}")
}

/// Rigs 0 and 1 name a wallet, rig 2 nobody.
fn address_of(worker: u8) -> Option<EthAddress> {
    (worker < 2).then(|| address(worker))
}

impl Play {
    fn now(&self) -> i64 {
        self.bed.clock.now().micros() - START.micros()
    }

    /// Somebody: the two renters, an account of a worker, a wallet, or a stranger.
    fn person(&self, who: u8) -> (AccountId, Option<EthAddress>) {
        let wallet = |number: u8| self.model.wallets.get(&address(number)).cloned();
        match who {
            0 | 1 => ("consumer-1".parse().unwrap(), None),
            2 => ("consumer-2".parse().unwrap(), None),
            3 | 4 => (worker_name(who - 3).parse().unwrap(), None),
            5 | 6 => match wallet(who - 5) {
                Some(id) => (id.parse().unwrap(), Some(address(who - 5))),
                None => ("stranger".parse().unwrap(), None),
            },
            _ => ("stranger".parse().unwrap(), None),
        }
    }

    fn lease(&self, number: u8) -> Option<usize> {
        let count = self.model.leases.len();
        count.checked_sub(1 + usize::from(number) % count.max(1))
    }

    fn active_lease(&self, number: u8) -> Option<usize> {
        let active: Vec<usize> =
            (0..self.model.leases.len()).filter(|index| self.model.leases[*index].ended.is_none()).collect();
        active.get(usize::from(number) % active.len().max(1)).copied()
    }

    fn act(&mut self, step: &Step) {
        let now = self.now();
        match step.clone() {
            Step::Register(worker) => {
                self.bed.register(&worker_name(worker), address_of(worker)).unwrap();
                self.model.register(&worker_name(worker), address_of(worker), now);
            }
            Step::Beat(worker) => {
                self.bed.beat(&worker_name(worker));
                self.model.alive(&worker_name(worker), now);
            }
            Step::AllBeat => (0..WORKERS).for_each(|worker| self.act(&Step::Beat(worker))),
            Step::Lose(worker) => {
                let known = self.bed.lose(&worker_name(worker)).is_ok();
                assert_eq!(known, self.model.workers.contains_key(&worker_name(worker)));
                self.model.gone(&worker_name(worker), now);
            }
            Step::Works(lease) => self.works(lease),
            Step::Says { worker, state, lease } => {
                let lease = lease.and_then(|number| self.lease(number));
                self.says(&worker_name(worker), STATES[usize::from(state)], lease);
            }
            Step::SaysAtWork { lease, state, named } => {
                if let Some(index) = self.active_lease(lease) {
                    let worker = self.model.leases[index].worker.clone();
                    self.says(&worker, STATES[usize::from(state)], named.then_some(index));
                }
            }
            Step::Pass(millis) => {
                self.bed.pass_for(Duration::from_millis(millis.into()));
                self.model.expire(now + i64::from(millis) * 1000);
            }
            Step::Rent { renter, worker, duration_sec } => self.rent(renter, worker, duration_sec),
            Step::Stop { who, lease } => self.stop(who, lease),
            Step::Extend { who, lease, more_sec } => self.extend(who, lease, more_sec),
            Step::Deposit(who, amount) => self.deposit(who, amount),
            Step::Withdraw(who, amount) => self.withdraw(who, amount),
            Step::SignIn(number) => {
                let account = self
                    .bed
                    .write(move |scope, _, now| accounts::sign_in(scope, &address(number), now))
                    .unwrap();
                self.model.sign_in(address(number), account.account_id.as_str());
            }
            Step::List { who, worker, listed } => self.list(who, worker, listed),
            Step::Price(worker, price) => self.price(worker, price),
            Step::Block { worker, lease, number, bears, own } => {
                self.block(worker, lease, number, bears, own);
            }
            Step::Submit { lease, number, bears, own } => self.submit(lease, number, bears, own),
        }
    }

    fn works(&mut self, lease: u8) {
        let Some(index) = self.active_lease(lease) else { return };
        let (lease, now) = (&self.model.leases[index], self.now());
        let name = lease.worker.clone();
        self.bed.beat_of(&name, lease.prefix.parse().unwrap());
        self.model.alive(&name, now);
        self.model.works(&name, index, now);
    }

    fn says(&mut self, worker: &str, state: ReportedState, lease: Option<usize>) {
        let id = lease.map(|index| self.model.leases[index].id.clone());
        let taken = self.bed.says(worker, state, id.as_ref()).is_ok();
        assert_eq!(taken, self.model.workers.contains_key(worker));
        self.model.says(worker, state, lease, self.now());
    }

    fn rent(&mut self, renter: u8, worker: Option<u8>, duration_sec: i64) {
        let (renter, now) = (self.person(renter).0, self.now());
        let named = worker.map(worker_name);
        let free = self.model.free(&self.states(), now);
        let expected = match &named {
            Some(name) => free.iter().find(|free| *free == name).cloned(),
            None => free.first().cloned(),
        };
        let result = self.bed.rent(renter.as_str(), named.as_deref(), duration_sec);
        let has_address = renter.as_str().starts_with("consumer")
            || renter.as_str().starts_with("wallet")
            || renter.as_str() == "rig-0"
            || renter.as_str() == "rig-1";
        let Some(balance) = self.model.balances.get(renter.as_str()).copied() else {
            assert!(matches!(result, Err(Refusal::NotFound(_))), "{result:?}");
            return;
        };
        assert!(has_address, "all who rent here have an address");
        let Some(expected) = expected else {
            assert!(matches!(result, Err(Refusal::NotFound(_))), "{result:?}");
            return;
        };
        let price = self.model.workers[&expected].price;
        let hold = reference::rounded(i128::from(price) * i128::from(duration_sec), 60);
        if balance - self.model.held(renter.as_str()) < hold {
            assert!(matches!(result, Err(Refusal::Insufficient { .. })), "{result:?}");
            return;
        }
        let lease = result.unwrap();
        assert_eq!((lease.worker_id.as_str(), lease.hold.millionths()), (expected.as_str(), hold));
        let told = self.model.workers[&expected].signs.len();
        self.model.leases.push(ModelLease {
            id: lease.lease_id.clone(),
            worker: expected,
            consumer: renter.to_string(),
            address: lease.consumer_address,
            prefix: lease.prefix.to_string(),
            price,
            duration: duration_sec * 1_000_000,
            created: now,
            told,
            ended: None,
            cost: 0,
        });
    }

    fn stop(&mut self, who: u8, lease: u8) {
        let Some(index) = self.lease(lease) else { return };
        let ((person, wallet), now) = (self.person(who), self.now());
        let (lease, actor) = (&self.model.leases[index], Actor::Account { id: person.clone(), wallet });
        let party = person.as_str() == lease.consumer || self.model.owns(&person, wallet, &lease.worker);
        let (active, id) = (lease.ended.is_none(), lease.id.clone());
        let result = self.bed.write(move |scope, fleet, now| leases::stop(scope, fleet, &actor, &id, now));
        match result {
            Ok(settlement) => {
                assert!(party && active);
                self.model.end(index, now);
                assert_eq!(settlement.total_cost.millionths(), self.model.leases[index].cost);
                assert_eq!(settlement.blocks_found, self.model.counted_in(&self.model.leases[index]));
            }
            Err(Refusal::Forbidden(_)) => assert!(active && !party),
            Err(Refusal::NotFound(_)) => assert!(!active),
            Err(other) => panic!("{other}"),
        }
    }

    fn extend(&mut self, who: u8, lease: u8, more_sec: i64) {
        let Some(index) = self.lease(lease) else { return };
        let (person, wallet) = self.person(who);
        let (lease, actor) = (&self.model.leases[index], Actor::Account { id: person.clone(), wallet });
        let before = lease.hold();
        let longer = ModelLease { duration: lease.duration + more_sec * 1_000_000, ..lease.clone() };
        let need = longer.hold() - before;
        let available = self.model.balances[&lease.consumer] - self.model.held(&lease.consumer);
        let id = lease.id.clone();
        let result = self.bed.write(move |scope, _, now| leases::extend(scope, &actor, &id, more_sec, now));
        match result {
            Ok(extended) => {
                assert!(lease.ended.is_none() && person.as_str() == lease.consumer && need <= available);
                assert_eq!(extended.hold.millionths(), longer.hold());
                self.model.leases[index] = longer;
            }
            Err(Refusal::Forbidden(_)) => assert!(person.as_str() != lease.consumer),
            Err(Refusal::NotFound(_)) => assert!(lease.ended.is_some()),
            Err(Refusal::Insufficient { .. }) => assert!(need > available),
            Err(other) => panic!("{other}"),
        }
    }

    fn deposit(&mut self, who: u8, millionths: i64) {
        let (person, _) = self.person(who);
        let (id, amount) = (person.clone(), Amount::from_millionths(millionths));
        let result = self.bed.write(move |scope, _, now| accounts::deposit(scope, &id, amount, now));
        let balance = self.model.balances.get_mut(person.as_str());
        assert_eq!(result.is_ok(), millionths > 0 && balance.is_some());
        if let (Ok(_), Some(balance)) = (result, balance) {
            *balance += millionths;
            *self.model.balances.get_mut("_outside").unwrap() -= millionths;
        }
    }

    fn withdraw(&mut self, who: u8, millionths: i64) {
        let (person, _) = self.person(who);
        let (id, amount) = (person.clone(), Amount::from_millionths(millionths));
        let result = self.bed.write(move |scope, _, now| accounts::withdraw(scope, &id, amount, None, now));
        let held = self.model.held(person.as_str());
        let balance = self.model.balances.get_mut(person.as_str());
        let covered = balance.as_ref().is_some_and(|balance| **balance - held >= millionths);
        assert_eq!(result.is_ok(), millionths > 0 && covered);
        if let (Ok(_), Some(balance)) = (result, balance) {
            *balance -= millionths;
            *self.model.balances.get_mut("_outside").unwrap() += millionths;
        }
    }

    fn list(&mut self, who: u8, worker: u8, listed: bool) {
        let ((id, wallet), name) = (self.person(who), worker_name(worker));
        let owner = self.model.workers.contains_key(&name) && self.model.owns(&id, wallet, &name);
        let (actor, worker) = (Actor::Account { id, wallet }, name.parse::<WorkerId>().unwrap());
        let result = self.bed.write(move |scope, _, _| workers::set_listed(scope, &actor, &worker, listed));
        let leased = self.model.active_of(&name).is_some();
        assert_eq!(result.is_ok(), owner && (listed || !leased));
        if result.is_ok() {
            self.model.workers.get_mut(&name).unwrap().listed = listed;
        }
    }

    fn price(&mut self, worker: u8, price: i64) {
        let name = worker_name(worker);
        let (id, amount) = (name.parse().unwrap(), Amount::from_millionths(price));
        let result = self
            .bed
            .write(move |scope, _, _| pricing::set(scope, &Actor::Unrestricted, &id, amount, None, None));
        assert_eq!(result.is_ok(), self.model.workers.contains_key(&name));
        if let Some(worker) = self.model.workers.get_mut(&name) {
            worker.price = price;
        }
    }

    /// The key that a step means, whose block it is when that is as it should be, and whose else.
    fn keyed(
        &self,
        lease: Option<usize>,
        worker: u8,
        number: u32,
        bears: bool,
        own: bool,
    ) -> (String, EthAddress) {
        let beginning = match lease {
            Some(index) if bears => self.model.leases[index].prefix.clone(),
            _ => "e".repeat(17),
        };
        let right = lease.map_or(address(worker), |index| self.model.leases[index].address);
        (key(&beginning, number).to_string(), if own { right } else { address(77) })
    }

    fn block(&mut self, worker: u8, lease: Option<u8>, number: u32, bears: bool, own: bool) {
        let lease = lease.and_then(|number| self.lease(number));
        let (key, account) = self.keyed(lease, worker, number, bears, own);
        let id = lease.map(|index| self.model.leases[index].id.clone());
        let name = worker_name(worker);
        let result = self.bed.report(&name, id.as_ref(), &key.parse().unwrap(), Some(account), BARE_HASH);
        let taken = self.model.report(&name, lease, &key, account, self.now());
        assert_eq!(result.is_ok(), taken, "{result:?}");
    }

    fn submit(&mut self, lease: Option<u8>, number: u32, bears: bool, own: bool) {
        let lease = lease.and_then(|number| self.lease(number));
        let (key, account) = self.keyed(lease, 0, number, bears, own);
        self.bed.submit(&key.parse().unwrap(), &account);
        self.model.chain.entry(key).or_insert(account);
    }

    fn states(&self) -> Vec<(String, bool)> {
        let sql = "SELECT worker_id, state = 'AVAILABLE' FROM workers ORDER BY worker_seq";
        self.bed
            .store
            .read::<_, StoreError, _>(|c| {
                let mut statement = c.prepare(sql)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .unwrap()
    }

    fn compare(&self) {
        let model = &self.model;
        self.bed
            .store
            .read::<_, StoreError, _>(|c| {
                let mut total = 0;
                for (id, balance) in &model.balances {
                    let account = store::accounts::get(c, &id.parse().unwrap())?.expect("the model knows it");
                    let held = model.held(id);
                    assert_eq!(
                        (account.balance.millionths(), account.held.millionths()),
                        (*balance, held),
                        "{id}"
                    );
                    assert!(id == "_outside" || *balance >= held);
                    total += balance;
                }
                assert_eq!(total, 0);
                for lease in &model.leases {
                    let row = store::leases::get(c, &lease.id)?.expect("the model knows it");
                    let ended = row.ended_at.map(|at| at.micros() - START.micros());
                    assert_eq!((ended, row.blocks_found), (lease.ended, model.counted_in(lease)));
                    let cost = store::settlements::of_lease(c, &lease.id)?.map(|s| s.total_cost.millionths());
                    assert_eq!(cost, lease.ended.map(|_| lease.cost));
                }
                for name in model.workers.keys() {
                    let row = store::workers::get(c, &name.parse().unwrap())?.expect("the model knows it");
                    assert_eq!(row.verified_blocks, model.counted_by(name), "{name}");
                }
                Ok(())
            })
            .unwrap();
    }
}
