//! Secrets stay where they are kept: not in logs, not in the database, not in arguments or help.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use xenblocks::auth::eth::Wallet;

use crate::support::await_until;
use crate::support::mqtt_client::{Connect, RawClient};
use crate::support::rig::Rig;
use crate::support::server::{Server, folder, program, run};

const ADMIN: &str = "planted-administrators-key";
const SESSIONS: &str = "planted-secret-of-sessions-thirty-two";
const GUESSED: &str = "planted-guess-of-a-credential";

fn private(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Uses every kind of credential, rightly and wrongly; returns all that must not be seen again.
fn use_all(server: &Server) -> Vec<String> {
    let mut planted = [ADMIN, SESSIONS, GUESSED].map(str::to_owned).to_vec();
    let admin = server.api.with_key(ADMIN);
    let account = json!({"account_id": "renata", "role": "consumer"});
    let made = server.api.post("/api/auth/register", &account).ok()["api_key"].as_str().unwrap().to_owned();
    let own = server.api.with_key(&made);
    let further = own.post("/api/auth/keys", &json!({})).ok()["api_key"].as_str().unwrap().to_owned();
    let login = own.post("/api/auth/login", &json!({"account_id": "renata"})).ok();
    planted.extend([made, further, login["api_key"].as_str().unwrap().to_owned()]);

    let wallet = Wallet::from_seed(b"secrets");
    let challenge = server.api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok();
    let (nonce, message) = (challenge["nonce"].as_str().unwrap(), challenge["message"].as_str().unwrap());
    let proof = |signature: &str| json!({"address": wallet.address().to_string(), "signature": signature, "nonce": nonce});
    let [wrong, signature] = ["another text", message].map(|text| wallet.sign(text));
    server.api.post("/api/auth/verify", &proof(&wrong)).refused(401);
    let token =
        server.api.post("/api/auth/verify", &proof(&signature)).ok()["token"].as_str().unwrap().to_owned();
    server.api.with_token(&token).get("/api/auth/me").ok();
    planted.extend([wrong, signature, token]);

    for guess in [server.api.with_key(GUESSED), server.api.with_token(GUESSED)] {
        guess.get("/api/auth/me").refused(401);
        guess.post("/api/rent", &json!({})).refused(401);
    }
    admin.post("/api/accounts/renata/deposit", &json!({"amount": 1})).ok();
    let token =
        admin.post("/api/workers/rig-1/tokens", &json!({})).ok()["token"].as_str().unwrap().to_owned();
    let connect = |password| Connect { login: Some(("rig-1", password)), ..Connect::new("xenminer_rig-1") };
    assert!(RawClient::try_connect(server.mqtt, &connect(GUESSED)).is_some(), "it is refused");
    assert!(RawClient::try_connect(server.mqtt, &connect(ADMIN)).is_some(), "it is refused");
    let mut rig = Rig::connect_with(server.mqtt, "rig-1", &connect(&token));
    rig.register();
    planted.push(token);
    planted
}

fn assert_absent(planted: &[String], place: &str, bytes: &[u8]) {
    assert!(!bytes.is_empty(), "{place} is empty");
    let text = String::from_utf8_lossy(bytes);
    for secret in planted {
        assert!(!text.contains(secret.as_str()), "{place} holds {secret}");
    }
}

#[test]
fn no_secret_is_in_a_log_the_database_or_the_arguments() {
    let (folder, db) = folder();
    let log = folder.path().join("log");
    let key = private(folder.path(), "admin-key", ADMIN);
    let sessions = private(folder.path(), "session-secret", SESSIONS);
    let mut command = program(&["server", "--mqtt-port", "0", "--api-port", "0", "--auth", "required"]);
    command
        .arg("--db-path")
        .arg(&db)
        .arg("--admin-key-file")
        .arg(&key)
        .arg("--jwt-secret-file")
        .arg(&sessions);
    command.args(["--log", "trace"]).stderr(File::create(&log).unwrap());
    let mut server = Server::spawn_program(command);
    let planted = use_all(&server);
    let arguments = fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert_absent(&planted, "the command line", &arguments);
    let logged = fs::read(&log).unwrap();
    assert_absent(&planted, "the log", &logged);
    for ending in ["", "-wal"] {
        let file = folder.path().join(format!("market.db{ending}"));
        assert_absent(&planted, &file.display().to_string(), &fs::read(&file).unwrap());
    }
    assert_eq!(server.stop("TERM").code(), Some(0));
    assert_absent(&planted, "the log of the end", &fs::read(&log).unwrap());
}

/// The worker's side of the same: at the finest level its libraries speak, too.
#[test]
fn no_token_is_in_a_workers_log_or_arguments() {
    let (folder, db) = folder();
    let key = private(folder.path(), "admin-key", ADMIN);
    let mut command =
        program(&["server", "--mqtt-port", "0", "--api-port", "0", "--auth", "required", "--log", "off"]);
    command.arg("--db-path").arg(&db).arg("--admin-key-file").arg(&key);
    let server = Server::spawn_program(command);
    let admin = server.api.with_key(ADMIN);
    let token = admin.post("/api/workers/sim-worker-001/tokens", &json!({})).ok();
    let token = token["token"].as_str().unwrap().to_owned();
    let tokens = private(folder.path(), "tokens", &format!("sim-worker-001 {token}\n"));
    let log = folder.path().join("worker-log");
    let port = server.mqtt.port().to_string();
    let mut worker = program(&["simulate", "--workers", "1", "--port", &port, "--log", "trace"]);
    worker.arg("--tokens-file").arg(&tokens).stderr(File::create(&log).unwrap());
    let mut worker = worker.spawn().unwrap();
    await_until("the worker", || admin.get("/api/workers/sim-worker-001").body["connected"] == true);
    let arguments = fs::read(format!("/proc/{}/cmdline", worker.id())).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    let planted = [token];
    assert_absent(&planted, "the command line", &arguments);
    assert_absent(&planted, "the worker's log", &fs::read(&log).unwrap());
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    for command in ["server", "play", "doctor", "worker", "block-buster", "simulate", "fleet"] {
        let mut help = program(&[command, "--help"]);
        for name in ["XENBLOCKS_JWT_SECRET", "THEBLOCK_AUTH_TOKEN", "TB_RPC_AUTH_TOKEN"] {
            help.env(name, GUESSED);
        }
        let said = help.output().unwrap();
        assert_eq!(said.status.code(), Some(0));
        assert_absent(&[GUESSED.to_owned()], command, &said.stdout);
    }
}

/// As systemd hands them to a service with a user of its own: readable by an access list, whose mask reads as the
/// group's bits.
#[test]
fn credentials_of_systemd_are_taken_and_the_same_files_elsewhere_are_not() {
    let (folder, db) = folder();
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let key = private(&credentials, "admin-key", ADMIN);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o440)).unwrap();
    let arguments = ["server", "--mqtt-port", "0", "--api-port", "0", "--auth", "required", "--log", "off"];
    let flags = ["--admin-key-file", key.to_str().unwrap(), "--db-path", db.to_str().unwrap()];
    let refused = run(&[&arguments[..], &flags].concat());
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && stderr.contains("chmod 600"), "{stderr}");
    let mut command = program(&[&arguments[..], &flags].concat());
    command.env("CREDENTIALS_DIRECTORY", &credentials);
    let mut server = Server::spawn_program(command);
    server.api.with_key(ADMIN).get("/api/acts").ok();
    assert_eq!(server.stop("TERM").code(), Some(0));
}
