//! Many simulated workers in one process: one loop owns them all, one thread holds their sessions.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::SimError;
use super::rig::{Plan, Rig};
use crate::base::thread::{self, Death};
use crate::base::{Clock, Secret, WorkerId};
use crate::chain::Client;
use crate::protocol::ReportedState;
use crate::worker::agent::Agent;
use crate::worker::session::{Broker, Event, Login, Sessions, Tagged};
use crate::worker::submit::{Fate, News, Submitter};

/// How often each worker looks at the time.
const TICK: Duration = Duration::from_millis(100);
/// How often the crew is counted in the log.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// Time between two workers' first connects, so that a broker sees them come one by one.
const START_STAGGER: Duration = Duration::from_millis(5);

/// What a crew needs besides the time.
pub(super) struct Crew {
    pub(super) broker: Broker,
    /// Those who log in, each as itself.
    pub(super) tokens: HashMap<WorkerId, Secret>,
    /// The chain that gets blocks before the platform does.
    pub(super) chain: Option<String>,
    pub(super) plans: Vec<Plan>,
}

/// Who is connected, and what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    online: usize,
    leased: usize,
    blocks: u64,
}

impl Count {
    fn log(self, workers: usize) {
        log::info!("{} of {workers} online, {} leased, {} blocks", self.online, self.leased, self.blocks);
    }
}

/// The random numbers of a simulation: the given seed's, or fresh ones that the log names.
pub(super) fn random(seed: Option<u64>) -> Xoshiro256PlusPlus {
    let seed = seed.unwrap_or_else(|| getrandom::u64().expect("the system gives random bytes"));
    log::info!("seed {seed}");
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// The chain of the platform that the broker belongs to, when its HTTP port is known.
pub(super) fn chain_of(broker: &Broker, api_port: Option<u16>) -> Option<String> {
    api_port.map(|port| format!("http://{}:{port}", broker.host))
}

/// Where anybody logs in, everybody must.
pub(super) fn check_tokens(tokens: &HashMap<WorkerId, Secret>, plans: &[Plan]) -> Result<(), SimError> {
    let without = |plan: &&Plan| !tokens.contains_key(&plan.register.worker_id);
    match plans.iter().find(without).filter(|_| !tokens.is_empty()) {
        Some(plan) => Err(SimError::Token(plan.register.worker_id.clone())),
        None => Ok(()),
    }
}

/// Runs the crew until `stop` rings or its sender is gone, or everybody was shut down.
pub(super) fn run(crew: Crew, clock: &Clock, stop: &Receiver<()>) -> Result<(), SimError> {
    let (watch, deaths) = thread::deathwatch();
    let client = crew.chain.as_deref().map(Client::new).transpose()?;
    let submitter = client.map(|client| Submitter::start(client, clock.clone(), &watch)).transpose()?;
    let (submitter, news) = submitter.unzip();
    let (sessions, events) = Sessions::start(clock.clone(), &watch)?;
    let news = news.unwrap_or_else(never);
    let mut at_work = AtWork {
        sessions,
        submitter,
        clock: clock.clone(),
        broker: crew.broker,
        tokens: crew.tokens,
        waiting: crew.plans.into_iter(),
        rigs: Vec::new(),
        blocks: 0,
    };
    let result = at_work.serve(&events, &news, &deaths, stop);
    at_work.stop(events, news);
    result
}

struct AtWork {
    sessions: Sessions,
    submitter: Option<Submitter>,
    clock: Clock,
    broker: Broker,
    tokens: HashMap<WorkerId, Secret>,
    waiting: std::vec::IntoIter<Plan>,
    /// By the index of their session; `None` after a shutdown.
    rigs: Vec<Option<Rig>>,
    blocks: u64,
}

impl AtWork {
    fn serve(
        &mut self,
        events: &Receiver<Tagged>,
        news: &Receiver<News>,
        deaths: &Receiver<Death>,
        stop: &Receiver<()>,
    ) -> Result<(), SimError> {
        let ticks = self.clock.every(TICK);
        let counts = self.clock.every(COUNT_EVERY);
        let mut stagger = self.clock.every(START_STAGGER);
        while self.waiting.len() > 0 || self.rigs.iter().any(Option::is_some) {
            select! {
                recv(events) -> event => {
                    let (index, event) = event.expect("the sessions are alive: they are held here");
                    self.event(index, event);
                }
                recv(ticks) -> _ => self.tick(),
                // An error cannot be while the submitter is held here; deaths tell the rest.
                recv(news) -> news => if let Ok(news) = news { self.news(news) },
                recv(stagger) -> _ => if !self.start_next() { stagger = never() },
                recv(counts) -> _ => self.count().log(self.rigs.len()),
                // A ring or a sender that is gone: stop either way.
                recv(stop) -> _ => return Ok(()),
                recv(deaths) -> death => {
                    return Err(SimError::Died(death.expect("the watch is held by the threads' owner")));
                }
            }
        }
        Ok(())
    }

    fn stop(self, events: Receiver<Tagged>, news: Receiver<News>) {
        drop(self.rigs);
        self.sessions.stop(events);
        if let Some(submitter) = self.submitter {
            // The workers have said goodbye: nobody is left to report to.
            submitter.stop(news, drop);
        }
    }

    /// False when all have been started.
    fn start_next(&mut self) -> bool {
        let Some(plan) = self.waiting.next() else { return false };
        let jitter_seed = Xoshiro256PlusPlus::seed_from_u64(plan.seed).random();
        let mut broker = self.broker.clone();
        if let Some(token) = self.tokens.remove(&plan.register.worker_id) {
            broker.login = Some(Login { user: plan.register.worker_id.to_string(), password: token });
        }
        let session = self.sessions.open(self.rigs.len(), &broker, plan.register.clone(), jitter_seed);
        let agent = Agent::new(session, self.clock.clone());
        self.rigs.push(Some(Rig::new(plan, agent, self.clock.clone())));
        true
    }

    fn event(&mut self, index: usize, event: Event) {
        if let Some(Some(rig)) = self.rigs.get_mut(index)
            && rig.handle(event)
        {
            self.rigs[index] = None;
        }
    }

    fn tick(&mut self) {
        for (index, rig) in self.rigs.iter_mut().enumerate() {
            let Some(rig) = rig else { continue };
            let Some(block) = rig.tick() else { continue };
            self.blocks += 1;
            let back = match &self.submitter {
                Some(submitter) => submitter.submit(index, block),
                None => Some(block),
            };
            if let Some(block) = back {
                rig.report(block);
            }
        }
    }

    fn news(&mut self, news: News) {
        if let Fate::Refused(reason) = &news.fate {
            log::warn!("the chain refused {}: {reason}", news.block.key);
        }
        if let Some(Some(rig)) = self.rigs.get_mut(news.index)
            && news.report
        {
            rig.report(news.block);
        }
    }

    fn count(&self) -> Count {
        let rigs = || self.rigs.iter().flatten();
        Count {
            online: rigs().filter(|rig| rig.is_online()).count(),
            leased: rigs().filter(|rig| rig.state() == ReportedState::Mining).count(),
            blocks: self.blocks,
        }
    }
}
