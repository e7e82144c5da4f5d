//! In open mode whoever reaches the port may do everything, so a page from elsewhere must not reach it
//! through its visitor's browser: neither by its own name made to point at this machine (DNS
//! rebinding, which shows in `Host`) nor from afar (which shows in `Origin`). Programs send no `Origin`
//! and name this machine.

use std::net::{IpAddr, Ipv6Addr};

use rouille::Request;

use crate::api::{Api, ApiError, live_feed};
use crate::auth::Mode;

/// 403 for a request that changes something, or for the live feed, when a strange page made it.
pub(in crate::api) fn check(api: &Api, request: &Request) -> Result<(), ApiError> {
    let path = request.raw_url().split('?').next();
    let changes = !matches!(request.method(), "GET" | "HEAD" | "OPTIONS");
    if api.auth.mode() == Mode::Closed || !(changes || path == Some(live_feed::PATH)) {
        return Ok(());
    }
    let own = api.sign_in_domain.as_deref();
    let host = request.header("Host");
    if host.is_some_and(|host| !is_own_name(host, own)) {
        return Err(ApiError::new(403, "This server is not called that; in open mode use localhost"));
    }
    if request.header("Origin").is_some_and(|origin| !is_friendly(origin, host, own)) {
        return Err(ApiError::new(403, "Requests from pages of another site are not taken in open mode"));
    }
    Ok(())
}

/// A name that nobody else can make point here: localhost, an address by itself, or the name that the
/// operator has given.
fn is_own_name(authority: &str, own: Option<&str>) -> bool {
    let name = name_of(authority);
    is_localhost(name)
        || address(name).is_some()
        || own.is_some_and(|own| name_of(own).eq_ignore_ascii_case(name))
}

/// A page of this machine, whatever its port (a development server's, say), or of this server.
fn is_friendly(origin: &str, host: Option<&str>, own: Option<&str>) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let name = name_of(authority);
    is_localhost(name)
        || address(name).is_some_and(|address| address.is_loopback())
        || host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
        || own.is_some_and(|own| name_of(own).eq_ignore_ascii_case(name))
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok(),
    }
}

/// Without the port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_we_bear() {
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "app.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "192.0.2.7",
            "localhost.",
        ] {
            assert!(is_own_name(own, None), "{own}");
        }
        for strange in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[::1",
            "notlocalhost",
        ] {
            assert!(!is_own_name(strange, None), "{strange}");
        }
        assert!(is_own_name("hash.example:8080", Some("hash.example")));
    }

    #[test]
    fn pages_that_may_ask() {
        let host = Some("192.0.2.7:8080");
        for friendly in
            ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:8080", "http://192.0.2.7:8080"]
        {
            assert!(is_friendly(friendly, host, None), "{friendly}");
        }
        for strange in [
            "null",
            "",
            "https://evil.example",
            "http://192.0.2.8:8080",
            "http://192.0.2.7",
            "file://",
            "http://localhost.evil.example",
        ] {
            assert!(!is_friendly(strange, host, None), "{strange}");
        }
        assert!(is_friendly("https://hash.example", host, Some("hash.example")));
    }
}
