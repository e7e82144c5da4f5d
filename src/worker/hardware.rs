//! What a miner hashes with.

use super::config::WorkerError;
use crate::pow::cuda::{self, CudaError};
use crate::pow::simulated::Simulated;
use crate::pow::{Backend, Device, cpu};
use crate::protocol::Gpu;

/// What hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// Threads of this machine's CPU, one or more.
    Cpu {
        /// How many.
        threads: usize,
    },
    /// NVIDIA's GPUs.
    Cuda {
        /// Their numbers; all of them when none is named.
        devices: Vec<u32>,
    },
    /// Devices that only count, one or more. What they find is made up and goes nowhere.
    Simulated {
        /// How many.
        devices: u32,
        /// Hashes a second that each claims.
        rate: u32,
    },
}

impl Hardware {
    /// All GPUs of this machine when it has any that this program can use, else `threads` threads.
    pub fn best(threads: usize) -> Self {
        match cuda::backends(&[]) {
            Ok(_) => Hardware::Cuda { devices: Vec::new() },
            Err(CudaError::NoDevice) => Hardware::Cpu { threads },
            Err(error) => {
                log::warn!("{error}; mining on the CPU");
                Hardware::Cpu { threads }
            }
        }
    }

    /// One backend for each thread or device.
    pub(super) fn backends(&self) -> Result<Vec<Box<dyn Backend + Send>>, WorkerError> {
        let backends: Vec<Box<dyn Backend + Send>> = match self {
            Hardware::Cpu { threads } => cpu::backends(*threads),
            Hardware::Simulated { devices, rate } => {
                let one = |index| Box::new(Simulated::new(index, (*rate).into())) as Box<_>;
                (0..*devices).map(one).collect()
            }
            Hardware::Cuda { devices } => {
                let gpus =
                    cuda::backends(devices).map_err(|error| WorkerError::Hardware(error.to_string()))?;
                gpus.into_iter().map(|gpu| Box::new(gpu) as Box<_>).collect()
            }
        };
        if backends.is_empty() {
            return Err(WorkerError::Config("a miner has at least one thread or device"));
        }
        Ok(backends)
    }
}

const GIB: f64 = 1_073_741_824.0;

/// The devices as a registration lists them: the threads of a CPU are one.
pub(super) fn gpus<'a>(devices: impl ExactSizeIterator<Item = &'a Device>) -> Vec<Gpu> {
    let threads = devices.len();
    let mut gpus = Vec::new();
    for device in devices {
        if device.backend == "cpu" {
            let plural = if threads == 1 { "" } else { "s" };
            let name = format!("{}, {threads} thread{plural}", device.name);
            return vec![Gpu { index: 0, name, memory_gb: 0.0, bus_id: None }];
        }
        gpus.push(Gpu {
            index: device.index,
            name: device.name.clone(),
            memory_gb: (device.memory_bytes as f64 / GIB).round(),
            bus_id: device.bus_id.clone().map(Into::into),
        });
    }
    gpus
}
