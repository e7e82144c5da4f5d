//! The market as naively as it can be told: maps, lists, and everything counted anew each time.

use std::collections::BTreeMap;

use crate::base::{AccountId, EthAddress, LeaseId};
use crate::protocol::ReportedState;

const MINUTE: i64 = 60_000_000;
const SILENCE: i64 = 90_000_000;
const GRACE: i64 = 10_000_000;

pub(super) struct Model {
    /// Millionths by account.
    pub(super) balances: BTreeMap<String, i64>,
    pub(super) workers: BTreeMap<String, Worker>,
    pub(super) leases: Vec<Lease>,
    pub(super) wallets: std::collections::HashMap<EthAddress, String>,
    /// Whose block each key is on the chain.
    pub(super) chain: BTreeMap<String, EthAddress>,
    recorded: BTreeMap<String, Block>,
}

pub(super) struct Worker {
    address: Option<EthAddress>,
    pub(super) price: i64,
    pub(super) listed: bool,
    /// All that was heard of it, with its moment.
    pub(super) signs: Vec<(i64, Sign)>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sign {
    Registers,
    Beats,
    /// The same with the prefix of a lease.
    Works(usize),
    Goes,
    /// Perhaps of a lease.
    Says(ReportedState, Option<usize>),
}

#[derive(Clone)]
pub(super) struct Lease {
    pub(super) id: LeaseId,
    pub(super) worker: String,
    pub(super) consumer: String,
    pub(super) address: EthAddress,
    pub(super) prefix: String,
    pub(super) price: i64,
    pub(super) duration: i64,
    pub(super) created: i64,
    /// How much had been heard of the worker then.
    pub(super) told: usize,
    pub(super) ended: Option<i64>,
    pub(super) cost: i64,
}

struct Block {
    worker: String,
    lease: Option<usize>,
    account: EthAddress,
}

/// A quotient rounded half to even.
pub(super) fn rounded(dividend: i128, divisor: i128) -> i64 {
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    let up = match (2 * rest).cmp(&divisor) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => whole % 2,
        std::cmp::Ordering::Greater => 1,
    };
    i64::try_from(whole + up).unwrap()
}

impl Lease {
    pub(super) fn hold(&self) -> i64 {
        rounded(i128::from(self.price) * i128::from(self.duration), MINUTE.into())
    }
}

impl Model {
    pub(super) fn new() -> Self {
        let coins =
            [("consumer-1", 1000), ("consumer-2", 500), ("platform-treasury", 0), ("_outside", -1500)];
        Model {
            balances: coins.into_iter().map(|(id, coins)| (id.to_owned(), coins * 1_000_000)).collect(),
            workers: BTreeMap::new(),
            leases: Vec::new(),
            wallets: std::collections::HashMap::new(),
            chain: BTreeMap::new(),
            recorded: BTreeMap::new(),
        }
    }

    pub(super) fn register(&mut self, name: &str, address: Option<EthAddress>, now: i64) {
        self.balances.entry(name.into()).or_insert(0);
        let new = || Worker { address, price: 600_000, listed: true, signs: Vec::new() };
        self.workers.entry(name.into()).or_insert_with(new).signs.push((now, Sign::Registers));
    }

    pub(super) fn alive(&mut self, name: &str, now: i64) {
        self.hear(name, Sign::Beats, now);
    }

    pub(super) fn works(&mut self, name: &str, lease: usize, now: i64) {
        self.hear(name, Sign::Works(lease), now);
    }

    pub(super) fn gone(&mut self, name: &str, now: i64) {
        self.hear(name, Sign::Goes, now);
    }

    pub(super) fn says(&mut self, name: &str, state: ReportedState, lease: Option<usize>, now: i64) {
        self.hear(name, Sign::Says(state, lease), now);
    }

    fn hear(&mut self, name: &str, sign: Sign, now: i64) {
        if let Some(worker) = self.workers.get_mut(name) {
            worker.signs.push((now, sign));
        }
    }

    /// Those that may be rented, in the order given, which is that of registration.
    pub(super) fn free(&self, available: &[(String, bool)], now: i64) -> Vec<String> {
        let free = available.iter().filter(|(name, available)| {
            let worker = &self.workers[name];
            let mut heard = worker.signs.iter().rev().filter(|(_, sign)| !matches!(sign, Sign::Says(..)));
            let online = heard.next().is_some_and(|(at, sign)| *sign != Sign::Goes && now - at < SILENCE);
            *available && worker.listed && online && self.active_of(name).is_none()
        });
        free.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn active_of(&self, worker: &str) -> Option<usize> {
        self.leases.iter().position(|lease| lease.worker == worker && lease.ended.is_none())
    }

    pub(super) fn held(&self, account: &str) -> i64 {
        let active = self.leases.iter().filter(|lease| lease.consumer == account && lease.ended.is_none());
        active.map(Lease::hold).sum()
    }

    pub(super) fn owns(&self, id: &AccountId, wallet: Option<EthAddress>, worker: &str) -> bool {
        id.as_str() == worker || (wallet.is_some() && self.workers[worker].address == wallet)
    }

    pub(super) fn expire(&mut self, now: i64) {
        for index in 0..self.leases.len() {
            let lease = &self.leases[index];
            let end = lease.created + lease.duration;
            if lease.ended.is_none() && end <= now {
                self.end(index, end);
            }
        }
    }

    pub(super) fn end(&mut self, index: usize, at: i64) {
        self.find_lost(index);
        let lease = self.leases[index].clone();
        let billed = at - lease.created - self.not_paid(index, at);
        let cost = rounded(i128::from(lease.price) * i128::from(billed), MINUTE.into());
        let fee = cost / 20;
        let provider = match self.workers[&lease.worker].address.and_then(|a| self.wallets.get(&a)) {
            Some(wallet) => wallet.clone(),
            None => lease.worker.clone(),
        };
        *self.balances.get_mut(&lease.consumer).unwrap() -= cost;
        *self.balances.get_mut(&provider).unwrap() += cost - fee;
        *self.balances.get_mut("platform-treasury").unwrap() += fee;
        self.leases[index].ended = Some(at);
        self.leases[index].cost = cost;
    }

    /// Time of a lease up to a moment in which its worker was away (from a farewell, or from a sign of life
    /// that none followed for 90 s, to the next one) or said that it did something else, told once each.
    fn not_paid(&self, index: usize, to: i64) -> i64 {
        let lease = &self.leases[index];
        let mut story = Story::default();
        let signs = self.workers[&lease.worker].signs.iter().take_while(|(at, _)| *at <= to);
        for (number, (at, sign)) in signs.enumerate() {
            if number < lease.told {
                story.hear_before(*at, *sign);
            } else {
                story.hear(*at, *sign, index);
            }
        }
        story.unpaid(lease.created, to)
    }

    pub(super) fn sign_in(&mut self, address: EthAddress, id: &str) {
        let known = self.wallets.entry(address).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "a wallet has one account");
        let mut collected = 0;
        for (name, worker) in &self.workers {
            if worker.address == Some(address) {
                let free = self.balances[name] - self.held(name);
                *self.balances.get_mut(name).unwrap() -= free;
                collected += free;
            }
        }
        *self.balances.entry(id.to_owned()).or_insert(0) += collected;
    }

    /// Whether a block that is reported is taken (again, perhaps).
    pub(super) fn report(
        &mut self,
        worker: &str,
        lease: Option<usize>,
        key: &str,
        account: EthAddress,
        now: i64,
    ) -> bool {
        if !self.workers.contains_key(worker) {
            return false;
        }
        if self.recorded.get(key).is_some_and(|block| self.is_proven(key, block)) {
            return true;
        }
        let in_lease = lease.map(|index| &self.leases[index]);
        if in_lease.is_some_and(|l| l.worker != worker || l.ended.is_some_and(|ended| now > ended + GRACE)) {
            return false;
        }
        let block = Block { worker: worker.into(), lease, account };
        // What was recorded without proof gives way to a proof, and to nothing else.
        if !self.recorded.contains_key(key) || self.is_proven(key, &block) {
            self.recorded.insert(key.into(), block);
        }
        true
    }

    fn is_proven(&self, key: &str, block: &Block) -> bool {
        let renter = block.lease.map(|index| self.leases[index].address);
        self.chain.get(key) == Some(&block.account) && renter.is_none_or(|renter| renter == block.account)
    }

    fn find_lost(&mut self, index: usize) {
        let lease = &self.leases[index];
        for (key, account) in &self.chain {
            if key.starts_with(&lease.prefix) && *account == lease.address {
                let found = Block { worker: lease.worker.clone(), lease: Some(index), account: *account };
                self.recorded.entry(key.clone()).or_insert(found);
            }
        }
    }

    fn counts(&self, key: &str, block: &Block) -> bool {
        let prefix = block.lease.map(|index| &self.leases[index].prefix);
        self.is_proven(key, block) && prefix.is_none_or(|prefix| key.starts_with(prefix))
    }

    pub(super) fn counted_in(&self, lease: &Lease) -> i64 {
        let of_lease = |block: &Block| block.lease.is_some_and(|index| self.leases[index].id == lease.id);
        self.count(of_lease)
    }

    pub(super) fn counted_by(&self, worker: &str) -> i64 {
        self.count(|block| block.worker == worker)
    }

    fn count(&self, mut wanted: impl FnMut(&Block) -> bool) -> i64 {
        let blocks = self.recorded.iter().filter(|(key, block)| wanted(block) && self.counts(key, block));
        i64::try_from(blocks.count()).unwrap()
    }
}

/// What is known of a worker while its signs are told one after the other.
#[derive(Default)]
struct Story {
    seen: Option<i64>,
    gone: Option<i64>,
    /// It said that it mines, since it was last told to.
    mines: bool,
    /// Since when it says that it does something else.
    pauses: Option<i64>,
    /// Each time that is not paid, from and to; they may overlap.
    unpaid: Vec<(i64, i64)>,
}

impl Story {
    fn away(&self, at: i64) -> Option<i64> {
        self.gone.or(self.seen.filter(|seen| at - seen >= SILENCE))
    }

    /// What was heard before the lease.
    fn hear_before(&mut self, at: i64, sign: Sign) {
        match sign {
            Sign::Registers | Sign::Beats | Sign::Works(_) => (self.seen, self.gone) = (Some(at), None),
            Sign::Goes => self.gone = self.away(at).or(Some(at)),
            Sign::Says(..) => {}
        }
    }

    fn hear(&mut self, at: i64, sign: Sign, lease: usize) {
        match sign {
            Sign::Registers | Sign::Beats => self.back(at),
            Sign::Works(of) => {
                self.back(at);
                if of == lease && self.pauses.is_some() {
                    self.resume(at);
                }
            }
            Sign::Goes => self.mines = false,
            Sign::Says(state, of) => self.hear_said(at, state, of.is_none_or(|of| of == lease)),
        }
        self.hear_before(at, sign);
        self.mines &= sign != Sign::Registers;
    }

    fn hear_said(&mut self, at: i64, state: ReportedState, of_this: bool) {
        use ReportedState::{Available, Completed, Error, Idle, Leased, Mining, SelfMining};
        match state {
            Mining if of_this => self.resume(at),
            Leased if of_this => self.mines = false,
            Idle | SelfMining | Error if of_this => self.pause(at),
            Available | Completed if of_this && (self.mines || self.pauses.is_some()) => self.pause(at),
            Error => self.mines = false,
            _ => {}
        }
    }

    fn back(&mut self, at: i64) {
        self.unpaid.extend(self.away(at).map(|since| (since, at)));
    }

    fn pause(&mut self, at: i64) {
        self.pauses = self.pauses.or(Some(at));
        self.mines = false;
    }

    fn resume(&mut self, at: i64) {
        self.unpaid.extend(self.pauses.take().map(|since| (since, at)));
        self.mines = true;
    }

    /// How much of the time between two moments is not paid.
    fn unpaid(mut self, from: i64, to: i64) -> i64 {
        self.back(to);
        self.resume(to);
        self.unpaid.sort_unstable();
        let (mut told, mut total) = (from, 0);
        for (since, until) in self.unpaid {
            total += (until - since.max(told)).max(0);
            told = told.max(until);
        }
        total
    }
}
