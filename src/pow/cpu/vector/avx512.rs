//! Eight words in one register of AVX-512F; a block is sixteen registers and stays in them.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_loadu_si512, _mm512_mul_epu32, _mm512_permutex_epi64,
    _mm512_permutexvar_epi64, _mm512_ror_epi64, _mm512_set1_epi64, _mm512_setr_epi64, _mm512_shuffle_i64x2,
    _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{Vector, each, mix_four};
use crate::pow::cpu::memory::Block;

/// A register.
#[derive(Clone, Copy)]
pub(in crate::pow::cpu) struct Avx512(__m512i);

// SAFETY of this file: the caller runs on a CPU with AVX-512F, as the parent module says; loads and
// stores stay within slices of eight words.
macro_rules! avx512 {
    ($code:expr) => {
        // SAFETY: the comment above.
        unsafe { $code }
    };
}

impl Vector for Avx512 {
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        Avx512(avx512!(_mm512_set1_epi64(word.cast_signed())))
    }

    #[inline(always)]
    fn load(words: &[u64]) -> Self {
        let words = &words[..8];
        Avx512(avx512!(_mm512_loadu_si512(words.as_ptr().cast())))
    }

    #[inline(always)]
    fn store(self, words: &mut [u64]) {
        let words = &mut words[..8];
        avx512!(_mm512_storeu_si512(words.as_mut_ptr().cast(), self.0));
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Avx512(avx512!(_mm512_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        Avx512(avx512!(_mm512_mul_epu32(self.0, other.0)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Avx512(avx512!(_mm512_xor_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn rotate<const BITS: i32>(self) -> Self {
        Avx512(avx512!(_mm512_ror_epi64::<BITS>(self.0)))
    }

    /// A block is a matrix of 8 × 16 words, which are mixed by rows, then by pairs of columns.
    /// Register 4·p + q has four words of row 2·p and the same four of row 2·p + 1, and blocks in
    /// memory are kept like that. Then four registers p are two rows and four registers q two pairs
    /// of columns, and no words have to change places between the two.
    #[inline(always)]
    fn compress(previous: &Block, reference: &Block, out: &mut Block) {
        let input = |register: usize| {
            let at = 8 * register;
            (Avx512::load(&previous.0[at..]), Avx512::load(&reference.0[at..]))
        };
        let start = |register| {
            let (previous, reference) = input(register);
            previous.xor(reference)
        };
        let rows = each!([0 1 2 3], q => each!([0 1 2 3], p => start(4 * p + q)));
        let rows = turn_rows::<LEFT, RIGHT>(mix_four(turn_rows::<RIGHT, LEFT>(mix_four(rows))));
        let columns = each!([0 1 2 3], p => each!([0 1 2 3], q => rows[q][p]));
        let (left, right) = column_turns();
        let columns = turn_columns(mix_four(columns), right, left);
        let columns = turn_columns(mix_four(columns), left, right);
        let mut finish = |p: usize, q: usize| {
            let (previous, reference) = input(4 * p + q);
            columns[p][q].xor3(previous, reference).store(&mut out.0[8 * (4 * p + q)..]);
        };
        each!([0 1 2 3], p => each!([0 1 2 3], q => finish(p, q)));
    }

    #[inline(always)]
    fn place(quad: usize) -> usize {
        let (row, quarter) = (quad / 4, quad % 4);
        8 * (4 * (row / 2) + quarter) + 4 * (row % 2)
    }
}

/// In each half, word 3 takes the place of word 0;
const RIGHT: i32 = 0b10_01_00_11;
/// word 1 does;
const LEFT: i32 = 0b00_11_10_01;
/// word 2 does.
const HALF_WAY: i32 = 0b01_00_11_10;

/// a, b, c and d of BLAKE2b's page, each of four groups.
type Groups = [[Avx512; 4]; 4];

/// Makes columns of diagonals, or back. Of a, b, c and d it is b that is finished last, so b stays
/// and the others turn about it.
#[inline(always)]
fn turn_rows<const A: i32, const C: i32>([a, b, c, d]: Groups) -> Groups {
    [
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_permutex_epi64::<A>(a[k].0)))),
        b,
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_permutex_epi64::<C>(c[k].0)))),
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_permutex_epi64::<HALF_WAY>(d[k].0)))),
    ]
}

/// The same turns where a column's words lie in the places 0, 1, 4, 5 and another's in 2, 3, 6, 7.
#[inline(always)]
fn column_turns() -> (Avx512, Avx512) {
    let left = avx512!(_mm512_setr_epi64(1, 4, 3, 6, 5, 0, 7, 2));
    let right = avx512!(_mm512_setr_epi64(5, 0, 7, 2, 1, 4, 3, 6));
    (Avx512(left), Avx512(right))
}

#[inline(always)]
fn turn_columns([a, b, c, d]: Groups, a_turn: Avx512, c_turn: Avx512) -> Groups {
    [
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_permutexvar_epi64(a_turn.0, a[k].0)))),
        b,
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_permutexvar_epi64(c_turn.0, c[k].0)))),
        each!([0 1 2 3], k => Avx512(avx512!(_mm512_shuffle_i64x2::<HALF_WAY>(d[k].0, d[k].0)))),
    ]
}

impl Avx512 {
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        const XOR_OF_THREE: i32 = 0x96;
        Avx512(avx512!(_mm512_ternarylogic_epi64::<XOR_OF_THREE>(self.0, second.0, third.0)))
    }
}
