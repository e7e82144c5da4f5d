//! A miner's file of options (TOML), which a provider writes or a rig's control panel makes.

use std::fs;
use std::sync::OnceLock;

use tempfile::TempDir;
use xenblocks::base::limits::{DIFFICULTY_KIB_MAX, WORKER_FILE_BYTES_MAX};
use xenblocks::cli::MinerOptions;
use xenblocks::worker::{Board, Hardware};

/// Takes the bytes of a file: what is understood reads the same when it was saved, and what the miner
/// makes of it is within its bounds.
pub fn check(data: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path();
    let (given, saved) = (folder.join("given.toml"), folder.join("saved.toml"));
    fs::write(&given, data).unwrap();
    let options = match MinerOptions::default().over(&given) {
        Ok(options) => options,
        Err(error) => return assert!(error.to_string().contains("given.toml"), "{error}"),
    };
    assert!(data.len() as u64 <= WORKER_FILE_BYTES_MAX);
    options.save(&saved).unwrap();
    let text = fs::read_to_string(&saved).unwrap();
    assert_eq!(MinerOptions::default().over(&saved).unwrap(), options, "{text}");
    // What is saved says each option in one way. A driver, a token's file and the machine's own GPUs are
    // outside of what bytes decide.
    let says = |start: &str| text.lines().any(|line| line.starts_with(start));
    let by_bytes_alone = says("backend = \"cpu\"") || says("backend = \"simulated\"");
    if by_bytes_alone && !says("cuda-driver") && !says("mqtt-password-file") {
        config(&options);
    }
}

fn config(options: &MinerOptions) {
    let config = match options.config(Board::default()) {
        Ok(config) => config,
        Err(error) => return assert!(error.to_string().starts_with("--"), "{error}"),
    };
    assert_eq!(config.worker_id.as_str().parse().as_ref(), Ok(&config.worker_id));
    assert!(config.difficulty.is_none_or(|difficulty| difficulty.kib() <= DIFFICULTY_KIB_MAX));
    if let Some(broker) = &config.broker {
        assert!(!broker.host.is_empty() && !broker.host.contains(char::is_whitespace), "{}", broker.host);
    }
    match config.hardware {
        Hardware::Cpu { threads } => assert!((1..=1024).contains(&threads)),
        Hardware::Simulated { devices, .. } => assert!(devices > 0),
        Hardware::Cuda { .. } => panic!("nobody asked for GPUs"),
    }
}
