//! A file of `static/` as it is sent: compressed once, with a strong `ETag`.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use rouille::{Request, Response};
use sha2::{Digest, Sha256};

/// Scripts and styles from here alone, none inline but the import map, no string ever taken for code
/// or markup.
const POLICY_BEFORE_HASH: &str = "default-src 'none'; script-src 'self'";
const POLICY_AFTER_HASH: &str = "; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const SECURITY: [(&str, &str); 4] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// Browsers ask again each time, and are mostly told 304.
const REVALIDATED: &str = "no-cache";
/// Its name changes when its bytes do.
const KEPT: &str = "public, max-age=31536000, immutable";

/// A file as it is sent.
pub struct File {
    /// Below `static/`.
    pub name: Cow<'static, str>,
    /// What it is.
    pub content_type: &'static str,
    /// Its bytes.
    pub plain: Cow<'static, [u8]>,
    gzipped: Option<Vec<u8>>,
    etag: String,
    policy: Option<String>,
}

impl File {
    /// Prepared to be sent often; `compressed` unless its kind is compact already.
    pub fn new(name: Cow<'static, str>, plain: Cow<'static, [u8]>, compressed: bool) -> Self {
        let content_type = content_type(&name);
        let is_ours = content_type.starts_with("text/javascript") && !name.starts_with("vendor/");
        let plain = if is_ours && compressed { lean(&plain).into() } else { plain };
        let is_compact = matches!(content_type, "font/woff2" | "image/png");
        File {
            gzipped: (compressed && !is_compact).then(|| gzip(&plain)),
            etag: hex::encode(&Sha256::digest(&plain)[..16]),
            policy: content_type.starts_with("text/html").then(|| policy(&plain)),
            content_type,
            plain,
            name,
        }
    }

    /// The answer to a request for this file.
    pub fn response(&self, request: &Request, vary: &'static str) -> Response {
        let takes_gzip = request.header("Accept-Encoding").is_some_and(accepts_gzip);
        let gzipped = self.gzipped.as_ref().filter(|_| takes_gzip);
        // Strong: other bytes, other tag.
        let etag = format!("\"{}{}\"", self.etag, if gzipped.is_some() { "-gz" } else { "" });
        let known = request.header("If-None-Match").is_some_and(|tags| names(tags, &etag));
        let mut response = match (known, gzipped) {
            (true, _) => Response::from_data(self.content_type, Vec::new()).with_status_code(304),
            (false, Some(gzipped)) => Response::from_data(self.content_type, gzipped.clone())
                .with_additional_header("Content-Encoding", "gzip"),
            (false, None) => Response::from_data(self.content_type, self.plain.to_vec()),
        };
        let caching = if is_hashed(&self.name) { KEPT } else { REVALIDATED };
        let about = [("ETag", Cow::from(etag)), ("Vary", vary.into()), ("Cache-Control", caching.into())];
        let policy = self.policy.clone().map(|policy| ("Content-Security-Policy", Cow::from(policy)));
        let security = SECURITY.map(|(name, value)| (name, Cow::from(value)));
        let all = about.into_iter().chain(policy).chain(security);
        response.headers.extend(all.map(|(name, value)| (name.into(), value)));
        response
    }
}

/// Whether a name bears the digits of its bytes, as vendored files do: `preact.0123abcd.mjs`.
pub fn is_hashed(name: &str) -> bool {
    let digits = name.strip_prefix("vendor/").and_then(|file| file.rsplit('.').nth(1));
    digits.is_some_and(|text| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The policy of a page, which names its import map by hash.
fn policy(html: &[u8]) -> String {
    let map = import_map(&String::from_utf8_lossy(html)).map(|map| Sha256::digest(map.as_bytes()));
    let hash = map.map(|digest| format!(" 'sha256-{}'", STANDARD.encode(digest))).unwrap_or_default();
    format!("{POLICY_BEFORE_HASH}{hash}{POLICY_AFTER_HASH}")
}

/// The text of a page's import map.
pub fn import_map(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("<script type=\"importmap\">")?;
    rest.split_once("</script>").map(|(map, _)| map.to_owned())
}

/// A script of ours without comments that fill a line and without indentation; lines keep their numbers.
fn lean(script: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(script);
    let lines = text.lines().map(|line| match line.trim_start() {
        comment if comment.starts_with("//") || comment.starts_with("/** ") && comment.ends_with("*/") => {
            "\n".to_owned()
        }
        code => format!("{code}\n"),
    });
    lines.collect::<String>().into_bytes()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
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
    use super::*;

    #[test]
    fn gzip_only_for_those_who_take_it() {
        for (encodings, expected) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            assert_eq!(accepts_gzip(encodings), expected, "{encodings}");
        }
    }

    #[test]
    fn scripts_are_sent_without_comments_and_their_lines_keep_their_numbers() {
        let script = b"// a\n/** b */\nconst url = \"https://x\"; // c\n  go();\n";
        assert_eq!(lean(script), b"\n\nconst url = \"https://x\"; // c\ngo();\n");
    }

    #[test]
    fn only_vendored_files_with_their_digits_are_kept_for_ever() {
        assert!(is_hashed("vendor/preact.0123abcd.mjs"));
        for name in ["vendor/vendor.lock", "app/preact.0123abcd.mjs", "vendor/preact.module.js", "index.html"]
        {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
