//! Measuring backends, and comparing what they compute with the reference.

use std::time::{Duration, Instant};

use super::{Backend, BackendError, Difficulty, Job, Keys, Marker, Reference, Salt, Tag};
use crate::base::thread::cpu_time;

/// Bytes that each block of a hash moves: the one that it refers to is read, itself is written. The
/// block before it is still at hand.
pub const BLOCK_BYTES_MOVED: u64 = 2048;

/// How much was hashed in how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Hashes.
    pub hashes: u64,
    /// By the clock.
    pub time: Duration,
    /// Of the thread that hashed or fed the device; on a busy machine less than by the clock.
    pub cpu_time: Duration,
}

impl Measured {
    /// Hashes per second by the clock.
    pub fn rate(&self) -> f64 {
        per_second(self.hashes, self.time)
    }

    /// Hashes per second of CPU time.
    pub fn cpu_rate(&self) -> f64 {
        per_second(self.hashes, self.cpu_time)
    }

    /// Both together, one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Measured {
            hashes: self.hashes + other.hashes,
            time: self.time + other.time,
            cpu_time: self.cpu_time + other.cpu_time,
        }
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// Mines for nobody for about `time`, after it has warmed up.
pub fn measure(
    backend: &mut dyn Backend,
    difficulty: Difficulty,
    time: Duration,
) -> Result<Measured, BackendError> {
    let job = Job { salt: Salt::Account([0; 20]), prefix: None, difficulty, marker: Marker::default() };
    let mut keys = Keys::new(None);
    backend.warm_up(&job, &mut keys)?;
    timed(time, |go_on| {
        let mut hashes = 0;
        while go_on() {
            hashes += backend.search(&job, &mut keys, &mut drop)?;
        }
        Ok(hashes + backend.finish(&mut drop)?)
    })
}

/// The same with the `argon2` crate.
pub fn measure_reference(
    reference: &mut Reference,
    difficulty: Difficulty,
    time: Duration,
) -> Result<Measured, BackendError> {
    let keys = Keys::new(None).take(u64::MAX);
    timed(time, |go_on| {
        let mut hashes = 0;
        while go_on() {
            reference.hash(&keys.digits(hashes), &Salt::Account([0; 20]), difficulty);
            hashes += 1;
        }
        Ok(hashes)
    })
}

fn timed(
    time: Duration,
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<u64, BackendError>,
) -> Result<Measured, BackendError> {
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let hashes = work(&|| start.elapsed() < time)?;
    Ok(Measured { hashes, time: start.elapsed(), cpu_time: cpu_time().saturating_sub(cpu_start) })
}

/// A hash that is not what the reference computes.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Its key.
    pub key: String,
    /// Its salt.
    pub salt: Salt,
    /// Its memory.
    pub difficulty: Difficulty,
    /// What the backend says.
    pub tag: Tag,
    /// What the reference says.
    pub expected: Tag,
}

/// Hashes `count` random keys for a random account and returns those that differ from what the
/// `argon2` crate makes of them on `threads` threads.
pub fn compare(
    backend: &mut dyn Backend,
    difficulty: Difficulty,
    count: u64,
    threads: usize,
) -> Result<Vec<Wrong>, BackendError> {
    let mut account = [0; 20];
    getrandom::fill(&mut account).expect("the system gives random bytes");
    let salt = Salt::Account(account);
    let keys = Keys::new(None).take(count);
    let tags = backend.tags(&salt, difficulty, &keys)?;
    if tags.len() as u64 != count {
        return Err(BackendError(format!("{} tags for {count} keys", tags.len())));
    }
    let numbered: Vec<(u64, Tag)> = (0..).zip(tags).collect();
    let check = |part: &[(u64, Tag)]| {
        let mut reference = Reference::new();
        let differs = |&(index, tag): &(u64, Tag)| {
            let expected = reference.hash(&keys.digits(index), &salt, difficulty);
            let key = keys.key(index).as_str().to_owned();
            (tag != expected).then_some(Wrong { key, salt, difficulty, tag, expected })
        };
        part.iter().filter_map(differs).collect::<Vec<_>>()
    };
    let share = numbered.len().div_ceil(threads.max(1)).max(1);
    Ok(std::thread::scope(|scope| {
        let parts: Vec<_> = numbered.chunks(share).map(|part| scope.spawn(move || check(part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("comparing does not panic")).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::cpu::Cpu;
    use crate::pow::simulated::Simulated;

    #[test]
    fn a_backend_is_compared_hash_by_hash() {
        let difficulty = Difficulty::new(11).unwrap();
        assert!(compare(&mut Cpu::new(0), difficulty, 21, 2).unwrap().is_empty());
        let wrong = compare(&mut Simulated::new(0, 1), difficulty, 21, 2).unwrap();
        assert_eq!(wrong.len(), 21);
        assert_eq!(
            wrong[0].expected,
            Reference::new().hash(wrong[0].key.as_bytes(), &wrong[0].salt, difficulty)
        );
    }

    #[test]
    fn what_is_measured_took_time() {
        let time = Duration::from_millis(20);
        let measured = measure(&mut Cpu::new(0), Difficulty::MIN, time).unwrap();
        assert!(measured.hashes > 0 && measured.time >= time && !measured.cpu_time.is_zero());
        assert_eq!(measured.and(measured).hashes, 2 * measured.hashes);
    }
}
