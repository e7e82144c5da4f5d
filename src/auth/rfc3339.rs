//! Times of sign-in messages (RFC 3339), strictly.

use crate::base::Timestamp;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The moment that `text` names: `2026-11-21T02:58:02.123Z` or with an offset like `+05:30`. Digits
/// beyond microseconds are dropped; a leap second is the second after it.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    // The grammar is of ASCII alone; this also makes every slice below fall between characters.
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let (time, rest) = rest.split_at(9);
    let [year, month, day] = numbers(date, [4, 2, 2], '-')?;
    let [hour, minute, second] = numbers(time.strip_prefix(['T', 't'])?, [2, 2, 2], ':')?;
    let (micros, offset) = fraction(rest)?;
    let is_valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_valid {
        return None;
    }
    let of_day = hour * 3600 + minute * 60 + second;
    let seconds = days_since_epoch(year, month, day) * SECONDS_PER_DAY + of_day - offset_seconds(offset)?;
    Some(Timestamp::from_micros(seconds * MICROS_PER_SECOND + micros))
}

/// Three numbers of fixed widths with a separator between them, and nothing else.
fn numbers(text: &str, widths: [usize; 3], separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && is_digits(part))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Microseconds of an optional fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let digits = rest.get(..end).filter(|digits| !digits.is_empty())?;
    let micros: String = digits.chars().chain("000000".chars()).take(6).collect();
    Some((micros.parse().ok()?, &rest[end..]))
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let is_valid = hours.len() == 2 && minutes.len() == 2 && is_digits(hours) && is_digits(minutes);
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    // Only then: many digits would overflow.
    (is_valid && hours < 24 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, years 0 to 9999.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_BEFORE_1970: i64 = 719_528;
    // Year 0 was a leap year, hence the rounding up.
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let in_year: i64 = (1..month).map(|month| days_in(year, month)).sum();
    year * 365 + leap_days + in_year + day - 1 - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2021-09-30T16:25:24Z", 1_633_019_124.0),
            ("2021-09-30T16:25:24.000Z", 1_633_019_124.0),
            ("2021-09-30t18:25:24.25+02:00", 1_633_019_124.25),
            ("2021-09-30T10:55:24-05:30", 1_633_019_124.0),
            ("2000-02-29T23:59:59.999999999z", 951_868_799.999_999),
            ("1985-04-12T23:20:50.52Z", 482_196_050.52),
            ("1990-12-31T23:59:60Z", 662_688_000.0),
            ("1990-12-31T15:59:60-08:00", 662_688_000.0),
            ("1969-12-31T23:59:59Z", -1.0),
            ("0000-01-01T00:00:00Z", -62_167_219_200.0),
            ("9999-12-31T23:59:59Z", 253_402_300_799.0),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut expected = days_since_epoch(1900, 1, 1);
        for year in 1900..2301 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_epoch(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_refused() {
        for text in [
            "",
            "2021-09-30",
            "2021-09-30T16:25:24",
            "2021-09-30 16:25:24Z",
            "2021-9-30T16:25:24Z",
            "2021-09-30T16:25Z",
            "2021-13-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2021-00-10T00:00:00Z",
            "2021-01-00T00:00:00Z",
            "2021-09-30T24:00:00Z",
            "2021-09-30T16:60:24Z",
            "2021-09-30T16:25:61Z",
            "2021-09-30T16:25:24.Z",
            "2021-09-30T16:25:24.5",
            "2021-09-30T16:25:24+0200",
            "2021-09-30T16:25:24+02:60",
            "2021-09-30T16:25:24+24:00",
            "2021-09-30T16:25:24+00:4467440737095516150",
            "2021-09-30T16:25:24ZZ",
            "+021-09-30T16:25:24Z",
            "2021-09-30T16:25:+4Z",
            "２021-09-30T16:25:24Z",
            "2021-09-30T16:25:24Z\n",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
