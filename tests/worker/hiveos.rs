//! The files under `deploy/hiveos/` against the real program. They need what every HiveOS has: bash,
//! curl and jq; where one is missing there is nothing to test.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Miner, OWNER};
use crate::support::api::Api;
use crate::support::await_some;
use crate::support::server::program;

fn scripts() -> Option<PathBuf> {
    for tool in ["bash", "curl", "jq"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("no {tool} on this machine: HiveOS's scripts are not tested");
            return None;
        }
    }
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/hiveos"))
}

/// Runs a script as HiveOS does: read into a shell that has set its variables; gives what it then prints.
fn sourced(script: &Path, variables: &[(&str, &str)], then: &str) -> String {
    let text = format!(". '{}'; {then}", script.display());
    let output = Command::new("bash").args(["-c", &text]).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_flight_sheet_becomes_a_file_of_options_that_the_miner_takes() {
    let Some(scripts) = scripts() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.toml");
    let template = format!("{OWNER}.rig \"7\"");
    let sheet = [
        ("CUSTOM_CONFIG_FILENAME", file.to_str().unwrap()),
        ("CUSTOM_TEMPLATE", &template),
        ("CUSTOM_URL", "http://127.0.0.1:9"),
        ("CUSTOM_PASS", "secret"),
        ("CUSTOM_USER_CONFIG", "mqtt-broker = \"tcp://127.0.0.1:9\"\nthreads = 1"),
    ];
    sourced(&scripts.join("h-config.sh"), &sheet, "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#"worker-id = "rig \"7\"""#) && !text.contains("solo"), "{text}");
    let fixed = text.replace(r#""rig \"7\"""#, "\"rig-7\"");
    std::fs::write(&file, fixed).unwrap();
    let miner = Miner::start(program(&["worker", "--http-port", "0", "--config", file.to_str().unwrap()]));
    let stats = await_some("the address", || {
        Some(Api::new(miner.status).get("/stats").ok()).filter(|stats| stats["minerAddr"] == OWNER)
    });
    assert_eq!(stats["workerId"], "rig-7");
    assert!(folder.path().join("state/rig-7.journal").exists());
}

#[test]
fn hiveos_reads_the_hashrate_and_each_device() {
    let Some(scripts) = scripts() else { return };
    let folder = tempfile::tempdir().unwrap();
    let simulated = ["--solo", "--difficulty", "8", "--backend", "simulated"];
    let miner = Miner::spawn("rig-1", folder.path(), &simulated);
    let url = format!("http://{}/stats", miner.status);
    let (khs, stats) = await_some("a hashrate", || {
        let said =
            sourced(&scripts.join("h-stats.sh"), &[("API_URL", &url)], "echo \"$khs\"; echo \"$stats\"");
        let (khs, stats) = said.split_once('\n').unwrap();
        let stats: Value = serde_json::from_str(stats).unwrap();
        let khs: f64 = khs.parse().unwrap();
        (khs > 0.0).then_some((khs, stats))
    });
    assert!((1.0..=60.0).contains(&khs), "{khs} of the 50 that it claims");
    assert_eq!(
        (&stats["hs_units"], &stats["algo"], &stats["ar"][0]),
        (&"hs".into(), &"argon2id".into(), &0.into())
    );
    assert_eq!((stats["hs"].as_array().unwrap().len(), &stats["bus_numbers"][0]), (1, &0.into()));
    assert_eq!((&stats["temp"][0], &stats["fan"][0]), (&0.into(), &0.into()));

    drop(miner);
    let said = sourced(&scripts.join("h-stats.sh"), &[("API_URL", &url)], "echo \"$khs $stats\"");
    assert_eq!(said.trim(), "0 null", "a miner that is gone");
}
