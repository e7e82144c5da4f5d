//! The seam between the mining loop and what hashes for it.

use thiserror::Error;

use super::{Difficulty, KeyRun, Keys, Marker, Matches, Phc, Salt, Tag};
use crate::base::{BlockKey, Prefix};

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose blocks they will be.
    pub salt: Salt,
    /// The lease's prefix; self-mining has none.
    pub prefix: Option<Prefix>,
    /// Memory of one hash.
    pub difficulty: Difficulty,
    /// What makes a block.
    pub marker: Marker,
}

/// A hash worth submitting. XUNI is found at any minute: whether its window is open is for the
/// submission to say ([`Matches::kind_in_window`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: BlockKey,
    /// The hash, at the difficulty it was mined at.
    pub phc: Phc,
    /// What is in it.
    pub matches: Matches,
}

/// What a backend hashes with, as workers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The kind of backend: `cpu`, `cuda` or `simulated`.
    pub backend: &'static str,
    /// The device's number within its kind: a thread of the CPU, a GPU.
    pub index: u32,
    /// What it is: a CPU's instruction set, a GPU's name.
    pub name: String,
    /// Memory that it has, bytes; 0 for a share of the machine's.
    pub memory_bytes: u64,
    /// Its place on the PCI bus, of a GPU.
    pub bus_id: Option<String>,
}

/// A device does not hash at the moment; the text says which and why. The backend stays usable:
/// its next call tries to bring the device back.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct BackendError(pub String);

/// Something that hashes: a CPU core, a GPU. One thread owns it.
pub trait Backend {
    /// What it hashes with.
    fn device(&self) -> &Device;

    /// Tries the next keys of `keys`, as many as suit one batch, and returns how many hashes were
    /// finished since the last call. A batch is the time that new orders may wait.
    ///
    /// Hashes may stay in flight: a later call for the same job, or [`Backend::finish`], hands
    /// over what is found in them. After an error what was in flight is lost.
    fn search(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, BackendError>;

    /// Waits for what is in flight and returns how many hashes that was. Called when a job ends,
    /// whatever follows it.
    fn finish(&mut self, _found: &mut dyn FnMut(Found)) -> Result<u64, BackendError> {
        Ok(0)
    }

    /// Mines a little for nobody, so that memory and clocks are warm and whatever the device tunes for
    /// itself is tuned: what comes after it may be measured.
    fn warm_up(&mut self, job: &Job, keys: &mut Keys) -> Result<(), BackendError> {
        self.search(job, keys, &mut drop)?;
        self.finish(&mut drop)?;
        Ok(())
    }

    /// Bytes that the device's memory moves in a second, read and written ones counted, when it
    /// copies blocks as hashes of this difficulty would and computes nothing; 0 where there is no
    /// such memory.
    fn bandwidth(&mut self, _difficulty: Difficulty) -> Result<f64, BackendError> {
        Ok(0.0)
    }

    /// The tag of each key, in order: what backends are tested against each other with.
    fn tags(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError>;
}
