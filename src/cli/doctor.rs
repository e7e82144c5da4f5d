//! `xenblocks doctor`.

use clap::Args;

use super::{CliError, arguments, say};
use crate::base::Clock;
use crate::platform::doctor::{self, Health};

/// Flags of `xenblocks doctor`: those of `xenblocks server`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    platform: arguments::Platform,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let found = doctor::examine(&arguments.platform.config(), &Clock::system());
    for finding in &found {
        let word = match finding.health {
            Health::Well => "ok",
            Health::Doubtful => "warn",
            Health::Broken => "FAIL",
        };
        say(format_args!("{word:<5}{:<14}{}", finding.subject, finding.text));
    }
    match found.iter().filter(|finding| finding.health == Health::Broken).count() {
        0 => Ok(()),
        broken => Err(CliError::Said(format!("{broken} of {} checks failed", found.len()))),
    }
}
