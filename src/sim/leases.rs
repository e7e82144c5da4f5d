//! `xenblocks simulate`: workers that wait for leases and mine them (contract: simulators.md).

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::crew::{self, Crew};
use super::rig::{Plan, Rate};
use super::{SimError, WORKERS_MAX};
use crate::base::limits::GPUS_MAX;
use crate::base::{Clock, EthAddress, Secret, WorkerId};
use crate::protocol::{Gpu, Register};
use crate::worker::session::Broker;

/// What `simulate` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers: `sim-worker-001` and on.
    pub workers: u32,
    /// The broker.
    pub broker: Broker,
    /// Mean time between the blocks of a lease.
    pub block_interval: Duration,
    /// GPUs of each worker.
    pub gpu_count: u32,
    /// The port of the platform's HTTP server on the broker's host, whose chain gets the blocks
    /// first; none when they go to the platform alone.
    pub api_port: Option<u16>,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Each worker's token, for a marketplace in closed mode; empty: nobody logs in.
    pub tokens: HashMap<WorkerId, Secret>,
    /// Draws the same workers each time; fresh ones without.
    pub seed: Option<u64>,
}

/// Time between heartbeats of the prototype's simulator.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

const VERSION: &str = "2.0.0";
const MODELS: [(&str, f64); 5] =
    [("RTX 4090", 24.0), ("RTX 3090", 24.0), ("RTX 3080", 10.0), ("RTX 4080", 16.0), ("RTX 3070", 8.0)];

/// Runs until `stop` rings or its sender is gone.
pub fn run(config: Config, clock: Clock, stop: Receiver<()>) -> Result<(), SimError> {
    let plans = plans(&config)?;
    log::info!("simulating {} workers", plans.len());
    let chain = crew::chain_of(&config.broker, config.api_port);
    crew::run(Crew { broker: config.broker, tokens: config.tokens, chain, plans }, &clock, &stop)
}

fn plans(config: &Config) -> Result<Vec<Plan>, SimError> {
    if config.workers == 0 || config.workers > WORKERS_MAX {
        return Err(SimError::Config("the number of workers lies between 1 and 10000"));
    }
    if usize::try_from(config.gpu_count).is_ok_and(|count| count > GPUS_MAX) {
        return Err(SimError::Config("a worker has at most 64 GPUs"));
    }
    if config.block_interval.is_zero() || config.heartbeat_interval.is_zero() {
        return Err(SimError::Config("intervals are longer than nothing"));
    }
    let mut random = crew::random(config.seed);
    let plans: Vec<Plan> = (1..=config.workers).map(|number| plan(number, config, &mut random)).collect();
    crew::check_tokens(&config.tokens, &plans)?;
    Ok(plans)
}

fn plan(number: u32, config: &Config, random: &mut Xoshiro256PlusPlus) -> Plan {
    let owner = EthAddress::from_bytes(random.random());
    let gpus: Vec<Gpu> = (0..config.gpu_count).zip(MODELS.iter().cycle()).map(gpu).collect();
    let rate = Rate { now: random.random_range(800.0..=2000.0), min: 200.0, max: 3000.0, step: 50.0 };
    Plan {
        register: Register {
            worker_id: format!("sim-worker-{number:03}").parse().expect("of the alphabet"),
            eth_address: Some(owner),
            gpu_count: config.gpu_count,
            total_memory_gb: gpus.iter().map(|gpu| gpu.memory_gb).sum(),
            gpus,
            version: VERSION.into(),
        },
        owner,
        rates: vec![rate],
        lease_block_mean: config.block_interval,
        own_block_mean: None,
        heartbeat: config.heartbeat_interval,
        spells: None,
        seed: random.random(),
    }
}

fn gpu((index, (name, memory_gb)): (u32, &(&str, f64))) -> Gpu {
    Gpu { index, name: (*name).into(), memory_gb: *memory_gb, bus_id: Some((index + 1).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(workers: u32, seed: u64) -> Config {
        Config {
            workers,
            broker: Broker { host: "localhost".into(), port: 1883, login: None },
            block_interval: Duration::from_secs(3),
            gpu_count: 7,
            api_port: None,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            tokens: HashMap::new(),
            seed: Some(seed),
        }
    }

    #[test]
    fn workers_are_the_prototypes_and_a_seed_draws_them_again() {
        let drawn = plans(&config(3, 1)).unwrap();
        let ids: Vec<_> = drawn.iter().map(|plan| plan.register.worker_id.as_str()).collect();
        assert_eq!(ids, ["sim-worker-001", "sim-worker-002", "sim-worker-003"]);
        let gpus = &drawn[0].register.gpus;
        assert_eq!((gpus[5].name.as_str(), gpus[5].bus_id.clone()), ("RTX 4090", Some(6.into())));
        assert!((drawn[0].register.total_memory_gb - 130.0).abs() < 1e-9);
        assert!(drawn.iter().all(|plan| (800.0..=2000.0).contains(&plan.rates[0].now)));
        let same = |a: &[Plan], b: &[Plan]| {
            a.iter().zip(b).all(|(a, b)| a.register == b.register && a.seed == b.seed)
        };
        assert!(same(&drawn, &plans(&config(3, 1)).unwrap()));
        assert!(!same(&drawn, &plans(&config(3, 2)).unwrap()));
    }

    #[test]
    fn what_cannot_be_simulated_is_refused() {
        assert!(matches!(plans(&config(0, 1)), Err(SimError::Config(_))));
        assert!(matches!(plans(&config(WORKERS_MAX + 1, 1)), Err(SimError::Config(_))));
        let none = Config { block_interval: Duration::ZERO, ..config(1, 1) };
        assert!(matches!(plans(&none), Err(SimError::Config(_))));
    }
}
