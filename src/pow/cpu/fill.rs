//! Filling a hash's memory: where all the time goes.

use super::memory::Block;
use super::vector::Vector;
use crate::pow::references::{References, reference};

/// Fills the memory of `K` hashes from their first two blocks on. Which block comes next into play
/// is known only when the block before it is done; while it comes from memory, the other hashes go
/// on.
#[inline(always)]
pub(super) fn fill<V: Vector, const K: usize>(memories: [&mut [Block]; K], references: &References) {
    let blocks = references.blocks();
    let table = references.table();
    let mut next = [table[2]; K];
    let mut memories = memories.map(|memory| &mut memory[..blocks as usize]);
    for index in 2..blocks {
        for (memory, next) in memories.iter_mut().zip(&mut next) {
            let (done, rest) = memory.split_at_mut(index as usize);
            let out = &mut rest[0];
            V::compress(&done[index as usize - 1], &done[*next as usize], out);
            if index + 1 < blocks {
                *next = match table.get(index as usize + 1) {
                    Some(known) => *known,
                    None => reference(index + 1, out.0[0]),
                };
                prefetch(&memory[*next as usize]);
            }
        }
    }
}

/// Asks for a block that is needed soon.
#[inline(always)]
fn prefetch(block: &Block) {
    #[cfg(target_arch = "x86_64")]
    for words in block.0.chunks_exact(8) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 CPU has SSE; prefetching reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(words.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = block;
}
