//! The page for browsers.

use rouille::{Request, Response};

/// The answer for a page's path, or `None` when no page is there.
pub(super) fn find(_request: &Request, _path: &str) -> Option<Response> {
    None
}
