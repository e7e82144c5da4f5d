//! The miner as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::await_some;
use crate::support::server::program;

pub const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

/// `xenblocks worker` that runs. Dropping it kills it.
pub struct Miner {
    child: Child,
    /// Where `/stats` is.
    pub status: SocketAddr,
}

/// The command, with its state in `folder`, one thread and a free status port.
pub fn command(worker: &str, folder: &Path, further: &[&str]) -> Command {
    let state = folder.to_str().unwrap();
    let mut command = program(&[
        "worker",
        "--worker-id",
        worker,
        "--miner-addr",
        OWNER,
        "--state-dir",
        state,
        "--threads",
        "1",
        "--http-port",
        "0",
    ]);
    command.args(further);
    command
}

/// Runs a miner that is to end by itself.
pub fn fails(worker: &str, folder: &Path, further: &[&str]) -> Output {
    command(worker, folder, further).output().unwrap()
}

impl Miner {
    pub fn spawn(worker: &str, folder: &Path, further: &[&str]) -> Self {
        Self::start(command(worker, folder, further))
    }

    /// A miner that has been told to take a free status port.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.args(["--log", "warn"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let place =
            line.strip_prefix("status on http://").and_then(|rest| rest.trim().strip_suffix("/stats"));
        let status = place.unwrap_or_else(|| panic!("the miner said {line:?}")).parse().unwrap();
        Miner { child, status }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        await_some("the end of the miner", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        // Already gone: that is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
