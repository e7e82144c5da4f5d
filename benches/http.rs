//! Requests a second for a tiny JSON: `cargo bench --bench http`. Needs `wrk`; the figures count
//! only on a machine that does nothing else.

use std::error::Error;
use std::process::Command;

use xenblocks::base::thread::deathwatch;
use xenblocks::http::{Config, Server, handler, json};

fn main() -> Result<(), Box<dyn Error>> {
    let (watch, _deaths) = deathwatch();
    let config = Config::new("http", "127.0.0.1:0".parse()?);
    let server = Server::start(config, &watch, handler(|_| json(200, r#"{"ok":true}"#.to_owned()).into()))?;
    let url = format!("http://{}/", server.local_addr());
    for connections in ["1", "16", "256"] {
        let threads = if connections == "1" { "1" } else { "2" };
        let status = Command::new("wrk")
            .args(["-t", threads, "-c", connections, "-d", "5s", "--latency", &url])
            .status()?;
        if !status.success() {
            return Err("wrk failed".into());
        }
    }
    server.stop();
    Ok(())
}
