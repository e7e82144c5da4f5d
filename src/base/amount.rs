//! Money: an exact integer of millionths.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// An exact sum of money in millionths of a coin; negative only in ledger entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// Why a number is not an amount.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AmountError {
    /// NaN or an infinity.
    #[error("must be a finite number")]
    NotFinite,
    /// Beyond what a JSON number holds exactly with six decimals. From outside no sum is below zero.
    #[error("must lie between 0 and 1000000000")]
    OutOfRange,
    /// Finer than a millionth.
    #[error("must have at most 6 decimals")]
    TooFine,
}

const MILLIONTHS: f64 = 1e6;
const SHOWN_UNIT: i64 = 100;

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest sum taken from outside: a thousand million. Six decimals of it fit an IEEE
    /// double exactly, so what goes over the wire as a JSON number comes back the same.
    pub const MAX_INPUT: Amount = Amount(1_000_000_000 * 1_000_000);

    /// From millionths.
    pub const fn from_millionths(millionths: i64) -> Self {
        Amount(millionths)
    }

    /// The millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// From a JSON number, rounded to the nearest millionth.
    pub fn from_f64(value: f64) -> Result<Self, AmountError> {
        if !value.is_finite() {
            return Err(AmountError::NotFinite);
        }
        let millionths = (value * MILLIONTHS).round_ties_even();
        if millionths.abs() > Self::MAX_INPUT.to_f64() * MILLIONTHS {
            return Err(AmountError::OutOfRange);
        }
        #[expect(clippy::cast_possible_truncation, reason = "range checked on the line above")]
        Ok(Amount(millionths as i64))
    }

    /// From a JSON number of at most six decimals, for money that moves: what is finer is refused, what
    /// a client's sums have added or lost beyond that (0.1 + 0.2) is not.
    pub fn exactly(value: f64) -> Result<Self, AmountError> {
        const SLIP_MAX: f64 = 1e-8;
        let amount = Self::from_f64(value)?;
        let slip = (amount.to_f64() - value).abs();
        if slip <= SLIP_MAX.min(value.abs() * f64::EPSILON * 4.0) {
            Ok(amount)
        } else {
            Err(AmountError::TooFine)
        }
    }

    /// The JSON number: exact to six decimals for every amount in range.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MILLIONTHS
    }

    /// Rounded half to even to the four decimals that settlements and estimates show.
    #[must_use]
    pub fn shown(self) -> Self {
        Amount(div_half_even(i128::from(self.0), i128::from(SHOWN_UNIT)) * SHOWN_UNIT)
    }

    /// Sum, or `None` beyond 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// Difference, or `None` beyond 64 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// This amount with the opposite sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Amount(self.0.checked_neg().expect("an amount is far from i64::MIN"))
    }

    /// `self × numerator / denominator`, rounded half to even. Panics when the result leaves 64 bits.
    #[must_use]
    pub fn scale(self, numerator: i64, denominator: i64) -> Self {
        assert!(denominator > 0, "scale by a positive denominator");
        Amount(div_half_even(i128::from(self.0) * i128::from(numerator), i128::from(denominator)))
    }

    /// `self × numerator / denominator`, rounded down (towards negative infinity).
    #[must_use]
    pub fn scale_down(self, numerator: i64, denominator: i64) -> Self {
        assert!(denominator > 0, "scale by a positive denominator");
        let scaled = (i128::from(self.0) * i128::from(numerator)).div_euclid(i128::from(denominator));
        Amount(i64::try_from(scaled).expect("a scaled amount fits 64 bits"))
    }

    /// Above zero.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

fn div_half_even(dividend: i128, divisor: i128) -> i64 {
    let quotient = dividend.div_euclid(divisor);
    let twice_rest = 2 * dividend.rem_euclid(divisor);
    let up = twice_rest > divisor || (twice_rest == divisor && quotient % 2 != 0);
    i64::try_from(quotient + i128::from(up)).expect("a scaled amount fits 64 bits")
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millionths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

impl std::ops::Add for Amount {
    type Output = Amount;
    /// Panics beyond 64 bits: sums of money never wrap.
    fn add(self, other: Amount) -> Amount {
        self.checked_add(other).expect("a sum of money fits 64 bits")
    }
}

impl std::ops::Sub for Amount {
    type Output = Amount;
    /// Panics beyond 64 bits: sums of money never wrap.
    fn sub(self, other: Amount) -> Amount {
        self.checked_sub(other).expect("a difference of money fits 64 bits")
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::ZERO, |total, amount| total + amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_amount_in_range_survives_the_wire(millionths in -Amount::MAX_INPUT.0..=Amount::MAX_INPUT.0) {
            let amount = Amount(millionths);
            let text = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(Amount::from_f64(text.parse().unwrap()), Ok(amount));
            prop_assert_eq!(Amount::exactly(text.parse().unwrap()), Ok(amount));
        }

        #[test]
        fn scaling_rounds_to_the_nearest(value in -1_000_000_000_000i64..1_000_000_000_000, n in 0i64..1_000_000, d in 1i64..1_000_000) {
            let exact = i128::from(value) * i128::from(n);
            let scaled = i128::from(Amount(value).scale(n, d).0) * i128::from(d);
            prop_assert!(2 * (scaled - exact).abs() <= i128::from(d));
            prop_assert!(i128::from(Amount(value).scale_down(n, d).0) * i128::from(d) <= exact);
        }
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        assert_eq!(Amount(5).scale(1, 2), Amount(2));
        assert_eq!(Amount(7).scale(1, 2), Amount(4));
        assert_eq!(Amount(-5).scale(1, 2), Amount(-2));
        assert_eq!(Amount(1_499_985_050).shown(), Amount(1_499_985_000));
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        assert_eq!(Amount::from_f64(f64::NAN), Err(AmountError::NotFinite));
        assert_eq!(Amount::from_f64(f64::INFINITY), Err(AmountError::NotFinite));
        assert_eq!(Amount::from_f64(1e10), Err(AmountError::OutOfRange));
        assert_eq!(Amount::from_f64(-0.0), Ok(Amount::ZERO));
        assert_eq!(Amount::from_f64(0.1 + 0.2), Ok(Amount(300_000)));
    }

    #[test]
    fn money_that_moves_has_six_decimals_or_is_refused() {
        for (value, expected) in [
            (0.1 + 0.2, Ok(Amount(300_000))),
            (0.000_001, Ok(Amount(1))),
            (0.000_000_5, Err(AmountError::TooFine)),
            (1.000_000_6, Err(AmountError::TooFine)),
            (0.999_999_9, Err(AmountError::TooFine)),
            (123_456_789.123_456_7, Err(AmountError::TooFine)),
            (999_999_999.999_999, Ok(Amount(999_999_999_999_999))),
            (f64::INFINITY, Err(AmountError::NotFinite)),
        ] {
            assert_eq!(Amount::exactly(value), expected, "{value}");
        }
    }

    #[test]
    fn display_has_six_decimals_and_the_sign() {
        assert_eq!(Amount(-1_500_000).to_string(), "-1.500000");
        assert_eq!(Amount(1).to_string(), "0.000001");
    }
}
