//! The page for browsers, and the files that it is made of.

use rouille::{Request, Response};

use crate::http::detail;
use crate::web;

const PAGE: &str = "block-buster.html";

/// The answer for a page's path, or `None` when no page is there.
pub(super) fn find(request: &Request, path: &str) -> Option<Response> {
    let name = match path {
        // A fragment never reaches a server: `/#/theblock` and `/#theblock` are `/` here.
        "/" | "/theblock" | "/block-buster" => PAGE,
        path => path.strip_prefix("/static/")?,
    };
    let file = web::file(name)?;
    if !matches!(request.method(), "GET" | "HEAD") {
        return Some(detail(405, "Method Not Allowed").with_additional_header("Allow", "GET, HEAD"));
    }
    Some(file.response(request, "Accept-Encoding"))
}
