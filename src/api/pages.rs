//! The pages for browsers, embedded in the program: no file is read, nothing is loaded from elsewhere.
//!
//! Each file is compressed once and bears a strong `ETag`; a browser asks again each time and is
//! mostly told 304. The headers let a page do nothing but show itself and talk to this server.

use std::borrow::Cow;
use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use rouille::{Request, Response};
use sha2::{Digest, Sha256};

use super::ApiError;

/// Scripts and styles from here alone, no inline ones, no string ever taken for code or markup.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const SECURITY: [(&str, &str); 5] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// A file as it is sent.
struct Page {
    path: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzipped: Vec<u8>,
    etag: String,
}

macro_rules! page {
    ($path:literal, $content_type:literal, $file:literal) => {
        Page::new($path, $content_type, include_bytes!(concat!("../../static/", $file)))
    };
}

static LANDING: LazyLock<Page> = LazyLock::new(|| page!("/", "text/html; charset=utf-8", "index.html"));

static PAGES: LazyLock<[Page; 5]> = LazyLock::new(|| {
    [
        page!("/dashboard", "text/html; charset=utf-8", "dashboard.html"),
        page!("/static/dashboard.js", "text/javascript; charset=utf-8", "dashboard.js"),
        page!("/static/index.js", "text/javascript; charset=utf-8", "index.js"),
        page!("/static/style.css", "text/css; charset=utf-8", "style.css"),
        page!("/static/icon.svg", "image/svg+xml", "icon.svg"),
    ]
});

/// Compresses the pages, before the first request: a connection's stack is too small for it.
pub fn prepare() {
    LazyLock::force(&LANDING);
    LazyLock::force(&PAGES);
}

/// The answer for a page's path, or `None` when no page is there.
pub fn find(request: &Request) -> Option<Response> {
    let path = request.raw_url().split('?').next()?;
    let page = PAGES.iter().find(|page| page.path == path)?;
    if !matches!(request.method(), "GET" | "HEAD") {
        let refusal = ApiError::new(405, "Method Not Allowed").with_header("Allow", "GET, HEAD");
        return Some(refusal.into_response());
    }
    Some(page.response(request, "Accept-Encoding"))
}

/// What `GET /` shows a browser; `None` for a program, whose answer must say `Vary: Accept`.
pub fn landing(request: &Request) -> Option<Response> {
    let is_browser = request.header("Accept").is_some_and(|accept| accept.contains("text/html"));
    is_browser.then(|| LANDING.response(request, "Accept, Accept-Encoding"))
}

impl Page {
    fn new(path: &'static str, content_type: &'static str, plain: &'static [u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("memory takes all bytes");
        let gzipped = encoder.finish().expect("memory takes all bytes");
        let etag = hex::encode(&Sha256::digest(plain)[..16]);
        Page { path, content_type, plain, gzipped, etag }
    }

    fn response(&self, request: &Request, vary: &'static str) -> Response {
        let gzip = request.header("Accept-Encoding").is_some_and(accepts_gzip);
        // Strong: other bytes, other tag.
        let etag = format!("\"{}{}\"", self.etag, if gzip { "-gz" } else { "" });
        let known = request.header("If-None-Match").is_some_and(|tags| names(tags, &etag));
        let mut response = match (known, gzip) {
            (true, _) => Response::from_data(self.content_type, Vec::new()).with_status_code(304),
            (false, true) => Response::from_data(self.content_type, self.gzipped.clone())
                .with_additional_header("Content-Encoding", "gzip"),
            (false, false) => Response::from_data(self.content_type, self.plain),
        };
        let headers =
            [("ETag", Cow::from(etag)), ("Vary", vary.into()), ("Cache-Control", "no-cache".into())];
        let security = SECURITY.map(|(name, value)| (name, Cow::from(value)));
        response
            .headers
            .extend(headers.into_iter().chain(security).map(|(name, value)| (name.into(), value)));
        response
    }
}

/// Whether a list of encodings holds gzip, not with weight zero.
fn accepts_gzip(encodings: &str) -> bool {
    encodings.split(',').any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn names(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Response> {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        find(&Request::fake_http(method, path, headers, Vec::new()))
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        let of_name = |(known, _): &&(Cow<'_, str>, Cow<'_, str>)| known.eq_ignore_ascii_case(name);
        response.headers.iter().find(of_name).map_or("", |(_, value)| value)
    }

    fn body(response: Response) -> Vec<u8> {
        let mut bytes = Vec::new();
        response.data.into_reader_and_size().0.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_page_is_the_same_compressed_and_not_sent_twice() {
        let plain = ask("GET", "/dashboard", &[]).unwrap();
        let gzip = ask("GET", "/dashboard?x=1", &[("Accept-Encoding", "br, gzip")]).unwrap();
        let (plain_tag, gzip_tag) = (header(&plain, "ETag").to_owned(), header(&gzip, "ETag").to_owned());
        assert_ne!(plain_tag, gzip_tag);
        assert_eq!(header(&gzip, "Content-Encoding"), "gzip");
        let mut unpacked = Vec::new();
        GzDecoder::new(body(gzip).as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body(plain));

        let again = ask("GET", "/dashboard", &[("If-None-Match", &format!("\"x\", {plain_tag}"))]).unwrap();
        assert_eq!((again.status_code, header(&again, "ETag")), (304, plain_tag.as_str()));
        assert!(body(again).is_empty());
        let changed = ask("GET", "/dashboard", &[("If-None-Match", &gzip_tag)]).unwrap();
        assert_eq!(changed.status_code, 200);
    }

    #[test]
    fn gzip_only_for_those_who_take_it() {
        for (encodings, expected) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            assert_eq!(accepts_gzip(encodings), expected, "{encodings}");
        }
    }

    #[test]
    fn browsers_get_the_landing_page_and_programs_do_not() {
        let as_one = |accept: &str| {
            let headers = vec![("Accept".to_owned(), accept.to_owned())];
            landing(&Request::fake_http("GET", "/", headers, Vec::new()))
        };
        let page = as_one("text/html,application/xhtml+xml,*/*;q=0.8").unwrap();
        assert_eq!(header(&page, "Vary"), "Accept, Accept-Encoding");
        assert!(as_one("*/*").is_none() && as_one("application/json").is_none());
    }

    #[test]
    fn every_page_is_locked_down_and_every_file_it_names_is_there() {
        let all = PAGES.iter().chain([&*LANDING]);
        for page in all.filter(|page| page.content_type.starts_with("text/html")) {
            let response =
                page.response(&Request::fake_http("GET", page.path, vec![], vec![]), "Accept-Encoding");
            assert!(header(&response, "Content-Security-Policy").starts_with("default-src 'none'"));
            let html = str::from_utf8(page.plain).unwrap();
            assert!(!html.contains("style=") && !html.contains("onclick"), "{} has inline code", page.path);
            for file in html.split('"').filter(|text| text.starts_with("/static/")) {
                assert!(ask("GET", file, &[]).is_some(), "{} names {file}", page.path);
            }
        }
    }

    #[test]
    fn pages_are_only_read() {
        let refused = ask("POST", "/dashboard", &[]).unwrap();
        assert_eq!((refused.status_code, header(&refused, "Allow")), (405, "GET, HEAD"));
        assert!(ask("GET", "/static/../Cargo.toml", &[]).is_none());
    }
}
