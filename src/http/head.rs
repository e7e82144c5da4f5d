//! A request's head: from bytes to something the handler and the framing can trust (RFC 9112).

use httparse::{EMPTY_HEADER, Header, Status};

use super::refusal::Refusal;
use crate::base::limits::{HTTP_BODY_BYTES_MAX, HTTP_HEADERS_MAX};

/// A request without its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    /// Path and query: always begins with `/`, or is `*`.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    /// The client wants to send more requests on this connection.
    pub(super) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// HTTP/1.0: knows neither chunks nor upgrades.
    pub(super) is_old: bool,
}

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

impl Head {
    /// A header's value, by its name without case.
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn connection(&self, token: &str) -> bool {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        lists(headers, "connection", token)
    }
}

/// Whether a header that is a list of tokens holds `token`.
pub(super) fn lists<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>, name: &str, token: &str) -> bool {
    headers
        .filter(|(header, _)| header.eq_ignore_ascii_case(name))
        .flat_map(|(_, value)| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Parses the head at the start of `bytes`: it and its length, or `None` when more bytes are needed.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let mut slots = [EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut slots);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed),
    };
    if has_bare_line_feed(&bytes[..length]) {
        return Err(Refusal::Malformed);
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    let mut head = Head {
        method: method.to_owned(),
        target: String::new(),
        headers: owned(request.headers)?,
        framing: Framing::Length(0),
        keep_alive: false,
        expects_continue: false,
        is_old: version == 0,
    };
    resolve_target(&mut head, target)?;
    head.framing = framing(&head)?;
    head.keep_alive = if head.is_old { head.connection("keep-alive") } else { !head.connection("close") };
    head.expects_continue = expects_continue(&head)?;
    Ok(Some((head, length)))
}

/// The parser ends lines at a lone LF too; a proxy in front may not, and would see other headers.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter().any(|&byte| {
        let bare = byte == b'\n' && before != b'\r';
        before = byte;
        bare
    })
}

fn owned(headers: &[Header<'_>]) -> Result<Vec<(String, String)>, Refusal> {
    let pair = |header: &Header<'_>| {
        let value = str::from_utf8(header.value).map_err(|_| Refusal::Malformed)?;
        Ok((header.name.to_owned(), value.to_owned()))
    };
    headers.iter().map(pair).collect()
}

/// Sets the target from its origin or absolute form (whose authority replaces `Host`), or `*`.
fn resolve_target(head: &mut Head, target: &str) -> Result<(), Refusal> {
    let hosts = head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    if hosts > 1 || (hosts == 0 && !head.is_old) {
        return Err(Refusal::Host);
    }
    if target.contains('#') {
        return Err(Refusal::Target);
    }
    if target.starts_with('/') || (target == "*" && head.method == "OPTIONS") {
        target.clone_into(&mut head.target);
        return Ok(());
    }
    let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::Target);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || authority.contains('@') {
        return Err(Refusal::Target);
    }
    head.target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    head.headers.push(("Host".to_owned(), authority.to_owned()));
    Ok(())
}

/// RFC 9112 section 6, and stricter wherever two readers could disagree.
fn framing(head: &Head) -> Result<Framing, Refusal> {
    let mut length = None;
    let mut chunked = false;
    for (name, value) in &head.headers {
        if name.eq_ignore_ascii_case("content-length") {
            if length.is_some_and(|earlier| earlier != value) {
                return Err(Refusal::Framing);
            }
            length = Some(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if head.is_old || chunked {
                return Err(Refusal::Framing);
            }
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(Refusal::Coding);
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Refusal::Framing),
        (Some(length), false) => content_length(length).map(Framing::Length),
        (None, true) => Ok(Framing::Chunked),
        (None, false) if head.is_old && matches!(head.method.as_str(), "POST" | "PUT" | "PATCH") => {
            Err(Refusal::LengthRequired)
        }
        (None, false) => Ok(Framing::Length(0)),
    }
}

fn content_length(value: &str) -> Result<usize, Refusal> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Framing);
    }
    // Only digits: what does not parse is larger than any number.
    let length = value.parse().unwrap_or(usize::MAX);
    if length > HTTP_BODY_BYTES_MAX { Err(Refusal::BodyTooLarge) } else { Ok(length) }
}

fn expects_continue(head: &Head) -> Result<bool, Refusal> {
    match head.header("expect") {
        // HTTP/1.0 clients cannot read an interim answer.
        None => Ok(false),
        Some(_) if head.is_old => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(true),
        Some(_) => Err(Refusal::Expectation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Result<Head, Refusal> {
        parse(text.as_bytes()).map(|parsed| parsed.expect("a whole head").0)
    }

    fn with(headers: &str) -> Result<Head, Refusal> {
        head(&format!("POST /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
    }

    #[test]
    fn framing_is_never_ambiguous() {
        assert_eq!(with("").unwrap().framing, Framing::Length(0));
        assert_eq!(with("Content-Length: 12\r\n").unwrap().framing, Framing::Length(12));
        assert_eq!(with("transfer-encoding: Chunked\r\n").unwrap().framing, Framing::Chunked);
        assert_eq!(with("Content-Length: 3\r\nContent-Length: 3\r\n").unwrap().framing, Framing::Length(3));
        for (headers, refusal) in [
            ("Content-Length: 3\r\nContent-Length: 4\r\n", Refusal::Framing),
            ("Content-Length: 3, 3\r\n", Refusal::Framing),
            ("Content-Length: +3\r\n", Refusal::Framing),
            ("Content-Length: -3\r\n", Refusal::Framing),
            ("Content-Length: 0x3\r\n", Refusal::Framing),
            ("Content-Length:\r\n", Refusal::Framing),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refusal::Framing),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::Framing),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: identity\r\n", Refusal::Coding),
            ("Transfer-Encoding: xchunked\r\n", Refusal::Coding),
            ("Content-Length: 65537\r\n", Refusal::BodyTooLarge),
            ("Content-Length: 99999999999999999999999999\r\n", Refusal::BodyTooLarge),
            ("Expect: money\r\n", Refusal::Expectation),
            ("Host: b\r\n", Refusal::Host),
            ("Content-Length : 3\r\n", Refusal::Malformed),
            (" Content-Length: 3\r\n", Refusal::Malformed),
            ("A: b\r\n c\r\n", Refusal::Malformed),
            ("A: b\nC: d\r\n", Refusal::Malformed),
        ] {
            assert_eq!(with(headers).unwrap_err(), refusal, "{headers:?}");
        }
    }

    #[test]
    fn targets_become_path_and_query() {
        let target =
            |target: &str| head(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).map(|head| head.target);
        assert_eq!(target("/a?b=c").unwrap(), "/a?b=c");
        assert_eq!(target("http://x.org/a?b").unwrap(), "/a?b");
        assert_eq!(target("HTTPS://x.org").unwrap(), "/");
        assert_eq!(target("http://x.org?b=/").unwrap(), "/?b=/");
        for wrong in ["x.org:80", "a/b", "*", "ftp://x.org/", "http:///a", "http://a@x.org/", "/a#b"] {
            assert_eq!(target(wrong).unwrap_err(), Refusal::Target, "{wrong}");
        }
        let absolute = head("GET http://x.org/ HTTP/1.1\r\nHost: evil\r\n\r\n").unwrap();
        assert_eq!(absolute.header("HOST"), Some("x.org"));
        assert_eq!(head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().target, "*");
    }

    #[test]
    fn persistence_follows_version_and_connection() {
        let keeps = |head_text: &str| head(head_text).unwrap().keep_alive;
        assert!(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert_eq!(head("POST / HTTP/1.0\r\n\r\n").unwrap_err(), Refusal::LengthRequired);
        assert_eq!(head("GET / HTTP/2.0\r\n\r\n").unwrap_err(), Refusal::Version);
        assert_eq!(head("GET / HTTP/1.1\r\n\r\n").unwrap_err(), Refusal::Host);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_refused_or_too_few(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn a_head_cut_short_is_never_refused(cut in 0usize..60) {
            let whole = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nX-Y: z\r\n\r\n";
            let cut = cut.min(whole.len() - 1);
            prop_assert!(parse(&whole[..cut]).unwrap().is_none());
        }
    }
}
