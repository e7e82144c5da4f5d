//! `xenblocks bench`.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rand::RngExt;
use serde_json::{Value, json};

use super::{CliError, say};
use crate::pow::bench::{self, Measured};
use crate::pow::cpu::{self, Path};
use crate::pow::simulated::Simulated;
use crate::pow::{Backend, BackendError, Device, Difficulty, Reference, cuda};

use table::Line;

/// Flags of `xenblocks bench`.
#[derive(Args)]
pub(super) struct Arguments {
    /// What hashes.
    #[arg(long, value_enum, default_value_t = Kind::Cpu)]
    backend: Kind,
    /// Memory of one hash in KiB, several with commas between them.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "100,1100,1727,4100,8100,16100,80000",
        value_name = "KIB"
    )]
    difficulty: Vec<Difficulty>,
    /// Seconds of hashing for each difficulty.
    #[arg(long, default_value_t = 2.0, value_parser = seconds, value_name = "N")]
    seconds: f64,
    /// Hashing threads of the CPU; by default one per core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Instructions of the CPU: AVX-512, AVX2 or portable; by default the fastest that it has.
    #[arg(long, value_name = "NAME")]
    instructions: Option<String>,
    /// GPUs, by their numbers; by default all.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    device: Vec<u32>,
    /// A CUDA driver elsewhere than where the system has it.
    #[arg(long, value_name = "FILE")]
    cuda_driver: Option<PathBuf>,
    /// Instead of measuring, compare this many hashes, at difficulties from 8 to 100,000, with the
    /// `argon2` crate; exit code 1 when one differs.
    #[arg(long, value_name = "N")]
    verify: Option<u64>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Kinds of backend.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// The cores of this machine.
    Cpu,
    /// NVIDIA's GPUs.
    Cuda,
    /// Nothing: a made-up device of a million hashes per second.
    Simulated,
}

type Backends = Vec<Box<dyn Backend + Send>>;

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.01..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("0.01 to 3600 seconds".into()) }
}

pub(super) fn run(arguments: Arguments) -> Result<(), CliError> {
    let mut backends = open(&arguments)?;
    if let Some(count) = arguments.verify {
        return verify(&mut backends, count, arguments.json);
    }
    let devices: Vec<Device> = backends.iter().map(|backend| backend.device().clone()).collect();
    if !arguments.json {
        say(format!("{} × {}", devices.len(), devices[0].name));
        say(table::HEAD);
    }
    let mut lines = Vec::new();
    for difficulty in &arguments.difficulty {
        let line = measure(&mut backends, *difficulty, arguments.seconds)?;
        if !arguments.json {
            say(&line);
        }
        lines.push(line.json());
    }
    if arguments.json {
        let devices: Vec<_> = devices.iter().map(described).collect();
        say(json!({"backend": arguments.backend.to_possible_value().map(|kind| kind.get_name().to_owned()),
            "devices": devices, "results": lines}));
    }
    Ok(())
}

fn described(device: &Device) -> Value {
    json!({"index": device.index, "name": device.name, "memory_bytes": device.memory_bytes, "bus_id": device.bus_id})
}

fn open(arguments: &Arguments) -> Result<Backends, CliError> {
    let said = |error: &dyn std::error::Error| CliError::Said(error.to_string());
    let backends: Backends = match arguments.backend {
        Kind::Cpu => {
            let threads = arguments.threads.map_or_else(cores, Ok)?;
            let path = arguments.instructions.as_deref().map_or(Ok(Path::fastest()), instructions)?;
            cpu::backends_with(threads, path)
        }
        Kind::Cuda => {
            if let Some(driver) = &arguments.cuda_driver {
                cuda::load_driver(driver).map_err(|error| said(&error))?;
            }
            let gpus = cuda::backends(&arguments.device).map_err(|error| said(&error))?;
            gpus.into_iter().map(|gpu| Box::new(gpu) as Box<dyn Backend + Send>).collect()
        }
        Kind::Simulated => vec![Box::new(Simulated::new(0, 1_000_000))],
    };
    if backends.is_empty() { Err(CliError::Said("there is nothing to measure".into())) } else { Ok(backends) }
}

fn cores() -> Result<usize, CliError> {
    Ok(std::thread::available_parallelism()?.get())
}

fn instructions(name: &str) -> Result<Path, CliError> {
    let paths = Path::available();
    let names: Vec<_> = paths.iter().map(|path| path.name()).collect();
    let wanted = paths.iter().find(|path| path.name().eq_ignore_ascii_case(name));
    wanted.copied().ok_or_else(|| CliError::Said(format!("this CPU has {}", names.join(", "))))
}

/// Rounds that a measurement is cut into: backend and reference take turns, and what else the
/// machine does falls on both.
const ROUNDS: u32 = 4;
/// Share of the time that the reference gets.
const REFERENCE_SHARE: f64 = 0.25;

fn measure(backends: &mut Backends, difficulty: Difficulty, seconds: f64) -> Result<Line, CliError> {
    let time = Duration::from_secs_f64(seconds) / ROUNDS;
    let copied = all(backends, |backend| backend.bandwidth(difficulty))?.into_iter().sum();
    let mut reference = Reference::new();
    let mut compared = Measured::default();
    let mut measured = vec![Measured::default(); backends.len()];
    for _ in 0..ROUNDS {
        let round = all(backends, |backend| bench::measure(backend, difficulty, time))?;
        for (sum, part) in measured.iter_mut().zip(round) {
            *sum = sum.and(part);
        }
        let share = time.mul_f64(REFERENCE_SHARE);
        compared = compared.and(bench::measure_reference(&mut reference, difficulty, share).map_err(failed)?);
    }
    let on_cpu = backends.iter().all(|backend| backend.device().backend == "cpu");
    Ok(Line { difficulty, measured, reference: compared, on_cpu, copied })
}

/// Does something with all backends at once, each on a thread of its own.
fn all<T: Send>(
    backends: &mut Backends,
    work: impl Fn(&mut dyn Backend) -> Result<T, BackendError> + Sync,
) -> Result<Vec<T>, CliError> {
    let results: Result<Vec<T>, BackendError> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            backends.iter_mut().map(|backend| scope.spawn(|| work(backend.as_mut()))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a backend does not panic")).collect()
    });
    results.map_err(failed)
}

fn failed(error: BackendError) -> CliError {
    CliError::Said(error.to_string())
}

/// Blocks of one round, for a second or so of the reference's time.
const ROUND_BLOCKS: u64 = 4 * 1024 * 1024;
const ROUND_HASHES_MAX: u64 = 4096;

/// Difficulties are drawn so that each doubling is as likely as another.
fn verify(backends: &mut Backends, count: u64, json: bool) -> Result<(), CliError> {
    let mut random = rand::make_rng::<rand::rngs::Xoshiro256PlusPlus>();
    let (mut left, mut seen) = (count, Vec::new());
    let threads = cores()?;
    while left > 0 {
        for backend in backends.iter_mut() {
            let exponent = random.random_range(8f64.ln()..100_001f64.ln());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "8 to 100,000")]
            let difficulty = Difficulty::new(exponent.exp() as u32).expect("8 to 100,000 are difficulties");
            let hashes = (ROUND_BLOCKS / u64::from(difficulty.blocks())).clamp(1, ROUND_HASHES_MAX).min(left);
            let wrong = bench::compare(backend.as_mut(), difficulty, hashes, threads).map_err(failed)?;
            if let Some(first) = wrong.first() {
                return Err(CliError::Said(format!(
                    "{}: {} of {hashes} hashes at m = {difficulty} are wrong; key {}, {:?}: {} should be {}",
                    backend.device().name,
                    wrong.len(),
                    first.key,
                    first.salt,
                    first.tag,
                    first.expected
                )));
            }
            seen.push(difficulty.kib());
            left -= hashes;
        }
    }
    let (least, most) = (seen.iter().min(), seen.iter().max());
    if json {
        say(json!({"verified": count, "difficulties": seen.len(), "least": least, "most": most, "wrong": 0}));
    } else {
        let range = format!("{} to {}", least.unwrap_or(&0), most.unwrap_or(&0));
        say(format!(
            "{count} hashes in {} rounds, m = {range}: all are those of the argon2 crate",
            seen.len()
        ));
    }
    Ok(())
}
