//! `xenblocks worker`.

mod line;
mod options;

use std::path::PathBuf;

use clap::Args;
use crossbeam_channel::bounded;

use super::{CliError, say, signals};
use crate::base::Clock;
use crate::base::thread::{self, Deathwatch};
use crate::http::{HttpError, Server};
use crate::worker::{self, Board, Config, Name, serve_status};
pub use options::Options;

const EXAMPLES: &str = "\
Examples:
  Mine for yourself, and be rented on the marketplace of this machine:
    xenblocks worker --miner-addr 0xYOUR_ADDRESS --rpc-link http://localhost:8080
  A rig of a marketplace elsewhere, with the token that it gave you for this worker:
    xenblocks worker --miner-addr 0xYOUR_ADDRESS --rpc-link http://xenblocks.io \\
      --mqtt-broker tcp://market.example:1883 --worker-id rig-1 --mqtt-password-file token
  Without a marketplace:
    xenblocks worker --miner-addr 0xYOUR_ADDRESS --rpc-link http://xenblocks.io --solo
  How fast is this machine?
    xenblocks worker --test-fixed-diff 1727
  Keep all that in a file, and start from it the next time:
    xenblocks worker --miner-addr 0xYOUR_ADDRESS … --config rig.toml --save-config
    xenblocks worker --config rig.toml

Every option may also be an environment variable or a line of the file, `threads = 4`; a flag comes
before the environment, the environment before the file. More: docs/mining.md.";

/// Flags of `xenblocks worker`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// File with options (TOML).
    #[arg(long, env = "XENBLOCKS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the options of all places to the file of --config, then mine.
    #[arg(long, requires = "config")]
    save_config: bool,
    #[command(flatten)]
    options: Options,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let Arguments { config: file, save_config, options } = arguments;
    let options = match &file {
        Some(path) if path.exists() || !save_config => options.over(path)?,
        _ => options,
    };
    let board = Board::default();
    let config = options.config(board.clone())?;
    // Before anything is opened or written.
    config.check()?;
    if let Some(path) = file.filter(|_| save_config) {
        options.save(&path)?;
        log::info!("options written to {}", path.display());
    }
    let (watch, _deaths) = thread::deathwatch();
    let http = status_port(&options, &config, &watch)?;
    let (ended, shown) = bounded::<()>(0);
    let lines = thread::spawn("status-line", &watch, move || {
        line::show(&board, &Clock::system(), &shown);
        Ok(())
    })?;
    let result = worker::run(config, Clock::system(), signals::stop_bell()?);
    drop(ended);
    // A panic of the thread is only a line less.
    let _ = lines.join();
    if let Some(http) = http {
        http.stop();
    }
    Ok(result?)
}

/// Says on stdout where it listens. A port that was not asked for may be another miner's.
fn status_port(options: &Options, config: &Config, watch: &Deathwatch) -> Result<Option<Server>, CliError> {
    let (addr, asked) = options.http();
    let name = Name { worker: config.worker_id.clone(), custom: options.custom_name() };
    match serve_status(addr, name, config.board.clone(), watch) {
        Ok(server) => {
            say(format_args!("status on http://{}/stats", server.local_addr()));
            Ok(Some(server))
        }
        Err(HttpError::Taken(addr)) if !asked => {
            log::warn!("{addr} is another program's: no /stats from this miner; --http-port chooses another");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
