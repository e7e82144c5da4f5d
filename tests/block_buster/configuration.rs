//! Flags over environment over file over defaults, by the real program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::await_until;
use crate::support::server::program;
use crate::the_block::{Mode, Node};

const PORTS: [&str; 6] = ["--http-port", "0", "--ws-port", "0", "--feature-ws-port", "0"];

/// The program, with a home of its own and nothing of ours in its environment.
fn gateway(home: &Path, flags: &[&str]) -> Command {
    let log: &[&str] = if flags.contains(&"--log") { &[] } else { &["--log", "off"] };
    let mut command = program(&[&["block-buster"], log, &PORTS[..], flags].concat());
    for (name, _) in std::env::vars()
        .filter(|(name, _)| ["THEBLOCK_", "TB_RPC_", "BLOCK_BUSTER_"].iter().any(|own| name.starts_with(own)))
    {
        command.env_remove(name);
    }
    command.env("HOME", home);
    command
}

struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["event"], "listening");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone: that is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn flags_win_over_environment_over_file() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".block-buster")).unwrap();
    let nodes: Vec<_> = (0..4).map(|_| Node::start(Mode::Spec)).collect();
    let [flag, variable, older, file] = &nodes[..] else { panic!("four nodes") };
    let text = format!("# ours\nrpc_url: \"{}\"\nauth_token: from-file\n", file.url());
    fs::write(home.path().join(".block-buster/config.yaml"), text).unwrap();

    let with = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = gateway(home.path(), flags);
        command.envs(variables.iter().copied());
        command
    };
    let (flag_url, url, older_url) = (flag.url(), variable.url(), older.url());
    let current = ("THEBLOCK_RPC_URL", url.as_str());
    let before = ("TB_RPC_URL", older_url.as_str());
    let token = ("THEBLOCK_AUTH_TOKEN", "from-environment");
    for (command, node, expected) in [
        (
            with(&["--rpc-url", &flag_url, "--auth-token", "from-flag"], &[current, token]),
            flag,
            "Bearer from-flag",
        ),
        (with(&[], &[current, before, token]), variable, "Bearer from-environment"),
        (with(&[], &[before, ("TB_RPC_AUTH_TOKEN", "older")]), older, "Bearer older"),
        (with(&[], &[("THEBLOCK_RPC_URL", "")]), file, "Bearer from-file"),
    ] {
        let _running = Running::start(command);
        await_until("a call", || {
            node.calls().iter().any(|call| {
                assert_eq!(call.authorization.as_deref(), Some(expected));
                true
            })
        });
        // What the gateway before this one still asked bears another token.
        let others = nodes.iter().filter(|other| other.addr != node.addr);
        let mut elsewhere = others.flat_map(Node::calls);
        assert!(elsewhere.all(|call| call.authorization.as_deref() != Some(expected)));
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("c.yaml");
    fs::write(&file, "rpc: x\n").unwrap();
    let address = home.path().join("address.yaml");
    fs::write(&address, "rpc_url: node:3030\n").unwrap();
    let socket = home.path().join("socket.yaml");
    fs::write(&socket, "ws_url: http://node\n").unwrap();
    let large = home.path().join("large.yaml");
    fs::write(&large, "#\n".repeat(40_000)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (flags, expected) in [
        (vec!["--config", file.to_str().unwrap()], "line 1: unknown key \"rpc\""),
        (vec!["--config", large.to_str().unwrap()], "it has more than 65536 bytes"),
        (vec!["--config", "nowhere.yaml"], "nowhere.yaml"),
        (vec!["--rpc-url", "ftp://x"], "http://host:port"),
        (vec!["--cors", "*"], "--cors takes an origin"),
        (vec!["--config", address.to_str().unwrap()], "address.yaml: a node's address has the form"),
        (vec!["--config", socket.to_str().unwrap()], "socket.yaml: a node's WebSocket address begins"),
        (vec!["--rpc-timeout", "0"], "--rpc-timeout is a number of seconds above 0 and at most 2"),
        (vec!["--rpc-timeout", "5"], "above 0 and at most 2"),
        (vec!["--ws-url", "x"], "ws://"),
    ] {
        let output = gateway(home.path(), &flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected) && said.lines().count() == 1, "{flags:?}: {said}");
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
    }
    let mut command =
        program(&["block-buster", "--http-port", &port, "--ws-port", "0", "--feature-ws-port", "0"]);
    let output = command.env("HOME", home.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("already taken by another program") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_file_with_a_token_that_others_can_read_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("c.yaml");
    for (text, mode, is_told) in [
        ("auth_token: abc\n", 0o644, true),
        ("auth_token: abc\n", 0o600, false),
        ("rpc_url: http://localhost:9933\n", 0o644, false),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let flags = ["--config", file.to_str().unwrap(), "--rpc-timeout", "0", "--log", "warn"];
        let said = String::from_utf8(gateway(home.path(), &flags).output().unwrap().stderr).unwrap();
        assert!(said.contains("--rpc-timeout"), "it got as far as that: {said}");
        assert_eq!(said.contains("chmod 600"), is_told, "{mode:o}: {said}");
    }
}
