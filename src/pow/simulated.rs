//! A backend that hashes nothing: it plays a device of any hashrate, to try out everything around it.

use std::thread;
use std::time::Duration;

use super::{Backend, BackendError, Device, Difficulty, Found, Job, KeyRun, Keys, Matches, Phc, Salt, Tag};

/// A device that is not there. Its tags look like tags and hold markers as often as real ones, but
/// are not those of their keys: no chain that recomputes takes its blocks.
pub struct Simulated {
    device: Device,
    rate: u64,
}

/// The time that one batch plays.
const BATCH_TIME: Duration = Duration::from_millis(20);
const BATCHES_A_SECOND: u64 = 50;

impl Simulated {
    /// Plays `rate` hashes per second, whatever the difficulty.
    pub fn new(index: u32, rate: u64) -> Self {
        let name = "simulated".to_owned();
        Simulated {
            device: Device { backend: "simulated", index, name, memory_bytes: 0, bus_id: None },
            rate,
        }
    }
}

impl Backend for Simulated {
    fn device(&self) -> &Device {
        &self.device
    }

    fn search(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, BackendError> {
        let run = keys.take((self.rate / BATCHES_A_SECOND).max(1));
        thread::sleep(BATCH_TIME);
        for index in 0..run.count {
            let tag = made_up(&run.digits(index));
            let matches = Matches::find(&tag.text(), &job.marker);
            if matches.any() {
                let phc = Phc { difficulty: job.difficulty, salt: job.salt, tag };
                found(Found { key: run.key(index), phc, matches });
            }
        }
        Ok(run.count)
    }

    fn tags(&mut self, _: &Salt, _: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError> {
        Ok((0..keys.count).map(|index| made_up(&keys.digits(index))).collect())
    }
}

/// Bytes that look random and are always the same for a key.
fn made_up(key: &[u8; 64]) -> Tag {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = key.chunks_exact(8).fold(ODD, |state, eight| {
        let word = u64::from_le_bytes(eight.try_into().expect("chunks of eight are eight"));
        (state ^ word).wrapping_mul(ODD).rotate_left(29)
    });
    let mut tag = Tag::default();
    for eight in tag.0.chunks_exact_mut(8) {
        // SplitMix64.
        state = state.wrapping_add(ODD);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        eight.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::Hasher;

    #[test]
    fn it_finds_as_often_as_a_real_one_and_what_does_not_verify() {
        let (salt, difficulty) = (Salt::Account([7; 20]), Difficulty::MIN);
        let job = Job { salt, prefix: None, difficulty, marker: "XE".parse().unwrap() };
        let mut finds = Vec::new();
        let mut simulated = Simulated::new(0, 50 * 20_000);
        let mut keys = Keys::new(None);
        let tried = simulated.search(&job, &mut keys, &mut |found| finds.push(found)).unwrap();
        assert_eq!(tried, 20_000);
        // One in 4096 at each of 85 places: 415, give or take 20.
        assert!((250..600).contains(&finds.len()), "{}", finds.len());
        assert!(!finds[0].phc.verify(&finds[0].key, &mut Hasher::new()));
        assert!(finds.iter().all(|found| found.phc.tag.to_string().contains("XE")));
    }
}
