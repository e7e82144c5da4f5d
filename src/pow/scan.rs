//! Looking for blocks in bytes: most tags hold nothing, and need not be written as text to know.

use super::{Marker, Tag};

const BITS_PER_CHARACTER: usize = 6;
/// Characters of a marker that fit a word beside the bits that come before a character in its byte.
const CHARACTERS_MAX: usize = 9;
const TAG_BYTES: usize = 64;

/// A marker and `XUNI` as the bits that base64 makes characters of.
pub(super) struct Scan {
    marker: Pattern,
    xuni: Pattern,
}

/// Bits at the top of a word.
struct Pattern {
    bits: u64,
    mask: u64,
}

impl Scan {
    pub(super) fn new(marker: &Marker) -> Self {
        Scan { marker: Pattern::new(marker.as_str().as_bytes()), xuni: Pattern::new(b"XUNI") }
    }

    /// Whether the tag's text may hold the marker or XUNI and a digit; true for all that do, and
    /// for a few that do not.
    pub(super) fn may_match(&self, tag: &Tag) -> bool {
        let mut padded = [0; TAG_BYTES + 8];
        padded[..TAG_BYTES].copy_from_slice(&tag.0);
        let mut found = false;
        for character in 0..Tag::TEXT_LENGTH {
            let bit = BITS_PER_CHARACTER * character;
            let (byte, within) = (bit / 8, bit % 8);
            let word: [u8; 8] = padded[byte..byte + 8].try_into().expect("eight bytes are eight");
            let window = u64::from_be_bytes(word) << within;
            found |= self.marker.begins(window) | self.xuni.begins(window);
        }
        found
    }
}

impl Pattern {
    /// Of characters of base64, the first of them if they are many.
    fn new(text: &[u8]) -> Self {
        let text = &text[..text.len().min(CHARACTERS_MAX)];
        let bits = text.iter().fold(0, |bits, character| bits << BITS_PER_CHARACTER | sextet(*character));
        let unused = u64::BITS as usize - BITS_PER_CHARACTER * text.len();
        Pattern { bits: bits << unused, mask: u64::MAX << unused }
    }

    fn begins(&self, window: u64) -> bool {
        window & self.mask == self.bits
    }
}

/// The six bits that a character of base64 stands for.
fn sextet(character: u8) -> u64 {
    u64::from(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        _ => 63,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::Matches;
    use proptest::prelude::*;

    fn tag(seed: &[u64]) -> Tag {
        let mut tag = Tag::default();
        for (bytes, word) in tag.0.chunks_exact_mut(8).zip(seed) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        tag
    }

    proptest! {
        #[test]
        fn nothing_is_overlooked_and_a_marker_is_found_where_it_is(
            words in prop::collection::vec(any::<u64>(), 8),
            length in 1usize..=16,
            place in any::<prop::sample::Index>(),
            other in "[A-Za-z0-9+/]{1,3}",
        ) {
            let tag = tag(&words);
            let text = tag.to_string();
            let place = place.index(text.len() - length + 1);
            let marker: Marker = text[place..place + length].parse().unwrap();
            prop_assert!(Scan::new(&marker).may_match(&tag));
            let other: Marker = other.parse().unwrap();
            let matches = Matches::find(text.as_bytes(), &other).any();
            prop_assert!(!matches || Scan::new(&other).may_match(&tag));
        }
    }

    #[test]
    fn xuni_is_found_and_most_tags_hold_nothing() {
        let marker = Marker::default();
        let mut xuni = Tag::default();
        // X, U, N, I are 23, 20, 13 and 8.
        xuni.0[30..33].copy_from_slice(&[0x5d, 0x43, 0x48]);
        assert!(xuni.to_string().contains("XUNI"), "{xuni}");
        assert!(Scan::new(&marker).may_match(&xuni));
        let random = |seed: u64| {
            tag(&[1, 2, 3, 4, 5, 6, 7, 8].map(|i| (seed + i).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        };
        assert!(!(0..1000).any(|seed| Scan::new(&marker).may_match(&random(seed))));
    }
}
