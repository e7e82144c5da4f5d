//! The `xenblocks` program.

fn main() {}
