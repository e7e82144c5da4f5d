//! The writer thread: group commit.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select_biased};
use rusqlite::Connection;

use super::health::Health;
use super::{Database, StoreError};
use crate::base::crash;
use crate::base::limits::{STORE_BULK_QUEUED_MAX, STORE_CALM_TIME, STORE_GROUP_MAX, STORE_JOBS_QUEUED_MAX};
use crate::base::thread::{Deathwatch, spawn};

/// What a job works with: the connection inside its transaction, and the events it emits.
pub struct Scope<'a, E> {
    connection: &'a Connection,
    events: &'a mut Vec<E>,
}

impl<E> Scope<'_, E> {
    /// Tells `event` to the world, after the commit.
    pub fn emit(&mut self, event: E) {
        self.events.push(event);
    }
}

impl<E> Deref for Scope<'_, E> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Database {
    /// Runs `job` in one transaction, all or nothing; its events are told to nobody. For commands that
    /// work on a database which no server holds.
    pub fn write_alone<E, T, X, F>(&mut self, job: F) -> Result<T, X>
    where
        X: From<StoreError>,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X>,
    {
        let transaction = self.connection.transaction().map_err(StoreError::from)?;
        let done = job(&mut Scope { connection: &transaction, events: &mut Vec::new() })?;
        transaction.commit().map_err(|error| StoreError::NotStored(error.to_string()))?;
        Ok(done)
    }
}

pub(super) struct Writer<E> {
    queues: Mutex<Option<Queues<E>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    generation: Arc<AtomicU64>,
}

struct Queues<E> {
    jobs: Sender<Box<dyn Job<E>>>,
    calm: Sender<Box<dyn Job<E>>>,
    bulk: Sender<Box<dyn Job<E>>>,
}

/// A job and the way its result goes back.
trait Job<E>: Send {
    /// Runs inside the transaction; false when what it did must be undone.
    fn run(&mut self, scope: &mut Scope<'_, E>) -> bool;
    /// Called after the commit, or with the reason why there was none.
    fn finish(self: Box<Self>, commit: Result<(), String>);
}

impl<E: Send + 'static> Writer<E> {
    pub(super) fn start(
        database: Database,
        health: Arc<Health>,
        events: Sender<E>,
        watch: &Deathwatch,
    ) -> Result<Self, StoreError> {
        let (jobs, job_queue) = bounded(STORE_JOBS_QUEUED_MAX);
        let (calm, calm_queue) = bounded(STORE_JOBS_QUEUED_MAX);
        let (bulk, bulk_queue) = bounded(STORE_BULK_QUEUED_MAX);
        let generation = Arc::new(AtomicU64::new(0));
        let committed = generation.clone();
        let thread = spawn("store", watch, move || {
            let (jobs, calm, bulk) = (job_queue, calm_queue, bulk_queue);
            Loop { database, jobs, calm, bulk, events, committed, health }.run();
            Ok(())
        })?;
        Ok(Writer {
            queues: Mutex::new(Some(Queues { jobs, calm, bulk })),
            thread: Mutex::new(Some(thread)),
            generation,
        })
    }

    pub(super) fn submit<T, X, F, D>(&self, job: F, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
        D: FnOnce(Result<T, X>) + Send + 'static,
    {
        self.send(|queues| queues.jobs.clone(), Task { job: Some(job), result: None, done })
    }

    pub(super) fn submit_calm<T, X, F, D>(&self, job: F, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
        D: FnOnce(Result<T, X>) + Send + 'static,
    {
        self.send(|queues| queues.calm.clone(), Task { job: Some(job), result: None, done })
    }

    pub(super) fn submit_bulk<T, X, F, D>(&self, job: F, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        X: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send + 'static,
        D: FnOnce(Result<T, X>) + Send + 'static,
    {
        self.send(|queues| queues.bulk.clone(), Task { job: Some(job), result: None, done })
    }

    fn send(
        &self,
        choose: impl FnOnce(&Queues<E>) -> Sender<Box<dyn Job<E>>>,
        job: impl Job<E> + 'static,
    ) -> Result<(), StoreError> {
        let queue = {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            choose(queues.as_ref().ok_or(StoreError::Stopped)?)
        };
        // Full: the caller waits its turn. Disconnected: the writer is dead.
        queue.send(Box::new(job)).map_err(|_| StoreError::Stopped)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        drop(self.queues.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Err: it died of a panic, which the deathwatch has reported.
            let _ = thread.join();
        }
    }
}

struct Task<F, T, X, D> {
    job: Option<F>,
    result: Option<Result<T, X>>,
    done: D,
}

impl<E, T, X, F, D> Job<E> for Task<F, T, X, D>
where
    T: Send,
    X: From<StoreError> + Send,
    F: FnOnce(&mut Scope<'_, E>) -> Result<T, X> + Send,
    D: FnOnce(Result<T, X>) + Send,
{
    fn run(&mut self, scope: &mut Scope<'_, E>) -> bool {
        let job = self.job.take().expect("a job runs once");
        let result = job(scope);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, commit: Result<(), String>) {
        let task = *self;
        let result = match (task.result, commit) {
            // A refusal changed nothing and needs no commit to be true.
            (Some(Err(refusal)), _) => Err(refusal),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Stopped.into()),
            (_, Err(problem)) => Err(StoreError::NotStored(problem).into()),
        };
        (task.done)(result);
    }
}

struct Loop<E> {
    database: Database,
    jobs: Receiver<Box<dyn Job<E>>>,
    calm: Receiver<Box<dyn Job<E>>>,
    bulk: Receiver<Box<dyn Job<E>>>,
    events: Sender<E>,
    committed: Arc<AtomicU64>,
    health: Arc<Health>,
}

impl<E> Loop<E> {
    fn run(self) {
        let mut events = Vec::new();
        while let Some(mut group) = self.next() {
            let changes = self.database.connection.total_changes();
            let commit = self.transact(&mut group, &mut events).map_err(|error| error.to_string());
            if let Err(problem) = &commit {
                log::error!("commit failed, {} jobs undone: {problem}", group.len());
                self.health.failed(problem);
                events.clear();
            } else {
                if self.database.connection.total_changes() > changes {
                    self.health.stored();
                }
                self.committed.fetch_add(1, Ordering::Release);
            }
            crash::point("after-commit");
            for job in group {
                job.finish(commit.clone());
            }
            crash::point("after-answers");
            for event in events.drain(..) {
                // Disconnected: dispatch is gone, the platform is stopping.
                let _ = self.events.send(event);
            }
        }
        self.write_log_back();
    }

    /// After a clean stop the database is one file again, whoever copies it.
    fn write_log_back(&self) {
        let moved =
            self.database.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match moved {
            Ok(0) => {}
            Ok::<i64, _>(_) => log::warn!("somebody reads the database: its log stays beside it"),
            Err(error) => log::warn!("the database's log could not be written back: {error}"),
        }
    }

    /// What the next transaction begins with: money before bulk, and before either what is calm. `None`
    /// when all queues are closed and empty.
    fn next(&self) -> Option<Vec<Box<dyn Job<E>>>> {
        let mut group = Vec::new();
        let mut patience = never();
        loop {
            let no_calm = never();
            let calm = if group.is_empty() { &self.calm } else { &no_calm };
            let first = select_biased! {
                recv(self.jobs) -> job => job,
                recv(calm) -> job => {
                    // Closed: so are the others, and the next round sees it.
                    group.extend(job);
                    patience = after(STORE_CALM_TIME);
                    continue;
                }
                recv(patience) -> _ => return Some(self.calm_after(group)),
                recv(self.bulk) -> job => job,
            };
            let Ok(first) = first else { return self.remains(group) };
            group = self.calm_after(group);
            group.push(first);
            return Some(group);
        }
    }

    /// Calm jobs were there before the job that they now go before.
    fn calm_after(&self, mut group: Vec<Box<dyn Job<E>>>) -> Vec<Box<dyn Job<E>>> {
        group.extend(self.calm.try_iter().take(STORE_GROUP_MAX - 1));
        group
    }

    /// The store is stopping, all queues are closed: what waits in them is done first.
    fn remains(&self, mut group: Vec<Box<dyn Job<E>>>) -> Option<Vec<Box<dyn Job<E>>>> {
        group.extend(self.calm.iter().chain(&self.jobs).chain(&self.bulk).take(STORE_GROUP_MAX));
        if group.is_empty() { None } else { Some(group) }
    }

    /// Runs what the group begins with and all that waits behind it, each in a savepoint, and commits once.
    fn transact(&self, group: &mut Vec<Box<dyn Job<E>>>, events: &mut Vec<E>) -> rusqlite::Result<()> {
        let connection = &self.database.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let ran = self.run_group(group, events);
        let end = if ran.is_ok() { "COMMIT" } else { "ROLLBACK" };
        crash::point("before-commit");
        let ended = connection.prepare_cached(end).and_then(|mut end| end.execute([]));
        if ended.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        ran.and(ended.map(drop))
    }

    /// Until a job has left something, a refusal costs the transaction and not a savepoint: the copies
    /// that a savepoint makes of the pages changed under it are for those that share a commit.
    fn run_group(&self, group: &mut Vec<Box<dyn Job<E>>>, events: &mut Vec<E>) -> rusqlite::Result<()> {
        let connection = &self.database.connection;
        let run = |statement: &str| connection.prepare_cached(statement)?.execute([]).map(drop);
        let (mut next, mut shared) = (0, false);
        while next < group.len() {
            let emitted = events.len();
            if shared {
                run("SAVEPOINT job")?;
            }
            let keep = group[next].run(&mut Scope { connection, events });
            match (keep, shared) {
                (true, false) => shared = true,
                (true, true) => run("RELEASE job")?,
                (false, false) => {
                    events.truncate(emitted);
                    run("ROLLBACK")?;
                    run("BEGIN IMMEDIATE")?;
                }
                (false, true) => {
                    events.truncate(emitted);
                    run("ROLLBACK TO job")?;
                    run("RELEASE job")?;
                }
            }
            next += 1;
            if group.len() < STORE_GROUP_MAX {
                group.extend(self.jobs.try_recv().ok());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::base::thread::deathwatch;

    fn store(folder: &tempfile::TempDir) -> (Store<u32>, Receiver<u32>) {
        let (events, told) = bounded(100);
        let (watch, _deaths) = deathwatch();
        (Store::open(&folder.path().join("t.db"), events, &watch).unwrap(), told)
    }

    fn counter(store: &Store<u32>) -> i64 {
        let sql = "SELECT value FROM counters WHERE name = 'blocks'";
        store.read::<_, StoreError, _>(|c| Ok(c.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    fn add(scope: &mut Scope<'_, u32>) -> Result<(), StoreError> {
        scope.execute("UPDATE counters SET value = value + 1 WHERE name = 'blocks'", [])?;
        scope.emit(1);
        Ok(())
    }

    #[test]
    fn what_is_answered_is_committed_and_then_told() {
        let folder = tempfile::tempdir().unwrap();
        let (store, told) = store(&folder);
        store.write::<(), StoreError, _>(add).unwrap();
        assert_eq!(counter(&store), 1);
        assert_eq!(told.recv(), Ok(1));
        store.stop();
        assert!(matches!(store.write::<(), StoreError, _>(add), Err(StoreError::Stopped)));
    }

    #[test]
    fn a_refused_job_leaves_nothing_and_its_neighbours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (store, told) = store(&folder);
        std::thread::scope(|threads| {
            for n in 0..40 {
                let store = &store;
                let body = move || {
                    let result = store.write::<(), StoreError, _>(move |scope| {
                        add(scope)?;
                        if n % 2 == 0 { Ok(()) } else { Err(StoreError::NotStored("odd".into())) }
                    });
                    assert_eq!(result.is_ok(), n % 2 == 0);
                };
                threads.spawn(body);
            }
        });
        assert_eq!(counter(&store), 20);
        // Events are told after the answers: they are waited for.
        assert_eq!(told.iter().take(20).count(), 20);
        assert!(told.is_empty());
    }

    #[test]
    fn calm_jobs_share_a_commit_and_go_before_what_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (store, told) = store(&folder);
        let before = store.generation();
        let (done, finished) = bounded(100);
        for n in 0..50 {
            let done = done.clone();
            let job = move |scope: &mut Scope<'_, u32>| {
                scope.emit(n);
                Ok::<_, StoreError>(())
            };
            store.submit_calm(job, move |result| done.send(result.is_ok()).unwrap()).unwrap();
        }
        store
            .write::<(), StoreError, _>(|scope| {
                scope.emit(50);
                Ok(())
            })
            .unwrap();
        assert_eq!(told.iter().take(51).collect::<Vec<_>>(), (0..=50).collect::<Vec<_>>());
        assert_eq!(finished.iter().take(50).filter(|ok| *ok).count(), 50);
        assert!(store.generation() - before < 50, "one commit each");
        let alone = store.submit_calm(add, move |result| done.send(result.is_ok()).unwrap());
        assert!(alone.is_ok() && finished.recv().unwrap());
        assert_eq!(counter(&store), 1);
    }

    #[test]
    fn jobs_that_wait_when_the_store_stops_are_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _told) = store(&folder);
        let (done, finished) = bounded(100);
        for _ in 0..50 {
            let done = done.clone();
            store
                .submit::<(), StoreError, _, _>(add, move |result| done.send(result.is_ok()).unwrap())
                .unwrap();
        }
        store.stop();
        assert_eq!(finished.try_iter().filter(|ok| *ok).count(), 50);
        let again = Store::<u32>::open(&folder.path().join("t.db"), bounded(1).0, &deathwatch().0).unwrap();
        assert_eq!(counter(&again), 50);
    }

    #[test]
    fn after_a_commit_that_failed_the_store_is_in_trouble_until_one_writes() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _told) = store(&folder);
        let undone = store.write::<(), StoreError, _>(|scope| {
            // Found at the commit only.
            scope.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            scope.execute(
                "INSERT INTO sessions (token_id, account_id, agent, address, created_at, expires_at, last_used_at)
                 VALUES ('t', 'nobody', '', '', 0, 0, 0)",
                [],
            )?;
            Ok(())
        });
        assert!(matches!(undone, Err(StoreError::NotStored(_))), "{undone:?}");
        assert!(store.trouble().unwrap().starts_with("the last commit failed: "));
        store.write::<(), StoreError, _>(|_| Ok(())).unwrap();
        assert!(store.trouble().is_some(), "it had nothing to write");
        store.write::<(), StoreError, _>(|scope| Ok(super::super::probe(scope)?)).unwrap();
        assert_eq!(store.trouble(), None);
    }

    /// More callers than places in the queue, and nobody who takes the events: all wait, none is lost.
    #[test]
    fn callers_wait_while_the_queue_is_full_and_the_writer_while_nobody_takes_its_events() {
        const CALLERS: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let (events, told) = bounded(1);
        let (watch, _deaths) = deathwatch();
        let store: Store<u32> = Store::open(&folder.path().join("t.db"), events, &watch).unwrap();
        let each = 2 * STORE_JOBS_QUEUED_MAX / CALLERS;
        std::thread::scope(|threads| {
            for _ in 0..CALLERS {
                let store = &store;
                threads.spawn(move || (0..each).for_each(|_| store.write::<(), StoreError, _>(add).unwrap()));
            }
            assert_eq!(told.iter().take(CALLERS * each).count(), CALLERS * each);
        });
        assert_eq!(counter(&store), i64::try_from(CALLERS * each).unwrap());
        // Bulk jobs, from more callers than may wait.
        let more = 3 * STORE_BULK_QUEUED_MAX;
        std::thread::scope(|threads| {
            for _ in 0..more {
                threads.spawn(|| store.write_bulk::<(), StoreError, _>(add).unwrap());
            }
            assert_eq!(told.iter().take(more).count(), more);
        });
        assert_eq!(counter(&store), i64::try_from(CALLERS * each + more).unwrap());
        store.stop();
    }
}
