//! What a provider can set, from four places: flags over environment over file over defaults.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::super::CliError;
use crate::auth::eth::checksummed;
use crate::auth::worker_tokens;
use crate::base::limits::WORKER_FILE_BYTES_MAX;
use crate::base::{EthAddress, WorkerId};
use crate::pow::{Difficulty, Marker, cuda};
use crate::worker::session::{Broker, Login};
use crate::worker::{Board, Config, HEARTBEAT_INTERVAL, Hardware};

/// Options of `xenblocks worker`; in a file by the same names without the dashes in front.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Your address: whom the worker mines for when nobody rents it.
    #[arg(long, env = "XENBLOCKS_MINER_ADDR", value_name = "ADDRESS", value_parser = checked_address, help_heading = "Who")]
    miner_addr: Option<String>,
    /// The worker's id on the platform, unique there; by default this machine's name.
    #[arg(long, env = "XENBLOCKS_WORKER_ID", value_name = "ID", value_parser = checked::<WorkerId>, help_heading = "Who")]
    worker_id: Option<String>,
    /// A name for you to know the rig by, in /stats.
    #[arg(long, env = "XENBLOCKS_CUSTOM_NAME", value_name = "NAME", help_heading = "Who")]
    custom_name: Option<String>,

    /// The chain's RPC, which takes the blocks and says the difficulty: `http://xenblocks.io`, or a
    /// marketplace's simulated one, `http://localhost:8080`. Without, blocks go to the platform alone, and
    /// --difficulty is needed.
    #[arg(long, env = "XENBLOCKS_RPC_LINK", value_name = "URL", help_heading = "Where")]
    rpc_link: Option<String>,
    /// The marketplace's broker, `tcp://HOST:PORT`; instead of host and port.
    #[arg(long, env = "XENBLOCKS_MQTT_BROKER", value_name = "URL", help_heading = "Where")]
    mqtt_broker: Option<String>,
    /// The marketplace's host; localhost without.
    #[arg(long, env = "XENBLOCKS_MQTT_HOST", value_name = "HOST", help_heading = "Where")]
    mqtt_host: Option<String>,
    /// The marketplace's MQTT port; 1883 without.
    #[arg(long, env = "XENBLOCKS_MQTT_PORT", value_name = "PORT", help_heading = "Where")]
    mqtt_port: Option<u16>,
    /// The user to log in as; the worker's id without.
    #[arg(long, env = "XENBLOCKS_MQTT_USER", value_name = "NAME", help_heading = "Where")]
    mqtt_user: Option<String>,
    /// File with the worker's token, where the marketplace asks for credentials; its owner alone may open it.
    #[arg(long, env = "XENBLOCKS_MQTT_PASSWORD_FILE", value_name = "FILE", help_heading = "Where")]
    mqtt_password_file: Option<PathBuf>,
    /// Mine without a marketplace, for yourself alone.
    #[arg(long, env = "XENBLOCKS_SOLO", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", help_heading = "Where")]
    solo: Option<bool>,

    /// What hashes; auto takes the best that this machine has.
    #[arg(long, env = "XENBLOCKS_BACKEND", value_enum, value_name = "KIND", help_heading = "With what")]
    backend: Option<Backend>,
    /// GPUs, by their numbers: `0,2`; by default all.
    #[arg(long, env = "XENBLOCKS_DEVICE", value_name = "N,…", value_parser = checked_devices, help_heading = "With what")]
    device: Option<String>,
    /// A CUDA driver elsewhere than where the system has it.
    #[arg(long, env = "XENBLOCKS_CUDA_DRIVER", value_name = "FILE", help_heading = "With what")]
    cuda_driver: Option<PathBuf>,
    /// Threads of the CPU, 1 to 1024; by default one per core.
    #[arg(long, env = "XENBLOCKS_THREADS", value_name = "N", help_heading = "With what")]
    threads: Option<usize>,
    /// Without effect: batches are sized by the program. Taken so that the C++ miner's command lines work.
    #[arg(long, env = "XENBLOCKS_BATCH_SIZE", value_name = "N", help_heading = "With what")]
    batch_size: Option<u64>,
    /// Only 0, and without effect: this miner gives nobody a share of its work, so there is nothing to set.
    #[arg(long, env = "XENBLOCKS_DEV_FEE", value_name = "0", value_parser = checked_fee, help_heading = "With what")]
    dev_fee: Option<u32>,

    /// Memory of one hash in KiB, instead of the RPC's difficulty; needed without --rpc-link.
    #[arg(long, env = "XENBLOCKS_DIFFICULTY", value_name = "KIB", value_parser = checked_kib, help_heading = "For tests")]
    difficulty: Option<u32>,
    /// What makes a hash a block, beside XUNI and a digit; XEN11 without.
    #[arg(long, visible_alias = "test-block-pattern", env = "XENBLOCKS_BLOCK_MARKER", value_name = "TEXT", value_parser = checked::<Marker>, help_heading = "For tests")]
    block_marker: Option<String>,
    /// Hash at this difficulty without any network, to see how fast the machine is. Finds are thrown away.
    #[arg(long, env = "XENBLOCKS_TEST_FIXED_DIFF", value_name = "KIB", value_parser = checked_kib, help_heading = "For tests")]
    test_fixed_diff: Option<u32>,

    /// Folder for found blocks and the lease in force, which outlive the program; data/miner without.
    #[arg(long, env = "XENBLOCKS_STATE_DIR", value_name = "FOLDER", help_heading = "On this machine")]
    state_dir: Option<PathBuf>,
    /// Port of /stats, /platform/status and /metrics; 42069 without, 0 takes a free one.
    #[arg(long, env = "XENBLOCKS_HTTP_PORT", value_name = "PORT", help_heading = "On this machine")]
    http_port: Option<u16>,
    /// Address of that port; loopback without. Anybody who reaches it may read it.
    #[arg(long, env = "XENBLOCKS_HTTP_BIND", value_name = "ADDRESS", help_heading = "On this machine")]
    http_bind: Option<IpAddr>,
}

/// What hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Backend {
    /// The best that this machine has.
    Auto,
    /// This machine's processor.
    Cpu,
    /// NVIDIA's GPUs.
    Cuda,
    /// Nothing: hashes are counted, not computed, and no block is sent. For trying a marketplace.
    Simulated,
}

/// The port that the C++ miner's scripts ask.
pub(super) const HTTP_PORT: u16 = 42069;
/// What a simulated device claims, H/s.
const SIMULATED_RATE: u32 = 50_000;
/// More than any machine has cores.
const THREADS_MAX: usize = 1024;

impl Options {
    /// These over those of a file of at most [`WORKER_FILE_BYTES_MAX`].
    pub fn over(self, path: &Path) -> Result<Self, CliError> {
        let text = read(path)?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| said(path, error))?;
        // Alone, so that an error is the file's.
        let file: Options = table.clone().try_into().map_err(|error| said(path, error))?;
        file.check().map_err(|(option, problem)| said(path, format!("{option}: {problem}")))?;
        table.extend(self.table());
        table.try_into().map_err(|error| said(path, error))
    }

    /// Writes them to a file that `--config` reads, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), CliError> {
        let text = format!("# Options of `xenblocks worker`: see its --help.\n{}", self.table());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(|error| said(folder, error))?;
        }
        let fresh = path.with_extension("new");
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&fresh, path)).map_err(|error| said(path, error))
    }

    /// Holds what a file says to what flags are held to; an error is the option's name and what is wrong.
    fn check(&self) -> Result<(), (&'static str, String)> {
        fn held<T, U>(
            option: &'static str,
            value: Option<&T>,
            check: impl Fn(&T) -> Result<U, String>,
        ) -> Result<(), (&'static str, String)> {
            value.map_or(Ok(()), |value| check(value).map(drop).map_err(|problem| (option, problem)))
        }
        let kib = |kib: &u32| checked_kib(&kib.to_string());
        held("miner-addr", self.miner_addr.as_ref(), |text| checked_address(text))?;
        held("worker-id", self.worker_id.as_ref(), |text| checked::<WorkerId>(text))?;
        held("mqtt-broker", self.mqtt_broker.as_ref(), |text| checked_broker(text))?;
        held("device", self.device.as_ref(), |text| checked_devices(text))?;
        held("threads", self.threads.as_ref(), |threads| checked_threads(*threads))?;
        held("dev-fee", self.dev_fee.as_ref(), |fee| checked_fee(&fee.to_string()))?;
        held("difficulty", self.difficulty.as_ref(), kib)?;
        held("block-marker", self.block_marker.as_ref(), |text| checked::<Marker>(text))?;
        held("test-fixed-diff", self.test_fixed_diff.as_ref(), kib)
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("texts and numbers are TOML")
    }

    /// What the miner is told.
    pub fn config(&self, board: Board) -> Result<Config, CliError> {
        let is_test = self.test_fixed_diff.is_some();
        let worker_id = self.worker_id()?;
        let address = match (&self.miner_addr, is_test) {
            (Some(text), _) => parse_address(text).map_err(|error| wrong("miner-addr", error))?,
            (None, true) => EthAddress::from_bytes([0; 20]),
            (None, false) => {
                return Err(wrong("miner-addr", "it is needed: your address, 0x and 40 digits"));
            }
        };
        let kib = self.test_fixed_diff.or(self.difficulty);
        let alone = is_test || self.solo == Some(true);
        Ok(Config {
            broker: if alone { None } else { Some(self.broker(&worker_id)?) },
            worker_id,
            address,
            rpc_link: self.rpc_link.clone().filter(|_| !is_test),
            hardware: self.hardware()?,
            difficulty: kib.map(Difficulty::new).transpose().map_err(|error| wrong("difficulty", error))?,
            marker: match &self.block_marker {
                None => Marker::default(),
                Some(text) => text.parse().map_err(|error| wrong("block-marker", error))?,
            },
            heartbeat_interval: HEARTBEAT_INTERVAL,
            state_dir: (!is_test)
                .then(|| self.state_dir.clone().unwrap_or_else(|| PathBuf::from("data/miner"))),
            board,
        })
    }

    /// Where `/stats` is to be, and whether that was said.
    pub(super) fn http(&self) -> (SocketAddr, bool) {
        let ip = self.http_bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        (SocketAddr::new(ip, self.http_port.unwrap_or(HTTP_PORT)), self.http_port.is_some())
    }

    pub(super) fn custom_name(&self) -> Option<String> {
        self.custom_name.clone()
    }

    fn worker_id(&self) -> Result<WorkerId, CliError> {
        match &self.worker_id {
            Some(text) => text.parse().map_err(|error| wrong("worker-id", error)),
            None => Ok(machine_name()),
        }
    }

    fn broker(&self, worker: &WorkerId) -> Result<Broker, CliError> {
        let (host, port) = match &self.mqtt_broker {
            Some(url) => checked_broker(url).map_err(|error| wrong("mqtt-broker", error))?,
            None => {
                let host = self.mqtt_host.as_deref().unwrap_or("localhost");
                if !is_host(host) {
                    return Err(wrong("mqtt-host", "it is a name or an address, [::1] in brackets"));
                }
                (host.to_owned(), self.mqtt_port.unwrap_or(1883))
            }
        };
        let login = self.mqtt_password_file.as_deref().map(|path| {
            let password = worker_tokens::from_file(path)?;
            let user = self.mqtt_user.clone().unwrap_or_else(|| worker.to_string());
            Ok::<_, CliError>(Login { user, password })
        });
        Ok(Broker { host, port, login: login.transpose()? })
    }

    fn hardware(&self) -> Result<Hardware, CliError> {
        if let Some(driver) = &self.cuda_driver {
            cuda::load_driver(driver).map_err(|error| said(driver, error))?;
        }
        let cores = || std::thread::available_parallelism().map(std::num::NonZero::get);
        let threads = self.threads.map_or_else(cores, Ok)?;
        let threads = checked_threads(threads).map_err(|error| wrong("threads", error))?;
        let devices = self.device.as_deref().map(parse_devices).transpose();
        let devices = devices.map_err(|error| wrong("device", error))?;
        Ok(match (self.backend.unwrap_or(Backend::Auto), devices) {
            (Backend::Auto, None) => Hardware::best(threads),
            // Who names GPUs wants GPUs.
            (Backend::Auto | Backend::Cuda, devices) => {
                Hardware::Cuda { devices: devices.unwrap_or_default() }
            }
            (Backend::Cpu, _) => Hardware::Cpu { threads },
            (Backend::Simulated, _) => Hardware::Simulated { devices: 1, rate: SIMULATED_RATE },
        })
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| said(path, error))?;
    // One more than there may be, to see that there is more.
    let read = file.take(WORKER_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if read.map_err(|error| said(path, error))? as u64 > WORKER_FILE_BYTES_MAX {
        return Err(said(path, format!("it has more than {WORKER_FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn said(path: &Path, error: impl Display) -> CliError {
    CliError::Said(format!("{}: {}", path.display(), error.to_string().trim()))
}

fn wrong(option: &str, problem: impl Display) -> CliError {
    CliError::Said(format!("--{option}: {problem}"))
}

/// A text that parses as what it is to be.
fn checked<T: FromStr<Err: Display>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn checked_kib(text: &str) -> Result<u32, String> {
    text.parse::<Difficulty>().map(Difficulty::kib).map_err(|error| error.to_string())
}

fn checked_threads(threads: usize) -> Result<usize, String> {
    let fits = (1..=THREADS_MAX).contains(&threads);
    fits.then_some(threads).ok_or_else(|| format!("between 1 and {THREADS_MAX}"))
}

fn checked_broker(url: &str) -> Result<(String, u16), String> {
    parse_broker(url).ok_or_else(|| "it has the form tcp://HOST:PORT".to_owned())
}

fn checked_fee(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Ok(0),
        _ => Err("this miner takes no fee; say 0 or leave it out".into()),
    }
}

fn parse_devices(text: &str) -> Result<Vec<u32>, String> {
    let number = |text: &str| text.trim().parse().map_err(|_| format!("{text:?} is not the number of a GPU"));
    let mut devices = text.split(',').map(number).collect::<Result<Vec<u32>, String>>()?;
    devices.sort_unstable();
    devices.dedup();
    Ok(devices)
}

fn checked_devices(text: &str) -> Result<String, String> {
    parse_devices(text).map(|_| text.to_owned())
}

fn checked_address(text: &str) -> Result<String, String> {
    parse_address(text).map(|_| text.to_owned())
}

/// An address in one case, or in both with the checksum that they make (EIP-55): what is mined for
/// a mistyped address is lost.
fn parse_address(text: &str) -> Result<EthAddress, String> {
    let address: EthAddress = text.parse().map_err(|error: crate::base::ids::IdError| error.to_string())?;
    let digits = &text[2..];
    let mixed =
        digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed && checksummed(&address).as_str() != text {
        return Err("its capitals are not its checksum (EIP-55): is a digit wrong? If you are sure, write it in lower case".into());
    }
    Ok(address)
}

fn parse_broker(url: &str) -> Option<(String, u16)> {
    let place = ["tcp://", "mqtt://"].into_iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or(url);
    let place = place.trim_end_matches('/');
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (place, 1883),
    };
    is_host(host).then(|| (host.to_owned(), port))
}

fn is_host(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"/@".contains(c);
    !text.is_empty() && text.chars().all(is_plain) && (text.starts_with('[') || !text.contains(':'))
}

/// The machine's name, with what an id cannot hold replaced.
fn machine_name() -> WorkerId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.trim().chars().map(allowed).take(64).collect();
    name.parse().unwrap_or_else(|_| "worker-1".parse().expect("a constant id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

    #[test]
    fn flags_come_before_the_file_and_what_was_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/worker.toml");
        let saved = Options {
            miner_addr: Some(OWNER.into()),
            threads: Some(3),
            solo: Some(true),
            backend: Some(Backend::Simulated),
            ..Options::default()
        };
        saved.save(&path).unwrap();
        let flags = Options { threads: Some(5), difficulty: Some(8), ..Options::default() };
        let both = flags.over(&path).unwrap();
        assert_eq!((both.threads, both.difficulty, both.solo), (Some(5), Some(8), Some(true)));
        let config = both.config(Board::default()).unwrap();
        assert_eq!((config.address.as_str(), config.broker.is_none()), (OWNER, true));
        std::fs::write(&path, "miner-adr = \"0x\"").unwrap();
        let error = Options::default().over(&path).unwrap_err().to_string();
        assert!(error.contains("worker.toml") && error.contains("miner-adr"), "{error}");
        // Only comments, and too many.
        std::fs::write(&path, "#\n".repeat(40_000)).unwrap();
        let error = Options::default().over(&path).unwrap_err().to_string();
        assert!(error.ends_with("worker.toml: it has more than 65536 bytes"), "{error}");
    }

    #[test]
    fn what_is_wrong_in_a_file_names_the_file_and_the_option() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        for (text, says) in [
            ("miner-addr = \"0x12\"", "worker.toml: miner-addr: an address is 0x"),
            ("worker-id = \"a b\"", "worker.toml: worker-id: an id has"),
            ("mqtt-broker = \"http://a/b\"", "worker.toml: mqtt-broker: it has the form"),
            ("device = \"all\"", "worker.toml: device: "),
            ("threads = 0", "worker.toml: threads: between 1 and"),
            ("dev-fee = 3", "worker.toml: dev-fee: this miner takes no fee"),
            ("difficulty = 0", "worker.toml: difficulty: "),
            ("block-marker = \"\"", "worker.toml: block-marker: "),
            ("test-fixed-diff = 0", "worker.toml: test-fixed-diff: "),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Options::default().over(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_mistyped_address_is_noticed() {
        assert!(parse_address(OWNER).is_ok() && parse_address(&OWNER.to_lowercase()).is_ok());
        assert!(parse_address("0x24691e54aFafe2416a8252097C9Ca67557271475").unwrap_err().contains("EIP-55"));
        assert!(parse_address("0x12").is_err());
    }

    #[test]
    fn the_cpp_miners_options_are_taken_and_a_fee_is_refused() {
        let owner = || Options { miner_addr: Some(OWNER.into()), solo: Some(true), ..Options::default() };
        let same = Options { batch_size: Some(4096), dev_fee: Some(0), ..owner() };
        assert!(same.config(Board::default()).is_ok());
        assert!(checked_fee("0").is_ok() && checked_fee("10").is_err() && checked_fee("x").is_err());
    }

    #[test]
    fn gpus_are_named_by_their_numbers() {
        assert_eq!(parse_devices("2, 0,2"), Ok(vec![0, 2]));
        assert!(parse_devices("0,").is_err() && parse_devices("all").is_err());
        let named = Options { device: Some("1".into()), ..Options::default() };
        assert_eq!(named.hardware().unwrap(), Hardware::Cuda { devices: vec![1] });
    }

    #[test]
    fn brokers_are_urls_or_places() {
        let host = |url| parse_broker(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(host("tcp://market.example:1884").unwrap(), "market.example 1884");
        assert_eq!(host("market.example").unwrap(), "market.example 1883");
        assert_eq!(host("tcp://[::1]:9").unwrap(), "[::1] 9");
        for bad in ["", "tcp://", "tcp://a:b", "http://a/b", "tcp://a:99999", "tcp://u@h:1"] {
            assert_eq!(host(bad), None, "{bad}");
        }
        let named = Options { mqtt_host: Some("a host".into()), ..Options::default() };
        let error = named.broker(&"rig-1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("--mqtt-host: "), "{error}");
    }

    #[test]
    fn a_benchmark_needs_neither_address_nor_network() {
        let config =
            Options { test_fixed_diff: Some(100), rpc_link: Some("http://x".into()), ..Options::default() };
        let config = config.config(Board::default()).unwrap();
        assert!(config.broker.is_none() && config.rpc_link.is_none() && config.state_dir.is_none());
        let error = Options::default().config(Board::default()).unwrap_err().to_string();
        assert!(error.starts_with("--miner-addr"), "{error}");
    }
}
