//! The files under `deploy/` are right for this program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::server::{Server, folder, run};
use crate::support::{PATIENCE, await_until};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The lines of a unit that set `name`.
fn settings<'a>(unit: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}

fn units() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(deploy()).unwrap().map(|entry| entry.unwrap().path());
    let units = files.filter(|path| path.extension().is_some_and(|ending| ending == "service"));
    units.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn units_name_commands_and_variables_that_exist() {
    let units = units();
    assert!(!units.is_empty());
    for (path, unit) in units {
        let start = settings(&unit, "ExecStart").next().unwrap();
        let command = start.split_whitespace().nth(1).unwrap();
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Usage: xenblocks"), "{}: {command}", path.display());
        for flag in start.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{}: {flag}", path.display());
        }
        for variable in settings(&unit, "Environment").filter_map(|setting| setting.split('=').next()) {
            assert!(help.contains(variable), "{}: {variable}", path.display());
        }
    }
}

#[test]
fn units_expose_little() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    assert!(version.status.success());
    for (path, _) in units() {
        // The threshold is in tenths: 1.5.
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=15"]).arg(&path);
        let output = analyze.output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_grafana_dashboard_asks_for_figures_that_there_are() {
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    let figures = ureq::get(format!("http://{}/metrics", server.http)).call().unwrap();
    let figures = figures.into_body().read_to_string().unwrap();
    let exported: BTreeSet<&str> =
        figures.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let dashboard = fs::read_to_string(deploy().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let words =
                target["expr"].as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            asked.extend(words.filter(|word| word.starts_with("xenblocks_")).map(str::to_owned));
        }
    }
    for name in &asked {
        assert!(exported.contains(name.as_str()), "{name} is not among {exported:?}");
    }
    let unseen: Vec<_> = exported.iter().filter(|name| !asked.contains(**name)).collect();
    assert_eq!(unseen, [&"xenblocks_build_info"], "figures that the dashboard leaves out");
}

/// nginx takes the site as it stands, with a certificate of ours.
#[test]
fn nginx_takes_the_site() {
    if Command::new("nginx").arg("-v").output().is_err() {
        println!("skipped: nginx is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=market.example"])
        .args(["-keyout", &format!("{here}/privkey.pem"), "-out", &format!("{here}/fullchain.pem")])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: openssl is not installed");
        return;
    }
    let site = fs::read_to_string(deploy().join("nginx.conf")).unwrap();
    let site = site
        .replace("/etc/letsencrypt/live/market.example", here)
        .replace("/var/cache/nginx", here)
        .replace("listen 80;", &format!("listen unix:{here}/plain;"))
        .replace("listen [::]:80;", "")
        .replace("listen 443", &format!("listen unix:{here}/tls"))
        .replace("listen [::]:443 ssl http2;", "");
    fs::write(folder.path().join("site.conf"), site).unwrap();
    let main = format!(
        "pid {here}/pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {here}; \
         proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; scgi_temp_path {here}; \
         include {here}/site.conf; }}"
    );
    fs::write(folder.path().join("nginx.conf"), main).unwrap();
    let tried =
        Command::new("nginx").args(["-t", "-q", "-c", &format!("{here}/nginx.conf")]).output().unwrap();
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
}

/// nginx, running as a process of its own. Dropping it ends it.
struct Proxy(std::process::Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // By its own signal: its worker goes with it.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A request to the site as a browser sends it, at a socket of the file system in TLS's place.
fn ask(socket: &Path, path: &str, header: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: market.example\r\nConnection: close\r\n{header}\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Through nginx as it is configured here, but for TLS: the API, the app from the cache, the live feed; and strangers are
/// counted by their own address.
#[test]
fn the_site_serves_through_nginx() {
    if Command::new("nginx").arg("-v").output().is_err() {
        println!("skipped: nginx is not installed");
        return;
    }
    let (folder, db) = folder();
    let server = Server::spawn_command("server", &db, &["--log", "off", "--auth", "required"]);
    let here = folder.path().to_str().unwrap();
    let socket = folder.path().join("site");
    let site = fs::read_to_string(deploy().join("nginx.conf")).unwrap();
    let kept =
        site.lines().filter(|line| !line.trim_start().starts_with("ssl_") && !line.contains("listen ["));
    let site = kept.collect::<Vec<_>>().join("\n");
    let site = site
        .replace("server 127.0.0.1:8080;", &format!("server {};", server.http))
        .replace("/var/cache/nginx", here)
        .replace("listen 80;", &format!("listen unix:{here}/plain;"))
        .replace(
            "listen 443 ssl http2;",
            &format!("listen unix:{here}/site; set_real_ip_from unix:; real_ip_header X-Tested-As;"),
        );
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let main = format!(
        "{user} daemon off; worker_processes 1; pid {here}/pid; error_log {here}/errors; events {{}} http {{ access_log off; \
         client_body_temp_path {here}; proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; \
         scgi_temp_path {here}; {site} }}"
    );
    fs::write(folder.path().join("nginx.conf"), main).unwrap();
    let started = Command::new("nginx").args(["-q", "-c", &format!("{here}/nginx.conf")]).spawn().unwrap();
    let _proxy = Proxy(started);
    await_until("nginx", || UnixStream::connect(&socket).is_ok());

    let root = ask(&socket, "/api/status", "");
    assert!(root.starts_with("HTTP/1.1 200") && root.contains("active_leases"), "{root}");
    assert!(root.contains("Strict-Transport-Security"), "{root}");
    let is_compressed = |path: &str| {
        let answer = ask(&socket, path, "Accept-Encoding: gzip\r\n");
        answer.starts_with("HTTP/1.1 200") && answer.contains("Content-Encoding: gzip")
    };
    assert!(is_compressed("/api/openapi.json") && !is_compressed("/api/status"), "what is long is");
    let page = ask(&socket, "/", "Accept: text/html\r\n");
    let file = page.split('"').find(|part| part.starts_with("/static/")).unwrap();
    for _ in 0..2 {
        assert!(ask(&socket, file, "").starts_with("HTTP/1.1 200"), "{file}");
    }
    assert!(ask(&socket, "/metrics", "").starts_with("HTTP/1.1 404"), "figures are for this machine");
    let plain = ask(&folder.path().join("plain"), "/api/status", "");
    assert!(plain.contains("308") && plain.contains("https://market.example/api/status"), "{plain}");

    let stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut feed, answer) = tungstenite::client("ws://market.example/ws/dashboard", stream).unwrap();
    assert_eq!(answer.status().as_u16(), 101);
    let frame: Value = serde_json::from_str(feed.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(frame["type"], "snapshot");

    let sign_in =
        |address: &str| ask(&socket, "/api/auth/nonce?address=0x1", &format!("X-Tested-As: {address}\r\n"));
    let is_slowed = |address: &str| (0..40).any(|_| sign_in(address).starts_with("HTTP/1.1 429"));
    assert!(is_slowed("192.0.2.1"));
    assert!(!sign_in("192.0.2.2").starts_with("HTTP/1.1 429"), "another's requests are not his");
    let forged = "X-Tested-As: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.3\r\n";
    assert!(
        ask(&socket, "/api/auth/nonce?address=0x1", forged).starts_with("HTTP/1.1 429"),
        "who says to be another is not"
    );
}
