//! Keys to try: random once, then counted.

use crate::base::{BlockKey, Prefix};

const KEY_DIGITS: usize = 64;
const COUNTER_DIGITS: usize = 16;

/// A run of keys: the prefix if there is one, random digits, and a counter in the last sixteen.
///
/// The counter begins at random and its 64 bits never come round, so no key comes twice.
pub struct Keys {
    digits: [u8; KEY_DIGITS],
    counter: u64,
}

impl Keys {
    /// A fresh run that nobody else has.
    pub fn new(prefix: Option<Prefix>) -> Self {
        let mut random = [0; KEY_DIGITS / 2];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let mut digits = [0; KEY_DIGITS];
        hex::encode_to_slice(random, &mut digits).expect("32 bytes are 64 digits");
        if let Some(prefix) = prefix {
            let prefix = prefix.to_string();
            digits[..prefix.len()].copy_from_slice(prefix.as_bytes());
        }
        let counter =
            u64::from_ne_bytes(random[KEY_DIGITS / 2 - 8..].try_into().expect("eight bytes are eight"));
        Keys { digits, counter }
    }

    /// Counts on and gives the key as ASCII digits, the form that is hashed.
    pub fn advance(&mut self) -> &[u8; KEY_DIGITS] {
        self.counter = self.counter.wrapping_add(1);
        let counted = &mut self.digits[KEY_DIGITS - COUNTER_DIGITS..];
        hex::encode_to_slice(self.counter.to_be_bytes(), counted).expect("8 bytes are 16 digits");
        &self.digits
    }

    /// The key that [`Keys::advance`] last gave.
    pub fn current(&self) -> BlockKey {
        let text = std::str::from_utf8(&self.digits).expect("digits are ASCII");
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
            for _ in 0..100 {
                let hashed = keys.advance().to_vec();
                let key = keys.current();
                assert_eq!(key.as_str().as_bytes(), hashed);
                assert!(key.starts_with(&prefix));
                assert!(seen.insert(key));
            }
        }
        let mut free = Keys::new(None);
        free.advance();
        assert!(!free.current().starts_with(&prefix));
    }
}
