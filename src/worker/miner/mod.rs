//! The miner process: one loop owns the session, the state and the orders; hashing, submission and
//! the chain's difficulty have threads of their own.

mod report;

use std::collections::VecDeque;
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};

use super::agent::{Agent, Reaction};
use super::blocks::Blocks;
use super::board::{Board, Rates};
use super::config::{Config, WorkerError};
use super::control::{self, Wish};
use super::difficulty::Follower;
use super::hardware;
use super::hashing::{Happening, Hashing, Own};
use super::journal::Journal;
use super::meter::{MEASURE_EVERY, Meter};
use super::session::{Event, Sessions, Tagged};
use super::state::{Input, Lease, Orders};
use super::submit::{News, Submitter};
use crate::base::thread::{self, Death, Deathwatch};
use crate::base::{Clock, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::chain::Client;
use crate::pow::{Backend, Difficulty, Found, Salt, xuni_open};
use crate::protocol::{Block, Control, Gpu, Register, Settings};

/// How often the lease's end is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Blocks that are kept with one flush of the disk, when they come fast.
const FOUND_TOGETHER_MAX: usize = 256;
/// Leases whose last blocks may still be in a channel.
const RECENT_LEASES_MAX: usize = 16;
const NO_DIFFICULTY: &str = "the chain's difficulty is not known yet";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Mines until `stop` rings or its sender is gone, or an operator shuts the worker down.
pub fn run(config: Config, clock: Clock, stop: Receiver<()>) -> Result<(), WorkerError> {
    config.check()?;
    let (watch, deaths) = thread::deathwatch();
    let backends = config.hardware.backends()?;
    let (mut miner, inbox) = Miner::start(config, backends, clock, &watch)?;
    let result = miner.serve(&inbox, &deaths, &stop);
    miner.stop(inbox);
    result
}

/// All that can wake the miner, but deaths and the end.
struct Inbox {
    events: Receiver<Tagged>,
    happenings: Receiver<Happening>,
    news: Receiver<News>,
    difficulties: Receiver<Difficulty>,
}

struct Miner {
    worker: WorkerId,
    gpus: Vec<Gpu>,
    has_platform: bool,
    heartbeat_interval: Duration,
    clock: Clock,
    started: Timestamp,
    own: Own,
    agent: Agent,
    hashing: Hashing,
    sessions: Sessions,
    blocks: Blocks,
    follower: Option<Follower>,
    /// The lease of the last run, until there is a difficulty to mine it at.
    recalled: Option<Lease>,
    difficulty_fixed: bool,
    /// The lease that was last spoken of.
    told: Option<LeaseId>,
    /// The newest first; whose a find is, is seen from its key and salt.
    recent: VecDeque<(Lease, u64)>,
    /// Why each backend does not hash, by its index.
    failures: Vec<Option<String>>,
    meter: Meter,
    device_meters: Vec<Meter>,
    device_rates: Vec<f64>,
    rates: Rates,
    resting: bool,
    attempts_at_block: u64,
    board: Board,
}

impl Miner {
    fn start(
        config: Config,
        backends: Vec<Box<dyn Backend + Send>>,
        clock: Clock,
        watch: &Deathwatch,
    ) -> Result<(Self, Inbox), WorkerError> {
        let journal = Journal::open(config.state_dir.as_deref(), &config.worker_id)?;
        let client = config.rpc_link.as_deref().map(Client::new).transpose()?;
        let (hashing, happenings) = Hashing::start(backends, watch)?;
        let follows = client.clone().filter(|_| config.difficulty.is_none());
        let follower = follows.map(|client| Follower::start(client, clock.clone(), watch)).transpose()?;
        let (follower, difficulties) = follower.unzip();
        let submitter = client.map(|client| Submitter::start(client, clock.clone(), watch)).transpose()?;
        let (submitter, news) = submitter.unzip();
        let (sessions, events) = Sessions::start(clock.clone(), watch)?;
        let gpus = hardware::gpus(hashing.devices().map(|(device, _)| device));
        let register = registration(&config, &gpus);
        let session = config.broker.as_ref().map(|broker| sessions.open(0, broker, register, random_seed()));
        let now = clock.now();
        let has_platform = session.is_some();
        let count = hashing.devices().len();
        let recalled = journal.recall(now, clock.wall()).filter(|_| has_platform);
        let mut miner = Miner {
            worker: config.worker_id,
            gpus,
            has_platform,
            heartbeat_interval: config.heartbeat_interval,
            started: now,
            own: Own {
                address: config.address,
                prefix: None,
                difficulty: config.difficulty,
                marker: config.marker.clone(),
            },
            agent: Agent::new(session, clock.clone()),
            hashing,
            sessions,
            blocks: Blocks::new(journal, submitter, has_platform, config.marker),
            follower,
            recalled,
            difficulty_fixed: false,
            told: None,
            recent: VecDeque::new(),
            failures: vec![None; count],
            meter: Meter::new(now),
            device_meters: (0..count).map(|_| Meter::new(now)).collect(),
            device_rates: vec![0.0; count],
            rates: Rates::default(),
            resting: true,
            attempts_at_block: 0,
            board: config.board,
            clock,
        };
        miner.begin();
        let inbox = Inbox {
            events,
            happenings,
            news: news.unwrap_or_else(never),
            difficulties: difficulties.unwrap_or_else(never),
        };
        Ok((miner, inbox))
    }

    /// Goes on where the last run ended: with its blocks, and with its lease when there is time left.
    fn begin(&mut self) {
        self.introduce();
        self.blocks.refill(&mut self.agent);
        if self.own.difficulty.is_none() {
            self.apply(Input::Failed(NO_DIFFICULTY.into()));
        } else {
            self.obey(Some(self.agent.orders()));
            self.go_on();
        }
    }

    /// There is a difficulty and a device again, or for the first time.
    fn go_on(&mut self) {
        if self.own.difficulty.is_none() || self.all_failed() {
            return;
        }
        self.apply(Input::Recovered);
        let now = self.clock.now();
        if let Some(lease) = self.recalled.take().filter(|lease| lease.ends.is_none_or(|ends| ends > now)) {
            self.apply(Input::Assign(lease));
        }
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
                recv(inbox.happenings) -> happening => {
                    // An error cannot be while the threads are held here; deaths tell the rest.
                    let more = inbox.happenings.try_iter().take(FOUND_TOGETHER_MAX);
                    self.happened(happening.into_iter().chain(more));
                }
                recv(inbox.news) -> news => if let Ok(news) = news { self.blocks.news(news, &mut self.agent) },
                recv(difficulties) -> difficulty => match difficulty {
                    Ok(difficulty) => self.difficulty(difficulty),
                    Err(_) => difficulties = never(),
                },
                recv(ticks) -> _ => self.tick(),
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

    /// Stops hashing, keeps what was still found, gives chain and platform a last try, says goodbye.
    fn stop(mut self, inbox: Inbox) {
        let Inbox { events, happenings, news, .. } = inbox;
        let mut last = Vec::new();
        self.hashing.stop(&happenings, |happening| last.push(happening));
        self.happened(last.into_iter());
        if let Some(follower) = self.follower {
            follower.stop();
        }
        self.blocks.stop(news, &mut self.agent);
        drop(self.agent);
        self.sessions.stop(events);
    }

    fn tick(&mut self) {
        let orders = self.agent.tick();
        self.obey(orders);
        self.blocks.refill(&mut self.agent);
        self.show();
    }

    /// True when the worker is to shut down.
    fn event(&mut self, event: Event) -> bool {
        let Reaction { orders, control, connected, receipts } = self.agent.handle(event);
        self.obey(orders);
        self.blocks.receipts(&receipts);
        if connected {
            log::info!("connected to the marketplace");
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
            self.go_on();
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
        self.go_on();
        self.obey(Some(self.agent.orders()));
    }

    fn apply(&mut self, input: Input) {
        let orders = self.agent.apply(input);
        self.obey(orders);
    }

    fn obey(&mut self, orders: Option<Orders>) {
        let Some(orders) = orders else { return };
        // Before anything else: the next key is already of the new order.
        let tries_devices = self.all_failed() && !self.agent.is_paused();
        let tried = if tries_devices { Orders::Own } else { orders };
        self.hashing.obey(&self.own.order(&tried));
        let rests = tried == Orders::Rest || self.own.difficulty.is_none();
        if std::mem::replace(&mut self.resting, rests) && !rests {
            self.restart_meters();
        }
        let lease = self.agent.lease().or(self.recalled.as_ref()).cloned();
        self.blocks.journal.remember(lease.as_ref(), self.clock.now(), self.clock.wall());
        if let Some(lease) = lease {
            let known = self.recent.iter().position(|(known, _)| known.id == lease.id);
            let blocks = known.and_then(|place| self.recent.remove(place)).map_or(0, |(_, blocks)| blocks);
            self.recent.push_front((lease, blocks));
            self.recent.truncate(RECENT_LEASES_MAX);
        }
        self.tell_lease();
        self.show();
    }

    fn happened(&mut self, happenings: impl Iterator<Item = Happening>) {
        let mut blocks = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Found(found) => blocks.extend(self.block(&found)),
                Happening::Failed(index, problem) => {
                    log::error!("{}: {problem}; it is tried again", self.device_name(index));
                    self.failures[index] = Some(problem.clone());
                    if self.all_failed() {
                        self.apply(Input::Failed(problem));
                    }
                    self.heartbeat();
                }
                Happening::Recovered(index) => {
                    log::info!("{} hashes again", self.device_name(index));
                    self.failures[index] = None;
                    self.go_on();
                    self.heartbeat();
                }
            }
        }
        if !blocks.is_empty() {
            self.blocks.found(blocks, &mut self.agent);
        }
    }

    fn all_failed(&self) -> bool {
        self.failures.iter().all(Option::is_some)
    }

    fn device_name(&self, index: usize) -> String {
        let device = self.hashing.devices().nth(index);
        device
            .map(|(device, _)| format!("{} {} ({})", device.backend, device.index, device.name))
            .unwrap_or_default()
    }

    /// The find may be of an order that has been replaced since: its key and salt say whose it is.
    fn block(&mut self, found: &Found) -> Option<Block> {
        if found.matches.kind_in_window(xuni_open(self.clock.wall())).is_none() {
            log::debug!("XUNI outside its window: the chain would refuse it");
            return None;
        }
        let attempts = self.hashing.attempts();
        let since = attempts.saturating_sub(std::mem::replace(&mut self.attempts_at_block, attempts));
        let lease = self.recent.iter_mut().find(|(lease, _)| {
            let prefix = lease.prefix.is_none_or(|prefix| found.key.starts_with(&prefix));
            prefix && found.phc.salt == Salt::of(&lease.renter)
        });
        let account = match (&lease, found.phc.salt) {
            (Some((lease, _)), _) => lease.renter,
            (None, salt) if salt == Salt::of(&self.own.address) => self.own.address,
            (None, Salt::Account(bytes)) => EthAddress::from_bytes(bytes),
            (None, Salt::Old) => self.own.address,
        };
        let lease_id = lease.map(|(lease, blocks)| {
            *blocks += 1;
            lease.id.clone()
        });
        let whose = lease_id.as_ref().map_or("itself", LeaseId::as_str);
        log::debug!("found {} for {whose}: {}", found.key, found.phc);
        Some(Block {
            worker_id: self.worker.clone(),
            lease_id,
            hash: found.phc.to_string(),
            key: found.key.clone(),
            account: Some(account),
            attempts: i64::try_from(since).unwrap_or(i64::MAX),
            hashrate: format!("{:.2}", self.rates.seconds_10),
        })
    }
}

fn registration(config: &Config, gpus: &[Gpu]) -> Register {
    Register {
        worker_id: config.worker_id.clone(),
        eth_address: Some(config.address),
        gpu_count: u32::try_from(gpus.len()).unwrap_or(u32::MAX),
        total_memory_gb: gpus.iter().map(|gpu| gpu.memory_gb).sum(),
        gpus: gpus.to_vec(),
        version: VERSION.into(),
    }
}

fn random_seed() -> u64 {
    getrandom::u64().expect("the system gives random bytes")
}

#[cfg(test)]
mod tests;
