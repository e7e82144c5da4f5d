//! What an operator would look at before a start, or when something is wrong. It changes nothing and
//! takes nothing: a server may run meanwhile.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::config::beside;
use super::running::{Hold, Owner, Running};
use super::{Config, StartError};
use crate::auth::{JwtSecret, Mode, administrator};
use crate::base::Clock;
use crate::market::audit;
use crate::store::{SCHEMA_VERSION, StoreError, open_current, open_for_reading};

/// What lies open beside clients: the database, the listeners, logs.
const DESCRIPTORS_BESIDE: usize = 64;
const DISK_WORTH_A_WORD: u64 = 1 << 30;
const DISK_TOO_SMALL: u64 = 64 << 20;
const MIB: u64 = 1 << 20;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As it should be.
    Well,
    /// It works, and might not for long or for everybody.
    Doubtful,
    /// The server would not start, or not work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    /// What: `ports`, `database`.
    pub subject: &'static str,
    /// How it stands.
    pub health: Health,
    /// What was found and, unless it is well, what to do.
    pub text: String,
}

type Findings = Vec<Finding>;

fn well(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, health: Health::Well, text: text.into() }
}

fn doubtful(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, health: Health::Doubtful, text: text.into() }
}

fn broken(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, health: Health::Broken, text: text.into() }
}

/// Looks at everything that a server with this configuration needs.
pub fn examine(config: &Config, clock: &Clock) -> Findings {
    let mut found = configuration(config);
    found.extend(secrets(config));
    let running = Running::look(config);
    found.extend(ports(config, &running));
    found.push(folder(&config.db_path));
    found.push(disk(&config.db_path));
    found.extend(hold(&config.db_path, &running));
    found.extend(database(&config.db_path, clock));
    found.push(descriptors(config));
    found
}

fn configuration(config: &Config) -> Findings {
    if let Err(error) = config.check() {
        return vec![broken("configuration", error.to_string())];
    }
    let asks = match config.mode() {
        Mode::Open => "no credentials are asked for",
        Mode::Closed => "credentials are asked for",
    };
    let mut found = vec![well("configuration", format!("listens on {}, {asks}", config.bind))];
    if config.mode() == Mode::Closed && config.sign_in_domain.is_none() {
        found.push(doubtful(
            "configuration",
            "a sign-in message for any host is taken, one that another site has asked for too: give your own with \
             --sign-in-domain",
        ));
    }
    if !config.bind.is_loopback() {
        found.push(doubtful(
            "configuration",
            "without TLS, tokens and keys pass in the clear: put a proxy in front of HTTP (deploy/nginx.conf), and MQTT \
             on a network that you trust",
        ));
    }
    found
}

fn secrets(config: &Config) -> Findings {
    let told = |name: &str, path: &Path, read: Result<(), String>| match read {
        Ok(()) => well("secrets", format!("{name}: {}", path.display())),
        Err(problem) => broken("secrets", problem),
    };
    let kept = |given: &Option<PathBuf>, ending| {
        given.clone().or_else(|| Some(beside(&config.db_path, ending)).filter(|path| path.exists()))
    };
    let sessions = |path: PathBuf| {
        told("sessions", &path, JwtSecret::from_file(&path).map(drop).map_err(|error| error.to_string()))
    };
    let administrator = |path: PathBuf| {
        told("administrator", &path, administrator::load(&path).map(drop).map_err(|error| error.to_string()))
    };
    let sessions = match &config.jwt_secret {
        Some(secret) if JwtSecret::given(secret.clone(), config.mode()).is_none() => {
            Some(broken("secrets", StartError::WeakSecret.to_string()))
        }
        Some(_) => Some(doubtful(
            "secrets",
            "on a command line every user of this machine can read the secret: give a file, --jwt-secret-file",
        )),
        None => kept(&config.jwt_secret_file, ".sessions.key").map(sessions),
    };
    let mut found: Findings = sessions.into_iter().collect();
    found.extend(kept(&config.admin_key_file, ".admin.key").map(administrator));
    if found.is_empty() {
        found.push(well("secrets", "none yet: the first start makes them, readable by their owner alone"));
    }
    found
}

fn ports(config: &Config, running: &Running) -> Findings {
    let flags = [("--api-port", config.api_port), ("--mqtt-port", config.mqtt_port)];
    let port = |(flag, port): (&str, u16)| match TcpListener::bind(SocketAddr::new(config.bind, port)) {
        Ok(_) if port == 0 => well("ports", format!("{flag}: the system chooses a free one")),
        Ok(_) => well("ports", format!("{flag} {port} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            taken(&format!("{flag} {port} is taken"), &running.owner(port))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            broken("ports", format!("{flag} {port} is for the administrator: choose one from 1024 on"))
        }
        Err(error) => broken("ports", format!("{flag} {port} on {}: {error}", config.bind)),
    };
    flags.map(port).into()
}

fn taken(says: &str, owner: &Owner<'_>) -> Finding {
    match owner {
        Owner::Own => {
            well("ports", format!("{says}, and the marketplace of this database answers: it runs already"))
        }
        Owner::OwnFailing => broken(
            "ports",
            format!(
                "{says} by the server of this database, which does not work: look at its /ready and its log"
            ),
        ),
        Owner::Elsewhere(holder) => broken(
            "ports",
            format!(
                "{says} by the server of this database ({holder}): give its flags to look at it, or stop it"
            ),
        ),
        Owner::Another => broken(
            "ports",
            format!(
                "{says} by a XenBlocks server with another database: choose another port, stop that server, or give its \
                 --db-path to look at it"
            ),
        ),
        Owner::Stranger => {
            broken("ports", format!("{says} by another program: stop it or choose another port"))
        }
    }
}

/// A database has one holder; whoever it is, a second does not start.
fn hold(db_path: &Path, running: &Running) -> Option<Finding> {
    let shown = db_path.display();
    let advice = "stop it, or choose another --db-path";
    match &running.hold {
        Hold::Free => None,
        _ if running.is_own() => {
            Some(well("database", format!("{shown} is held by the marketplace that answers")))
        }
        Hold::Unsigned => {
            Some(broken("database", format!("{shown} is held by another xenblocks process: {advice}")))
        }
        Hold::Server(holder) => {
            Some(broken("database", format!("{shown} is held by a XenBlocks server ({holder}): {advice}")))
        }
    }
}

fn folder(db_path: &Path) -> Finding {
    let folder = nearest_folder(db_path);
    let is_file = |path: &&Path| path.exists() && !path.is_dir();
    if let Some(file) = db_path.ancestors().skip(1).find(is_file) {
        return broken(
            "folder",
            format!("no folder {}: it is a file; choose another --db-path", file.display()),
        );
    }
    let shown = folder.display();
    match access(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => well("folder", format!("{shown} can be written to")),
        Err(error) => broken("folder", format!("{shown}: {error}; let the server's user write there")),
    }
}

/// The folder that the database is in, or the one in which its folder will be made.
fn nearest_folder(db_path: &Path) -> PathBuf {
    let mut folder = db_path.parent();
    while let Some(path) = folder {
        if path.as_os_str().is_empty() {
            break;
        }
        if path.is_dir() {
            return path.to_owned();
        }
        folder = path.parent();
    }
    PathBuf::from(".")
}

fn disk(db_path: &Path) -> Finding {
    let folder = nearest_folder(db_path);
    let free = match statvfs(&folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return broken("disk", format!("{}: {error}", folder.display())),
    };
    let says = format!("{} MiB free for {}", free / MIB, folder.display());
    match free {
        ..DISK_TOO_SMALL => broken("disk", format!("{says}: make room, or nothing can be stored")),
        DISK_TOO_SMALL..DISK_WORTH_A_WORD => doubtful("disk", format!("{says}: make room before it is full")),
        _ => well("disk", says),
    }
}

fn database(path: &Path, clock: &Clock) -> Findings {
    // The first start makes an empty file a database, too.
    if fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return vec![well("database", format!("{}: none yet, the first start makes it", path.display()))];
    }
    let look = || -> Result<Findings, StoreError> {
        let connection = open_for_reading(path)?;
        let mut found = vec![soundness(&connection, path)?, time(&connection, clock)?];
        // An earlier release's books are in order when they are brought up to date, or not at all.
        if open_current(path).is_ok() {
            found.push(books(&connection));
        }
        Ok(found)
    };
    look().unwrap_or_else(|error| vec![broken("database", error.to_string())])
}

fn soundness(connection: &Connection, path: &Path) -> Result<Finding, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let says: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    let shown = path.display();
    Ok(match says.as_str() {
        "ok" if version < SCHEMA_VERSION => well(
            "database",
            format!("{shown}: sound; the next start brings it from version {version} to {SCHEMA_VERSION}"),
        ),
        "ok" => well("database", format!("{shown}: sound, version {version}")),
        damage => broken("database", format!("{shown} is damaged ({damage}): restore the last backup")),
    })
}

fn books(connection: &Connection) -> Finding {
    match audit::audit(connection) {
        Ok(report) if report.is_clean() => {
            well("books", format!("{} entries, every invariant holds", report.checked.entries))
        }
        Ok(report) => broken(
            "books",
            format!(
                "{} (and {} more): keep the files, and restore the last backup that passes `xenblocks audit`",
                report.violations[0],
                report.violations.len() as u64 - 1 + report.left_off
            ),
        ),
        Err(error) => broken("books", error.to_string()),
    }
}

/// A clock that was set back would bill leases wrongly.
fn time(connection: &Connection, clock: &Clock) -> Result<Finding, StoreError> {
    let newest: i64 = connection.query_row(
        "SELECT max(coalesce((SELECT max(created_at) FROM leases WHERE state = 'active'), 0),
                    coalesce((SELECT created_at FROM transactions ORDER BY transaction_id DESC LIMIT 1), 0))",
        [],
        |row| row.get(0),
    )?;
    let behind = (newest - clock.now().micros()) / 1_000_000;
    Ok(if behind > 0 {
        broken("clock", format!("{behind} s behind what the database has seen already: set the clock (NTP)"))
    } else {
        well("clock", "not behind what the database has seen")
    })
}

fn descriptors(config: &Config) -> Finding {
    let need = config.mqtt_connections_max + config.http_connections_max + DESCRIPTORS_BESIDE;
    let have = getrlimit(Resource::Nofile).current;
    match have {
        Some(have) if have < need as u64 => doubtful(
            "descriptors",
            format!(
                "{have} open files are allowed, its limits of connections add up to {need}: `ulimit -n {need}`, \
                 LimitNOFILE={need} in the unit, or lower --mqtt-connections-max"
            ),
        ),
        have => well(
            "descriptors",
            have.map_or("unlimited".to_owned(), |have| format!("{have} allowed, {need} needed")),
        ),
    }
}
