//! Memory that the process has freed and still holds.

/// Gives freed memory back to the system. glibc keeps what lies between pieces still in use: after
/// a thousand clients have come and gone several times that is more than all of them need.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number of bytes to keep and touches nothing but the allocator's own state.
    unsafe {
        libc::malloc_trim(0);
    }
}
