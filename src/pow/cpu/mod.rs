//! Hashing on the cores of this machine, with the widest instructions that they have.
//!
//! An implementation of Argon2id of our own, for mining alone: fixed parameters, memory and
//! references used again, a few hashes at a time. Every path is tested against the `argon2` crate.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a path is compiled for its instructions"
)]
#![expect(clippy::many_single_char_names, reason = "the names of the algorithms' own pages")]

mod batch;
mod blake2b;
mod engine;
mod fill;
pub(super) mod memory;
mod path;
#[cfg(test)]
mod tests;
pub(super) mod vector;

pub(super) use engine::Engine;
pub use path::Path;

use std::fs;
use std::sync::LazyLock;

use super::scan::Scan;
use super::{Backend, BackendError, Device, Difficulty, Found, Job, KeyRun, Keys, Matches, Phc, Salt, Tag};

/// One backend for each of `threads` threads, with the fastest instructions.
pub fn backends(threads: usize) -> Vec<Box<dyn Backend + Send>> {
    backends_with(threads, Path::fastest())
}

/// The same with the instructions of `path`.
pub fn backends_with(threads: usize, path: Path) -> Vec<Box<dyn Backend + Send>> {
    let one = |index| Box::new(Cpu::with_path(index, path)) as Box<dyn Backend + Send>;
    (0..).take(threads).map(one).collect()
}

/// One CPU core; a batch is a few hashes.
pub struct Cpu {
    engine: Engine,
    device: Device,
}

impl Cpu {
    /// The core of thread `index`, with the fastest instructions that it has.
    pub fn new(index: u32) -> Self {
        Cpu::with_path(index, Path::fastest())
    }

    /// The core of thread `index`, with the instructions of `path`.
    pub fn with_path(index: u32, path: Path) -> Self {
        let name = format!("{}, {path}", model().unwrap_or("CPU"));
        let device = Device { backend: "cpu", index, name, memory_bytes: 0, bus_id: None };
        Cpu { engine: Engine::new(path), device }
    }

    fn hash(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Vec<Tag> {
        let digits: Vec<_> = (0..keys.count).map(|index| keys.digits(index)).collect();
        let keys: Vec<&[u8]> = digits.iter().map(<[u8; 64]>::as_slice).collect();
        let mut tags = vec![Tag::default(); keys.len()];
        self.engine.hash(&keys, salt, difficulty, &mut tags);
        tags
    }
}

/// What the processor is called, where the system says it.
fn model() -> Option<&'static str> {
    static MODEL: LazyLock<Option<String>> = LazyLock::new(|| {
        let text = fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    MODEL.as_deref()
}

impl Backend for Cpu {
    fn device(&self) -> &Device {
        &self.device
    }

    fn search(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, BackendError> {
        let run = keys.take(self.engine.batch(job.difficulty) as u64);
        let scan = Scan::new(&job.marker);
        for (index, tag) in (0..).zip(self.hash(&job.salt, job.difficulty, &run)) {
            if !scan.may_match(&tag) {
                continue;
            }
            let matches = Matches::find(&tag.text(), &job.marker);
            if matches.any() {
                let phc = Phc { difficulty: job.difficulty, salt: job.salt, tag };
                found(Found { key: run.key(index), phc, matches });
            }
        }
        Ok(run.count)
    }

    fn bandwidth(&mut self, difficulty: Difficulty) -> Result<f64, BackendError> {
        Ok(self.engine.bandwidth(difficulty))
    }

    fn tags(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError> {
        Ok(self.hash(salt, difficulty, keys))
    }
}
