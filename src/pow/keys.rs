//! Keys to try: random once, then counted.

use crate::base::{BlockKey, Prefix};

const KEY_DIGITS: usize = 64;
const COUNTER_DIGITS: usize = 16;

/// Keys that nobody else has: the prefix if there is one, random digits, and a counter in the last
/// sixteen.
///
/// The counter begins at random and its 64 bits never come round, so no key comes twice.
pub struct Keys {
    head: [u8; KEY_DIGITS - COUNTER_DIGITS],
    next: u64,
}

impl Keys {
    /// A fresh row of them.
    pub fn new(prefix: Option<Prefix>) -> Self {
        let mut random = [0; (KEY_DIGITS - COUNTER_DIGITS) / 2];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let mut head = [0; KEY_DIGITS - COUNTER_DIGITS];
        hex::encode_to_slice(random, &mut head).expect("24 bytes are 48 digits");
        if let Some(prefix) = prefix {
            let prefix = prefix.to_string();
            head[..prefix.len()].copy_from_slice(prefix.as_bytes());
        }
        Keys { head, next: getrandom::u64().expect("the system gives random bytes") }
    }

    /// The next `count` keys, which nobody else gets.
    pub fn take(&mut self, count: u64) -> KeyRun {
        let first = self.next;
        self.next = first.wrapping_add(count);
        KeyRun { head: self.head, first, count }
    }
}

/// Some keys in a row: 48 digits in common, then sixteen that count, wrapping around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRun {
    /// The digits in common, lower-case ASCII.
    pub head: [u8; KEY_DIGITS - COUNTER_DIGITS],
    /// The first key's counter.
    pub first: u64,
    /// How many keys.
    pub count: u64,
}

impl KeyRun {
    /// The key at `index` as ASCII digits, the form that is hashed.
    pub fn digits(&self, index: u64) -> [u8; KEY_DIGITS] {
        let mut digits = [0; KEY_DIGITS];
        let (head, counter) = digits.split_at_mut(self.head.len());
        head.copy_from_slice(&self.head);
        let count = self.first.wrapping_add(index);
        hex::encode_to_slice(count.to_be_bytes(), counter).expect("8 bytes are 16 digits");
        digits
    }

    /// The key at `index`.
    pub fn key(&self, index: u64) -> BlockKey {
        let digits = self.digits(index);
        let text = std::str::from_utf8(&digits).expect("digits are ASCII");
        text.parse().expect("64 hexadecimal digits are a key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_differ_bear_the_prefix_and_are_what_was_hashed() {
        let prefix: Prefix = "A1b2c3d4e5f60718".parse().unwrap();
        let mut seen = HashSet::new();
        for _ in 0..10 {
            let mut keys = Keys::new(Some(prefix));
            for count in 1..20 {
                let run = keys.take(count);
                for index in 0..count {
                    let key = run.key(index);
                    assert_eq!(key.as_str().as_bytes(), run.digits(index));
                    assert!(key.starts_with(&prefix));
                    assert!(seen.insert(key));
                }
            }
        }
        assert!(!Keys::new(None).take(1).key(0).starts_with(&prefix));
    }

    #[test]
    fn the_counter_wraps_around() {
        let run = KeyRun { head: [b'a'; 48], first: u64::MAX, count: 2 };
        assert_eq!(run.key(0).as_str(), format!("{}{}", "a".repeat(48), "f".repeat(16)));
        assert_eq!(run.key(1).as_str(), format!("{}{}", "a".repeat(48), "0".repeat(16)));
    }
}
