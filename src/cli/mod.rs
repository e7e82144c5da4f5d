//! The command line: one file per command, every flag also from the environment (`XENBLOCKS_…`).
//!
//! An error is one line on stderr that says what to do, and exit code 1; a wrong flag is exit code 2.

mod arguments;
mod bench;
mod block_buster;
mod blocks;
mod books;
mod chain;
mod demo;
mod doctor;
mod logging;
mod miner;
mod play;
mod server;
mod signals;
mod simulators;
mod supervisor;

use std::io::Write;

use clap::{Parser, Subcommand};
use thiserror::Error;

use crate::base::thread::{Death, causes};

pub use miner::Options as MinerOptions;

/// The XenBlocks hashpower marketplace.
///
/// People with GPUs offer their workers, people without rent one for a time: the worker then mines
/// for the renter's address, with keys that begin with the lease's own prefix. Workers speak MQTT,
/// programs speak REST, people use the web app.
#[derive(Parser)]
#[command(name = "xenblocks", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to log: error, warn, info, debug or trace, for all or per module (`info,xenblocks::broker=debug`).
    #[arg(long, global = true, env = "XENBLOCKS_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// How: text for people, json for programs (an object a line, with time, level, module, message).
    #[arg(
        long,
        global = true,
        env = "XENBLOCKS_LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    log_format: logging::Format,
}

const AFTER_HELP: &str = "Start with `xenblocks play`: a whole marketplace on this machine, with a simulated fleet and a \
worker that really hashes. Then `xenblocks COMMAND --help`.";

#[derive(Subcommand)]
enum Command {
    /// Run the marketplace: MQTT broker, REST API, live feed, web app.
    Server(server::Arguments),
    /// Run a whole marketplace to look at: server, simulated fleet, and a worker that really hashes.
    Play(play::Arguments),
    /// Check what a server with the same flags would need, and say what to do.
    Doctor(doctor::Arguments),
    /// Show one rental from start to settlement, and check that every number adds up.
    Demo(demo::Arguments),
    /// Mine on this machine, for yourself and for whoever rents it.
    Worker(miner::Arguments),
    /// Run the simulated chain alone.
    Chain(chain::Arguments),
    /// Run the dashboard gateway to a The Block node.
    BlockBuster(block_buster::Arguments),
    /// Run simulated workers that take leases and report blocks.
    Simulate(simulators::Simulate),
    /// Run a varied fleet of simulated rigs that come and go.
    Fleet(simulators::Fleet),
    /// Fill a database with a believable history.
    Seed(books::Seed),
    /// Rebuild balances from the ledger and check every invariant; exit code 1 when one is broken.
    Audit(books::Audit),
    /// Copy the database while the server runs.
    Backup(books::Backup),
    /// Put a backup in the database's place.
    Restore(books::Restore),
    /// Bring in the database of a Python prototype.
    Import(books::Import),
    /// Measure how fast this machine hashes, or compare its hashes with the reference.
    Bench(bench::Arguments),
    /// Hash a key for an address and print the PHC string.
    Hash(blocks::Hash),
    /// Check that a PHC string is of a key.
    Verify(blocks::Verify),
}

/// Why a command failed.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "each is the error of the room it names")]
pub enum CliError {
    #[error(transparent)]
    Start(#[from] crate::platform::StartError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Market(#[from] crate::market::Refusal),
    #[error(transparent)]
    BlockBuster(#[from] crate::block_buster::BlockBusterError),
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    #[error(transparent)]
    Sim(#[from] crate::sim::SimError),
    #[error(transparent)]
    Seed(#[from] crate::sim::seed::SeedError),
    #[error(transparent)]
    Import(#[from] crate::market::import::ImportError),
    #[error(transparent)]
    Worker(#[from] crate::worker::WorkerError),
    #[error(transparent)]
    SecretFile(#[from] crate::auth::SecretFileError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A thread ended that must not.
    #[error("the thread {} ended: {}; the program stops so that nothing goes on half", .0.thread, .0.cause)]
    Died(Death),
    /// Said in full.
    #[error("{0}")]
    Said(String),
}

/// Parses the command line and runs the command.
pub fn run() -> Result<(), CliError> {
    let arguments = Arguments::parse();
    logging::start(&arguments.log, arguments.log_format)?;
    match arguments.command {
        Command::Server(arguments) => server::run(arguments),
        Command::Play(arguments) => play::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Worker(arguments) => miner::run(arguments),
        Command::Simulate(arguments) => simulators::simulate(arguments),
        Command::Fleet(arguments) => simulators::fleet(arguments),
        Command::Chain(arguments) => chain::run(arguments),
        Command::BlockBuster(arguments) => block_buster::run(arguments),
        Command::Seed(arguments) => books::seed(arguments),
        Command::Audit(arguments) => books::audit(arguments),
        Command::Backup(arguments) => books::backup(arguments),
        Command::Restore(arguments) => books::restore(arguments),
        Command::Import(arguments) => books::import(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Hash(arguments) => {
            blocks::hash(arguments);
            Ok(())
        }
        Command::Verify(arguments) => blocks::verify(arguments),
    }
}

/// Says in one line on stderr why a command failed.
pub fn complain(error: &CliError) {
    // Gone: nobody reads what we say.
    let _ = writeln!(std::io::stderr(), "xenblocks: {}", causes(error).replace('\n', " "));
}

/// Prints a line on stdout. A reader that has gone away is no error.
fn say(line: impl std::fmt::Display) {
    // Gone: `xenblocks … | head` has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}
