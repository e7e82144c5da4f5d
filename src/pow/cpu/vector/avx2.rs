//! Four words in one register of AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_or_si256,
    _mm256_permute4x64_epi64, _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_shuffle_epi8,
    _mm256_shuffle_epi32, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::Vector;
use super::quads::{self, Quad};
use crate::pow::cpu::memory::Block;

/// A register.
#[derive(Clone, Copy)]
pub(in crate::pow::cpu) struct Avx2(__m256i);

// SAFETY of this file: the caller runs on a CPU with AVX2, as the parent module says; loads and
// stores stay within slices of four words.
macro_rules! avx2 {
    ($code:expr) => {
        // SAFETY: the comment above.
        unsafe { $code }
    };
}

impl Vector for Avx2 {
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        Avx2(avx2!(_mm256_set1_epi64x(word.cast_signed())))
    }

    #[inline(always)]
    fn load(words: &[u64]) -> Self {
        let words = &words[..4];
        Avx2(avx2!(_mm256_loadu_si256(words.as_ptr().cast())))
    }

    #[inline(always)]
    fn store(self, words: &mut [u64]) {
        let words = &mut words[..4];
        avx2!(_mm256_storeu_si256(words.as_mut_ptr().cast(), self.0));
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Avx2(avx2!(_mm256_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        Avx2(avx2!(_mm256_mul_epu32(self.0, other.0)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Avx2(avx2!(_mm256_xor_si256(self.0, other.0)))
    }

    /// By 32, 24, 16 or 63: whole bytes are moved, the last is a shift left by one.
    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        Avx2(match BITS {
            32 => avx2!(_mm256_shuffle_epi32::<0b10_11_00_01>(self.0)),
            24 => avx2!(_mm256_shuffle_epi8(self.0, bytes_right(3))),
            16 => avx2!(_mm256_shuffle_epi8(self.0, bytes_right(2))),
            63 => avx2!(_mm256_or_si256(_mm256_srli_epi64::<63>(self.0), _mm256_add_epi64(self.0, self.0))),
            _ => unreachable!("BLAKE2b rotates by 32, 24, 16 and 63"),
        })
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

impl Quad for Avx2 {
    #[inline(always)]
    fn left(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b00_11_10_01>(self.0)))
    }

    #[inline(always)]
    fn right(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b10_01_00_11>(self.0)))
    }

    #[inline(always)]
    fn half_way(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b01_00_11_10>(self.0)))
    }

    #[inline(always)]
    fn across(self, next: Self) -> Self {
        Avx2(avx2!(_mm256_alignr_epi8::<8>(next.0, self.0)))
    }
}

/// Byte `count` takes the place of byte 0 in each word.
#[inline(always)]
fn bytes_right(count: i8) -> __m256i {
    let b = |byte: i8| (byte + count) % 8;
    let c = |byte: i8| b(byte) + 8;
    avx2!(_mm256_setr_epi8(
        b(0),
        b(1),
        b(2),
        b(3),
        b(4),
        b(5),
        b(6),
        b(7),
        c(0),
        c(1),
        c(2),
        c(3),
        c(4),
        c(5),
        c(6),
        c(7),
        b(0),
        b(1),
        b(2),
        b(3),
        b(4),
        b(5),
        b(6),
        b(7),
        c(0),
        c(1),
        c(2),
        c(3),
        c(4),
        c(5),
        c(6),
        c(7),
    ))
}
