//! Four words in one register of AVX2.

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_or_si256,
    _mm256_permute4x64_epi64, _mm256_set1_epi64x, _mm256_shuffle_epi32, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_xor_si256,
};

use super::{Vector, each, mix_four};
use crate::pow::cpu::memory::Block;

/// A register.
#[derive(Clone, Copy)]
pub(in crate::pow::cpu) struct Avx2(__m256i);

// SAFETY of this file: the caller runs on a CPU with AVX2, as the parent module says; loads and
// stores stay within slices of four words; the assembly reads an `Order` and nothing else.
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
            24 => avx2!(three_bytes_right(self.0)),
            16 => avx2!(two_bytes_right(self.0)),
            63 => avx2!(_mm256_or_si256(_mm256_srli_epi64::<63>(self.0), _mm256_add_epi64(self.0, self.0))),
            _ => unreachable!("BLAKE2b rotates by 32, 24, 16 and 63"),
        })
    }

    /// A block is a matrix of 8 × 16 words, which are mixed by rows, then by pairs of columns; words
    /// lie in their own order. `out` holds what comes between the two: there are not registers
    /// enough for a block.
    #[inline(always)]
    fn compress(previous: &Block, reference: &Block, out: &mut Block) {
        let input = |at: usize| Avx2::load(&previous.0[at..]).xor(Avx2::load(&reference.0[at..]));
        for rows in 0..2 {
            let at = |row, quarter| 16 * (4 * rows + row) + 4 * quarter;
            let state = each!([0 1 2 3], quarter => each!([0 1 2 3], row => input(at(row, quarter))));
            let state = mix_rows(state);
            each!([0 1 2 3], quarter => each!([0 1 2 3], row => {
                state[quarter][row].store(&mut out.0[at(row, quarter)..]);
            }));
        }
        for half in 0..2 {
            // Groups 0 and 1 are the pair of rows in one quarter, 2 and 3 in the next.
            let at = |pair, group| 16 * (2 * pair + group % 2) + 8 * half + 4 * (group / 2);
            let state =
                each!([0 1 2 3], pair => each!([0 1 2 3], group => Avx2::load(&out.0[at(pair, group)..])));
            let state = mix_columns(state);
            each!([0 1 2 3], pair => each!([0 1 2 3], group => {
                let at = at(pair, group);
                state[pair][group].xor(input(at)).store(&mut out.0[at..]);
            }));
        }
    }

    #[inline(always)]
    fn place(quad: usize) -> usize {
        4 * quad
    }
}

/// a, b, c and d of BLAKE2b's page, each of four groups. There are not registers enough for these
/// either, and yet four hide more of each other's latency than two.
type Groups = [[Avx2; 4]; 4];

/// Columns, then diagonals; b, which is finished last, stays, and the others turn about it.
#[inline(always)]
fn mix_rows(state: Groups) -> Groups {
    let [a, b, c, d] = mix_four(state);
    let turned = [a.map(Avx2::right), b, c.map(Avx2::left), d.map(Avx2::half_way)];
    let [a, b, c, d] = mix_four(turned);
    [a.map(Avx2::left), b, c.map(Avx2::right), d.map(Avx2::half_way)]
}

/// Four pairs of columns, two in each quarter. Their a is in rows 0 and 1, their b in 2 and 3, and so on.
#[inline(always)]
fn mix_columns(state: Groups) -> Groups {
    let [a, b, c, d] = mix_four(state);
    let [a, b, c, d] = mix_four([turn_back(a), b, turn(c), swap(d)]);
    [turn(a), b, turn_back(c), swap(d)]
}

/// In two pairs of rows, each column's second word takes the place of its first.
#[inline(always)]
fn turn([a, b, c, d]: [Avx2; 4]) -> [Avx2; 4] {
    [a.across(b), b.across(a), c.across(d), d.across(c)]
}

/// Each column's last word takes the place of its first.
#[inline(always)]
fn turn_back([a, b, c, d]: [Avx2; 4]) -> [Avx2; 4] {
    [b.across(a), a.across(b), d.across(c), c.across(d)]
}

/// Each column's third word takes the place of its first.
#[inline(always)]
fn swap([a, b, c, d]: [Avx2; 4]) -> [Avx2; 4] {
    [b, a, d, c]
}

impl Avx2 {
    /// Word 1 takes the place of word 0.
    #[inline(always)]
    fn left(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b00_11_10_01>(self.0)))
    }

    /// Word 3 takes the place of word 0.
    #[inline(always)]
    fn right(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b10_01_00_11>(self.0)))
    }

    /// Word 2 takes the place of word 0.
    #[inline(always)]
    fn half_way(self) -> Self {
        Avx2(avx2!(_mm256_permute4x64_epi64::<0b01_00_11_10>(self.0)))
    }

    /// In each half of two words: the second of this one, then the first of the next one.
    #[inline(always)]
    fn across(self, next: Self) -> Self {
        Avx2(avx2!(_mm256_alignr_epi8::<8>(next.0, self.0)))
    }
}

/// Which byte takes each byte's place: the instruction counts within each sixteen bytes.
#[repr(align(32))]
struct Order(#[expect(dead_code, reason = "the assembly reads it")] [[u8; 16]; 2]);

static THREE_BYTES_RIGHT: Order = Order([[3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10]; 2]);
static TWO_BYTES_RIGHT: Order = Order([[2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9]; 2]);

macro_rules! define_bytes_right {
    ($name:ident, $order:ident) => {
        /// One instruction, named here: of the intrinsic, whose order it knows, the compiler makes two.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name(words: __m256i) -> __m256i {
            let turned;
            avx2!(asm!(
                "vpshufb {}, {}, ymmword ptr [rip + {}]",
                lateout(ymm_reg) turned,
                in(ymm_reg) words,
                sym $order,
                options(pure, readonly, nostack, preserves_flags),
            ));
            turned
        }
    };
}

define_bytes_right!(three_bytes_right, THREE_BYTES_RIGHT);
define_bytes_right!(two_bytes_right, TWO_BYTES_RIGHT);
