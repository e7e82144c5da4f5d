//! SIGINT and SIGTERM as a channel.

use crossbeam_channel::{Receiver, Sender, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::CliError;
use crate::base::thread::{Death, deathwatch, spawn};

/// A bell that rings at the first SIGINT or SIGTERM. A second one ends the process at once.
pub(super) fn stop_bell() -> Result<Receiver<()>, CliError> {
    let (bell, rings) = bounded(1);
    // A death here would only mean that signals are not heard; the thread cannot fail.
    let (watch, _) = deathwatch();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    spawn("signals", &watch, move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(128 + signal);
            }
            ring(&bell);
        }
        Ok(())
    })?;
    Ok(rings)
}

fn ring(bell: &Sender<()>) {
    // Full or gone: it has rung already.
    let _ = bell.try_send(());
}

/// Waits for the bell, or for a death, which is an error.
pub(super) fn wait(bell: &Receiver<()>, deaths: &Receiver<Death>) -> Result<(), CliError> {
    select! {
        recv(bell) -> _ => Ok(()),
        recv(deaths) -> death => death.map_or(Ok(()), |death| Err(CliError::Died(death))),
    }
}
