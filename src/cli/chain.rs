//! `xenblocks chain`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{CliError, arguments, say, signals};
use crate::base::Clock;
use crate::platform::{ChainAlone, ChainConfig};
use crate::pow::Marker;

/// Flags of `xenblocks chain`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Port for the chain's RPC; 0 takes a free one.
    #[arg(long, env = "XENBLOCKS_CHAIN_PORT", default_value_t = 8545, value_name = "PORT")]
    port: u16,
    /// Address to listen on.
    #[arg(long, env = "XENBLOCKS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind: IpAddr,
    /// The chain's database file.
    #[arg(
        long,
        visible_alias = "db",
        env = "XENBLOCKS_CHAIN_DB_PATH",
        default_value = "data/chain.db",
        value_name = "FILE"
    )]
    db_path: PathBuf,
    /// Text that makes a hash a block, beside XUNI and a digit.
    #[arg(long, env = "XENBLOCKS_BLOCK_MARKER", default_value = "XEN11", value_name = "TEXT")]
    block_marker: Marker,
    /// Take a block only when its Argon2id hash recomputes.
    #[arg(long, env = "XENBLOCKS_REQUIRE_POW")]
    require_pow: bool,
    #[command(flatten)]
    chain: arguments::Chain,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    let rules = arguments.chain.rules(&arguments.block_marker, arguments.require_pow);
    let config = ChainConfig { rules, difficulty: arguments.chain.difficulty };
    let addr = SocketAddr::new(arguments.bind, arguments.port);
    let chain = ChainAlone::start(addr, &arguments.db_path, config, Clock::system())?;
    let addr = chain.addr();
    say(json!({"event": "listening", "chain_port": addr.port(), "url": format!("http://{addr}")}));
    let ended = signals::wait(&bell, chain.deaths());
    chain.stop();
    ended
}
