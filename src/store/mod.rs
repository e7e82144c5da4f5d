//! The database: one writer thread with group commit, a pool of read-only connections, numbered
//! migrations, and one file per table with the statements that touch it.
//!
//! A caller that got an answer from [`Store::write`] has a durable answer: many jobs share one
//! transaction, each within its own savepoint, and replies, callbacks and events leave only after
//! the commit. Nothing else in the program holds a writable connection.

pub mod accounts;
pub mod activity;
pub mod acts;
pub mod backup;
pub mod blocks;
pub mod convert;
pub mod counters;
mod database;
mod error;
mod files;
mod health;
pub mod idempotency;
pub mod leases;
mod readers;
pub mod settlements;
pub mod snapshots;
pub mod transactions;
pub mod workers;
mod writer;

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Sender;
use rusqlite::Connection;

pub use database::{Database, SCHEMA_VERSION, is_ours, open_current, open_for_reading};
pub use error::StoreError;
pub(crate) use files::{check_file, holder, sign_lock};
pub use health::probe;
pub use writer::Scope;

use crate::base::thread::Deathwatch;
use health::Health;
use readers::Readers;
use writer::Writer;

/// The store; cloning shares it. `E` is the type of the events that jobs emit.
pub struct Store<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    writer: Writer<E>,
    readers: Readers,
    health: Arc<Health>,
}

impl<E> Clone for Store<E> {
    fn clone(&self) -> Self {
        Store { inner: self.inner.clone() }
    }
}

impl<E: Send + 'static> Store<E> {
    /// Opens or makes the database at `path`, brings its schema up to date and starts the writer.
    /// Committed events go to `events`; while that is full the writer waits.
    pub fn open(path: &Path, events: Sender<E>, watch: &Deathwatch) -> Result<Self, StoreError> {
        let database = Database::open(path)?;
        let readers = Readers::new(path.to_owned());
        let health = Arc::new(Health::new(path.to_owned()));
        let writer = Writer::start(database, health.clone(), events, watch)?;
        Ok(Store { inner: Arc::new(Inner { writer, readers, health }) })
    }

    /// Runs `job` in the writer and waits for its commit. An `Err` undoes what the job did.
    pub fn write<T, X, F>(&self, job: F) -> Result<T, X>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
    {
        let (reply, answer) = crossbeam_channel::bounded(1);
        // Gone: the caller has given up waiting, which nobody does.
        self.submit(job, move |result| drop(reply.send(result)))?;
        // Disconnected: the writer died with the job in hand, and so will the process.
        answer.recv().unwrap_or_else(|_| Err(StoreError::Stopped.into()))
    }

    /// Runs `job` in the writer; `done` is called there once its commit is over.
    pub fn submit<T, X, F, D>(&self, job: F, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
        D: FnOnce(Result<T, X>) + Send + 'static,
    {
        self.inner.writer.submit(job, done)
    }

    /// Like [`Store::submit`] for what nobody waits for: it shares the commit of the next job that
    /// somebody does wait for, before which it is run, and gets one of its own only after
    /// [`STORE_CALM_TIME`](crate::base::limits::STORE_CALM_TIME).
    pub fn submit_calm<T, X, F, D>(&self, job: F, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
        D: FnOnce(Result<T, X>) + Send + 'static,
    {
        self.inner.writer.submit_calm(job, done)
    }

    /// Like [`Store::write`], behind all jobs that wait there: for flushes, snapshots and clean-ups.
    pub fn write_bulk<T, X, F>(&self, job: F) -> Result<T, X>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
    {
        let (reply, answer) = crossbeam_channel::bounded(1);
        // Gone: as in `write`.
        self.inner.writer.submit_bulk(job, move |result| drop(reply.send(result)))?;
        // Disconnected: as in `write`.
        answer.recv().unwrap_or_else(|_| Err(StoreError::Stopped.into()))
    }

    /// Runs `query` on a read-only connection, within one snapshot of the database.
    pub fn read<T, X, F>(&self, query: F) -> Result<T, X>
    where
        X: From<StoreError>,
        F: FnOnce(&Connection) -> Result<T, X>,
    {
        self.inner.readers.with(query)
    }

    /// Commits so far: a value computed from the database holds while this stands still.
    pub fn generation(&self) -> u64 {
        self.inner.writer.generation()
    }

    /// Why nothing can be stored now: the last commit failed and none has written anything since, or
    /// the disk has no room left.
    pub fn trouble(&self) -> Option<String> {
        self.inner.health.trouble()
    }

    /// Finishes the jobs that wait, closes the database and joins the writer. Later jobs are
    /// refused with [`StoreError::Stopped`].
    pub fn stop(&self) {
        self.inner.writer.stop();
    }
}
