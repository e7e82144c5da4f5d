//! Nonces that need no memory until they are used.
//!
//! A nonce says when it was given out and proves it: 6 bytes of milliseconds since the epoch, 2
//! that count, and 8 of an HMAC over these and the address, under a key that lives as long as the
//! process. So asking for nonces, for whichever address and however often, takes nothing from
//! anybody. Only nonces that a valid signature has used are remembered, until they expire.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::AuthError;
use crate::base::limits::{NONCE_LIFETIME, NONCES_USED_MAX};
use crate::base::time::micros_of;
use crate::base::{EthAddress, Timestamp};

const TIME_BYTES: usize = 6;
const CLAIM_BYTES: usize = 8;
const NONCE_BYTES: usize = 16;
const MICROS_PER_MILLI: i64 = 1000;

/// The time a nonce was given out comes first, so the oldest of a set is its first.
type Nonce = [u8; NONCE_BYTES];

/// The book of nonces.
pub(super) struct Nonces {
    mac: Hmac<Sha256>,
    count: u16,
    used: BTreeSet<Nonce>,
    /// Nonces up to here are void: the book had to forget which of them were used.
    forgotten: Nonce,
    used_max: usize,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Nonces::holding(NONCES_USED_MAX)
    }

    fn holding(used_max: usize) -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system gives random bytes");
        let mac = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Nonces { mac, count: 0, used: BTreeSet::new(), forgotten: [0; NONCE_BYTES], used_max }
    }

    /// A fresh nonce for `address`: 32 hexadecimal digits.
    pub(super) fn issue(&mut self, address: &EthAddress, now: Timestamp) -> String {
        let millis = (now.micros() / MICROS_PER_MILLI).max(0);
        self.count = self.count.wrapping_add(1);
        let mut nonce = [0; NONCE_BYTES];
        nonce[..TIME_BYTES].copy_from_slice(&millis.to_be_bytes()[8 - TIME_BYTES..]);
        nonce[TIME_BYTES..CLAIM_BYTES].copy_from_slice(&self.count.to_be_bytes());
        let proof = self.proof(address, &nonce[..CLAIM_BYTES]);
        nonce[CLAIM_BYTES..].copy_from_slice(&proof);
        hex::encode(nonce)
    }

    /// Whether `nonce` is ours, for `address`, not expired and not used.
    pub(super) fn check(&self, address: &EthAddress, nonce: &str, now: Timestamp) -> Result<(), AuthError> {
        self.parse(address, nonce, now).map(drop).ok_or(AuthError::Signature)
    }

    /// Checks `nonce` and marks it used.
    pub(super) fn spend(
        &mut self,
        address: &EthAddress,
        nonce: &str,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let nonce = self.parse(address, nonce, now).ok_or(AuthError::Signature)?;
        while self.used.first().is_some_and(|oldest| is_expired(oldest, now)) {
            self.used.pop_first();
        }
        self.used.insert(nonce);
        // Full: the oldest is forgotten and with it everything as old, so that none works twice. A
        // flood of true sign-ins shortens the time that people have to sign, and locks nobody out.
        if self.used.len() > self.used_max {
            self.forgotten =
                self.used.pop_first().expect("more than the limit are there").max(self.forgotten);
        }
        Ok(())
    }

    fn parse(&self, address: &EthAddress, text: &str, now: Timestamp) -> Option<Nonce> {
        let mut nonce = [0; NONCE_BYTES];
        hex::decode_to_slice(text, &mut nonce).ok()?;
        let proof = self.proof(address, &nonce[..CLAIM_BYTES]);
        let is_ours: bool = proof.ct_eq(&nonce[CLAIM_BYTES..]).into();
        let is_fresh = !is_expired(&nonce, now) && nonce > self.forgotten && !self.used.contains(&nonce);
        (is_ours && is_fresh).then_some(nonce)
    }

    fn proof(&self, address: &EthAddress, claim: &[u8]) -> [u8; NONCE_BYTES - CLAIM_BYTES] {
        let whole =
            self.mac.clone().chain_update(address.bytes()).chain_update(claim).finalize().into_bytes();
        let mut proof = [0; NONCE_BYTES - CLAIM_BYTES];
        proof.copy_from_slice(&whole[..NONCE_BYTES - CLAIM_BYTES]);
        proof
    }
}

fn is_expired(nonce: &Nonce, now: Timestamp) -> bool {
    let mut millis = [0; 8];
    millis[8 - TIME_BYTES..].copy_from_slice(&nonce[..TIME_BYTES]);
    let issued = i64::from_be_bytes(millis).saturating_mul(MICROS_PER_MILLI);
    now.micros().saturating_sub(issued) >= micros_of(NONCE_LIFETIME)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn address(byte: u8) -> EthAddress {
        EthAddress::from_bytes([byte; 20])
    }

    #[test]
    fn a_nonce_is_good_once_for_its_address_and_for_300_seconds() {
        let mut book = Nonces::new();
        let nonce = book.issue(&address(1), NOW);
        assert_eq!(nonce.len(), 32);
        assert!(book.check(&address(2), &nonce, NOW).is_err());
        assert!(book.check(&address(1), &nonce, NOW.plus(Duration::from_micros(299_999_999))).is_ok());
        assert!(book.check(&address(1), &nonce, NOW.plus(Duration::from_secs(300))).is_err());
        assert!(book.spend(&address(1), &nonce, NOW).is_ok());
        assert!(book.spend(&address(1), &nonce, NOW).is_err());
        assert!(book.check(&address(1), &nonce, NOW).is_err());
    }

    #[test]
    fn a_flood_of_requests_voids_nobodys_nonce_and_takes_no_memory() {
        let mut book = Nonces::new();
        let mine = book.issue(&address(1), NOW);
        let mut others = std::collections::HashSet::new();
        for _ in 0..60_000 {
            assert!(others.insert(book.issue(&address(1), NOW)), "two requests of one moment differ");
        }
        assert!(book.used.is_empty());
        assert!(book.spend(&address(1), &mine, NOW).is_ok());
    }

    #[test]
    fn no_digit_of_a_nonce_can_be_changed() {
        let mut book = Nonces::new();
        let nonce = book.issue(&address(1), NOW);
        for place in 0..nonce.len() {
            let mut changed: Vec<u8> = nonce.clone().into();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(book.check(&address(1), &changed, NOW).is_err(), "{changed}");
        }
        for bad in ["", "00", &"0".repeat(32), &"f".repeat(32), &"é".repeat(16), &format!("{nonce}00")] {
            assert!(book.check(&address(1), bad, NOW).is_err(), "{bad}");
        }
        assert!(Nonces::new().check(&address(1), &nonce, NOW).is_err(), "another process has another key");
    }

    #[test]
    fn the_used_are_bounded_and_none_works_twice() {
        let mut book = Nonces::holding(10);
        let mut spent = Vec::new();
        for step in 0..50 {
            let now = NOW.plus(Duration::from_millis(step));
            let nonce = book.issue(&address(1), now);
            book.spend(&address(1), &nonce, now).unwrap();
            spent.push(nonce);
            assert!(book.used.len() <= 10);
        }
        let now = NOW.plus(Duration::from_secs(1));
        assert!(spent.iter().all(|nonce| book.check(&address(1), nonce, now).is_err()));
        let late = NOW.plus(Duration::from_secs(3600));
        let nonce = book.issue(&address(1), late);
        book.spend(&address(1), &nonce, late).unwrap();
        assert_eq!(book.used.len(), 1, "the expired are forgotten");
    }
}
