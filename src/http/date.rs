//! The header `Date` (RFC 9110, section 6.6.1), written anew once a second.

use crate::base::{Clock, Timestamp};

const SECONDS_PER_DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [(&str, i64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

/// The date that a connection's answers bear.
pub(super) struct Date {
    clock: Clock,
    second: i64,
    text: String,
}

impl Date {
    pub(super) fn new(clock: Clock) -> Self {
        Date { clock, second: i64::MIN, text: String::new() }
    }

    /// The present, as an answer says it.
    pub(super) fn text(&mut self) -> &str {
        let second = second_of(self.clock.wall());
        if second != self.second {
            self.second = second;
            self.text = written(second);
        }
        &self.text
    }
}

fn second_of(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

/// A second since the epoch in the one form of dates that may be sent. A clock before 1970 is not set.
fn written(second: i64) -> String {
    let second = second.max(0);
    let (days, of_day) = (second / SECONDS_PER_DAY, second % SECONDS_PER_DAY);
    let weekday = WEEKDAYS[usize::try_from(days % 7).expect("a remainder of a count")];
    let (mut year, mut day) = (1970, days);
    while day >= 365 + leap_day(year) {
        day -= 365 + leap_day(year);
        year += 1;
    }
    let mut month = "";
    for (name, length) in MONTHS {
        month = name;
        let length = if name == "Feb" { length + leap_day(year) } else { length };
        if day < length {
            break;
        }
        day -= length;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}

fn leap_day(year: i64) -> i64 {
    i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_written_as_the_standard_has_them_and_follow_the_clock() {
        for (second, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (978_307_199, "Sun, 31 Dec 2000 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(written(second), expected);
        }
        let clock = Clock::manual(Timestamp::from_seconds(784_111_777.9));
        let mut date = Date::new(clock.clone());
        assert_eq!(date.text(), "Sun, 06 Nov 1994 08:49:37 GMT");
        clock.advance(Duration::from_millis(100));
        assert_eq!(date.text(), "Sun, 06 Nov 1994 08:49:38 GMT");
    }
}
