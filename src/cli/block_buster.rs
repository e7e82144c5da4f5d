//! `xenblocks block-buster`.

use std::env;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{CliError, say, signals};
use crate::base::limits::GATEWAY_CALL_TIME_MAX;
use crate::base::{Clock, Secret};
use crate::block_buster::{BlockBuster, FileSettings, RPC_URL, Settings, WS_URL, check_ws_url};

/// Flags of `xenblocks block-buster`. What no flag says, the environment does, then the file
/// ~/.block-buster/config.yaml, then the default.
#[derive(Args)]
pub(super) struct Arguments {
    /// JSON-RPC address of the node; `http://localhost:9933` unless told.
    #[arg(long, env = "THEBLOCK_RPC_URL", value_name = "URL")]
    rpc_url: Option<String>,
    /// WebSocket address of the node, kept for tools that share the configuration; the gateway reads
    /// by JSON-RPC alone.
    #[arg(long, env = "THEBLOCK_WS_URL", value_name = "URL")]
    ws_url: Option<String>,
    /// Token that the node asks for, sent as `Authorization: Bearer`.
    #[arg(long, env = "THEBLOCK_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    auth_token: Option<String>,
    /// What a call to the node may take, above 0 and at most 2 [default: 2].
    #[arg(long, value_name = "SECONDS")]
    rpc_timeout: Option<f64>,
    /// Address of the HTTP port.
    #[arg(long, env = "BLOCK_BUSTER_HTTP_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    http_host: IpAddr,
    /// Port for the page and the API; 0 takes a free one.
    #[arg(long, env = "BLOCK_BUSTER_HTTP_PORT", default_value_t = 5000, value_name = "PORT")]
    http_port: u16,
    /// Address of the WebSocket ports.
    #[arg(long, env = "BLOCK_BUSTER_WS_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    ws_host: IpAddr,
    /// Port for WebSocket clients; 0 takes a free one.
    #[arg(long, env = "BLOCK_BUSTER_WS_PORT", default_value_t = 5001, value_name = "PORT")]
    ws_port: u16,
    /// Port for the features' feed; 0 takes a free one.
    #[arg(long, env = "BLOCK_BUSTER_FEATURE_WS_PORT", default_value_t = 5002, value_name = "PORT")]
    feature_ws_port: u16,
    /// Origin whose pages may read answers, such as `https://dashboard.example`; may be repeated. All
    /// may when none is named, never with credentials.
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// Pass read calls on to the node at POST /rpc, within the gateway's own limit of calls.
    #[arg(long)]
    allow_rpc: bool,
    /// Play a node and show that one; every answer says so.
    #[arg(long)]
    demo_node: bool,
    /// Configuration file [default: ~/.block-buster/config.yaml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    let gateway = BlockBuster::start(settings(arguments)?, Clock::system())?;
    let (http, ws, features) = (gateway.http_addr(), gateway.ws_addr(), gateway.features_addr());
    say(json!({
        "event": "listening",
        "http_port": http.port(),
        "ws_port": ws.port(),
        "feature_ws_port": features.port(),
        "url": format!("http://{http}/#/theblock"),
        "pid": std::process::id(),
    }));
    let ended = signals::wait(&bell, gateway.deaths());
    gateway.stop();
    ended
}

/// Flags and environment over the file over the defaults.
fn settings(arguments: Arguments) -> Result<Settings, CliError> {
    let file = match (&arguments.config, variable("HOME")) {
        (Some(path), _) => FileSettings::read(path, true)?,
        (None, Some(home)) => FileSettings::read(&FileSettings::default_path(home.as_ref()), false)?,
        (None, None) => FileSettings::default(),
    };
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let token = given(arguments.auth_token).or_else(|| variable("TB_RPC_AUTH_TOKEN"));
    check_ws_url(&given(arguments.ws_url).or(file.ws_url).unwrap_or_else(|| WS_URL.to_owned()))?;
    let rpc_url = given(arguments.rpc_url).or_else(|| variable("TB_RPC_URL")).or(file.rpc_url);
    Ok(Settings {
        rpc_url: rpc_url.unwrap_or_else(|| RPC_URL.to_owned()),
        auth_token: token.map(Secret::new).or(file.auth_token),
        rpc_timeout: timeout(arguments.rpc_timeout)?,
        http_host: arguments.http_host,
        http_port: arguments.http_port,
        ws_host: arguments.ws_host,
        ws_port: arguments.ws_port,
        feature_ws_port: arguments.feature_ws_port,
        cors: arguments.cors.iter().map(|origin| self::origin(origin)).collect::<Result<_, _>>()?,
        allow_rpc: arguments.allow_rpc,
        demo_node: arguments.demo_node,
    })
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// An older setup's variable may be beyond the limit, and is held to it; a flag is refused.
fn timeout(flag: Option<f64>) -> Result<Duration, CliError> {
    let most = GATEWAY_CALL_TIME_MAX;
    let wrong = |name: &str, range: &str| CliError::Said(format!("{name} is a number of seconds {range}"));
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    if let Some(seconds) = flag {
        let range = || wrong("--rpc-timeout", &format!("above 0 and at most {}", most.as_secs()));
        return time(seconds).filter(|time| *time <= most).ok_or_else(range);
    }
    let Some(text) = variable("TB_RPC_TIMEOUT") else { return Ok(most) };
    let asked = text.parse().ok().and_then(time).ok_or_else(|| wrong("TB_RPC_TIMEOUT", "above 0"))?;
    if asked > most {
        log::warn!("TB_RPC_TIMEOUT={text}: a call to the node may take {} s at most", most.as_secs());
    }
    Ok(asked.min(most))
}

fn origin(text: &str) -> Result<String, CliError> {
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_origin =
        authority.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', ' ', '*', '?', '#']));
    let wrong =
        || CliError::Said(format!("--cors takes an origin such as https://dashboard.example, not {text:?}"));
    is_origin.then(|| text.to_owned()).ok_or_else(wrong)
}
