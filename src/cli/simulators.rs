//! `xenblocks simulate` and `xenblocks fleet`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{CliError, signals};
use crate::auth::worker_tokens;
use crate::base::limits::TOKENS_FILE_BYTES_MAX;
use crate::base::{Clock, EthAddress, Secret, WorkerId};
use crate::sim::{fleet, leases};
use crate::worker::session::Broker;

/// Flags of `xenblocks simulate`.
#[derive(Args)]
pub(super) struct Simulate {
    /// How many workers, 1 to 10000: sim-worker-001 and on.
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
    /// Mean time between the blocks of a lease, in seconds.
    #[arg(long, env = "XENBLOCKS_BLOCK_INTERVAL", default_value = "3", value_parser = seconds, value_name = "SECONDS")]
    block_interval: Duration,
    /// GPUs of each worker.
    #[arg(long, env = "XENBLOCKS_GPU_COUNT", default_value_t = 2, value_name = "N")]
    gpu_count: u32,
    /// The platform's HTTP port, whose chain gets the blocks first; 0: blocks go to the platform alone, and none
    /// is verified by the chain.
    #[arg(long, env = "XENBLOCKS_API_PORT", default_value_t = 0, value_name = "PORT")]
    api_port: u16,
    /// The workers' tokens, for a marketplace in closed mode: a line `WORKER_ID TOKEN` for each, in a file that its owner alone can open.
    #[arg(long, env = "XENBLOCKS_TOKENS_FILE", value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Draw the same workers each time.
    #[arg(long, env = "XENBLOCKS_SEED", value_name = "N")]
    seed: Option<u64>,
}

/// Flags of `xenblocks fleet`.
#[derive(Args)]
pub(super) struct Fleet {
    /// How many workers, 1 to 10000: fleet-worker-001 and on.
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
    /// Mean time between the blocks of one worker, its own or a lease's, in seconds.
    #[arg(long, env = "XENBLOCKS_BLOCK_INTERVAL", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    block_interval: Duration,
    /// The platform's HTTP port, whose chain gets the blocks first; 0: blocks go to the platform alone, and none
    /// is verified by the chain.
    #[arg(long, env = "XENBLOCKS_API_PORT", default_value_t = 0, value_name = "PORT")]
    api_port: u16,
    /// The address that owns the fleet.
    #[arg(
        long,
        env = "XENBLOCKS_OWNER",
        default_value = "0x24691E54aFafe2416a8252097C9Ca67557271475",
        value_name = "ADDRESS"
    )]
    owner: EthAddress,
    /// The workers' tokens, for a marketplace in closed mode: a line `WORKER_ID TOKEN` for each, in a file that its owner alone can open.
    #[arg(long, env = "XENBLOCKS_TOKENS_FILE", value_name = "FILE")]
    tokens_file: Option<PathBuf>,
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
        tokens: arguments.tokens_file.as_deref().map(tokens).transpose()?.unwrap_or_default(),
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
        api_port: (arguments.api_port != 0).then_some(arguments.api_port),
        heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
        tokens: arguments.tokens_file.as_deref().map(tokens).transpose()?.unwrap_or_default(),
        seed: arguments.seed,
    };
    Ok(fleet::run(config, Clock::system(), bell)?)
}

/// A file of tokens. Empty lines and those that begin with `#` are the reader's.
fn tokens(path: &Path) -> Result<HashMap<WorkerId, Secret>, CliError> {
    let said = |what: String| CliError::Said(format!("{}: {what}", path.display()));
    let text = worker_tokens::file(path)?
        .ok_or_else(|| said(format!("no text of at most {TOKENS_FILE_BYTES_MAX} bytes")))?;
    let mut tokens = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (worker, token) = match words[..] {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [worker, token] => (worker, token),
            _ => return Err(said(format!("line {} is not `WORKER_ID TOKEN`", index + 1))),
        };
        let worker = worker.parse().map_err(|error| said(format!("line {}: {error}", index + 1)))?;
        if tokens.insert(worker, Secret::new(token)).is_some() {
            return Err(said(format!("line {}: this worker was there before", index + 1)));
        }
    }
    if tokens.is_empty() { Err(said("no token is in it".to_owned())) } else { Ok(tokens) }
}

/// A length of time in seconds, with or without a fraction, above zero and at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds".to_owned())?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("give a number of seconds between 0.001 and 86400".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use std::fs::{OpenOptions, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    use super::*;

    #[test]
    fn tokens_are_read_line_by_line_and_a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let read = |text: &str| {
            let _ = std::fs::remove_file(&path);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            tokens(&path)
        };
        let both = read("# mine\nfleet-worker-001 abc\n\n fleet-worker-002\tdef \n").unwrap();
        let second: WorkerId = "fleet-worker-002".parse().unwrap();
        assert_eq!((both.len(), both[&second].expose()), (2, "def"));
        for (text, fault) in [
            ("a b\nc", "line 2 is not"),
            ("a b c", "line 1 is not"),
            ("a/b c", "line 1: "),
            ("a b\na c", "line 2: this worker"),
            ("# a b", "no token"),
            (&"#".repeat(2 * 1024 * 1024 + 1), "no text of at most"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(fault), "{fault}: {error}");
        }
        read("a b").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let exposed = tokens(&path).unwrap_err().to_string();
        assert!(exposed.contains("chmod 600"), "{exposed}");
    }
}
