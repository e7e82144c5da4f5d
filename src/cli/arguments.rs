//! Groups of flags that several commands share.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::base::Secret;
use crate::base::limits::{
    HTTP_CONNECTIONS_MAX, LIVE_CLIENTS_MAX, MQTT_CONNECTIONS_MAX, MQTT_LIBRARY_CONNECTIONS_MAX,
};
use crate::chain::Rules;
use crate::platform::{AuthMode, ChainConfig, Config};
use crate::pow::{Difficulty, Marker};

/// Where the database is.
#[derive(Args, Clone)]
pub(super) struct Db {
    /// The database file; it and its folder are made when missing.
    #[arg(
        long,
        visible_alias = "db",
        env = "XENBLOCKS_DB_PATH",
        default_value = "data/marketplace.db",
        value_name = "FILE"
    )]
    pub db_path: PathBuf,
}

/// Whether credentials are asked for.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Auth {
    /// As the prototype: anybody may do what is not an account's own. Loopback only.
    Open,
    /// What is not public needs a credential.
    Required,
}

/// How a platform runs.
#[derive(Args, Clone)]
pub(super) struct Platform {
    /// Port for workers (MQTT 3.1.1); 0 takes a free one.
    #[arg(long, env = "XENBLOCKS_MQTT_PORT", default_value_t = 1883, value_name = "PORT")]
    pub mqtt_port: u16,
    /// Port for REST, the live feed and the web app; 0 takes a free one.
    #[arg(long, env = "XENBLOCKS_API_PORT", default_value_t = 8080, value_name = "PORT")]
    pub api_port: u16,
    /// Address to listen on. Off loopback, credentials are required.
    #[arg(long, env = "XENBLOCKS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub bind: IpAddr,
    /// Open or required; by default open on loopback and required anywhere else.
    #[arg(long, env = "XENBLOCKS_AUTH", value_enum)]
    pub auth: Option<Auth>,
    /// Secret that signs session tokens; by default one is made and kept beside the database.
    #[arg(
        long,
        env = "XENBLOCKS_JWT_SECRET",
        hide_env_values = true,
        conflicts_with = "jwt_secret_file",
        value_name = "SECRET"
    )]
    pub jwt_secret: Option<Secret>,
    /// File that holds the secret that signs session tokens; on a second line, the one before it, whose
    /// tokens stay good.
    #[arg(long, env = "XENBLOCKS_JWT_SECRET_FILE", value_name = "FILE")]
    pub jwt_secret_file: Option<PathBuf>,
    /// File that holds the administrator's key; by default one is made beside the database when
    /// credentials are required.
    #[arg(long, env = "XENBLOCKS_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// Host that sign-in messages (EIP-4361) must name, such as market.example; any host without.
    #[arg(long, env = "XENBLOCKS_SIGN_IN_DOMAIN", value_name = "HOST")]
    pub sign_in_domain: Option<String>,
    /// Folder to read the web app from, anew for each request, instead of the embedded files.
    #[arg(long, env = "XENBLOCKS_STATIC_DIR", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
    /// Text that makes a hash a block, beside XUNI and a digit.
    #[arg(long, env = "XENBLOCKS_BLOCK_MARKER", default_value = "XEN11", value_name = "TEXT")]
    pub block_marker: Marker,
    /// Do not run the simulated chain.
    #[arg(long, env = "XENBLOCKS_NO_CHAIN")]
    pub no_chain: bool,
    /// Count a block only when its Argon2id hash recomputes; always so when credentials are required.
    #[arg(long, env = "XENBLOCKS_REQUIRE_POW")]
    pub require_pow: bool,
    #[command(flatten)]
    pub chain: Chain,
    /// Dashboards at once.
    #[arg(long, env = "XENBLOCKS_LIVE_CLIENTS_MAX", default_value_t = LIVE_CLIENTS_MAX, value_name = "N")]
    pub live_clients_max: usize,
    /// MQTT clients at once.
    #[arg(long, env = "XENBLOCKS_MQTT_CONNECTIONS_MAX", default_value_t = MQTT_CONNECTIONS_MAX, value_parser = connections(), value_name = "N")]
    pub mqtt_connections_max: usize,
    /// HTTP connections at once.
    #[arg(long, env = "XENBLOCKS_HTTP_CONNECTIONS_MAX", default_value_t = HTTP_CONNECTIONS_MAX, value_parser = connections(), value_name = "N")]
    pub http_connections_max: usize,
    #[command(flatten)]
    pub db: Db,
}

/// A server that lets nobody in would only look like one; above, the descriptors end first.
fn connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..MQTT_LIBRARY_CONNECTIONS_MAX as u64)
}

/// The simulated chain's rules.
#[derive(Args, Clone)]
pub(super) struct Chain {
    /// Difficulty (KiB) that a new chain starts with; one that exists keeps its own.
    #[arg(long, env = "XENBLOCKS_DIFFICULTY", default_value = "1727", value_name = "KIB")]
    pub difficulty: Difficulty,
    /// Blocks between two raises of the difficulty.
    #[arg(long, env = "XENBLOCKS_ADJUST_INTERVAL", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..), value_name = "BLOCKS")]
    pub adjust_interval: u32,
    /// Refuse XUNI blocks outside the first and last five minutes of an hour, as the network does.
    #[arg(long, env = "XENBLOCKS_ENFORCE_XUNI_WINDOW")]
    pub enforce_xuni_window: bool,
}

impl Chain {
    pub(super) fn rules(&self, marker: &Marker, require_pow: bool) -> Rules {
        Rules {
            marker: marker.clone(),
            require_pow,
            enforce_xuni_window: self.enforce_xuni_window,
            adjust_interval: self.adjust_interval,
        }
    }
}

impl Platform {
    pub(super) fn config(self) -> Config {
        let rules = self.chain.rules(&self.block_marker, self.require_pow);
        let chain = ChainConfig { rules, difficulty: self.chain.difficulty };
        Config {
            bind: self.bind,
            mqtt_port: self.mqtt_port,
            api_port: self.api_port,
            db_path: self.db.db_path,
            auth: match self.auth {
                None => AuthMode::ByAddress,
                Some(Auth::Open) => AuthMode::Open,
                Some(Auth::Required) => AuthMode::Required,
            },
            jwt_secret: self.jwt_secret,
            jwt_secret_file: self.jwt_secret_file,
            admin_key_file: self.admin_key_file,
            sign_in_domain: self.sign_in_domain,
            static_dir: self.static_dir,
            marker: self.block_marker,
            require_pow: self.require_pow,
            chain: (!self.no_chain).then_some(chain),
            live_clients_max: self.live_clients_max,
            mqtt_connections_max: self.mqtt_connections_max,
            http_connections_max: self.http_connections_max,
        }
    }
}
