//! `xenblocks simulate` and `xenblocks fleet`.

use std::time::Duration;

use clap::Args;

use super::{CliError, signals};
use crate::base::{Clock, EthAddress};
use crate::sim::{fleet, leases};
use crate::worker::session::Broker;

/// Flags of `xenblocks simulate`.
#[derive(Args)]
pub(super) struct Simulate {
    /// How many workers: sim-worker-001 and on.
    #[arg(long, env = "XENBLOCKS_WORKERS", default_value_t = 2, value_name = "N")]
    workers: u32,
    /// The platform's host.
    #[arg(
        long,
        visible_alias = "broker",
        env = "XENBLOCKS_MQTT_HOST",
        default_value = "localhost",
        value_name = "HOST"
    )]
    mqtt_host: String,
    /// The platform's MQTT port.
    #[arg(
        long,
        visible_alias = "port",
        env = "XENBLOCKS_MQTT_PORT",
        default_value_t = 1883,
        value_name = "PORT"
    )]
    mqtt_port: u16,
    /// Mean time between the blocks of a lease, seconds.
    #[arg(long, env = "XENBLOCKS_BLOCK_INTERVAL", default_value = "3", value_parser = seconds, value_name = "SECONDS")]
    block_interval: Duration,
    /// GPUs of each worker.
    #[arg(long, env = "XENBLOCKS_GPU_COUNT", default_value_t = 2, value_name = "N")]
    gpu_count: u32,
    /// The platform's HTTP port, whose chain gets the blocks first; 0: blocks go to the platform alone.
    #[arg(long, env = "XENBLOCKS_API_PORT", default_value_t = 0, value_name = "PORT")]
    api_port: u16,
    /// Draw the same workers each time.
    #[arg(long, env = "XENBLOCKS_SEED", value_name = "N")]
    seed: Option<u64>,
}

/// Flags of `xenblocks fleet`.
#[derive(Args)]
pub(super) struct Fleet {
    /// How many workers: fleet-worker-001 and on.
    #[arg(long, env = "XENBLOCKS_WORKERS", default_value_t = 5, value_name = "N")]
    workers: u32,
    /// The platform's host.
    #[arg(
        long,
        visible_alias = "mqtt-host",
        env = "XENBLOCKS_MQTT_HOST",
        default_value = "localhost",
        value_name = "HOST"
    )]
    broker: String,
    /// The platform's MQTT port.
    #[arg(
        long,
        visible_alias = "mqtt-port",
        env = "XENBLOCKS_MQTT_PORT",
        default_value_t = 1883,
        value_name = "PORT"
    )]
    port: u16,
    /// Mean time between the blocks of one worker, seconds.
    #[arg(long, env = "XENBLOCKS_BLOCK_INTERVAL", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    block_interval: Duration,
    /// The address that owns the fleet.
    #[arg(
        long,
        env = "XENBLOCKS_OWNER",
        default_value = "0x24691E54aFafe2416a8252097C9Ca67557271475",
        value_name = "ADDRESS"
    )]
    owner: EthAddress,
    /// Draw the same fleet each time.
    #[arg(long, env = "XENBLOCKS_SEED", value_name = "N")]
    seed: Option<u64>,
}

pub(super) fn simulate(arguments: Simulate) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    let config = leases::Config {
        workers: arguments.workers,
        broker: Broker { host: arguments.mqtt_host, port: arguments.mqtt_port, login: None },
        block_interval: arguments.block_interval,
        gpu_count: arguments.gpu_count,
        api_port: (arguments.api_port != 0).then_some(arguments.api_port),
        heartbeat_interval: leases::HEARTBEAT_INTERVAL,
        seed: arguments.seed,
    };
    Ok(leases::run(config, Clock::system(), bell)?)
}

pub(super) fn fleet(arguments: Fleet) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    let config = fleet::Config {
        workers: arguments.workers,
        broker: Broker { host: arguments.broker, port: arguments.port, login: None },
        block_interval: arguments.block_interval,
        owner: arguments.owner,
        heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
        seed: arguments.seed,
    };
    Ok(fleet::run(config, Clock::system(), bell)?)
}

/// A length of time in seconds, with or without a fraction, above zero and at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds".to_owned())?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("give a number of seconds between 0.001 and 86400".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
