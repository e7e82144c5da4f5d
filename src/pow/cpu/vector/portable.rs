//! Four words in an array: for every CPU, and the compiler makes of it what that CPU has.

use std::array;

use super::Vector;
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
        let input = |word: usize| previous.0[word] ^ reference.0[word];
        for row in 0..8 {
            let mut words = array::from_fn(|word| input(16 * row + word));
            permute(&mut words);
            out.0[16 * row..16 * (row + 1)].copy_from_slice(&words);
        }
        for pair in 0..8 {
            let at = |word: usize| 16 * (word / 2) + 2 * pair + word % 2;
            let mut words = array::from_fn(|word| out.0[at(word)]);
            permute(&mut words);
            for (word, value) in words.into_iter().enumerate() {
                out.0[at(word)] = value ^ input(at(word));
            }
        }
    }

    #[inline(always)]
    fn place(quad: usize) -> usize {
        4 * quad
    }
}

/// P of Argon2: eight Gs on a matrix of 4 × 4 words, down its columns, then down its diagonals.
#[inline(always)]
fn permute(v: &mut [u64; 16]) {
    for column in 0..4 {
        mix(v, [column, 4 + column, 8 + column, 12 + column]);
    }
    for column in 0..4 {
        let next = |by: usize| (column + by) % 4;
        mix(v, [column, 4 + next(1), 8 + next(2), 12 + next(3)]);
    }
}

#[inline(always)]
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4]) {
    v[a] = blamka(v[a], v[b]);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = blamka(v[c], v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(24);
    v[a] = blamka(v[a], v[b]);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = blamka(v[c], v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(63);
}

#[inline(always)]
fn blamka(a: u64, b: u64) -> u64 {
    let product = (a & LOW).wrapping_mul(b & LOW);
    a.wrapping_add(b).wrapping_add(product << 1)
}
