//! What runs already, as far as it concerns a server that is to start: who holds its database, and whose
//! marketplace answers on its port.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Config, health, reachable};
use crate::store;

/// What a server leaves beside the lock of its database.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Holder {
    pid: u32,
    api_port: u16,
    mqtt_port: u16,
}

impl Holder {
    /// This process, with the ports that it has got.
    pub(super) fn new(api: SocketAddr, mqtt: SocketAddr) -> Self {
        Holder { pid: std::process::id(), api_port: api.port(), mqtt_port: mqtt.port() }
    }

    /// Leaves it beside the lock, which this process holds. Without it only the doctor knows less.
    pub(super) fn sign(&self, db_path: &Path) {
        let text = serde_json::to_string(self).expect("three numbers are JSON");
        if let Err(error) = store::sign_lock(db_path, &text) {
            log::debug!("the database's lock is not signed: {error}");
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}, --api-port {}, --mqtt-port {}", self.pid, self.api_port, self.mqtt_port)
    }
}

/// Who holds a database.
#[derive(Debug)]
pub(super) enum Hold {
    /// Nobody.
    Free,
    /// A process that does not say what it is: `restore`, `seed`, a server that is just starting.
    Unsigned,
    /// A server.
    Server(Holder),
}

/// Whose a port is that is taken.
#[derive(Debug)]
pub(super) enum Owner<'a> {
    /// The server of this database, and it works.
    Own,
    /// The server of this database, and it does not work.
    OwnFailing,
    /// The server of this database, which was given other ports than these.
    Elsewhere(&'a Holder),
    /// A marketplace with another database.
    Another,
    /// Some program.
    Stranger,
}

struct Market {
    mqtt_port: u16,
    works: bool,
}

/// What was found.
pub(super) struct Running {
    pub(super) hold: Hold,
    api_port: u16,
    /// What answers on the configured port of the API.
    market: Option<Market>,
}

impl Running {
    /// Looks for what this configuration would meet.
    pub(super) fn look(config: &Config) -> Self {
        let hold = match store::holder(&config.db_path) {
            Ok(Some(text)) => serde_json::from_str(&text).map_or(Hold::Unsigned, Hold::Server),
            // Err: whoever may not open the lock may not open the database, which is found beside this.
            Ok(None) | Err(_) => Hold::Free,
        };
        let api = reachable(SocketAddr::new(config.bind, config.api_port));
        let mqtt_port = if config.api_port == 0 { None } else { health::marketplace(api) };
        let market = mqtt_port.map(|mqtt_port| Market { mqtt_port, works: health::works(api) });
        Running { hold, api_port: config.api_port, market }
    }

    /// Whether the database is held by the marketplace that answers on the configured port.
    pub(super) fn is_own(&self) -> bool {
        self.market.is_some()
            && match &self.hold {
                Hold::Free => false,
                // An earlier release does not sign.
                Hold::Unsigned => true,
                Hold::Server(holder) => holder.api_port == self.api_port,
            }
    }

    /// Whose this port is, which is taken.
    pub(super) fn owner(&self, port: u16) -> Owner<'_> {
        match (&self.market, &self.hold) {
            (Some(market), _) if port == self.api_port || port == market.mqtt_port => match market.works {
                _ if !self.is_own() => Owner::Another,
                true => Owner::Own,
                false => Owner::OwnFailing,
            },
            (_, Hold::Server(holder)) if port == holder.api_port && port == self.api_port => {
                Owner::OwnFailing
            }
            (_, Hold::Server(holder)) if port == holder.api_port || port == holder.mqtt_port => {
                Owner::Elsewhere(holder)
            }
            _ => Owner::Stranger,
        }
    }
}
