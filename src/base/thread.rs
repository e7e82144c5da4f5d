//! Threads: started here and nowhere else, named, and never dead in silence.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::limits::{CONNECTION_STACK_BYTES, DEATHS_QUEUED_MAX};

/// Any error, as the bodies of threads return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A thread of the house ended with an error or a panic: the process must end too.
#[derive(Debug)]
pub struct Death {
    /// The thread's name.
    pub thread: String,
    /// What it died of, with its chain of causes.
    pub cause: String,
}

/// Where threads report their death.
#[derive(Clone)]
pub struct Deathwatch(Sender<Death>);

/// A deathwatch and the receiver on which its deaths arrive.
pub fn deathwatch() -> (Deathwatch, Receiver<Death>) {
    let (sender, deaths) = bounded(DEATHS_QUEUED_MAX);
    (Deathwatch(sender), deaths)
}

/// Starts a thread of the house. An `Err` or a panic from `body` is a [`Death`].
pub fn spawn<F>(name: &str, watch: &Deathwatch, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() -> Result<(), BoxError> + Send + 'static,
{
    let watch = watch.clone();
    let thread = name.to_owned();
    named(name).spawn(move || {
        let cause = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => causes(error.as_ref()),
            Err(panic) => panic_text(panic.as_ref()).to_owned(),
        };
        log::error!("thread {thread} ended: {cause}");
        // Full or gone: another death is already being dealt with.
        let _ = watch.0.try_send(Death { thread, cause });
    })
}

/// Starts the thread of one connection, with a small stack. A panic in it ends only itself.
pub fn spawn_connection<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    named(name).stack_size(CONNECTION_STACK_BYTES).spawn(body)
}

#[expect(clippy::disallowed_methods, reason = "the one place where threads begin")]
fn named(name: &str) -> Builder {
    Builder::new().name(name.to_owned())
}

/// CPU time that this thread has used: what others do on a busy machine does not count.
#[cfg(unix)]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into the value that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let part = |value| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// An error with everything that caused it, in one line. A cause that its effect has told already is
/// not told again.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        source = cause.source();
    }
    text
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panicked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        enum Trouble {
            #[error("cannot start: {0}")]
            Told(#[source] std::fmt::Error),
            #[error("cannot start")]
            Untold(#[from] std::fmt::Error),
        }
        let cause = std::fmt::Error;
        let expected = format!("cannot start: {cause}");
        assert_eq!(causes(&Trouble::Told(cause)), expected);
        assert_eq!(causes(&Trouble::Untold(cause)), expected);
    }

    #[test]
    fn errors_and_panics_are_deaths_and_a_normal_end_is_not() {
        let (watch, deaths) = deathwatch();
        spawn("fine", &watch, || Ok(())).unwrap().join().unwrap();
        assert!(deaths.try_recv().is_err());
        spawn("broken", &watch, || Err("no disk".into())).unwrap();
        let death = deaths.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!((death.thread.as_str(), death.cause.as_str()), ("broken", "no disk"));
        spawn("wild", &watch, || panic!("out of cheese")).unwrap();
        assert_eq!(deaths.recv_timeout(Duration::from_secs(5)).unwrap().cause, "out of cheese");
    }

    #[test]
    fn deaths_beyond_those_that_wait_end_their_threads_all_the_same() {
        let (watch, deaths) = deathwatch();
        for _ in 0..DEATHS_QUEUED_MAX + 2 {
            spawn("broken", &watch, || Err("no disk".into())).unwrap().join().unwrap();
        }
        assert_eq!(deaths.try_iter().count(), DEATHS_QUEUED_MAX);
    }
}
