//! The pool of read-only connections.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;

use super::{StoreError, open_for_reading};
use crate::base::limits::STORE_READERS;

/// Connections are opened when first needed, at most [`STORE_READERS`]; a reader that finds none
/// free waits for one.
pub(super) struct Readers {
    path: PathBuf,
    give: Sender<Option<Connection>>,
    take: Receiver<Option<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let (give, take) = bounded(STORE_READERS);
        for _ in 0..STORE_READERS {
            give.send(None).expect("the pool holds the other end");
        }
        Readers { path, give, take }
    }

    pub(super) fn with<T, X: From<StoreError>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, X>,
    ) -> Result<T, X> {
        let slot = self.take.recv().expect("the pool holds the other end");
        let mut lent = Lent { connection: slot, give: &self.give };
        if lent.connection.is_none() {
            let connection = open_for_reading(&self.path)?;
            connection.set_prepared_statement_cache_capacity(128);
            lent.connection = Some(connection);
        }
        let connection = lent.connection.as_ref().expect("opened above");
        let snapshot = connection.unchecked_transaction().map_err(StoreError::from)?;
        query(&snapshot)
    }
}

/// Gives its place in the pool back however the query ends.
struct Lent<'a> {
    connection: Option<Connection>,
    give: &'a Sender<Option<Connection>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Never full: every connection lent came out of it.
        let _ = self.give.try_send(self.connection.take());
    }
}
