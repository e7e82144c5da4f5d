//! Hashing on NVIDIA's GPUs: keys, first blocks, memory, tags and the search in them all happen on
//! the GPU, and one bit for each hash comes back.
//!
//! Promises: the program starts where there is neither GPU nor driver; every hit is computed again
//! on the CPU before it is handed on, and bears the job that its launch was made for; a GPU that
//! fails or computes wrong hashes says so and is opened afresh at the next call.
//!
//! The kernels are in `cuda/`, compiled by `make cuda` and embedded in the program.

mod backend;
mod batch;
mod driver;
mod gpu;
mod tuner;

use std::path::Path;

use rustacuda::CudaFlags;
use rustacuda::device::Device as Gpu;
use thiserror::Error;

pub use backend::Cuda;

use super::Device;

/// What nvcc built, empty when it did not.
static KERNELS: &[u8] = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"))).0;

/// As nvcc aligns what it embeds itself: the driver reads words of it in place.
#[repr(C, align(64))]
struct Aligned<Bytes>(Bytes);

/// Why a GPU does not hash.
#[derive(Debug, Error)]
pub enum CudaError {
    /// No driver, or a driver without a GPU.
    #[error("no CUDA device")]
    NoDevice,
    /// A number that is none of a GPU.
    #[error("no CUDA device {wanted}: there are {count}, from 0")]
    NoSuchDevice {
        /// What was asked for.
        wanted: u32,
        /// GPUs that there are.
        count: u32,
    },
    /// This program has none.
    #[error("this program was built without its CUDA kernels: run `make cuda`")]
    NoKernels,
    /// What the driver answered.
    #[error("CUDA device {device}: {code:?} while {doing}")]
    Failed {
        /// The GPU's number.
        device: u32,
        /// What was tried.
        doing: &'static str,
        /// The driver's answer.
        code: rustacuda::error::CudaError,
    },
    /// Its hits or its test hashes are not what the CPU computes.
    #[error("CUDA device {device} computes wrong hashes")]
    Wrong {
        /// The GPU's number.
        device: u32,
    },
}

/// Takes the driver at `path` instead of looking for it. Only before anything else of this module.
pub fn load_driver(path: &Path) -> Result<(), CudaError> {
    if driver::load(Some(path)) { Ok(()) } else { Err(CudaError::NoDevice) }
}

/// Every GPU of this machine, in the driver's order.
pub fn devices() -> Result<Vec<Device>, CudaError> {
    (0..count()?).map(describe).collect()
}

/// A backend for each of these GPUs, or for all of them when none is named.
pub fn backends(wanted: &[u32]) -> Result<Vec<Cuda>, CudaError> {
    count()?;
    if KERNELS.is_empty() { Err(CudaError::NoKernels) } else { backends_with(KERNELS, wanted) }
}

/// The same with kernels from elsewhere, as nvcc makes them.
pub fn backends_with(kernels: &'static [u8], wanted: &[u32]) -> Result<Vec<Cuda>, CudaError> {
    let count = count()?;
    let all: Vec<u32> = if wanted.is_empty() { (0..count).collect() } else { wanted.to_vec() };
    if let Some(&wanted) = all.iter().find(|&&index| index >= count) {
        return Err(CudaError::NoSuchDevice { wanted, count });
    }
    all.into_iter().map(|index| Ok(Cuda::new(describe(index)?, kernels))).collect()
}

fn count() -> Result<u32, CudaError> {
    driver::load(None);
    // Both say the same: a driver that cannot start is as good as none.
    rustacuda::init(CudaFlags::empty()).map_err(|_| CudaError::NoDevice)?;
    match Gpu::num_devices() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(CudaError::NoDevice),
    }
}

fn describe(index: u32) -> Result<Device, CudaError> {
    let failed = |code| CudaError::Failed { device: index, doing: "being described", code };
    let gpu = Gpu::get_device(index).map_err(failed)?;
    Ok(Device {
        backend: "cuda",
        index,
        name: gpu.name().map_err(failed)?,
        memory_bytes: gpu.total_memory().map_err(failed)? as u64,
        bus_id: driver::bus_id(index).ok(),
    })
}
