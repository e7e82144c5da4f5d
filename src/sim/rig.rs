//! One simulated worker: a real session and state machine, and hashing that is only drawn.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::base::{BlockKey, Clock, EthAddress, Prefix, Timestamp};
use crate::protocol::{Block, Control, Heartbeat, Mining, Register, ReportedState, Settings};
use crate::worker::agent::{Agent, Reaction};
use crate::worker::control::{self, Wish};
use crate::worker::session::Event;
use crate::worker::state::{Input, Orders};
use crate::worker::wire::Pulse;

/// What a simulated worker is like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Who it says it is.
    pub(super) register: Register,
    /// Its owner's address.
    pub(super) owner: EthAddress,
    /// What hashes: one for each GPU, or one for all.
    pub(super) rates: Vec<Rate>,
    /// Mean time between blocks of a lease.
    pub(super) lease_block_mean: Duration,
    /// Mean time between blocks of its own; none without.
    pub(super) own_block_mean: Option<Duration>,
    /// Time between heartbeats.
    pub(super) heartbeat: Duration,
    /// How it goes offline; never without.
    pub(super) spells: Option<Spells>,
    /// For all that it draws later.
    pub(super) seed: u64,
}

/// A hashrate that wanders, H/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) now: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) step: f64,
}

/// Offline spells: with a chance, every so often, for some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spells {
    pub(super) every: Duration,
    pub(super) chance: f64,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

/// What the network calls the difficulty that simulated hashing pretends to.
const DIFFICULTY_SHOWN: u32 = 1727;
const MARKER: &str = "XEN11";

/// A simulated worker at work.
pub(super) struct Rig {
    plan: Plan,
    agent: Agent,
    clock: Clock,
    random: Xoshiro256PlusPlus,
    started: Timestamp,
    orders: Orders,
    next_block: Option<Timestamp>,
    next_heartbeat: Timestamp,
    next_spell: Option<Timestamp>,
    away_until: Option<Timestamp>,
    accepted: u64,
}

impl Rig {
    pub(super) fn new(plan: Plan, agent: Agent, clock: Clock) -> Self {
        let now = clock.now();
        let random = Xoshiro256PlusPlus::seed_from_u64(plan.seed);
        let mut rig = Rig {
            agent,
            clock,
            random,
            started: now,
            orders: Orders::Own,
            next_block: None,
            next_heartbeat: now.plus(plan.heartbeat),
            next_spell: plan.spells.map(|spells| now.plus(spells.every)),
            away_until: None,
            accepted: 0,
            plan,
        };
        rig.obey(Some(Orders::Own));
        rig
    }

    /// Takes an event of the session. True when an operator shut the worker down.
    pub(super) fn handle(&mut self, event: Event) -> bool {
        let Reaction { orders, control, connected, receipts } = self.agent.handle(event);
        self.obey(orders);
        self.accepted += receipts.len() as u64;
        if connected {
            self.heartbeat();
        }
        control.is_some_and(|control| self.control(&control))
    }

    fn control(&mut self, control: &Control) -> bool {
        let input = match control::understand(control) {
            Ok(Wish::Shutdown) => return true,
            Ok(Wish::Pause) => Input::Pause,
            Ok(Wish::Resume) => Input::Resume,
            Ok(Wish::Configure(Settings { listed: Some(listed), .. })) => Input::Listed(listed),
            // There is nothing to restart, and nothing that hashes to configure.
            Ok(Wish::Restart | Wish::Configure(_)) => return false,
            Err(problem) => {
                log::warn!("worker {}: {problem}", self.plan.register.worker_id);
                return false;
            }
        };
        let orders = self.agent.apply(input);
        self.obey(orders);
        false
    }

    /// Lets time pass; gives the block found in it, if there was one.
    pub(super) fn tick(&mut self) -> Option<Block> {
        let now = self.clock.now();
        self.spell(now);
        let orders = self.agent.tick();
        self.obey(orders);
        if self.next_heartbeat <= now {
            self.drift();
            self.heartbeat();
        }
        if self.next_block.is_some_and(|due| due <= now) {
            self.next_block = self.draw_next_block();
            return self.block();
        }
        None
    }

    /// Reports a block to the platform.
    pub(super) fn report(&mut self, block: Block) {
        self.agent.report(block);
    }

    pub(super) fn is_online(&self) -> bool {
        self.agent.is_online()
    }

    pub(super) fn state(&self) -> ReportedState {
        self.agent.state()
    }

    fn obey(&mut self, orders: Option<Orders>) {
        if let Some(orders) = orders {
            self.orders = orders;
            self.next_block = self.draw_next_block();
            // As the miner does: who rented it sees at once what it delivers.
            if matches!(self.orders, Orders::Lease(_)) {
                self.heartbeat();
            }
        }
    }

    /// Exponential times: blocks are found at random, not by the clock.
    fn draw_next_block(&mut self) -> Option<Timestamp> {
        let mean = match &self.orders {
            Orders::Lease(_) => self.plan.lease_block_mean,
            Orders::Own => self.plan.own_block_mean?,
            Orders::Rest => return None,
        };
        let uniform: f64 = self.random.random();
        Some(self.clock.now().plus(mean.mul_f64(-(1.0 - uniform).ln())))
    }

    fn spell(&mut self, now: Timestamp) {
        let Some(spells) = self.plan.spells else { return };
        if self.away_until.is_some_and(|until| until <= now) {
            self.away_until = None;
            self.agent.set_online(true);
        }
        if self.next_spell.is_some_and(|due| due <= now) {
            self.next_spell = Some(now.plus(spells.every));
            if self.away_until.is_none() && self.random.random_bool(spells.chance) {
                let away = self.random.random_range(spells.min..=spells.max);
                self.away_until = Some(now.plus(away));
                self.agent.set_online(false);
            }
        }
    }

    fn drift(&mut self) {
        for rate in &mut self.plan.rates {
            let step = self.random.random_range(-rate.step..=rate.step);
            rate.now = (rate.now + step).clamp(rate.min, rate.max);
        }
    }

    fn hashrate(&self) -> f64 {
        let hashing = self.orders != Orders::Rest;
        let sum: f64 = self.plan.rates.iter().map(|rate| rate.now).sum();
        if hashing { (sum * 100.0).round() / 100.0 } else { 0.0 }
    }

    fn heartbeat(&mut self) {
        let now = self.clock.now();
        self.next_heartbeat = now.plus(self.plan.heartbeat);
        let (address, prefix) = match &self.orders {
            Orders::Lease(lease) => {
                (lease.renter, lease.prefix.map(|prefix| prefix.to_string()).unwrap_or_default())
            }
            Orders::Own | Orders::Rest => (self.plan.owner, String::new()),
        };
        let resting = self.orders == Orders::Rest;
        self.agent.heartbeat(&Pulse {
            heartbeat: Heartbeat {
                worker_id: self.plan.register.worker_id.clone(),
                hashrate: self.hashrate(),
                active_gpus: if resting { 0 } else { self.plan.register.gpu_count },
                mining: Some(Mining { address: address.to_string(), prefix, block_pattern: MARKER.into() }),
            },
            accepted_blocks: self.accepted,
            difficulty: DIFFICULTY_SHOWN,
            uptime_sec: now.micros_since(self.started) / 1_000_000,
        });
    }

    fn block(&mut self) -> Option<Block> {
        let (lease_id, account, prefix) = match &self.orders {
            Orders::Lease(lease) => (Some(lease.id.clone()), lease.renter, lease.prefix),
            Orders::Own => (None, self.plan.owner, None),
            Orders::Rest => return None,
        };
        Some(Block {
            worker_id: self.plan.register.worker_id.clone(),
            lease_id,
            hash: self.made_up_hash(),
            key: self.key(prefix),
            account: Some(account),
            attempts: self.random.random_range(100_000..=2_000_000),
            hashrate: format!("{:.2}", self.hashrate()),
        })
    }

    fn key(&mut self, prefix: Option<Prefix>) -> BlockKey {
        let mut digits: String = self.hex::<32>();
        if let Some(prefix) = prefix {
            digits.replace_range(..16, &prefix.to_string());
        }
        digits.parse().expect("64 hexadecimal digits are a key")
    }

    /// Not a hash: it only bears the marker, as the prototype's simulators make them.
    fn made_up_hash(&mut self) -> String {
        format!("{}{MARKER}{}", self.hex::<10>(), self.hex::<19>())
    }

    fn hex<const BYTES: usize>(&mut self) -> String {
        let mut bytes = [0; BYTES];
        self.random.fill(&mut bytes);
        hex::encode(bytes)
    }
}
