//! Hashing on the cores of this machine.

use super::{
    Backend, BackendError, Device, Difficulty, Found, Hasher, Job, KeyRun, Keys, Matches, Phc, Salt, Tag,
};

/// One backend for each of `threads` threads.
pub fn backends(threads: usize) -> Vec<Box<dyn Backend + Send>> {
    (0..).take(threads).map(|index| Box::new(Cpu::new(index)) as Box<dyn Backend + Send>).collect()
}

/// One CPU core; a batch is one hash.
pub struct Cpu {
    hasher: Hasher,
    device: Device,
}

impl Cpu {
    /// The core of thread `index`.
    pub fn new(index: u32) -> Self {
        let device = Device { backend: "cpu", index, name: "CPU".into(), memory_bytes: 0, bus_id: None };
        Cpu { hasher: Hasher::new(), device }
    }
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
        let run = keys.take(1);
        let tag = self.hasher.hash(&run.digits(0), &job.salt, job.difficulty);
        let matches = Matches::find(&tag.text(), &job.marker);
        if matches.any() {
            let phc = Phc { difficulty: job.difficulty, salt: job.salt, tag };
            found(Found { key: run.key(0), phc, matches });
        }
        Ok(1)
    }

    fn tags(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError> {
        Ok((0..keys.count).map(|index| self.hasher.hash(&keys.digits(index), salt, difficulty)).collect())
    }
}
