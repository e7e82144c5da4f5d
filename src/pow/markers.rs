//! What makes a hash a block: the marker, `XUNI` and a digit, and how many capitals.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::base::Timestamp;

/// The kinds of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// The marker.
    Normal,
    /// The marker, and 50 capitals or more.
    Super,
    /// `XUNI` and a digit.
    Xuni,
}

impl BlockKind {
    /// As the wire and the store spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            BlockKind::Normal => "normal",
            BlockKind::Super => "super",
            BlockKind::Xuni => "xuni",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [BlockKind::Normal, BlockKind::Super, BlockKind::Xuni].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for BlockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text that a hash must hold to be a block: the network's `XEN11`, or what a test network
/// with easier blocks says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(Arc<str>);

/// A text that no hash can hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a marker has 1 to {} characters of A-Z a-z 0-9 + /", Marker::LENGTH_MAX)]
pub struct MarkerError;

impl Marker {
    /// Longer ones would never be found.
    pub const LENGTH_MAX: usize = 16;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Marker {
    /// The network's.
    fn default() -> Self {
        Marker("XEN11".into())
    }
}

impl FromStr for Marker {
    type Err = MarkerError;
    fn from_str(text: &str) -> Result<Self, MarkerError> {
        let base64 = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        let valid = base64 && (1..=Marker::LENGTH_MAX).contains(&text.len());
        valid.then(|| Marker(text.into())).ok_or(MarkerError)
    }
}

/// What was found in the characters of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matches {
    /// The marker is there.
    pub marker: bool,
    /// `XUNI` and a digit are there.
    pub xuni: bool,
    /// Letters A to Z.
    pub capitals: usize,
}

const SUPER_CAPITALS: usize = 50;
const XUNI: &[u8] = b"XUNI";

impl Matches {
    /// Looks through a tag's characters, or a bare hash string's.
    pub fn find(text: &[u8], marker: &Marker) -> Self {
        let marker = marker.as_str().as_bytes();
        Matches {
            marker: text.windows(marker.len()).any(|window| window == marker),
            xuni: text
                .windows(XUNI.len() + 1)
                .any(|window| window.starts_with(XUNI) && window[XUNI.len()].is_ascii_digit()),
            capitals: text.iter().filter(|b| b.is_ascii_uppercase()).count(),
        }
    }

    /// Whether there is anything to submit.
    pub fn any(self) -> bool {
        self.marker || self.xuni
    }

    /// The kind without regard to the hour: the marker comes first.
    pub fn kind(self) -> Option<BlockKind> {
        match self {
            Matches { marker: true, capitals: SUPER_CAPITALS.., .. } => Some(BlockKind::Super),
            Matches { marker: true, .. } => Some(BlockKind::Normal),
            Matches { xuni: true, .. } => Some(BlockKind::Xuni),
            _ => None,
        }
    }

    /// The kind as the network sees it: a hash with XUNI is a XUNI while its window is open and
    /// nothing while it is shut, whatever else it holds.
    pub fn kind_in_window(self, xuni_open: bool) -> Option<BlockKind> {
        match self.xuni {
            true if xuni_open => Some(BlockKind::Xuni),
            true => None,
            false => self.kind(),
        }
    }
}

/// Whether XUNI counts at this moment: five minutes before and after every full hour.
pub fn xuni_open(now: Timestamp) -> bool {
    const MICROS_PER_MINUTE: i64 = 60_000_000;
    let minute = now.micros().div_euclid(MICROS_PER_MINUTE).rem_euclid(60);
    !(5..55).contains(&minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Matches {
        Matches::find(text.as_bytes(), &Marker::default())
    }

    #[test]
    fn the_marker_counts_anywhere_and_makes_a_super_block_with_fifty_capitals() {
        assert_eq!(find(&format!("XEN11{}", "a".repeat(81))).kind(), Some(BlockKind::Normal));
        assert_eq!(find(&format!("{}XEN11", "a".repeat(81))).kind(), Some(BlockKind::Normal));
        assert_eq!(find(&format!("XEN11{}a", "B".repeat(46))).kind(), Some(BlockKind::Normal));
        assert_eq!(find(&format!("XEN11{}", "B".repeat(47))).kind(), Some(BlockKind::Super));
        assert_eq!(find(&"X".repeat(86)).kind(), None, "capitals alone are no block");
        assert_eq!(find("xen11 XEN1 1XUNI").kind(), None);
        assert_eq!(find("").kind(), None);
    }

    #[test]
    fn xuni_needs_its_digit_and_its_window() {
        assert_eq!(find("abcXUNI7").kind_in_window(true), Some(BlockKind::Xuni));
        assert_eq!(find("abcXUNI7").kind_in_window(false), None);
        assert_eq!(find("XUNIXUNI0").kind(), Some(BlockKind::Xuni));
        assert_eq!(find("XUNIx").kind(), None);
        let both = find("XEN11XUNI1");
        assert_eq!(both.kind(), Some(BlockKind::Normal));
        assert_eq!(both.kind_in_window(true), Some(BlockKind::Xuni));
        assert_eq!(both.kind_in_window(false), None);
    }

    #[test]
    fn the_window_opens_at_55_and_shuts_at_5() {
        let at = |minute: f64| xuni_open(Timestamp::from_seconds(1_700_000_400.0 - 1200.0 + minute * 60.0));
        assert_eq!(1_700_000_400 % 3600, 1200);
        assert!(at(0.0) && at(4.99) && at(55.0) && at(59.99));
        assert!(!at(5.0) && !at(30.0) && !at(54.99));
    }

    #[test]
    fn a_marker_is_something_that_a_hash_can_hold() {
        let marker: Marker = "X1".parse().unwrap();
        assert!(Matches::find(b"abX1", &marker).marker);
        for bad in ["", "<b>", "XEN 11", "XEN11=", "ÄB", "AAAAAAAAAAAAAAAAA"] {
            assert_eq!(bad.parse::<Marker>(), Err(MarkerError), "{bad:?}");
        }
    }
}
