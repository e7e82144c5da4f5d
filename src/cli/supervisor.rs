//! The process's supervisor, where there is one (the protocol of `sd_notify(3)`): it is told when the program is ready,
//! when it stops, and that it still works.

use crossbeam_channel::{Receiver, select};
use sd_notify::NotifyState;

use super::CliError;
use crate::base::Clock;
use crate::base::thread::Death;

/// Everything listens.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Waits for the bell, or for a death, which is an error. Meanwhile a supervisor that wants to know
/// hears twice in each of its periods that the program works, as long as `works` says so.
pub(super) fn wait(
    bell: &Receiver<()>,
    deaths: &Receiver<Death>,
    clock: &Clock,
    works: impl Fn() -> bool,
) -> Result<(), CliError> {
    let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero());
    let ticks = period.map_or_else(crossbeam_channel::never, |period| clock.every(period / 2));
    loop {
        select! {
            recv(bell) -> _ => return Ok(()),
            recv(deaths) -> death => return death.map_or(Ok(()), |death| Err(CliError::Died(death))),
            recv(ticks) -> _ => {
                if works() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Ok without a supervisor, too.
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("the supervisor cannot be told: {error}");
    }
}
