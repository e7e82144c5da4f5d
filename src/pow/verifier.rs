//! Recomputing strangers' hashes without letting them have the machine.

use crossbeam_channel::{Receiver, Sender, bounded};
use thiserror::Error;

use super::{Hasher, Phc};
use crate::base::BlockKey;
use crate::base::limits::{VERIFIER_KEPT_KIB, VERIFIER_WAIT_MAX, VERIFIERS};

/// A few hashers shared by all threads that verify. Memory is bounded by their number times the
/// largest difficulty; who finds all of them busy waits, and after a while is told so.
#[derive(Clone)]
pub struct Verifier {
    idle: Receiver<Hasher>,
    back: Sender<Hasher>,
}

/// Every hasher stayed busy for as long as one may wait; the block is to be sent again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("Too many hashes are being verified, try again")]
pub struct Busy;

impl Verifier {
    /// With [`VERIFIERS`] hashers.
    pub fn new() -> Self {
        let (back, idle) = bounded(VERIFIERS);
        for _ in 0..VERIFIERS {
            back.send(Hasher::new()).expect("the receiver is in this function");
        }
        Verifier { idle, back }
    }

    /// Whether `key` gives this hash. Takes about 1 ms of CPU per 2 MiB of the hash's memory.
    pub fn verify(&self, phc: &Phc, key: &BlockKey) -> Result<bool, Busy> {
        // Disconnected is impossible: this verifier holds a sender.
        let mut hasher = self.idle.recv_timeout(VERIFIER_WAIT_MAX).map_err(|_| Busy)?;
        let verified = phc.verify(key, &mut hasher);
        hasher.shrink(VERIFIER_KEPT_KIB);
        // Never full: there is one place for every hasher.
        let _ = self.back.try_send(hasher);
        Ok(verified)
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Verifier::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::{Difficulty, Salt};

    #[test]
    fn many_threads_share_a_few_hashers() {
        let verifier = Verifier::new();
        let key: BlockKey = "0123456789abcdef".repeat(4).parse().unwrap();
        let other: BlockKey = "1".repeat(64).parse().unwrap();
        let phc = Phc::compute(&key, Salt::Old, Difficulty::new(64).unwrap(), &mut Hasher::new());
        std::thread::scope(|scope| {
            for _ in 0..4 * VERIFIERS {
                scope.spawn(|| {
                    assert_eq!(verifier.verify(&phc, &key), Ok(true));
                    assert_eq!(verifier.verify(&phc, &other), Ok(false));
                });
            }
        });
        assert_eq!(verifier.idle.len(), VERIFIERS, "every hasher came back");
    }

    #[test]
    fn who_finds_all_hashers_busy_for_too_long_is_told_so() {
        let verifier = Verifier::new();
        let key: BlockKey = "0123456789abcdef".repeat(4).parse().unwrap();
        let phc = Phc::compute(&key, Salt::Old, Difficulty::new(8).unwrap(), &mut Hasher::new());
        let busy: Vec<Hasher> = verifier.idle.try_iter().collect();
        let started = std::time::Instant::now();
        assert_eq!(verifier.verify(&phc, &key), Err(Busy));
        assert!(started.elapsed() >= VERIFIER_WAIT_MAX);
        for hasher in busy {
            verifier.back.send(hasher).unwrap();
        }
        assert_eq!(verifier.verify(&phc, &key), Ok(true));
    }
}
