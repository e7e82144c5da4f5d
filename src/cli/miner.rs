//! `xenblocks worker`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, signals};
use crate::base::{Clock, EthAddress, Secret, WorkerId};
use crate::pow::{Difficulty, Marker};
use crate::worker::session::{Broker, Login};
use crate::worker::{self, Config, HEARTBEAT_INTERVAL};

/// Flags of `xenblocks worker`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The worker's id.
    #[arg(long, env = "XENBLOCKS_WORKER_ID", default_value = "cpu-worker-1", value_name = "ID")]
    worker_id: WorkerId,
    /// The owner's address: mined for when nobody rents the worker.
    #[arg(long, env = "XENBLOCKS_MINER_ADDR", value_name = "ADDRESS")]
    miner_addr: EthAddress,
    /// The platform's host.
    #[arg(long, env = "XENBLOCKS_MQTT_HOST", default_value = "localhost", value_name = "HOST")]
    mqtt_host: String,
    /// The platform's MQTT port.
    #[arg(long, env = "XENBLOCKS_MQTT_PORT", default_value_t = 1883, value_name = "PORT")]
    mqtt_port: u16,
    /// File with the worker's token, where the platform asks for credentials.
    #[arg(long, env = "XENBLOCKS_MQTT_PASSWORD_FILE", value_name = "FILE")]
    mqtt_password_file: Option<PathBuf>,
    /// The chain's RPC: takes the blocks and says the difficulty, such as `http://localhost:8080`.
    #[arg(long, env = "XENBLOCKS_RPC_LINK", value_name = "URL")]
    rpc_link: Option<String>,
    /// Hashing threads; by default one per core.
    #[arg(long, env = "XENBLOCKS_THREADS", value_name = "N")]
    threads: Option<usize>,
    /// Memory of one hash in KiB, instead of the RPC's difficulty.
    #[arg(long, env = "XENBLOCKS_DIFFICULTY", value_name = "KIB")]
    difficulty: Option<Difficulty>,
    /// What makes a hash a block, beside XUNI and a digit.
    #[arg(long, env = "XENBLOCKS_BLOCK_MARKER", default_value = "XEN11", value_name = "TEXT")]
    block_marker: Marker,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let login = arguments.mqtt_password_file.as_deref().map(|path| login(path, &arguments.worker_id));
    let config = Config {
        broker: Broker { host: arguments.mqtt_host, port: arguments.mqtt_port, login: login.transpose()? },
        worker_id: arguments.worker_id,
        address: arguments.miner_addr,
        rpc_link: arguments.rpc_link,
        threads: arguments.threads.map_or_else(cores, Ok)?,
        difficulty: arguments.difficulty,
        marker: arguments.block_marker,
        heartbeat_interval: HEARTBEAT_INTERVAL,
        gpus: Vec::new(),
    };
    Ok(worker::run(config, Clock::system(), signals::stop_bell()?)?)
}

fn login(path: &std::path::Path, worker: &WorkerId) -> Result<Login, CliError> {
    let token = std::fs::read_to_string(path)
        .map_err(|error| CliError::Said(format!("cannot read {}: {error}", path.display())))?;
    Ok(Login { user: worker.to_string(), password: Secret::new(token.trim()) })
}

fn cores() -> Result<usize, CliError> {
    Ok(std::thread::available_parallelism()?.get())
}
