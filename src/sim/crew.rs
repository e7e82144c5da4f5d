//! Many simulated workers in one process: one loop owns them all, one thread holds their sessions.

use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::SimError;
use super::rig::{Plan, Rig};
use crate::base::{Clock, thread};
use crate::protocol::ReportedState;
use crate::worker::agent::Agent;
use crate::worker::session::{Broker, Sessions, Tagged};

/// How often each worker looks at the time.
const TICK: Duration = Duration::from_millis(100);
/// How often the crew is counted in the log.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// Time between two workers' first connects, so that a broker sees them come one by one.
const START_STAGGER: Duration = Duration::from_millis(5);

/// What a crew needs besides its plans.
pub(super) struct Crew {
    pub(super) broker: Broker,
    pub(super) plans: Vec<Plan>,
}

/// Who is connected, and what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) online: usize,
    pub(super) leased: usize,
    pub(super) blocks: u64,
}

/// The random numbers of a simulation: the given seed's, or fresh ones that the log names.
pub(super) fn random(seed: Option<u64>) -> Xoshiro256PlusPlus {
    let seed = seed.unwrap_or_else(|| getrandom::u64().expect("the system gives random bytes"));
    log::info!("seed {seed}");
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Runs the crew until `stop` rings or its sender is gone, or everybody was shut down.
pub(super) fn run(crew: Crew, clock: &Clock, stop: &Receiver<()>) -> Result<(), SimError> {
    let (watch, deaths) = thread::deathwatch();
    let (sessions, events) = Sessions::start(clock.clone(), &watch)?;
    let ticks = clock.every(TICK);
    let counts = clock.every(COUNT_EVERY);
    let mut rigs: Vec<Option<Rig>> = Vec::with_capacity(crew.plans.len());
    let mut waiting = crew.plans.into_iter();
    let mut blocks = 0;
    let mut result = Ok(());
    let mut stagger = clock.every(START_STAGGER);
    loop {
        select! {
            recv(events) -> event => {
                let (index, event): Tagged = event.expect("the sessions are alive: they are held here");
                if let Some(Some(rig)) = rigs.get_mut(index) && rig.handle(event) {
                    rigs[index] = None;
                }
            }
            recv(ticks) -> _ => {
                for rig in rigs.iter_mut().flatten() {
                    if let Some(block) = rig.tick() {
                        blocks += 1;
                        rig.report(block);
                    }
                }
            }
            recv(stagger) -> _ => {
                if let Some(plan) = waiting.next() {
                    let seed = Xoshiro256PlusPlus::seed_from_u64(plan.seed).random();
                    let session = sessions.open(rigs.len(), &crew.broker, plan.register.clone(), seed);
                    rigs.push(Some(Rig::new(plan, Agent::new(session, clock.clone()), clock.clone())));
                } else {
                    stagger = never();
                }
            }
            recv(counts) -> _ => {
                let count = count(&rigs, blocks);
                log::info!("{} of {} online, {} leased, {} blocks", count.online, rigs.len(), count.leased, count.blocks);
            }
            // A ring or a sender that is gone: stop either way.
            recv(stop) -> _ => break,
            recv(deaths) -> death => {
                if let Ok(death) = death { result = Err(SimError::Died(death)); }
                break;
            }
        }
        if waiting.len() == 0 && rigs.iter().all(Option::is_none) {
            break;
        }
    }
    drop(rigs);
    sessions.stop(events);
    result
}

fn count(rigs: &[Option<Rig>], blocks: u64) -> Count {
    let rigs = || rigs.iter().flatten();
    Count {
        online: rigs().filter(|rig| rig.is_online()).count(),
        leased: rigs().filter(|rig| rig.state() == ReportedState::Mining).count(),
        blocks,
    }
}
