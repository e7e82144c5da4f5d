//! Who is connected, and what the library has been made to remember: the one table that all
//! connections share. Held for a few lookups at a time; the hot path (a heartbeat on a topic seen
//! before) never comes here.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rumqttd::protocol::Publish;

use super::outgoing::marked_qos_0;
use super::publisher::WAKE_GROUPS;
use super::{Admission, Identity};
use crate::base::WorkerId;
use crate::base::limits::{
    MQTT_COMMAND_FILTERS_MAX, MQTT_OTHER_FILTERS_MAX, MQTT_TOPICS_MAX, MQTT_WORKERS_PER_CLIENT_MAX,
};

/// A message to send when a client leaves without DISCONNECT.
#[derive(Debug)]
pub(super) struct Will {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
    pub(super) is_qos_0: bool,
}

impl Will {
    /// The message to pass on.
    pub(super) fn message(self) -> Publish {
        if self.is_qos_0 {
            marked_qos_0(&self.topic, &self.payload)
        } else {
            Publish::new(self.topic, self.payload, false)
        }
    }
}

/// One connected client, shared by its gate and the table.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) identity: Identity,
    token: Option<i64>,
    /// The short number under which the library knows it.
    pub(super) slot: u32,
    evicted: AtomicBool,
    will: Mutex<Option<Will>>,
    /// For whom it acts; one that takes its place acts for them from the start.
    workers: Mutex<HashSet<WorkerId>>,
}

impl Client {
    /// Whether another connection took this one's place.
    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Ends the connection if it came in with a token. For one that was checked just before a token was
    /// revoked: it comes again, and is checked again.
    pub(super) fn doubt(&self) {
        if self.token.is_some() {
            self.evicted.store(true, Ordering::Relaxed);
        }
    }

    /// The will, once.
    pub(super) fn take_will(&self) -> Option<Will> {
        self.will.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn workers(&self) -> MutexGuard<'_, HashSet<WorkerId>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which wake-up topic ends this connection.
    pub(super) fn wake_group(&self) -> u32 {
        self.slot % WAKE_GROUPS
    }
}

/// Why a client is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// As many clients as may be.
    Full,
    /// The id is in use by somebody else.
    Taken,
}

#[derive(Default)]
struct Table {
    clients: HashMap<String, Arc<Client>>,
    /// Slots that were used and are free, the longest free first.
    slots_free: VecDeque<u32>,
    slots: u32,
    /// How many connections act for a worker.
    workers: HashMap<WorkerId, usize>,
    topics: HashSet<u64>,
    command_filters: HashSet<u64>,
    other_filters: HashSet<u64>,
    /// How often connections were ended because of their tokens.
    voidings: u64,
}

/// See the head of this file.
pub(super) struct Registry {
    table: Mutex<Table>,
    hasher: RandomState,
    sockets: AtomicUsize,
    clients_max: usize,
}

impl Registry {
    pub(super) fn new(clients_max: usize) -> Self {
        Registry {
            table: Mutex::default(),
            hasher: RandomState::new(),
            sockets: AtomicUsize::new(0),
            clients_max,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket was accepted; how many are open now.
    pub(super) fn socket_opened(&self) -> usize {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A socket was closed.
    pub(super) fn socket_closed(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets a client in. The second of the pair is the client whose place it takes, which must be
    /// woken so that its connection ends.
    pub(super) fn connect(
        &self,
        id: &str,
        admission: impl Into<Admission>,
        will: Option<Will>,
    ) -> Result<(Arc<Client>, Option<Arc<Client>>), Denied> {
        let Admission { identity, token } = admission.into();
        let mut table = self.table();
        match table.clients.get(id) {
            Some(old) if old.identity != identity => return Err(Denied::Taken),
            None if table.clients.len() >= self.clients_max => return Err(Denied::Full),
            _ => {}
        }
        let slot = table.slots_free.pop_front().unwrap_or_else(|| {
            table.slots += 1;
            table.slots
        });
        let workers = table.clients.get(id).map(|old| std::mem::take(&mut *old.workers()));
        let client = Arc::new(Client {
            id: id.to_owned(),
            identity,
            token,
            slot,
            evicted: AtomicBool::new(false),
            will: Mutex::new(will),
            workers: Mutex::new(workers.unwrap_or_default()),
        });
        let old = table.clients.insert(id.to_owned(), client.clone());
        if let Some(old) = &old {
            old.evicted.store(true, Ordering::Relaxed);
        }
        Ok((client, old))
    }

    /// Changes whenever connections are ended because of their tokens.
    pub(super) fn voidings(&self) -> u64 {
        self.table().voidings
    }

    /// A client's connection ended. Returns the workers for which nobody acts any more.
    pub(super) fn disconnect(&self, client: &Arc<Client>) -> Vec<WorkerId> {
        let mut table = self.table();
        if table.clients.get(&client.id).is_some_and(|current| Arc::ptr_eq(current, client)) {
            table.clients.remove(&client.id);
        }
        table.slots_free.push_back(client.slot);
        let mut gone = Vec::new();
        for worker in client.workers().drain() {
            if let Entry::Occupied(mut count) = table.workers.entry(worker.clone()) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                    gone.push(worker.clone());
                }
            }
        }
        gone
    }

    /// A client acts for a worker. Beyond its limit it is served, but not known to.
    pub(super) fn act_for(&self, client: &Client, worker: &WorkerId) {
        let mut table = self.table();
        let mut workers = client.workers();
        if !client.is_evicted()
            && workers.len() < MQTT_WORKERS_PER_CLIENT_MAX
            && workers.insert(worker.clone())
        {
            *table.workers.entry(worker.clone()).or_default() += 1;
        }
    }

    /// Whether the library may be given this topic.
    pub(super) fn admit_topic(&self, topic: &[u8]) -> bool {
        let hash = self.hasher.hash_one(topic);
        admit(&mut self.table().topics, hash, MQTT_TOPICS_MAX)
    }

    /// Whether the library may be given this filter.
    pub(super) fn admit_filter(&self, filter: &str, is_commands: bool) -> bool {
        let hash = self.hasher.hash_one(filter);
        let mut table = self.table();
        if is_commands {
            admit(&mut table.command_filters, hash, MQTT_COMMAND_FILTERS_MAX)
        } else {
            admit(&mut table.other_filters, hash, MQTT_OTHER_FILTERS_MAX)
        }
    }
}

fn admit(seen: &mut HashSet<u64>, hash: u64, max: usize) -> bool {
    seen.contains(&hash) || (seen.len() < max && seen.insert(hash))
}

/// Who is connected right now. Clones look at the same table.
#[derive(Clone)]
pub struct Clients(pub(super) Arc<Registry>);

impl Clients {
    /// The ids of all clients, sorted.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.0.table().clients.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// How many clients are connected.
    pub fn count(&self) -> usize {
        self.0.table().clients.len()
    }

    /// Marks the connections that logged in as this worker as over, all or those with one token; they end
    /// once their group is woken.
    pub(super) fn evict(&self, worker: &WorkerId, token: Option<i64>) -> Vec<u32> {
        let login = Identity::Worker(worker.clone());
        let mut table = self.0.table();
        table.voidings += 1;
        let theirs = table.clients.values().filter(|client| client.identity == login);
        let theirs = theirs.filter(|client| token.is_none() || client.token == token);
        theirs
            .map(|client| {
                client.evicted.store(true, Ordering::Relaxed);
                client.wake_group()
            })
            .collect()
    }

    /// Whether a client is connected that acts for this worker: logged in as it, subscribed to its
    /// commands, or publishing on its topics.
    pub fn is_connected(&self, worker: &WorkerId) -> bool {
        self.0.table().workers.contains_key(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_keeps_the_new_client_when_the_old_one_ends() {
        let registry = Arc::new(Registry::new(1));
        let (first, none) = registry.connect("a", Identity::Anyone, None).unwrap();
        assert!(none.is_none());
        assert_eq!(registry.connect("b", Identity::Anyone, None).unwrap_err(), Denied::Full);
        let worker: WorkerId = "rig".parse().unwrap();
        registry.act_for(&first, &worker);
        let (second, old) = registry.connect("a", Identity::Anyone, None).unwrap();
        assert!(Arc::ptr_eq(&old.unwrap(), &first) && first.is_evicted() && !second.is_evicted());
        assert_ne!(first.slot, second.slot, "the library must not end the old one itself");
        registry.act_for(&second, &worker);
        assert!(registry.disconnect(&first).is_empty());
        let clients = Clients(registry.clone());
        assert!(clients.is_connected(&worker) && clients.ids() == ["a"]);
        assert_eq!(registry.disconnect(&second), [worker]);
        assert_eq!(clients.count(), 0);
        let (third, _) = registry.connect("c", Identity::Anyone, None).unwrap();
        assert_eq!(third.slot, first.slot, "slots are used again, the longest free first");
    }

    #[test]
    fn another_identity_cannot_take_an_id() {
        let registry = Registry::new(10);
        let worker = |id: &str| Identity::Worker(id.parse().unwrap());
        registry.connect("x", worker("a"), None).unwrap();
        assert_eq!(registry.connect("x", worker("b"), None).unwrap_err(), Denied::Taken);
        assert!(registry.connect("x", worker("a"), None).is_ok());
    }

    #[test]
    fn what_the_library_keeps_for_ever_is_limited() {
        let registry = Registry::new(1);
        for number in 0..MQTT_TOPICS_MAX {
            assert!(registry.admit_topic(number.to_string().as_bytes()));
        }
        assert!(!registry.admit_topic(b"one more"));
        assert!(registry.admit_topic(b"0"), "one that it has");
        for (is_commands, max) in [(true, MQTT_COMMAND_FILTERS_MAX), (false, MQTT_OTHER_FILTERS_MAX)] {
            for number in 0..max {
                assert!(registry.admit_filter(&number.to_string(), is_commands));
            }
            assert!(!registry.admit_filter("one more", is_commands));
            assert!(registry.admit_filter("0", is_commands), "one that it has");
        }
    }

    #[test]
    fn beyond_its_limit_a_client_is_not_known_to_act_for_a_worker() {
        let registry = Arc::new(Registry::new(1));
        let (client, _) = registry.connect("a", Identity::Anyone, None).unwrap();
        let worker = |number: usize| -> WorkerId { format!("rig-{number}").parse().unwrap() };
        for number in 0..=MQTT_WORKERS_PER_CLIENT_MAX {
            registry.act_for(&client, &worker(number));
        }
        let clients = Clients(registry.clone());
        assert!(clients.is_connected(&worker(MQTT_WORKERS_PER_CLIENT_MAX - 1)));
        assert!(!clients.is_connected(&worker(MQTT_WORKERS_PER_CLIENT_MAX)));
        assert_eq!(registry.disconnect(&client).len(), MQTT_WORKERS_PER_CLIENT_MAX);
    }
}
