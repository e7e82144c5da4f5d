//! `xenblocks fleet`: a crowd of GPU rigs that mine for their owner, are rented, and come and go
//! (contract: simulators.md).

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::crew::{self, Crew};
use super::rig::{Plan, Rate, Spells};
use super::{SimError, WORKERS_MAX};
use crate::base::{Clock, EthAddress, Secret, WorkerId};
use crate::protocol::{Gpu, Register};
use crate::worker::session::Broker;

/// What `fleet` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers: `fleet-worker-001` and on.
    pub workers: u32,
    /// The broker.
    pub broker: Broker,
    /// Mean time between the blocks of one worker, its own or a lease's.
    pub block_interval: Duration,
    /// The address that owns all of them.
    pub owner: EthAddress,
    /// The port of the platform's HTTP server on the broker's host, whose chain gets the blocks
    /// first; none when they go to the platform alone.
    pub api_port: Option<u16>,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Each worker's token, for a marketplace in closed mode; empty: nobody logs in.
    pub tokens: HashMap<WorkerId, Secret>,
    /// Draws the same fleet each time; a fresh one without.
    pub seed: Option<u64>,
}

/// Time between heartbeats (contract: mqtt.md).
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

const VERSION: &str = "2.0.0";
const DRIFT: f64 = 5.0;
const DRIFT_RANGE: f64 = 0.15;
/// Long enough, now and then, for the platform's 90 s without a heartbeat.
const SPELLS: Spells = Spells {
    every: Duration::from_secs(300),
    chance: 0.1,
    min: Duration::from_secs(30),
    max: Duration::from_secs(120),
};

pub(super) struct Model {
    name: &'static str,
    memory_gb: f64,
    pub(super) rate_min: f64,
    pub(super) rate_max: f64,
}

const fn model(name: &'static str, memory_gb: f64, rate_min: f64, rate_max: f64) -> Model {
    Model { name, memory_gb, rate_min, rate_max }
}

const MODELS: [Model; 19] = [
    model("NVIDIA GeForce RTX 4090", 24.0, 150.0, 170.0),
    model("NVIDIA GeForce RTX 4080", 16.0, 120.0, 140.0),
    model("NVIDIA GeForce RTX 4070 Ti", 12.0, 95.0, 115.0),
    model("NVIDIA GeForce RTX 4070", 12.0, 80.0, 100.0),
    model("NVIDIA GeForce RTX 3090 Ti", 24.0, 100.0, 120.0),
    model("NVIDIA GeForce RTX 3090", 24.0, 90.0, 110.0),
    model("NVIDIA GeForce RTX 3080 Ti", 12.0, 80.0, 95.0),
    model("NVIDIA GeForce RTX 3080", 10.0, 70.0, 90.0),
    model("NVIDIA GeForce RTX 3070", 8.0, 55.0, 70.0),
    model("NVIDIA GeForce RTX 3060 Ti", 8.0, 45.0, 60.0),
    model("NVIDIA A100 80GB", 80.0, 200.0, 250.0),
    model("NVIDIA A100 40GB", 40.0, 180.0, 220.0),
    model("NVIDIA H100", 80.0, 280.0, 350.0),
    model("NVIDIA L40", 48.0, 160.0, 200.0),
    model("NVIDIA RTX A6000", 48.0, 140.0, 170.0),
    model("NVIDIA RTX A5000", 24.0, 100.0, 130.0),
    model("AMD Radeon RX 7900 XTX", 24.0, 110.0, 140.0),
    model("AMD Radeon RX 7900 XT", 20.0, 90.0, 115.0),
    model("AMD Radeon RX 6900 XT", 16.0, 70.0, 90.0),
];

/// GPUs of a rig, how many of a hundred rigs have so many, and how likely they are all alike.
const SIZES: [(u32, u32, f64); 4] = [(1, 50, 1.0), (2, 25, 0.8), (4, 15, 0.9), (8, 10, 1.0)];

/// Runs until `stop` rings or its sender is gone.
pub fn run(config: Config, clock: Clock, stop: Receiver<()>) -> Result<(), SimError> {
    let plans = plans(&config)?;
    log::info!("a fleet of {} workers, owner {}", plans.len(), config.owner);
    let chain = crew::chain_of(&config.broker, config.api_port);
    crew::run(Crew { broker: config.broker, tokens: config.tokens, chain, plans }, &clock, &stop)
}

fn plans(config: &Config) -> Result<Vec<Plan>, SimError> {
    if config.workers == 0 || config.workers > WORKERS_MAX {
        return Err(SimError::Config("the number of workers lies between 1 and 10000"));
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
    let models = draw_models(random);
    let gpus: Vec<Gpu> = (0..).zip(&models).map(gpu).collect();
    Plan {
        register: Register {
            worker_id: format!("fleet-worker-{number:03}").parse().expect("of the alphabet"),
            eth_address: Some(config.owner),
            gpu_count: u32::try_from(gpus.len()).expect("a rig has at most eight"),
            total_memory_gb: gpus.iter().map(|gpu| gpu.memory_gb).sum(),
            gpus,
            version: VERSION.into(),
        },
        owner: config.owner,
        rates: models.iter().map(|model| draw_rate(model, random)).collect(),
        lease_block_mean: config.block_interval,
        own_block_mean: Some(config.block_interval),
        heartbeat: config.heartbeat_interval,
        spells: Some(SPELLS),
        seed: random.random(),
    }
}

/// The GPUs of one rig.
pub(super) fn draw_models(random: &mut Xoshiro256PlusPlus) -> Vec<&'static Model> {
    let mut ticket = random.random_range(0..100);
    let (count, _, alike) = *SIZES
        .iter()
        .find(|(_, share, _)| {
            let drawn = ticket < *share;
            ticket = ticket.saturating_sub(*share);
            drawn
        })
        .expect("the shares make a hundred");
    let first = draw_model(random);
    if random.random_bool(alike) {
        return vec![first; count as usize];
    }
    let others = (1..count).map(|_| draw_model(random)).collect::<Vec<_>>();
    std::iter::once(first).chain(others).collect()
}

fn draw_model(random: &mut Xoshiro256PlusPlus) -> &'static Model {
    &MODELS[random.random_range(0..MODELS.len())]
}

fn draw_rate(model: &Model, random: &mut Xoshiro256PlusPlus) -> Rate {
    let middle = f64::midpoint(model.rate_min, model.rate_max);
    Rate {
        now: random.random_range(model.rate_min..=model.rate_max),
        min: middle * (1.0 - DRIFT_RANGE),
        max: middle * (1.0 + DRIFT_RANGE),
        step: DRIFT,
    }
}

pub(super) fn gpu((index, model): (u32, &&Model)) -> Gpu {
    let bus_id = Some((index + 1).into());
    Gpu { index, name: model.name.into(), memory_gb: model.memory_gb, bus_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_the_sizes_rates_and_ids_it_should() {
        let config = Config {
            workers: 2000,
            broker: Broker { host: "localhost".into(), port: 1883, login: None },
            block_interval: Duration::from_secs(60),
            owner: EthAddress::from_bytes([7; 20]),
            api_port: None,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            tokens: HashMap::new(),
            seed: Some(11),
        };
        let fleet = plans(&config).unwrap();
        assert_eq!(fleet[0].register.worker_id.as_str(), "fleet-worker-001");
        for (size, share, alike) in SIZES {
            let rigs: Vec<_> = fleet.iter().filter(|plan| plan.register.gpu_count == size).collect();
            assert!((rigs.len() as f64 - f64::from(share) * 20.0).abs() < 100.0, "{size}: {}", rigs.len());
            let same =
                |plan: &&&Plan| plan.register.gpus.iter().all(|gpu| gpu.name == plan.register.gpus[0].name);
            let share_alike = rigs.iter().filter(same).count() as f64 / rigs.len() as f64;
            assert!((share_alike - alike).abs() < 0.07, "{size}: {share_alike}");
        }
        for plan in &fleet {
            assert_eq!(plan.rates.len(), plan.register.gpus.len());
            assert!(plan.rates.iter().all(|rate| (rate.min..=rate.max).contains(&rate.now)));
        }
        let again = plans(&config).unwrap();
        assert!(fleet.iter().zip(&again).all(|(a, b)| a.register == b.register && a.seed == b.seed));
    }
}
