//! Four words in an array: for every CPU, and the compiler makes of it what that CPU has.

use std::array;

use super::Vector;
use super::quads::{self, Quad};
use crate::pow::cpu::memory::Block;

/// The words.
#[derive(Clone, Copy)]
pub(in crate::pow) struct Portable([u64; 4]);

const LOW: u64 = 0xffff_ffff;

impl Vector for Portable {
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        Portable([word; 4])
    }

    #[inline(always)]
    fn load(words: &[u64]) -> Self {
        Portable(array::from_fn(|lane| words[lane]))
    }

    #[inline(always)]
    fn store(self, words: &mut [u64]) {
        words[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Portable(array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        Portable(array::from_fn(|lane| (self.0[lane] & LOW).wrapping_mul(other.0[lane] & LOW)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Portable(array::from_fn(|lane| self.0[lane] ^ other.0[lane]))
    }

    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        Portable(self.0.map(|word| word.rotate_right(BITS.cast_unsigned())))
    }

    #[inline(always)]
    fn compress(previous: &Block, reference: &Block, out: &mut Block) {
        quads::compress::<Self>(previous, reference, out);
    }

    #[inline(always)]
    fn place(quad: usize) -> usize {
        4 * quad
    }
}

impl Quad for Portable {
    #[inline(always)]
    fn left(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([b, c, d, a])
    }

    #[inline(always)]
    fn right(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([d, a, b, c])
    }

    #[inline(always)]
    fn half_way(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([c, d, a, b])
    }

    #[inline(always)]
    fn across(self, next: Self) -> Self {
        let ([_, b, _, d], [e, _, g, _]) = (self.0, next.0);
        Portable([b, e, d, g])
    }
}
