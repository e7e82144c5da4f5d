//! Words side by side: what the instruction sets have in common, so that hashing is written once.
//!
//! A type of an instruction set may only be touched by code that runs where the CPU has that set.
//! [`Path`](super::Path) is the one place that sees to it: everything here is inlined into functions
//! that are compiled for the set, and those are called on CPUs that have it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

pub(in crate::pow) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use {avx2::Avx2, avx512::Avx512};

use super::memory::Block;

/// The most words that any vector has side by side.
pub(super) const LANES_MAX: usize = 8;

/// Words of 64 bits side by side, and the compression of Argon2 as it suits them.
pub(in crate::pow) trait Vector: Copy {
    /// How many words, at most [`LANES_MAX`]: BLAKE2b does as many inputs at once.
    const LANES: usize;

    /// The same word everywhere.
    fn splat(word: u64) -> Self;
    /// The first [`Vector::LANES`] words.
    fn load(words: &[u64]) -> Self;
    /// Into the first [`Vector::LANES`] words.
    fn store(self, words: &mut [u64]);
    /// Sums without carry from word to word.
    fn add(self, other: Self) -> Self;
    /// Products of the low halves.
    fn multiply_low(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Rotates each word right.
    fn rotate<const BITS: i32>(self) -> Self;

    /// `out` = G(`previous` ^ `reference`), on blocks whose words lie as this vector likes them.
    fn compress(previous: &Block, reference: &Block, out: &mut Block);

    /// Where words 4·`quad` to 4·`quad` + 3 of a block lie, next to each other. Word 0 lies first.
    fn place(quad: usize) -> usize;
}

/// `a` + `b` + 2 · low(`a`) · low(`b`): what Argon2 has in place of BLAKE2b's addition.
#[inline(always)]
fn blamka<V: Vector>(a: V, b: V) -> V {
    let product = a.multiply_low(b);
    a.add(b).add(product.add(product))
}

/// `[f(0), f(1), ...]` without a loop: state that a loop runs over does not stay in registers.
macro_rules! each {
    ([$($index:literal)+], $name:ident => $value:expr) => {
        [$({
            let $name: usize = $index;
            $value
        }),+]
    };
}
pub(super) use each;

/// Four Gs of Argon2, step by step, so that they hide each other's latency.
#[inline(always)]
fn mix_four<V: Vector>([mut a, mut b, mut c, mut d]: [[V; 4]; 4]) -> [[V; 4]; 4] {
    a = each!([0 1 2 3], k => blamka(a[k], b[k]));
    d = each!([0 1 2 3], k => d[k].xor(a[k]).rotate::<32>());
    c = each!([0 1 2 3], k => blamka(c[k], d[k]));
    b = each!([0 1 2 3], k => b[k].xor(c[k]).rotate::<24>());
    a = each!([0 1 2 3], k => blamka(a[k], b[k]));
    d = each!([0 1 2 3], k => d[k].xor(a[k]).rotate::<16>());
    c = each!([0 1 2 3], k => blamka(c[k], d[k]));
    b = each!([0 1 2 3], k => b[k].xor(c[k]).rotate::<63>());
    [a, b, c, d]
}
