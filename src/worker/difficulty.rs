//! Follows the chain's difficulty (contract: pow.md, polled every 10 s).

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use crate::base::Clock;
use crate::base::thread::{self, Deathwatch};
use crate::chain::Client;
use crate::pow::Difficulty;

const POLL_EVERY: Duration = Duration::from_secs(10);
/// Failures in a row of which the first is told: one a minute.
const FAILURES_TOLD_EVERY: u32 = 6;

/// The thread that asks.
pub(super) struct Follower {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Follower {
    /// Asks at once and then every ten seconds; changes arrive on the receiver.
    pub(super) fn start(
        client: Client,
        clock: Clock,
        watch: &Deathwatch,
    ) -> io::Result<(Self, Receiver<Difficulty>)> {
        let (news, changes) = bounded(1);
        let (stop, stopped) = bounded(0);
        let thread = thread::spawn("difficulty", watch, move || {
            follow(&client, &clock, &news, &stopped);
            Ok(())
        })?;
        Ok((Follower { stop, thread }, changes))
    }

    /// Ends the thread; takes as long as the chain's answer.
    pub(super) fn stop(self) {
        drop(self.stop);
        // A panic of the thread has been reported to the deathwatch.
        let _ = self.thread.join();
    }
}

fn follow(client: &Client, clock: &Clock, news: &Sender<Difficulty>, stopped: &Receiver<()>) {
    let ticks = clock.every(POLL_EVERY);
    let (mut known, mut failures) = (None, 0u32);
    loop {
        let answer = client.difficulty();
        failures = if answer.is_ok() { 0 } else { failures.saturating_add(1) };
        match answer {
            Ok(difficulty) if known == Some(difficulty) => {}
            Ok(difficulty) => match news.try_send(difficulty) {
                Ok(()) => known = Some(difficulty),
                // The last change has not been taken yet: this one is told with the next poll.
                Err(TrySendError::Full(_)) => {}
                // The owner stops.
                Err(TrySendError::Disconnected(_)) => return,
            },
            Err(error) if failures % FAILURES_TOLD_EVERY == 1 => {
                log::warn!("the chain's difficulty: {}", thread::causes(&error));
            }
            Err(_) => {}
        }
        select! {
            recv(ticks) -> _ => {}
            // The owner let go of the other end: there are no messages on it.
            recv(stopped) -> _ => return,
        }
    }
}
