//! Files as browsers get them, and what the pages promise about themselves.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::*;

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Request::fake_http(method, path, headers, Vec::new())
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Response> {
    Pages::Embedded.find(&request(method, path, headers))
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

fn text(file: &File) -> &str {
    str::from_utf8(&file.plain).unwrap()
}

fn gzip_size(file: &File) -> usize {
    let name = format!("/static/{}", file.name);
    body(ask("GET", &name, &[("Accept-Encoding", "gzip")]).unwrap()).len()
}

fn of_kind(content_type: &str) -> impl Iterator<Item = &'static Arc<File>> {
    web::files().iter().filter(move |file| file.content_type.starts_with(content_type))
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
fn browsers_get_the_app_and_programs_do_not() {
    const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let page = Pages::Embedded.landing(&request("GET", "/", &[HTML])).unwrap();
    assert_eq!(header(&page, "Vary"), "Accept, Accept-Encoding");
    for accept in ["*/*", "application/json"] {
        let headers = [("Accept", accept)];
        assert!(Pages::Embedded.landing(&request("GET", "/", &headers)).is_none());
        assert!(Pages::Embedded.fallback(&request("GET", "/monitoring", &headers)).is_none());
    }
    let status =
        |path| Pages::Embedded.fallback(&request("GET", path, &[HTML])).map(|response| response.status_code);
    assert_eq!(status("/lease/lease-1?tab=blocks"), Some(200));
    assert_eq!(status("/nowhere"), Some(404));
    assert_eq!(status("/api/nowhere"), None);
    assert_eq!(status("/static/nowhere.js"), None);
    assert!(Pages::Embedded.fallback(&request("POST", "/monitoring", &[HTML])).is_none());
}

#[test]
fn every_page_is_locked_down_and_every_file_it_names_is_there() {
    for file in of_kind("text/html") {
        let response = file.response(&request("GET", "/", &[]), "Accept-Encoding");
        let policy = header(&response, "Content-Security-Policy");
        assert!(policy.starts_with("default-src 'none'") && policy.ends_with("trusted-types 'none'"));
        let html = text(file);
        assert_eq!(policy.contains("'sha256-"), web::import_map(html).is_some(), "{}", file.name);
        assert!(!html.contains("style=") && !html.contains(" onclick"), "{} has inline code", file.name);
        for named in html.split('"').filter(|text| text.starts_with("/static/")) {
            assert!(ask("GET", named, &[]).is_some(), "{} names {named}", file.name);
        }
    }
}

#[test]
fn no_script_of_ours_turns_a_string_into_markup_or_code() {
    let ours = of_kind("text/javascript").filter(|file| !file.name.starts_with("vendor/"));
    for file in ours {
        for banned in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!text(file).contains(banned), "{} uses {banned}", file.name);
        }
    }
}

/// What a module imports when it is loaded, by the path it is served at.
fn imports(file: &File) -> Vec<String> {
    let lines = text(file).lines().filter(|line| line.starts_with("import ") || line.starts_with("} from"));
    let named = lines.filter_map(|line| line.split('"').nth(1));
    named.filter(|name| name.starts_with("/static/")).map(str::to_owned).collect()
}

#[test]
fn modules_import_what_is_there_and_the_first_page_preloads_what_it_needs() {
    for file in of_kind("text/javascript") {
        for named in imports(file) {
            assert!(ask("GET", &named, &[]).is_some(), "{} imports {named}", file.name);
        }
    }
    let html = text(&Pages::Embedded.file(APP).unwrap()).to_owned();
    let (mut needed, mut seen) = (vec!["/static/app/shell.js".to_owned()], BTreeSet::new());
    while let Some(path) = needed.pop() {
        assert!(
            html.contains(&format!("rel=\"modulepreload\" href=\"{path}\"")) || path.ends_with("shell.js"),
            "index.html does not preload {path}"
        );
        if seen.insert(path.clone()) {
            let file = Pages::Embedded.file(path.trim_start_matches("/static/")).unwrap();
            needed.extend(imports(&file));
        }
    }
}

#[test]
fn vendored_files_are_those_of_the_lock_and_bear_their_digits() {
    let lock = Pages::Embedded.file("vendor/vendor.lock").unwrap();
    let mut listed = BTreeSet::from(["vendor/vendor.lock".to_owned()]);
    for line in text(&lock).lines().filter(|line| !line.starts_with('#')) {
        let [file, sha256, _package, _version, _path] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("vendor.lock: {line}");
        };
        let name = format!("vendor/{file}");
        let vendored = Pages::Embedded.file(&name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(hex::encode(Sha256::digest(&vendored.plain)), sha256, "{name} has changed");
        assert!(web::is_hashed(&name) && file.contains(&sha256[..8]), "{name} is named wrongly");
        listed.insert(name);
    }
    let there = web::files().iter().filter(|file| file.name.starts_with("vendor/"));
    assert_eq!(there.map(|file| file.name.to_string()).collect::<BTreeSet<_>>(), listed);
    let kept = ask("GET", "/static/vendor/LICENSE-preact.1fe69584.txt", &[]).unwrap();
    assert!(header(&kept, "Cache-Control").contains("immutable"));
}

#[test]
fn the_app_keeps_its_budget_of_bytes() {
    const SCRIPT_BYTES_MAX: usize = 90_000;
    const STYLE_BYTES_MAX: usize = 12 * 1024;
    // Pages of their own: the operator's dashboard, and the gateway's.
    let is_app =
        |file: &&Arc<File>| !["dashboard", "block-buster"].iter().any(|own| file.name.starts_with(own));
    let sum = |kind| of_kind(kind).filter(is_app).map(|f| gzip_size(f)).sum();
    let (script, style): (usize, usize) = (sum("text/javascript"), sum("text/css"));
    assert!(script <= SCRIPT_BYTES_MAX, "{script} bytes of script");
    assert!(style <= STYLE_BYTES_MAX, "{style} bytes of style");
}

#[test]
fn pages_are_only_read_and_nothing_beside_them() {
    let refused = ask("POST", "/dashboard", &[]).unwrap();
    assert_eq!((refused.status_code, header(&refused, "Allow")), (405, "GET, HEAD"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("static")).unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    std::fs::write(folder.path().join("static/a.css"), "a{}").unwrap();
    let pages = Pages::Folder(folder.path().join("static"));
    assert_eq!(body(pages.find(&request("GET", "/static/a.css", &[])).unwrap()), b"a{}");
    std::fs::write(folder.path().join("static/a.css"), "b{}").unwrap();
    assert_eq!(body(pages.find(&request("GET", "/static/a.css", &[])).unwrap()), b"b{}");
    for path in ["/static/../secret", "/static//etc/passwd", "/static/.", "/static/"] {
        assert!(pages.find(&request("GET", path, &[])).is_none(), "{path}");
        assert!(ask("GET", path, &[]).is_none(), "{path}");
    }
}
