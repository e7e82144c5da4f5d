//! One GPU: its context, its kernels, its memory, and two streams that take turns.

use rustacuda::context::{Context, ContextFlags, CurrentContext};
use rustacuda::device::{Device, DeviceAttribute};
use rustacuda::error::CudaError;
use rustacuda::memory::{DeviceBuffer, LockedBuffer};

use super::batch::{BLOCK_BYTES, Batch, LANES, TAG_BYTES, blocks};
use super::driver::{self, Kernel, Module, Stream};
use super::tuner::Shape;
use crate::base::limits::CUDA_LAUNCH_HASHES_MAX;
use crate::pow::Difficulty;

/// Launches in flight: while one is waited for, the other keeps the GPU busy.
pub(super) const SLOTS: usize = 2;
/// Hashes that a thread block fills at once: two warps of four (cuda/kernels.cu).
pub(super) const FILL_HASHES: u32 = 8;
const FILL_THREADS: u32 = 64;
const FIRST_THREADS: u32 = 128;
const WORD_BYTES: usize = 8;
/// Indices that eight lanes of the kernel `references` make.
const REFERENCES_OF_GROUP: u32 = 128;
const REFERENCES_GROUPS: u32 = 4;

/// The kernels, of an open GPU.
struct Kernels {
    references: Kernel,
    first: Kernel,
    fill: Kernel,
    last: Kernel,
}

/// Memory for one launch.
struct Slot {
    stream: Stream,
    memory: DeviceBuffer<u64>,
    ends: DeviceBuffer<u64>,
    hits: DeviceBuffer<u32>,
    told: LockedBuffer<u32>,
}

/// What depends on the difficulty.
struct Room {
    // Before what they refer to: fields are dropped in this order.
    slots: [Slot; SLOTS],
    references: DeviceBuffer<u32>,
    workers: u32,
    hashes: u32,
}

/// An open GPU.
pub(super) struct Gpu {
    room: Option<Room>,
    kernels: Kernels,
    multiprocessors: u32,
    cache_bytes: usize,
    // Last: all of the above is in it.
    context: Context,
}

// SAFETY: its handles are good on any thread that has its context current, and every method makes
// it so first; nobody else has them.
unsafe impl Send for Gpu {}

impl Gpu {
    /// Opens a GPU, with the kernels that nvcc built.
    pub(super) fn open(device: Device, image: &'static [u8]) -> Result<Self, CudaError> {
        let context = Context::create_and_push(ContextFlags::SCHED_BLOCKING_SYNC, device)?;
        let module = Module::load(image)?;
        let kernels = Kernels {
            references: module.kernel(c"references")?,
            first: module.kernel(c"first")?,
            fill: module.kernel(c"fill")?,
            last: module.kernel(c"last")?,
        };
        let multiprocessors = device.get_attribute(DeviceAttribute::MultiprocessorCount)?.unsigned_abs();
        let cache = device.get_attribute(DeviceAttribute::L2CacheSize)?.unsigned_abs();
        Ok(Gpu { room: None, kernels, multiprocessors, cache_bytes: cache as usize, context })
    }

    /// Makes room for a difficulty: for as many hashes as the GPU's multiprocessors can take at
    /// once, half of them in each slot, or as memory allows. Nothing may be in flight.
    pub(super) fn prepare(&mut self, difficulty: Difficulty) -> Result<(), CudaError> {
        CurrentContext::set_current(&self.context)?;
        // First give back, for free memory decides.
        self.room = None;
        let blocks = blocks(difficulty);
        let resident = self.kernels.fill.resident_blocks(FILL_THREADS)? * self.multiprocessors;
        let (free, _) = driver::memory()?;
        let mut shape = shape(resident * FILL_HASHES, blocks, free).ok_or(CudaError::OutOfMemory)?;
        let room = loop {
            match Room::new(shape, blocks) {
                // Free memory in pieces, or taken by somebody else: be content with half.
                Err(CudaError::OutOfMemory) if shape.workers > FILL_HASHES => {
                    shape.workers = (shape.workers / 2).next_multiple_of(FILL_HASHES);
                }
                room => break room?,
            }
        };
        // What is zeroed is so on a stream of its own, for which ours do not wait.
        CurrentContext::synchronize()?;
        let room = self.room.insert(room);
        make_references(&self.kernels, room, blocks)
    }

    /// The most hashes that a launch can fill at once, and have, in the room that was made.
    pub(super) fn limits(&self) -> Shape {
        self.room.as_ref().map_or(Shape { workers: 0, hashes: 0 }, |room| Shape {
            workers: room.workers,
            hashes: room.hashes,
        })
    }

    /// Hashes whose memory fits into three quarters of a slot's share of the cache.
    pub(super) fn cached(&self, difficulty: Difficulty) -> u32 {
        let hashes = self.cache_bytes / 4 * 3 / SLOTS / (blocks(difficulty) as usize * BLOCK_BYTES);
        u32::try_from(hashes).unwrap_or(u32::MAX)
    }

    /// Starts a launch in a slot that is free; `batch` has no addresses yet.
    pub(super) fn launch(&mut self, slot: usize, workers: u32, mut batch: Batch) -> Result<(), CudaError> {
        CurrentContext::set_current(&self.context)?;
        let room = self.room.as_mut().ok_or(CudaError::InvalidValue)?;
        let slot = &mut room.slots[slot];
        slot.fill_in(&mut batch, &mut room.references);
        // SAFETY: the slot's memory suits the room's difficulty and number of hashes, it is kept
        // until the context is gone, and a slot has one launch at a time.
        unsafe {
            self.kernels.run(&slot.stream, workers, batch)?;
            slot.stream.fetch(&mut slot.told, slot.hits.as_device_ptr().as_raw_mut() as u64)
        }
    }

    /// Waits for a slot's launch; one bit for each of its hashes, the first lowest.
    pub(super) fn wait(&mut self, slot: usize) -> Result<&[u32], CudaError> {
        CurrentContext::set_current(&self.context)?;
        let room = self.room.as_ref().ok_or(CudaError::InvalidValue)?;
        let slot = &room.slots[slot];
        slot.stream.wait()?;
        Ok(&slot.told)
    }

    /// The tags of a launch's hashes, 64 bytes each. Nothing may be in flight.
    pub(super) fn tags(&mut self, workers: u32, mut batch: Batch) -> Result<Vec<[u8; TAG_BYTES]>, CudaError> {
        CurrentContext::set_current(&self.context)?;
        let room = self.room.as_mut().ok_or(CudaError::InvalidValue)?;
        let slot = &mut room.slots[0];
        slot.fill_in(&mut batch, &mut room.references);
        let bytes = batch.hashes as usize * TAG_BYTES;
        // SAFETY: any bytes are bytes, and a kernel writes all of these.
        let mut tags = unsafe { DeviceBuffer::<u8>::uninitialized(bytes)? };
        batch.tags = tags.as_device_ptr().as_raw_mut() as u64;
        // SAFETY: as in `launch`; the tags' buffer is kept until the stream was waited for.
        unsafe { self.kernels.run(&slot.stream, workers, batch)? };
        slot.stream.wait()?;
        let mut copy = vec![0; bytes];
        rustacuda::memory::CopyDestination::copy_to(&*tags, &mut copy)?;
        Ok(copy.as_chunks().0.to_vec())
    }

    /// Copies as much as a slot holds within the GPU, and waits. Returns the bytes that were read.
    pub(super) fn copy(&mut self) -> Result<usize, CudaError> {
        CurrentContext::set_current(&self.context)?;
        let room = self.room.as_mut().ok_or(CudaError::InvalidValue)?;
        let [from, to] = &mut room.slots;
        let bytes = from.memory.len() * WORD_BYTES;
        let (source, target) = (from.memory.as_device_ptr(), to.memory.as_device_ptr());
        let (mut source, mut target) = (source, target);
        // SAFETY: both slots' memory has this size, and nothing is in flight.
        unsafe { from.stream.copy(target.as_raw_mut() as u64, source.as_raw_mut() as u64, bytes)? };
        from.stream.wait()?;
        Ok(bytes)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // What is dropped next gives back to the current context. After an error of the device
        // this fails too; destroying the context then gives back everything.
        let _ = CurrentContext::set_current(&self.context);
    }
}

impl Kernels {
    /// Everything from keys to hits, on one stream.
    ///
    /// # Safety
    /// The batch's addresses are of buffers that suit its sizes, and live until the stream was
    /// waited for.
    unsafe fn run(&self, stream: &Stream, workers: u32, batch: Batch) -> Result<(), CudaError> {
        let fills = workers.min(batch.hashes).div_ceil(FILL_HASHES);
        // SAFETY: the caller's promise.
        unsafe {
            stream.launch(self.first, (batch.hashes * 2).div_ceil(FIRST_THREADS), FIRST_THREADS, batch)?;
            stream.launch(self.fill, fills, FILL_THREADS, batch)?;
            stream.launch(self.last, batch.hashes / LANES, LANES, batch)
        }
    }
}

/// The references of the first two slices, the same for all hashes of a difficulty.
fn make_references(kernels: &Kernels, room: &mut Room, blocks: u32) -> Result<(), CudaError> {
    let mut batch = Batch::of_references(blocks);
    batch.references = room.references.as_device_ptr().as_raw_mut() as u64;
    let groups = 2 * (blocks / 4).div_ceil(REFERENCES_OF_GROUP);
    let stream = &room.slots[0].stream;
    // SAFETY: the table has an element for each block of the first two slices.
    unsafe { stream.launch(kernels.references, groups.div_ceil(REFERENCES_GROUPS), LANES, batch)? };
    stream.wait()
}

impl Slot {
    fn new(shape: Shape, blocks: u32) -> Result<Self, CudaError> {
        let words = BLOCK_BYTES / WORD_BYTES;
        let hits = (shape.hashes / LANES) as usize;
        // SAFETY: kernels write each word before they read it.
        unsafe {
            Ok(Slot {
                stream: Stream::new()?,
                memory: DeviceBuffer::uninitialized(shape.workers as usize * blocks as usize * words)?,
                ends: DeviceBuffer::uninitialized(shape.hashes as usize * 2 * words)?,
                hits: DeviceBuffer::zeroed(hits)?,
                told: LockedBuffer::new(&0, hits)?,
            })
        }
    }

    fn fill_in(&mut self, batch: &mut Batch, references: &mut DeviceBuffer<u32>) {
        batch.references = references.as_device_ptr().as_raw_mut() as u64;
        batch.memory = self.memory.as_device_ptr().as_raw_mut() as u64;
        batch.ends = self.ends.as_device_ptr().as_raw_mut() as u64;
        batch.hits = self.hits.as_device_ptr().as_raw_mut() as u64;
    }
}

impl Room {
    fn new(shape: Shape, blocks: u32) -> Result<Self, CudaError> {
        let slots = [Slot::new(shape, blocks)?, Slot::new(shape, blocks)?];
        // SAFETY: any number is one. Zeroed, for one element more than the table has is looked at.
        let references = unsafe { DeviceBuffer::zeroed(blocks as usize / 2 + 1)? };
        Ok(Room { slots, references, workers: shape.workers, hashes: shape.hashes })
    }
}

/// How much of a slot fits: half of what is resident at once, and not more than memory. A
/// sixteenth of free memory is left to others, and a sixteenth is for the hashes' first blocks.
fn shape(resident: u32, blocks: u32, free: usize) -> Option<Shape> {
    let slot = free / 16 * 14 / SLOTS;
    let of_worker = blocks as usize * BLOCK_BYTES;
    let fits = u32::try_from(slot / of_worker).unwrap_or(u32::MAX) / FILL_HASHES * FILL_HASHES;
    let half = (resident / 2).next_multiple_of(FILL_HASHES);
    let workers = half.min(fits);
    let ends = u32::try_from(free / 16 / SLOTS / (2 * BLOCK_BYTES)).unwrap_or(u32::MAX);
    let hashes = ends.min(CUDA_LAUNCH_HASHES_MAX) / LANES * LANES;
    (workers > 0 && hashes > 0).then_some(Shape { workers, hashes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: usize = 1 << 30;

    #[test]
    fn what_is_resident_or_fits_into_memory_is_filled_at_once() {
        let h200 = |blocks| shape(132 * 64, blocks, 139 * GIB).unwrap();
        assert_eq!(h200(1724).workers, 66 * 64, "half of what is resident, twice");
        let bytes = |blocks: u32| SLOTS * h200(blocks).workers as usize * blocks as usize * BLOCK_BYTES;
        assert!(h200(100_000).workers < 66 * 64 && bytes(100_000) < 139 * GIB / 16 * 14);
        assert!(bytes(100_000) > 139 * GIB / 16 * 13, "and all of it is used");
        assert_eq!(h200(8).hashes, CUDA_LAUNCH_HASHES_MAX, "more would fit");
        let small = shape(20 * 64, 100_000, 2 * GIB).unwrap();
        assert_eq!((small.workers, small.hashes % LANES), (8, 0));
        assert_eq!(shape(20 * 64, 100_000, GIB), None);
    }
}
