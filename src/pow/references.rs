//! Which block each block of a hash's first half refers to: the same for all hashes of a difficulty.

use super::Difficulty;
use super::cpu::memory::{BLOCK_WORDS, Block};
use super::cpu::vector::{Portable, Vector};

const ARGON2ID: u64 = 2;
const PASSES: u64 = 1;

/// The references of one difficulty's first two slices.
#[derive(Clone, Debug, Default)]
pub struct References {
    blocks: u32,
    table: Vec<u32>,
}

impl References {
    /// Computes them: about a thousandth of the work of one hash.
    pub fn new(difficulty: Difficulty) -> Self {
        let slice_blocks = difficulty.blocks() / 4;
        let blocks = slice_blocks * 4;
        let mut table = Vec::new();
        for slice in 0..2 {
            for first in (0..slice_blocks).step_by(BLOCK_WORDS) {
                let counter = u64::from(first) / BLOCK_WORDS as u64 + 1;
                let words = addresses(slice, u64::from(blocks), counter);
                for (word, index) in words.into_iter().zip(first..slice_blocks) {
                    let block = u32::try_from(slice).expect("0 or 1") * slice_blocks + index;
                    table.push(if block < 2 { 0 } else { reference(block, word) });
                }
            }
        }
        References { blocks, table }
    }

    /// Blocks of one hash.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// For each block of the first half the block that it refers to; the first two refer to none.
    pub fn table(&self) -> &[u32] {
        &self.table
    }
}

/// The block that block `index`, 2 or more, refers to when `word` is its pseudo-random word.
#[inline]
pub(super) fn reference(index: u32, word: u64) -> u32 {
    let (random, area) = (word & 0xffff_ffff, u64::from(index) - 1);
    let back = (area * ((random * random) >> 32)) >> 32;
    #[expect(clippy::cast_possible_truncation, reason = "less than the area, which is less than the index")]
    let reference = (area - 1 - back) as u32;
    reference
}

/// One block of pseudo-random words for a slice of the first pass in the only lane.
fn addresses(slice: u64, blocks: u64, counter: u64) -> [u64; BLOCK_WORDS] {
    let mut input = Block::ZERO;
    let (pass, lane) = (0, 0);
    input.0[..7].copy_from_slice(&[pass, lane, slice, blocks, PASSES, ARGON2ID, counter]);
    let (mut once, mut twice) = (Block::ZERO, Block::ZERO);
    Portable::compress(&Block::ZERO, &input, &mut once);
    Portable::compress(&Block::ZERO, &once, &mut twice);
    twice.0
}
