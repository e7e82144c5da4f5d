//! Memory, references and instructions together: what hashes.

use std::time::Duration;

use super::Path;
use super::batch::{Batch, Staging};
use super::memory::{Block, Memory};
use crate::base::thread::cpu_time;
use crate::pow::references::{References, reference};
use crate::pow::{Difficulty, Salt, Tag};

/// Hashes on one core with memory of its own, used again for every hash.
pub(in crate::pow) struct Engine {
    path: Path,
    memory: Memory,
    staging: Box<Staging>,
    difficulty: Option<Difficulty>,
    references: References,
}

/// From this memory on a hash waits for its memory more than it computes, and four at once wait
/// together (docs/performance.md).
const FOUR_AT_ONCE_KIB: u32 = 24 * 1024;

impl Engine {
    pub(in crate::pow) fn new(path: Path) -> Self {
        Engine {
            path,
            memory: Memory::empty(),
            staging: Staging::new(),
            difficulty: None,
            references: References::default(),
        }
    }

    /// The tag of each key: its lower-case hexadecimal digits as ASCII, not decoded, all of one
    /// length. Any number of keys; a few at a time share work.
    pub(in crate::pow) fn hash(
        &mut self,
        keys: &[&[u8]],
        salt: &Salt,
        difficulty: Difficulty,
        tags: &mut [Tag],
    ) {
        if self.difficulty != Some(difficulty) {
            self.references = References::new(difficulty);
            self.difficulty = Some(difficulty);
        }
        let at_once = keys.len().min(at_once(difficulty));
        let blocks = at_once * difficulty.blocks() as usize;
        for (keys, tags) in keys.chunks(self.path.lanes()).zip(tags.chunks_mut(self.path.lanes())) {
            self.path.hash(Batch {
                keys,
                salt: salt.bytes(),
                difficulty,
                references: &self.references,
                memory: &mut self.memory.at_least(blocks)[..blocks],
                staging: &mut self.staging,
                tags,
            });
        }
    }

    /// Keys that suit one call: as many as share work, but a moment's work at most.
    pub(in crate::pow) fn batch(&self, difficulty: Difficulty) -> usize {
        match difficulty.kib() {
            ..FOUR_AT_ONCE_KIB => self.path.lanes(),
            _ => at_once(difficulty),
        }
    }

    /// Bytes a second that reading and writing moves when blocks are copied from where the hashes
    /// of this difficulty would read them to where they would write, and nothing is computed.
    pub(in crate::pow) fn bandwidth(&mut self, difficulty: Difficulty) -> f64 {
        const TIME: Duration = Duration::from_millis(50);
        let blocks = difficulty.blocks();
        let memory = &mut self.memory.at_least(blocks as usize)[..blocks as usize];
        let (start, mut copied) = (cpu_time(), 0u64);
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        loop {
            for index in 2..blocks {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let from = reference(index, random >> 32);
                memory.copy_within(from as usize..=from as usize, index as usize);
            }
            copied += u64::from(blocks - 2) * 2 * size_of::<Block>() as u64;
            let spent = cpu_time().saturating_sub(start);
            if spent >= TIME {
                return copied as f64 / spent.as_secs_f64();
            }
        }
    }

    /// Gives back the memory if it has more than `kib`.
    pub(in crate::pow) fn shrink(&mut self, kib: usize) {
        if self.memory.count() > kib {
            self.memory = Memory::empty();
        }
    }
}

/// Hashes that are filled at the same time: two hide each other's waiting.
fn at_once(difficulty: Difficulty) -> usize {
    if difficulty.kib() < FOUR_AT_ONCE_KIB { 2 } else { 4 }
}
