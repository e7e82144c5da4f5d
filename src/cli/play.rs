//! `xenblocks play`: a whole marketplace on this machine.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::{CliError, arguments, say, server, signals};
use crate::base::thread::{BoxError, Deathwatch, deathwatch, spawn};
use crate::base::{Clock, EthAddress};
use crate::platform::Platform;
use crate::pow::{Difficulty, Marker};
use crate::sim::{fleet, leases};
use crate::worker::session::Broker;
use crate::worker::{self, HEARTBEAT_INTERVAL};

/// Flags of `xenblocks play`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    platform: arguments::Platform,
    /// Simulated rigs that mine for themselves and can be rented.
    #[arg(long, env = "XENBLOCKS_WORKERS", default_value_t = 6, value_name = "N")]
    workers: u32,
}

const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

pub(super) fn run(mut arguments: Arguments) -> Result<(), CliError> {
    // A short marker, and for a new chain the least memory: a CPU finds blocks within seconds.
    if arguments.platform.block_marker == Marker::default() {
        arguments.platform.block_marker = "XEN1".parse().expect("a constant marker");
        arguments.platform.chain.difficulty = Difficulty::MIN;
    }
    let marker = arguments.platform.block_marker.clone();
    let bell = signals::stop_bell()?;
    let state_dir = arguments.platform.db.db_path.with_file_name("miner");
    let platform = Platform::start(arguments.platform.config(), Clock::system())?;
    server::announce(&platform);
    let (watch, deaths) = deathwatch();
    let crew = Crew::start(&platform, arguments.workers, marker, state_dir, &watch)?;
    explain(&platform);
    let ended = crossbeam_channel::select! {
        recv(bell) -> _ => Ok(()),
        recv(platform.deaths()) -> death => death.map_or(Ok(()), |death| Err(CliError::Died(death))),
        recv(deaths) -> death => death.map_or(Ok(()), |death| Err(CliError::Died(death))),
    };
    say("stopping");
    crew.stop();
    platform.stop();
    ended
}

fn explain(platform: &Platform) {
    let (api, mqtt) = (platform.api_addr(), platform.mqtt_addr());
    say(format_args!(
        "\n  XenBlocks Platform is running.\n\n  \
         dashboard  http://{api}/dashboard\n  \
         workers    curl http://{api}/api/workers\n  \
         rent one   curl -X POST http://{api}/api/rent -H 'Content-Type: application/json' \
         -d '{{\"consumer_id\":\"consumer-1\",\"worker_id\":\"cpu-worker-1\",\"duration_sec\":600}}'\n  \
         messages   mosquitto_sub -p {} -t 'xenminer/#' -v\n\n  \
         cpu-worker-1 really hashes; the others are simulated. Ctrl-C stops everything.\n",
        mqtt.port()
    ));
}

/// The workers that play along, each on a thread.
struct Crew {
    stops: Vec<Sender<()>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Crew {
    fn start(
        platform: &Platform,
        workers: u32,
        marker: Marker,
        state_dir: PathBuf,
        watch: &Deathwatch,
    ) -> Result<Self, CliError> {
        let mut crew = Crew { stops: Vec::new(), threads: Vec::new() };
        let mqtt = platform.mqtt_addr();
        let broker = Broker { host: mqtt.ip().to_string(), port: mqtt.port(), login: None };
        let rpc_link = format!("http://{}", platform.api_addr());
        let owner: EthAddress = OWNER.parse().expect("a constant address");
        if workers > 0 {
            let config = fleet::Config {
                workers,
                broker: broker.clone(),
                block_interval: Duration::from_secs(60),
                owner,
                api_port: Some(platform.api_addr().port()),
                heartbeat_interval: fleet::HEARTBEAT_INTERVAL,
                tokens: HashMap::new(),
                seed: None,
            };
            crew.spawn("fleet", watch, |stop| Ok(fleet::run(config, Clock::system(), stop)?))?;
        }
        let config = leases::Config {
            workers: 2,
            broker: broker.clone(),
            block_interval: Duration::from_secs(3),
            gpu_count: 2,
            api_port: Some(platform.api_addr().port()),
            heartbeat_interval: leases::HEARTBEAT_INTERVAL,
            tokens: HashMap::new(),
            seed: None,
        };
        crew.spawn("simulate", watch, |stop| Ok(leases::run(config, Clock::system(), stop)?))?;
        let config = worker::Config {
            worker_id: "cpu-worker-1".parse().expect("a constant id"),
            address: owner,
            broker: Some(broker),
            rpc_link: Some(rpc_link),
            hardware: worker::Hardware::Cpu { threads: 1 },
            difficulty: None,
            marker,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            state_dir: Some(state_dir),
            board: worker::Board::default(),
        };
        crew.spawn("worker", watch, |stop| Ok(worker::run(config, Clock::system(), stop)?))?;
        Ok(crew)
    }

    fn spawn(
        &mut self,
        name: &str,
        watch: &Deathwatch,
        body: impl FnOnce(Receiver<()>) -> Result<(), BoxError> + Send + 'static,
    ) -> Result<(), CliError> {
        let (stop, stopped) = bounded(1);
        self.threads.push(spawn(name, watch, move || body(stopped))?);
        self.stops.push(stop);
        Ok(())
    }

    fn stop(self) {
        drop(self.stops);
        for thread in self.threads {
            // Err: it died of a panic, which the deathwatch has reported.
            let _ = thread.join();
        }
    }
}
