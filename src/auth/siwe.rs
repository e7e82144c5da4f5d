//! Sign-In with Ethereum: messages of EIP-4361, its whole grammar and nothing beside it.

use thiserror::Error;

use super::{eth, rfc3339, uri};
use crate::base::limits::SIGN_IN_CLOCK_AHEAD_MAX;
use crate::base::{EthAddress, Timestamp};

/// A sign-in message. Times are parsed, texts are as they stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInMessage<'a> {
    /// How the site was reached, when the message says so.
    pub scheme: Option<&'a str>,
    /// The host, and port, that asked for the signature.
    pub domain: &'a str,
    /// Who signs; spelled with its checksum.
    pub address: EthAddress,
    /// A sentence for the person who signs.
    pub statement: Option<&'a str>,
    /// What the sign-in is for.
    pub uri: &'a str,
    /// The chain (EIP-155) of the account; leading zeros as they stand.
    pub chain_id: &'a str,
    /// At least 8 letters and digits.
    pub nonce: &'a str,
    /// When the message was made, by the signer's clock.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expiration_time: Option<Timestamp>,
    /// When it begins.
    pub not_before: Option<Timestamp>,
    /// A name that the site gave the request.
    pub request_id: Option<&'a str>,
    /// What else the signer agrees to.
    pub resources: Vec<&'a str>,
}

/// Where a text stops being a sign-in message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an EIP-4361 message: its {0} is missing or malformed")]
pub struct MessageError(&'static str);

/// Why a message does not hold now. Most often a clock is wrong, which only its owner can mend: so it is told.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TimeError {
    /// Issued later than now.
    #[error(
        "The sign-in message was issued {0} s ahead of this server's clock: set your machine's clock (let it follow \
         the network's time) and sign in again"
    )]
    Ahead(i64),
    /// Before its beginning.
    #[error(
        "The sign-in message holds only in {0} s by this server's clock (Not Before): sign in again then, or set your \
         machine's clock"
    )]
    Early(i64),
    /// At its end or later.
    #[error(
        "The sign-in message ended {0} s ago by this server's clock (Expiration Time): sign in again, and set your \
         machine's clock if that does not help"
    )]
    Over(i64),
}

const NONCE_LENGTH_MIN: usize = 8;

impl<'a> SignInMessage<'a> {
    /// Reads a message; lines end with LF, and there is none after the last.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        let mut lines = Lines(text.split('\n').peekable());
        let (scheme, domain) = lines.required("domain", origin)?;
        let address = lines.required("address", checksummed_address)?;
        lines.required("statement", is_empty)?;
        let statement = lines.required("statement", |line| uri::is_statement(line).then_some(line))?;
        let statement = Some(statement).filter(|line| !line.is_empty());
        if statement.is_some() {
            lines.required("statement", is_empty)?;
        }
        let uri = lines.field("URI", "URI: ", |value| uri::is_uri(value).then_some(value))?;
        lines.field("version", "Version: ", |value| (value == "1").then_some(()))?;
        let chain_id = lines.field("chain id", "Chain ID: ", digits)?;
        let nonce = lines.field("nonce", "Nonce: ", long_alphanumeric)?;
        let issued_at = lines.field("time of issue", "Issued At: ", rfc3339::parse)?;
        let expiration_time = lines.optional("expiration time", "Expiration Time: ", rfc3339::parse)?;
        let not_before = lines.optional("beginning", "Not Before: ", rfc3339::parse)?;
        let request_id =
            lines.optional("request id", "Request ID: ", |value| uri::is_pchars(value).then_some(value))?;
        let resources = lines.resources()?;
        Ok(SignInMessage {
            scheme,
            domain,
            address,
            statement,
            uri,
            chain_id,
            nonce,
            issued_at,
            expiration_time,
            not_before,
            request_id,
            resources,
        })
    }

    /// Refuses a message that has not begun at `now`, or has ended, or was made later: by a clock that is
    /// further ahead than clocks are.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TimeError> {
        if self.issued_at > now.plus(SIGN_IN_CLOCK_AHEAD_MAX) {
            return Err(TimeError::Ahead(seconds(now, self.issued_at)));
        }
        if let Some(beginning) = self.not_before.filter(|beginning| *beginning > now) {
            return Err(TimeError::Early(seconds(now, beginning)));
        }
        if let Some(end) = self.expiration_time.filter(|end| *end <= now) {
            return Err(TimeError::Over(seconds(end, now)));
        }
        Ok(())
    }
}

/// From `start` to `end`, begun ones counted.
fn seconds(start: Timestamp, end: Timestamp) -> i64 {
    end.micros().saturating_sub(start.micros()).div_euclid(1_000_000).saturating_add(1)
}

struct Lines<'a>(std::iter::Peekable<std::str::Split<'a, char>>);

impl<'a> Lines<'a> {
    fn required<T>(
        &mut self,
        part: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, MessageError> {
        self.0.next().and_then(parse).ok_or(MessageError(part))
    }

    fn field<T>(
        &mut self,
        part: &'static str,
        label: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, MessageError> {
        self.required(part, |line| parse(line.strip_prefix(label)?))
    }

    fn optional<T>(
        &mut self,
        part: &'static str,
        label: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, MessageError> {
        if self.0.peek().is_some_and(|line| line.starts_with(label)) {
            return self.field(part, label, parse).map(Some);
        }
        Ok(None)
    }

    /// The list at the end, and the end.
    fn resources(&mut self) -> Result<Vec<&'a str>, MessageError> {
        match self.0.next() {
            None => Ok(Vec::new()),
            Some("Resources:") => {
                let resource = |line: &'a str| line.strip_prefix("- ").filter(|value| uri::is_uri(value));
                self.0.by_ref().map(|line| resource(line).ok_or(MessageError("list of resources"))).collect()
            }
            Some(_) => Err(MessageError("end")),
        }
    }
}

/// Whether a message can be for this host (and port).
pub fn is_domain(text: &str) -> bool {
    uri::is_authority(text)
}

/// The first line: `[scheme://]domain wants you …`.
fn origin(line: &str) -> Option<(Option<&str>, &str)> {
    let origin = line.strip_suffix(" wants you to sign in with your Ethereum account:")?;
    let (scheme, domain) = match origin.split_once("://") {
        Some((scheme, domain)) => (Some(scheme), domain),
        None => (None, origin),
    };
    (scheme.is_none_or(uri::is_scheme) && uri::is_authority(domain)).then_some((scheme, domain))
}

fn checksummed_address(line: &str) -> Option<EthAddress> {
    let address: EthAddress = line.parse().ok()?;
    (eth::checksummed(&address).as_str() == line).then_some(address)
}

fn is_empty(line: &str) -> Option<()> {
    line.is_empty().then_some(())
}

fn digits(value: &str) -> Option<&str> {
    (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())).then_some(value)
}

fn long_alphanumeric(value: &str) -> Option<&str> {
    let is_nonce = value.len() >= NONCE_LENGTH_MIN && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_nonce.then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every part that the grammar has.
    const FULL: &str = "https://example.com:8080 wants you to sign in with your Ethereum account:\n\
        0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\
        \n\
        I accept the Terms: https://example.com/tos?a=[1]#x\n\
        \n\
        URI: https://example.com/login\n\
        Version: 1\n\
        Chain ID: 1\n\
        Nonce: 32891756abcDEF\n\
        Issued At: 2021-09-30T16:25:24Z\n\
        Expiration Time: 2021-09-30T17:25:24.5Z\n\
        Not Before: 2021-09-30T16:00:00+00:00\n\
        Request ID: some%20id:@1\n\
        Resources:\n\
        - ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n\
        - https://example.com/my-web2-claim.json";

    const SHORT: &str = "localhost wants you to sign in with your Ethereum account:\n\
        0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\
        \n\
        \n\
        URI: http://localhost/\n\
        Version: 1\n\
        Chain ID: 1\n\
        Nonce: 12345678\n\
        Issued At: 2021-09-30T16:25:24Z";

    #[test]
    fn the_full_and_the_shortest_message_are_read() {
        let full = SignInMessage::parse(FULL).unwrap();
        assert_eq!((full.scheme, full.domain), (Some("https"), "example.com:8080"));
        assert_eq!(full.address.as_str(), "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
        assert_eq!(full.statement, Some("I accept the Terms: https://example.com/tos?a=[1]#x"));
        assert_eq!((full.uri, full.chain_id), ("https://example.com/login", "1"));
        assert_eq!(full.nonce, "32891756abcDEF");
        assert_eq!(full.issued_at, Timestamp::from_seconds(1_633_019_124.0));
        assert_eq!(full.expiration_time, Some(Timestamp::from_seconds(1_633_022_724.5)));
        assert_eq!(full.not_before, Some(Timestamp::from_seconds(1_633_017_600.0)));
        assert_eq!(full.request_id, Some("some%20id:@1"));
        assert_eq!(full.resources.len(), 2);
        assert_eq!(full.resources[1], "https://example.com/my-web2-claim.json");

        let short = SignInMessage::parse(SHORT).unwrap();
        assert_eq!((short.scheme, short.domain, short.statement), (None, "localhost", None));
        assert_eq!((short.expiration_time, short.not_before, short.request_id), (None, None, None));
        assert!(short.resources.is_empty());
        assert!(SignInMessage::parse(&format!("{SHORT}\nRequest ID: \nResources:")).is_ok());
    }

    #[test]
    fn no_line_can_be_missing_twice_or_elsewhere() {
        let lines: Vec<&str> = SHORT.split('\n').collect();
        for place in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(place);
            assert!(SignInMessage::parse(&without.join("\n")).is_err(), "without line {place}");
            let mut twice = lines.clone();
            twice.insert(place, lines[place]);
            assert!(SignInMessage::parse(&twice.join("\n")).is_err(), "line {place} twice");
            if place != 2 && place + 1 < lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(place, place + 1);
                assert!(SignInMessage::parse(&swapped.join("\n")).is_err(), "line {place} swapped");
            }
        }
    }

    #[test]
    fn deviations_from_the_grammar_are_refused() {
        for (part, with) in [
            ("https://", "1ttps://"),
            ("https://example.com:8080", ""),
            ("example.com:8080 wants", "exa mple.com wants"),
            ("wants you", "Wants you"),
            ("account:\n", "account:\r\n"),
            ("0xC02aaA39", "0xc02aaA39"),
            ("0xC02aaA39", "C02aaA39"),
            ("I accept", "\u{f6}ffentlich"),
            ("I accept", "100% of <b>"),
            ("URI: https", "URI: "),
            ("URI: ", "URI:"),
            ("Version: 1", "Version: 2"),
            ("Chain ID: 1", "Chain ID: 0x1"),
            ("Chain ID: 1", "Chain ID: "),
            ("32891756abcDEF", "1234567"),
            ("32891756abcDEF", "1234-5678"),
            ("Issued At: 2021-09-30T", "Issued At: 2021-09-30 "),
            ("Expiration Time: 2021", "Expiration Time: later"),
            ("Not Before: 2021-09-30T", "Not Before: 2021-09-31T"),
            ("some%20id", "some id"),
            ("- ipfs", "* ipfs"),
            ("- ipfs:", "- :"),
            ("Resources:\n", "Resources:\n\n"),
            ("Request ID", "Request Id"),
        ] {
            assert!(FULL.contains(part), "{part}");
            assert!(SignInMessage::parse(&FULL.replacen(part, with, 1)).is_err(), "{part} -> {with}");
        }
        assert!(SignInMessage::parse(&format!("{FULL}\n")).is_err());
        assert!(SignInMessage::parse(&format!("{SHORT}\nAnd: more")).is_err());
        let expiry_last =
            format!("{SHORT}\nNot Before: 2021-09-30T16:25:24Z\nExpiration Time: 2021-09-30T16:25:24Z");
        assert!(SignInMessage::parse(&expiry_last).is_err());
        assert_eq!(SignInMessage::parse(""), Err(MessageError("domain")));
    }

    #[test]
    fn a_message_holds_from_its_beginning_to_its_end() {
        let message = SignInMessage::parse(FULL).unwrap();
        let (beginning, end) = (message.not_before.unwrap(), message.expiration_time.unwrap());
        let micro = std::time::Duration::from_micros(1);
        let issued_later = SignInMessage { issued_at: beginning, ..message.clone() };
        assert_eq!(issued_later.check_time(beginning.minus(micro)), Err(TimeError::Early(1)));
        assert_eq!(issued_later.check_time(beginning), Ok(()));
        assert_eq!(message.check_time(end.minus(micro)), Ok(()));
        assert_eq!(message.check_time(end), Err(TimeError::Over(1)));
        assert_eq!(
            message.check_time(end.plus(std::time::Duration::from_secs(90))),
            Err(TimeError::Over(91))
        );
    }

    #[test]
    fn a_message_from_the_future_is_refused_beyond_what_clocks_differ_by() {
        let message = SignInMessage::parse(SHORT).unwrap();
        let at_most = message.issued_at.minus(SIGN_IN_CLOCK_AHEAD_MAX);
        assert_eq!(message.check_time(at_most), Ok(()));
        let micro = std::time::Duration::from_micros(1);
        assert_eq!(message.check_time(at_most.minus(micro)), Err(TimeError::Ahead(61)));
        let hour = message.issued_at.minus(std::time::Duration::from_secs(3600));
        let said = message.check_time(hour).unwrap_err().to_string();
        assert!(said.contains("3601 s ahead") && said.contains("set your machine's clock"), "{said}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC*", at in 0usize..400, junk in "\\PC{0,3}|\n") {
            let _ = SignInMessage::parse(&text);
            let at = at.min(FULL.len());
            let broken = format!("{}{junk}{}", &FULL[..at], &FULL[at..]);
            if let Ok(message) = SignInMessage::parse(&broken) {
                prop_assert_eq!(message.address.as_str(), "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
            }
        }
    }
}
