//! What the store reports.

use std::path::PathBuf;

use thiserror::Error;

/// An error of the database. The message is for operators; callers over REST see a 503.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error(
        "{0} is in use by another xenblocks process (ask `xenblocks doctor`); stop it or choose another --db-path"
    )]
    InUse(PathBuf),
    /// The file cannot be opened or is no database.
    #[error("cannot open the database {path}: {problem}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite says.
        problem: String,
    },
    /// Made by a later release.
    #[error("{path} has schema version {found}, this program knows {known}; upgrade xenblocks")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Made by an earlier release, and only looked at.
    #[error(
        "{path} has schema version {found}, this program looks into version {known}: a start of `xenblocks server` on it, \
         or on a copy, brings it there"
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A database of the Python prototype or of something else.
    #[error("{0} was not made by this program; bring a prototype's database in with `xenblocks import {0}`")]
    Foreign(PathBuf),
    /// A file of that name exists already.
    #[error("{0} exists; choose another name, or say --overwrite")]
    Exists(PathBuf),
    /// Not a sound copy of a database of ours.
    #[error("{path} cannot be used: {problem}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The transaction could not be committed; nothing of it was stored.
    #[error("the database could not store the change, nothing was changed: {0}")]
    NotStored(String),
    /// A statement failed.
    #[error("database error: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The store has been stopped.
    #[error("the store has stopped")]
    Stopped,
    /// A thread could not be started.
    #[error("cannot start the store's thread: {0}")]
    Thread(#[from] std::io::Error),
}
