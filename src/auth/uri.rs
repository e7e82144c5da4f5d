//! The parts of RFC 3986 that sign-in messages use: recognisers, no more.

use std::net::Ipv6Addr;

/// `scheme`.
pub(super) fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `authority` with a host that is not empty.
pub(super) fn is_authority(text: &str) -> bool {
    let (user, host_and_port) = text.rsplit_once('@').unwrap_or(("", text));
    let is_host_with_port = if let Some(literal) = host_and_port.strip_prefix('[') {
        literal.split_once(']').is_some_and(|(ip, port)| is_ip_literal(ip) && is_port(port))
    } else {
        let (host, port) = host_and_port.split_at(host_and_port.find(':').unwrap_or(host_and_port.len()));
        !host.is_empty() && is_of(host, b"") && is_port(port)
    };
    is_of(user, b":") && is_host_with_port
}

/// `URI`: a scheme, then whatever hierarchy, query and fragment.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_hierarchy = match hierarchy.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // `file:///path` has an authority that is empty.
            (authority.is_empty() || is_authority(authority)) && is_of(path, b":@/")
        }
        None => is_of(hierarchy, b":@/"),
    };
    is_scheme(scheme) && is_hierarchy && is_of(query, b":@/?") && is_of(fragment, b":@/?")
}

/// `*pchar`.
pub(super) fn is_pchars(text: &str) -> bool {
    is_of(text, b":@")
}

/// `reserved / unreserved / " "`, which sentences of sign-in messages are made of (EIP-4361).
pub(super) fn is_statement(text: &str) -> bool {
    text.bytes().all(|byte| is_unreserved(byte) || is_sub_delim(byte) || b":/?#[]@ ".contains(&byte))
}

fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']).and_then(|future| future.split_once('.')) {
        Some((version, address)) => {
            let is_hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex && !address.is_empty() && !address.contains('%') && is_of(address, b":")
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

/// Only unreserved characters, sub-delimiters, percent-encoded bytes and `also`.
fn is_of(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_allowed = match byte {
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                is_hex() && is_hex()
            }
            _ => is_unreserved(byte) || is_sub_delim(byte) || also.contains(&byte),
        };
        if !is_allowed {
            return false;
        }
    }
    true
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_sub_delim(byte: u8) -> bool {
    b"!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        for good in [
            "https://example.com/login",
            "https://user:pw@example.com:8080/a/b?q=1&r=/?#top",
            "http://[::1]:8080/",
            "http://[v1.fe:a]/",
            "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
            "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "file:///etc/hosts",
            "did:key:z6Mk",
            "a:",
            "https://example.com/%20x",
        ] {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "1http://x",
            ":x",
            "https://exa mple.com",
            "https://example.com/%2",
            "https://example.com/%zz",
            "https://example.com/<b>",
            "https://[::1/",
            "https://[nope]/",
            "https://x:port/",
            "https://é.com/",
            "https://x/#a#b",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }

    #[test]
    fn authorities() {
        for good in ["example.com", "localhost:8080", "127.0.0.1:80", "[::1]", "[::1]:8080", "u:p@h", "x:"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", ":80", "a b", "a/b", "x:80a", "[::1", "[::1]80", "u@", "a@b@c", "h:1:2"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
