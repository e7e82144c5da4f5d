//! What the kernels are told.

use crate::pow::{Difficulty, KeyRun, Marker, Salt};

/// Hashes of a launch are a multiple of this: lanes of a warp.
pub(super) const LANES: u32 = 32;
/// Bytes of a block of Argon2's memory.
pub(super) const BLOCK_BYTES: usize = 1024;
/// Bytes of a tag.
pub(super) const TAG_BYTES: usize = 64;

const INPUT_BYTES: usize = 128;
const KEY_BYTES: u32 = 64;
const VERSION: u32 = 0x13;
const ARGON2ID: u32 = 2;

/// The argument of every kernel, as cuda/batch.h has it. Addresses are the device's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Batch {
    pub(super) references: u64,
    pub(super) memory: u64,
    pub(super) ends: u64,
    pub(super) hits: u64,
    /// 0: nobody wants the tags.
    pub(super) tags: u64,
    pub(super) counter: u64,
    marker_high: u64,
    marker_low: u64,
    pub(super) hashes: u32,
    pub(super) blocks: u32,
    input_length: u32,
    marker_length: u32,
    input: [u8; INPUT_BYTES],
}

// As cuda/batch.h says.
const _: () = assert!(size_of::<Batch>() == 208);

impl Batch {
    /// For the kernel that makes the table of references, which looks at nothing else.
    pub(super) fn of_references(blocks: u32) -> Self {
        let keys = KeyRun { head: [b'0'; 48], first: 0, count: 0 };
        Batch { blocks, ..Batch::new(&Salt::Old, Difficulty::MIN, &Marker::default(), &keys, 0) }
    }

    /// Without addresses yet, for `hashes` hashes, of which the last may be more than `keys` has.
    pub(super) fn new(
        salt: &Salt,
        difficulty: Difficulty,
        marker: &Marker,
        keys: &KeyRun,
        hashes: u32,
    ) -> Self {
        let (input, input_length) = input(salt, difficulty, &keys.head);
        let digits =
            marker.as_str().bytes().fold(0u128, |digits, byte| digits << 6 | u128::from(six_bits(byte)));
        let [marker_high, marker_low] = halves(digits);
        Batch {
            references: 0,
            memory: 0,
            ends: 0,
            hits: 0,
            tags: 0,
            counter: keys.first,
            marker_high,
            marker_low,
            hashes,
            blocks: blocks(difficulty),
            input_length,
            marker_length: marker.as_str().bytes().fold(0, |length, _| length + 1),
            input,
        }
    }
}

/// Blocks of memory that a hash has.
pub(super) fn blocks(difficulty: Difficulty) -> u32 {
    difficulty.kib() / 4 * 4
}

/// What H0 is the hash of (RFC 9106, 3.2), with zeros where the key's counting digits go, and how
/// many bytes of it count.
fn input(salt: &Salt, difficulty: Difficulty, head: &[u8]) -> ([u8; INPUT_BYTES], u32) {
    let salt = salt.bytes();
    let salt_length = salt.iter().fold(0u32, |length, _| length + 1);
    let mut bytes = Vec::with_capacity(INPUT_BYTES);
    // Lanes, bytes of the tag, memory, passes, version, kind.
    for number in [1, 64, difficulty.kib(), 1, VERSION, ARGON2ID, KEY_BYTES] {
        bytes.extend(u32::to_le_bytes(number));
    }
    bytes.extend(head);
    bytes.extend([0; 16]);
    bytes.extend(salt_length.to_le_bytes());
    bytes.extend(salt);
    // Neither a secret nor associated data.
    bytes.extend([0; 8]);
    let mut input = [0; INPUT_BYTES];
    input[..bytes.len()].copy_from_slice(&bytes);
    (input, 104 + salt_length)
}

/// What a character of base64 stands for; a [`Marker`] has no others.
fn six_bits(character: u8) -> u8 {
    match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
}

fn halves(number: u128) -> [u64; 2] {
    let bytes = number.to_be_bytes();
    let (high, low) = bytes.split_at(8);
    [high, low].map(|half| u64::from_be_bytes(half.try_into().expect("half of sixteen bytes is eight")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_of_the_first_hash_is_as_long_as_the_contract_says() {
        let (input, length) = input(&Salt::Account([7; 20]), Difficulty::MIN, &[b'a'; 48]);
        assert_eq!(
            (length, input[28], input[75], input[76], input[92], input[96]),
            (124, b'a', b'a', 0, 20, 7)
        );
        assert_eq!(super::input(&Salt::Old, Difficulty::MIN, &[b'a'; 48]).1, 118);
    }

    #[test]
    fn a_marker_is_its_six_bit_digits() {
        let keys = KeyRun { head: [b'0'; 48], first: 0, count: 1 };
        let batch =
            |marker: &str| Batch::new(&Salt::Old, Difficulty::MIN, &marker.parse().unwrap(), &keys, LANES);
        assert_eq!(batch("XEN11").marker_low, (23 << 24) + (4 << 18) + (13 << 12) + (53 << 6) + 53);
        let long = batch("A/+/AAAAAAAAAAAB");
        assert_eq!((long.marker_low, long.marker_length), (1, 16));
        assert_eq!(long.marker_high, (63 << 20) + (62 << 14) + (63 << 8));
    }
}
