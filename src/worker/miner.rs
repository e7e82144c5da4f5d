//! The miner process: one loop owns the session, the state and the orders; hashing, submission and
//! the chain's difficulty have threads of their own.

use std::collections::VecDeque;
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};

use super::agent::{Agent, Reaction};
use super::config::{Config, WorkerError};
use super::control::{self, Settings, Wish};
use super::difficulty::Follower;
use super::hashing::{Hashing, Own};
use super::session::{Event, Sessions, Tagged};
use super::state::{Input, Lease, Orders};
use super::submit::{Fate, News, Submitter};
use super::wire::Pulse;
use crate::base::thread::{self, Death, Deathwatch};
use crate::base::{Clock, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::chain::Client;
use crate::pow::{self, Difficulty, Found, Hashrate, Salt, xuni_open};
use crate::protocol::{Block, Control, Gpu, Heartbeat, Mining, Register};

/// How often the lease's end is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often the hashrate is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(2);
/// Leases whose last blocks may still be in a channel.
const RECENT_LEASES_MAX: usize = 16;
const NO_DIFFICULTY: &str = "the chain's difficulty is not known yet";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Mines until `stop` rings or its sender is gone, or an operator shuts the worker down.
pub fn run(config: Config, clock: Clock, stop: Receiver<()>) -> Result<(), WorkerError> {
    config.check()?;
    let (watch, deaths) = thread::deathwatch();
    let (mut miner, inbox) = Miner::start(config, clock, &watch)?;
    let result = miner.serve(&inbox, &deaths, &stop);
    miner.stop(inbox);
    result
}

/// All that can wake the miner, but deaths and the end.
struct Inbox {
    events: Receiver<Tagged>,
    found: Receiver<Found>,
    news: Receiver<News>,
    difficulties: Receiver<Difficulty>,
}

struct Miner {
    worker: WorkerId,
    devices: u32,
    heartbeat_interval: Duration,
    clock: Clock,
    started: Timestamp,
    own: Own,
    agent: Agent,
    hashing: Hashing,
    sessions: Sessions,
    submitter: Option<Submitter>,
    follower: Option<Follower>,
    difficulty_fixed: bool,
    recent: VecDeque<Lease>,
    meter: Hashrate,
    hashrate: f64,
    attempts_at_block: u64,
    accepted: u64,
}

impl Miner {
    fn start(config: Config, clock: Clock, watch: &Deathwatch) -> Result<(Self, Inbox), WorkerError> {
        let client = config.rpc_link.as_deref().map(Client::new).transpose()?;
        let (hashing, found) = Hashing::start(pow::cpu::backends(config.threads), watch)?;
        let follows = client.clone().filter(|_| config.difficulty.is_none());
        let follower = follows.map(|client| Follower::start(client, clock.clone(), watch)).transpose()?;
        let (follower, difficulties) = follower.unzip();
        let submitter = client.map(|client| Submitter::start(client, clock.clone(), watch)).transpose()?;
        let (submitter, news) = submitter.unzip();
        let (sessions, events) = Sessions::start(clock.clone(), watch)?;
        let register = registration(&config);
        let devices = register.gpu_count;
        let session = sessions.open(0, &config.broker, register, random_seed());
        let now = clock.now();
        let mut miner = Miner {
            worker: config.worker_id,
            devices,
            heartbeat_interval: config.heartbeat_interval,
            started: now,
            own: Own {
                address: config.address,
                prefix: None,
                difficulty: config.difficulty,
                marker: config.marker,
            },
            agent: Agent::new(session, clock.clone()),
            hashing,
            sessions,
            submitter,
            follower,
            difficulty_fixed: false,
            recent: VecDeque::new(),
            meter: Hashrate::new(now, 0),
            hashrate: 0.0,
            attempts_at_block: 0,
            accepted: 0,
            clock,
        };
        let first = match config.difficulty {
            Some(_) => Some(Orders::Own),
            None => miner.agent.apply(Input::Failed(NO_DIFFICULTY.into())),
        };
        miner.obey(first);
        let inbox = Inbox {
            events,
            found,
            news: news.unwrap_or_else(never),
            difficulties: difficulties.unwrap_or_else(never),
        };
        Ok((miner, inbox))
    }

    fn serve(
        &mut self,
        inbox: &Inbox,
        deaths: &Receiver<Death>,
        stop: &Receiver<()>,
    ) -> Result<(), WorkerError> {
        let ticks = self.clock.every(TICK);
        let heartbeats = self.clock.every(self.heartbeat_interval);
        let measures = self.clock.every(MEASURE_EVERY);
        // An expected difficulty never comes once its thread died, which `deaths` tells first.
        let mut difficulties = inbox.difficulties.clone();
        loop {
            select! {
                recv(inbox.events) -> event => {
                    let (_, event) = event.expect("the sessions are alive: they are held here");
                    if self.event(event) {
                        return Ok(());
                    }
                }
                recv(inbox.found) -> found => {
                    // An error cannot be while the threads are held here; deaths tell the rest.
                    if let Ok(found) = found { self.found(&found); }
                }
                recv(inbox.news) -> news => if let Ok(news) = news { self.news(news) },
                recv(difficulties) -> difficulty => match difficulty {
                    Ok(difficulty) => self.difficulty(difficulty),
                    Err(_) => difficulties = never(),
                },
                recv(ticks) -> _ => {
                    let orders = self.agent.tick();
                    self.obey(orders);
                }
                recv(heartbeats) -> _ => self.heartbeat(),
                recv(measures) -> _ => self.measure(),
                // A ring or a sender that is gone: stop either way.
                recv(stop) -> _ => return Ok(()),
                recv(deaths) -> death => {
                    return Err(WorkerError::Died(death.expect("the watch is held by the threads' owner")));
                }
            }
        }
    }

    /// Stops hashing, hands on what was still found, says goodbye, gives the chain a last try.
    fn stop(mut self, inbox: Inbox) {
        let Inbox { events, found, news, .. } = inbox;
        self.hashing.stop();
        found.try_iter().for_each(|found| self.found(&found));
        if self.agent.unreported() > 0 {
            log::warn!("{} blocks may not have reached the platform", self.agent.unreported());
        }
        drop(self.agent);
        self.sessions.stop(events);
        if let Some(follower) = self.follower {
            follower.stop();
        }
        if let Some(submitter) = self.submitter {
            submitter.stop(news);
        }
    }

    /// True when the worker is to shut down.
    fn event(&mut self, event: Event) -> bool {
        let Reaction { orders, control, connected, receipts } = self.agent.handle(event);
        self.obey(orders);
        if self.submitter.is_none() {
            self.accepted += receipts as u64;
        }
        if connected {
            self.heartbeat();
        }
        control.is_some_and(|control| self.control(&control))
    }

    fn control(&mut self, control: &Control) -> bool {
        match control::understand(control) {
            Ok(Wish::Shutdown) => return true,
            Ok(Wish::Pause) => self.apply(Input::Pause),
            Ok(Wish::Resume) => self.apply(Input::Resume),
            Ok(Wish::Restart) => self.obey(Some(self.agent.orders())),
            Ok(Wish::Configure(settings)) => self.configure(settings),
            Err(problem) => log::warn!("control refused: {problem}"),
        }
        false
    }

    fn configure(&mut self, settings: Settings) {
        let Settings { difficulty, address, prefix, marker, listed } = settings;
        if let Some(difficulty) = difficulty {
            self.difficulty_fixed = true;
            self.own.difficulty = Some(difficulty);
            self.apply(Input::Recovered);
        }
        self.own.address = address.unwrap_or(self.own.address);
        self.own.prefix = prefix.unwrap_or(self.own.prefix);
        if let Some(marker) = marker {
            self.own.marker = marker;
        }
        self.obey(Some(self.agent.orders()));
        if let Some(listed) = listed {
            self.apply(Input::Listed(listed));
        }
        self.heartbeat();
    }

    fn difficulty(&mut self, difficulty: Difficulty) {
        if self.difficulty_fixed {
            // An operator knows better than the chain.
            return;
        }
        log::info!("difficulty {difficulty}");
        self.own.difficulty = Some(difficulty);
        self.apply(Input::Recovered);
        self.obey(Some(self.agent.orders()));
    }

    fn apply(&mut self, input: Input) {
        let orders = self.agent.apply(input);
        self.obey(orders);
    }

    fn obey(&mut self, orders: Option<Orders>) {
        let Some(orders) = orders else { return };
        self.hashing.obey(&self.own.order(&orders));
        if let Orders::Lease(lease) = orders {
            self.recent.retain(|known| known.prefix != lease.prefix);
            self.recent.push_front(lease);
            self.recent.truncate(RECENT_LEASES_MAX);
        }
    }

    fn found(&mut self, found: &Found) {
        let now = self.clock.now();
        if found.matches.kind_in_window(xuni_open(now)).is_none() {
            log::debug!("XUNI outside its window: the chain would refuse it");
            return;
        }
        let block = self.block(found);
        let whose = block.lease_id.as_ref().map_or("itself", LeaseId::as_str);
        log::debug!("found {} for {whose}: {}", block.key, block.hash);
        let Some(submitter) = &self.submitter else { return self.agent.report(block) };
        if let Some(block) = submitter.submit(0, block) {
            log::error!("too many blocks wait for the chain; {} goes to the platform alone", block.key);
            self.agent.report(block);
        }
    }

    /// The find may be of an order that has been replaced since: its key and salt say whose it is.
    fn block(&mut self, found: &Found) -> Block {
        let attempts = self.hashing.attempts();
        let since = attempts.saturating_sub(std::mem::replace(&mut self.attempts_at_block, attempts));
        let lease = self
            .recent
            .iter()
            .find(|lease| found.key.starts_with(&lease.prefix) && found.phc.salt == Salt::of(&lease.renter));
        let account = match (lease, found.phc.salt) {
            (Some(lease), _) => lease.renter,
            (None, salt) if salt == Salt::of(&self.own.address) => self.own.address,
            (None, Salt::Account(bytes)) => EthAddress::from_bytes(bytes),
            (None, Salt::Old) => self.own.address,
        };
        Block {
            worker_id: self.worker.clone(),
            lease_id: lease.map(|lease| lease.id.clone()),
            hash: found.phc.to_string(),
            key: found.key.clone(),
            account: Some(account),
            attempts: i64::try_from(since).unwrap_or(i64::MAX),
            hashrate: format!("{:.2}", self.hashrate),
        }
    }

    fn news(&mut self, news: News) {
        match &news.fate {
            Fate::Accepted => self.accepted += 1,
            Fate::Refused(reason) => log::warn!("the chain refused {}: {reason}", news.block.key),
            Fate::Deferred => {}
        }
        if news.report {
            self.agent.report(news.block);
        }
    }

    /// The first measure after a rest is told at once: nobody is to see a worker at 0 H/s for the
    /// time between two heartbeats.
    fn measure(&mut self) {
        let measured = self.meter.sample(self.clock.now(), self.hashing.attempts());
        let begins = self.hashrate == 0.0 && measured > 0.0;
        self.hashrate = measured;
        if begins {
            self.heartbeat();
        }
    }

    fn heartbeat(&mut self) {
        let (address, prefix) = match self.agent.orders() {
            Orders::Lease(lease) => (lease.renter, Some(lease.prefix)),
            Orders::Own | Orders::Rest => (self.own.address, self.own.prefix),
        };
        let resting = self.agent.orders() == Orders::Rest;
        self.agent.heartbeat(&Pulse {
            heartbeat: Heartbeat {
                worker_id: self.worker.clone(),
                hashrate: if resting { 0.0 } else { (self.hashrate * 100.0).round() / 100.0 },
                active_gpus: if resting { 0 } else { self.devices },
                mining: Some(Mining {
                    address: address.to_string(),
                    prefix: prefix.map(|prefix| prefix.to_string()).unwrap_or_default(),
                    block_pattern: self.own.marker.as_str().to_owned(),
                }),
            },
            accepted_blocks: self.accepted,
            difficulty: self.own.difficulty.map_or(0, Difficulty::kib),
            uptime_sec: self.clock.now().micros_since(self.started) / 1_000_000,
        });
    }
}

fn registration(config: &Config) -> Register {
    let cpu =
        || Gpu { index: 0, name: format!("CPU, {} threads", config.threads), memory_gb: 0.0, bus_id: None };
    let gpus = if config.gpus.is_empty() { vec![cpu()] } else { config.gpus.clone() };
    Register {
        worker_id: config.worker_id.clone(),
        eth_address: Some(config.address),
        gpu_count: u32::try_from(gpus.len()).unwrap_or(u32::MAX),
        total_memory_gb: gpus.iter().map(|gpu| gpu.memory_gb).sum(),
        gpus,
        version: VERSION.into(),
    }
}

fn random_seed() -> u64 {
    getrandom::u64().expect("the system gives random bytes")
}
