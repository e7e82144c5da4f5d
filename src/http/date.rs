//! The header `Date` (RFC 9110, section 6.6.1), written anew once a second.

use std::time::{Duration, SystemTime};

use crate::base::{Clock, Timestamp};

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

/// A clock before 1970 is not set.
fn written(second: i64) -> String {
    let since_1970 = Duration::from_secs(u64::try_from(second).unwrap_or(0));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_1970)
}

#[cfg(test)]
mod tests {
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
