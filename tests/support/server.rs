//! The real binary as a process of its own, on free ports, in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::Api;
use super::await_some;

/// The longest that a stop may take (the platform's promise).
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// The program with these arguments, free of the environment's own settings.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xenblocks"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("XENBLOCKS_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// A server that runs. Dropping it kills it.
pub struct Server {
    child: Child,
    /// Where MQTT listens.
    pub mqtt: SocketAddr,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// A caller without a credential.
    pub api: Api,
}

impl Server {
    /// Starts `xenblocks server` on this database.
    pub fn spawn(db: &Path) -> Self {
        Self::spawn_command("server", db, &["--log", "off"])
    }

    /// Starts a command that runs a platform, with further arguments.
    pub fn spawn_command(command: &str, db: &Path, further: &[&str]) -> Self {
        let arguments = [command, "--mqtt-port", "0", "--api-port", "0", "--db-path", db.to_str().unwrap()];
        Self::spawn_program(program(&[&arguments, further].concat()))
    }

    /// Starts a command that runs a platform and has been told to take free ports.
    pub fn spawn_program(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            panic!("{command:?} said {line:?} instead of where it listens");
        };
        assert_eq!(said["event"], "listening");
        // Read on, so that the program never waits for us.
        drain(stdout);
        let port = |name: &str| u16::try_from(said[name].as_u64().unwrap()).unwrap();
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let http = addr(port("api_port"));
        Server { child, mqtt: addr(port("mqtt_port")), http, api: Api::new(http) }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has died by itself.
    pub fn await_death(&mut self) {
        await_some("the server's death", || self.child.try_wait().unwrap());
    }

    /// Sends a signal (`TERM`, `INT`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends a signal and waits for the end, which must come in time.
    pub fn stop(&mut self, signal: &str) -> ExitStatus {
        let started = Instant::now();
        self.signal(signal);
        let status = await_some("the end of the process", || self.child.try_wait().unwrap());
        assert!(started.elapsed() < STOP_TIME_MAX, "stopping took {:?}", started.elapsed());
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone: that is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(mut stdout: impl Read + Send + 'static) {
    let (watch, _) = xenblocks::base::thread::deathwatch();
    let copy = move || std::io::copy(&mut stdout, &mut std::io::sink()).map(drop).map_err(Into::into);
    xenblocks::base::thread::spawn("drain", &watch, copy).unwrap();
}

/// A folder with a database path in it.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("market.db");
    (folder, db)
}
