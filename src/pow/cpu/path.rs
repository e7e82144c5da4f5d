//! Which instructions hash: chosen when the program runs.

use std::fmt;

use super::batch::{self, Batch};
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{Portable, Vector};

/// A way to hash on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path(Set);

/// Private, so that a [`Path`] is only ever made of what the CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Path {
    /// Those that this CPU has, the fastest first.
    pub fn available() -> Vec<Path> {
        let mut paths = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                paths.push(Path(Set::Avx512));
            }
            if is_x86_feature_detected!("avx2") {
                paths.push(Path(Set::Avx2));
            }
        }
        paths.push(Path(Set::Portable));
        paths
    }

    /// The fastest that this CPU has.
    pub fn fastest() -> Path {
        Path::available()[0]
    }

    /// How it is called: `AVX-512`, `AVX2` or `portable`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            Set::Portable => "portable",
        }
    }

    /// How many keys it takes in one batch.
    pub(super) const fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => Avx2::LANES,
            Set::Portable => Portable::LANES,
        }
    }

    pub(super) fn hash(self, batch: Batch<'_>) {
        match self.0 {
            // SAFETY: only `available` makes this path, on a CPU that has the instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { hash_with_avx512(batch) },
            // SAFETY: the same.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { hash_with_avx2(batch) },
            Set::Portable => batch::hash::<Portable>(batch),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn hash_with_avx512(batch: Batch<'_>) {
    batch::hash::<Avx512>(batch);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn hash_with_avx2(batch: Batch<'_>) {
    batch::hash::<Avx2>(batch);
}
