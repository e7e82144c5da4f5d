//! `xenblocks server`.

use clap::Args;
use serde_json::json;

use super::{CliError, arguments, say, signals, supervisor};
use crate::base::Clock;
use crate::platform::Platform;

/// Flags of `xenblocks server`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    platform: arguments::Platform,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let bell = signals::stop_bell()?;
    let clock = Clock::system();
    let platform = Platform::start(arguments.platform.config(), clock.clone())?;
    announce(&platform);
    supervisor::ready();
    let ended = supervisor::wait(&bell, platform.deaths(), &clock, || platform.works());
    supervisor::stopping();
    log::info!("stopping");
    platform.stop();
    log::info!("stopped");
    ended
}

/// The one line on stdout by which scripts learn the ports.
pub(super) fn announce(platform: &Platform) {
    let (mqtt, api) = (platform.mqtt_addr(), platform.api_addr());
    say(json!({
        "event": "listening",
        "mqtt_port": mqtt.port(),
        "api_port": api.port(),
        "url": format!("http://{api}"),
        "pid": std::process::id(),
    }));
}
