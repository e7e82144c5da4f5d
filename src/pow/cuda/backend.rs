//! The backend: keeps a GPU's two slots busy, and trusts none of its hits.

use std::time::{Duration, Instant};

use super::CudaError;
use super::batch::{Batch, LANES};
use super::gpu::{FILL_HASHES, Gpu, SLOTS};
use super::tuner::{Shape, Tuner};
use crate::base::limits::CUDA_LAUNCH_TIME;
use crate::pow::{
    Backend, BackendError, Device, Difficulty, Found, Hasher, Job, KeyRun, Keys, Marker, Matches, Phc, Salt,
    Tag,
};

/// Hits of one launch that are expected at most: each costs the CPU a hash. A marker of one
/// character is in nearly every hash, so launches are small then.
const HITS_EXPECTED_MAX: f64 = 64.0;
/// Hashes compared with the CPU's before a difficulty is mined.
const TESTED: u64 = 4;
/// Copies that one measurement of the bandwidth takes the best of.
const COPIES: u32 = 8;

/// One GPU; a batch is a launch of about [`CUDA_LAUNCH_TIME`].
pub struct Cuda {
    device: Device,
    kernels: &'static [u8],
    open: Option<Open>,
    hasher: Hasher,
}

/// A GPU at work.
struct Open {
    gpu: Gpu,
    difficulty: Difficulty,
    tuner: Tuner,
    flights: [Option<Flight>; SLOTS],
    /// The slot whose launch ends first, or is to be started first.
    next: usize,
}

/// What a launch looks for: its hits belong to this job, whatever is mined by now.
struct Flight {
    job: Job,
    keys: KeyRun,
}

impl Cuda {
    pub(super) fn new(device: Device, kernels: &'static [u8]) -> Self {
        Cuda { device, kernels, open: None, hasher: Hasher::new() }
    }

    /// Lets the GPU go after an error: the next call opens it afresh.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, CudaError>,
    ) -> Result<T, BackendError> {
        work(self).map_err(|error| {
            self.open = None;
            BackendError(error.to_string())
        })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rustacuda::error::CudaError) -> CudaError + use<> {
        let device = self.device.index;
        move |code| CudaError::Failed { device, doing, code }
    }

    /// The GPU, open and ready for a difficulty. What is in flight for another one is lost, so the
    /// caller has waited for it.
    fn opened(&mut self, difficulty: Difficulty) -> Result<&mut Open, CudaError> {
        if self.open.as_ref().is_none_or(|open| open.difficulty != difficulty) {
            let gpu = match self.open.take() {
                Some(open) => open.gpu,
                None => {
                    let failed = self.failed("being opened");
                    let device = rustacuda::device::Device::get_device(self.device.index).map_err(&failed)?;
                    Gpu::open(device, self.kernels).map_err(&failed)?
                }
            };
            let mut open =
                Open { gpu, difficulty, tuner: Tuner::new(0, 0, 1), flights: [None, None], next: 0 };
            open.gpu.prepare(difficulty).map_err(self.failed("making room"))?;
            open.tuner = Tuner::new(open.gpu.limits().workers, open.gpu.cached(difficulty), FILL_HASHES);
            self.open = Some(open);
            self.test(difficulty)?;
        }
        Ok(self.open.as_mut().expect("just opened"))
    }

    /// Compares a few hashes with the CPU's.
    fn test(&mut self, difficulty: Difficulty) -> Result<(), CudaError> {
        let keys = Keys::new(None).take(TESTED);
        let salt = Salt::Account([0x5a; 20]);
        let tags = self.tags_of(&salt, difficulty, &keys)?;
        let right = (0..)
            .zip(tags)
            .all(|(index, tag)| self.hasher.hash(&keys.digits(index), &salt, difficulty) == tag);
        if right { Ok(()) } else { Err(CudaError::Wrong { device: self.device.index }) }
    }

    fn tags_of(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, CudaError> {
        let failed = self.failed("computing tags");
        let open = self.open.as_mut().filter(|open| open.difficulty == difficulty);
        let gpu = &mut open.ok_or_else(|| failed(rustacuda::error::CudaError::InvalidValue))?.gpu;
        let limits = gpu.limits();
        let mut tags = Vec::new();
        let mut rest = *keys;
        while rest.count > 0 {
            let run = KeyRun { count: rest.count.min(limits.hashes.into()), ..rest };
            let hashes = u32::try_from(run.count).unwrap_or(limits.hashes).next_multiple_of(LANES);
            let batch = Batch::new(salt, difficulty, &Marker::default(), &run, hashes);
            let some = gpu.tags(limits.workers, batch).map_err(&failed)?;
            tags.extend((0..run.count).zip(some).map(|(_, tag)| Tag(tag)));
            rest =
                KeyRun { first: rest.first.wrapping_add(run.count), count: rest.count - run.count, ..rest };
        }
        Ok(tags)
    }

    fn search_on(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, CudaError> {
        let mut finished = 0;
        if self.open.as_ref().is_some_and(|open| open.difficulty != job.difficulty) {
            finished += self.collect_all(found)?;
        }
        let open = self.opened(job.difficulty)?;
        if let Some(workers) = open.tuner.next() {
            return Ok(finished + self.tune(workers, job, keys, found)?);
        }
        let shape = open.tuner.best().expect("a tuner has measured something when it is done");
        while self.start(shape, job, keys)? {}
        Ok(finished + self.collect(found)?)
    }

    /// Mines with some number of workers, measures how fast that was, and leaves nothing in flight.
    fn tune(
        &mut self,
        workers: u32,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, CudaError> {
        // One pass in each slot: warms up, and says how many passes make a launch.
        let once = Shape { workers, hashes: workers };
        let (warm, time) = self.burst(1, once, job, keys, found)?;
        let passes = CUDA_LAUNCH_TIME.as_secs_f64() / time.as_secs_f64().max(1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1024")]
        let passes = passes.clamp(1.0, 1024.0) as u32;
        let shape = Shape { workers, hashes: workers.saturating_mul(passes) };
        let (tried, time) = self.burst(2, shape, job, keys, found)?;
        if let Some(open) = &mut self.open {
            let rate = tried as f64 / time.as_secs_f64().max(1e-6);
            log::debug!(
                "CUDA device {}: m = {}, {workers} at once: {rate:.0} H/s",
                self.device.index,
                job.difficulty
            );
            open.tuner.measured(shape, rate);
        }
        Ok(warm + tried)
    }

    /// Some launches in every slot, from the first's start to the last's end.
    fn burst(
        &mut self,
        launches: usize,
        shape: Shape,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<(u64, Duration), CudaError> {
        let start = Instant::now();
        let (mut started, mut finished) = (0, 0);
        for _ in 0..launches * SLOTS {
            while started < launches * SLOTS && self.start(shape, job, keys)? {
                started += 1;
            }
            finished += self.collect(found)?;
        }
        Ok((finished, start.elapsed()))
    }

    /// Starts a launch if a slot is free; says whether it did.
    fn start(&mut self, shape: Shape, job: &Job, keys: &mut Keys) -> Result<bool, CudaError> {
        let failed = self.failed("starting a launch");
        let Some(open) = &mut self.open else { return Ok(false) };
        let mut slots = (0..SLOTS).map(|turn| (open.next + turn) % SLOTS);
        let Some(slot) = slots.find(|&slot| open.flights[slot].is_none()) else { return Ok(false) };
        let hashes = shape.hashes.min(expected_hits_limit(&job.marker)).min(open.gpu.limits().hashes);
        let hashes = hashes.next_multiple_of(LANES);
        let run = keys.take(hashes.into());
        let batch = Batch::new(&job.salt, job.difficulty, &job.marker, &run, hashes);
        open.gpu.launch(slot, shape.workers, batch).map_err(failed)?;
        open.flights[slot] = Some(Flight { job: job.clone(), keys: run });
        Ok(true)
    }

    /// Waits for the oldest launch, and hands over what the CPU finds in its hits too.
    fn collect(&mut self, found: &mut dyn FnMut(Found)) -> Result<u64, CudaError> {
        let failed = self.failed("hashing");
        let Some(open) = &mut self.open else { return Ok(0) };
        let slot = open.next;
        open.next = (slot + 1) % SLOTS;
        let Some(Flight { job, keys }) = open.flights[slot].take() else { return Ok(0) };
        let bits = open.gpu.wait(slot).map_err(failed)?;
        let mut wrong = 0;
        for index in hits(bits, keys.count) {
            let tag = self.hasher.hash(&keys.digits(index), &job.salt, job.difficulty);
            let matches = Matches::find(&tag.text(), &job.marker);
            if matches.any() {
                let phc = Phc { difficulty: job.difficulty, salt: job.salt, tag };
                found(Found { key: keys.key(index), phc, matches });
            } else {
                wrong += 1;
            }
        }
        if wrong == 0 { Ok(keys.count) } else { Err(CudaError::Wrong { device: self.device.index }) }
    }

    fn collect_all(&mut self, found: &mut dyn FnMut(Found)) -> Result<u64, CudaError> {
        (0..SLOTS).try_fold(0, |finished, _| Ok(finished + self.collect(found)?))
    }
}

impl Backend for Cuda {
    fn device(&self) -> &Device {
        &self.device
    }

    fn search(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, BackendError> {
        self.guarded(|cuda| cuda.search_on(job, keys, found))
    }

    fn finish(&mut self, found: &mut dyn FnMut(Found)) -> Result<u64, BackendError> {
        self.guarded(|cuda| cuda.collect_all(found))
    }

    fn warm_up(&mut self, job: &Job, keys: &mut Keys) -> Result<(), BackendError> {
        self.guarded(|cuda| {
            // Each tries one number of hashes at once, until the best is known.
            loop {
                cuda.search_on(job, keys, &mut drop)?;
                if cuda.open.as_ref().is_none_or(|open| open.tuner.next().is_none()) {
                    break;
                }
            }
            cuda.collect_all(&mut drop)?;
            Ok(())
        })
    }

    fn tags(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError> {
        self.guarded(|cuda| {
            cuda.opened(difficulty)?;
            cuda.tags_of(salt, difficulty, keys)
        })
    }

    fn bandwidth(&mut self, difficulty: Difficulty) -> Result<f64, BackendError> {
        self.guarded(|cuda| {
            let device = cuda.device.index;
            let failed = |code| CudaError::Failed { device, doing: "copying", code };
            let open = cuda.opened(difficulty)?;
            open.gpu.copy().map_err(failed)?;
            let mut best = 0f64;
            for _ in 0..COPIES {
                let start = Instant::now();
                let bytes = open.gpu.copy().map_err(failed)?;
                best = best.max(2.0 * bytes as f64 / start.elapsed().as_secs_f64());
            }
            Ok(best)
        })
    }
}

/// Hashes among which [`HITS_EXPECTED_MAX`] hold the marker, about.
fn expected_hits_limit(marker: &Marker) -> u32 {
    let length = marker.as_str().bytes().fold(0, |length, _| length + 1);
    let hashes = HITS_EXPECTED_MAX * 64f64.powi(length) / Tag::TEXT_LENGTH as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 32 bits")]
    let hashes = hashes.min(f64::from(u32::MAX / 2)) as u32;
    hashes
}

/// The places of the bits that are set, below `count`.
fn hits(bits: &[u32], count: u64) -> impl Iterator<Item = u64> + '_ {
    let set = (0u64..).zip(bits).filter(|(_, word)| **word != 0);
    set.flat_map(|(at, word)| (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 32 + bit))
        .take_while(move |&index| index < count)
}
