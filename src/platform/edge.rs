//! The MQTT edge as the rest of the house sees it.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::api::WorkerLink;
use crate::auth::{Auth, worker_tokens};
use crate::base::WorkerId;
use crate::broker::{self, Admission, Clients, Identity, Publisher};
use crate::market::Store;
use crate::protocol::{Channel, Control, Topic};

/// A listener on this machine answers in far less, unless its queue is full.
const CONNECT_TIME_MAX: Duration = Duration::from_millis(250);

/// The way to the workers.
pub(super) struct Link {
    pub(super) publisher: Publisher,
    pub(super) clients: Clients,
    /// Where the broker is reached from here.
    pub(super) addr: SocketAddr,
}

impl WorkerLink for Link {
    fn client_ids(&self) -> Vec<String> {
        self.clients.ids()
    }

    fn client_count(&self) -> usize {
        self.clients.count()
    }

    fn is_up(&self) -> bool {
        TcpStream::connect_timeout(&self.addr, CONNECT_TIME_MAX).is_ok()
    }

    fn is_connected(&self, worker: &WorkerId) -> bool {
        self.clients.is_connected(worker)
    }

    fn disconnect(&self, worker: &WorkerId, token: Option<i64>) {
        self.publisher.disconnect(&self.clients, worker, token);
    }

    fn control(&self, worker: &WorkerId, control: &Control) {
        let topic = Topic { worker: worker.clone(), channel: Channel::Control };
        let payload = serde_json::to_vec(control).expect("a command is JSON");
        self.publisher.publish(&topic, payload);
    }
}

/// Logins of the closed mode: a worker with its token, an administrator with the key.
pub(super) struct Credentials {
    pub(super) auth: Arc<Auth>,
    pub(super) store: Store,
}

impl broker::Credentials for Credentials {
    fn check(&self, user: &str, password: &str) -> Option<Admission> {
        if self.auth.is_administrator(password) {
            return Some(Identity::Administrator.into());
        }
        let worker: WorkerId = user.parse().ok()?;
        let known = self.store.read(|connection| worker_tokens::check(connection, &worker, password));
        match known {
            Ok(token) => token.map(|_| Admission { identity: Identity::Worker(worker), token }),
            Err(error) => {
                log::error!("cannot check the token of {worker}: {error}");
                None
            }
        }
    }
}
