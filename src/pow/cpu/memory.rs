//! The memory that a hash fills.

use std::alloc::{self, Layout};
use std::ptr::NonNull;
use std::slice;

/// Words of a block.
pub(in crate::pow) const BLOCK_WORDS: usize = 128;

/// 1 KiB, in the order of words that the vectors in use like.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::pow) struct Block(pub(in crate::pow) [u64; BLOCK_WORDS]);

impl Block {
    pub(in crate::pow) const ZERO: Block = Block([0; BLOCK_WORDS]);
}

const BLOCK_BYTES: usize = size_of::<Block>();
/// A huge page of x86-64; elsewhere only an alignment.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Blocks on huge pages where the system gives them: a hash reads all over its memory, and with
/// small pages it would wait for the page table as well.
pub(super) struct Memory {
    blocks: NonNull<Block>,
    count: usize,
}

// SAFETY: the blocks are plain words that this value alone owns.
unsafe impl Send for Memory {}

impl Memory {
    /// None.
    pub(super) const fn empty() -> Self {
        Memory { blocks: NonNull::dangling(), count: 0 }
    }

    /// Blocks held.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// At least `count` blocks, whose content is anything. Those held are given back first when
    /// they are too few. Aborts like any allocation when there is no memory.
    pub(super) fn at_least(&mut self, count: usize) -> &mut [Block] {
        if self.count < count {
            *self = Memory::empty();
            *self = Memory::new(count);
        }
        // SAFETY: `new` made `self.count` initialised blocks there; none are needed for no blocks.
        unsafe { slice::from_raw_parts_mut(self.blocks.as_ptr(), self.count) }
    }

    fn new(count: usize) -> Self {
        let layout = layout(count);
        let count = layout.size() / BLOCK_BYTES;
        // SAFETY: the size is not zero, `at_least` asks for more than nothing.
        let bytes = unsafe { alloc::alloc(layout) };
        #[expect(clippy::cast_ptr_alignment, reason = "the layout's alignment is at least a block's")]
        let Some(blocks) = NonNull::new(bytes.cast::<Block>()) else { alloc::handle_alloc_error(layout) };
        if layout.align() == HUGE_PAGE_BYTES {
            ask_for_huge_pages(bytes, layout.size());
        }
        // SAFETY: that many blocks were allocated; zero bytes are valid words.
        unsafe { blocks.write_bytes(0, count) };
        Memory { blocks, count }
    }
}

/// Whole huge pages, unless it is less than one.
fn layout(count: usize) -> Layout {
    let bytes = count * BLOCK_BYTES;
    let (bytes, align) = if bytes < HUGE_PAGE_BYTES {
        (bytes, align_of::<Block>())
    } else {
        (bytes.next_multiple_of(HUGE_PAGE_BYTES), HUGE_PAGE_BYTES)
    };
    Layout::from_size_align(bytes, align).expect("a difficulty's memory is far below half the address space")
}

#[cfg(target_os = "linux")]
fn ask_for_huge_pages(start: *mut u8, bytes: usize) {
    // SAFETY: the range was just allocated, starts at a page and ends at one; the advice changes
    // no content. Refused, it leaves small pages, which only takes longer.
    let _ = unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_start: *mut u8, _bytes: usize) {}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.count > 0 {
            // SAFETY: `new` allocated it with this layout, which its own count gives again.
            unsafe { alloc::dealloc(self.blocks.as_ptr().cast(), layout(self.count)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_is_aligned_and_can_be_written_to_its_ends() {
        let mut memory = Memory::empty();
        assert_eq!(memory.at_least(0).len(), 0);
        for count in [1, 8, 7, 2047, 2048, 2049, 5000, 16] {
            let blocks = memory.at_least(count);
            assert!(blocks.len() >= count);
            assert!(blocks.as_ptr().is_aligned());
            for block in [0, blocks.len() - 1] {
                blocks[block] = Block([7; BLOCK_WORDS]);
                assert_eq!(blocks[block].0[BLOCK_WORDS - 1], 7);
            }
        }
        assert_eq!(memory.count(), 6144, "whole huge pages");
    }
}
