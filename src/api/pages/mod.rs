//! The pages for browsers: the files of `static/`, embedded in the program. Nothing is loaded from
//! elsewhere, and the headers let a page do nothing but show itself and talk to this server.
//!
//! `/static/NAME` is the file; `/`, the app's own addresses and what is nowhere show a browser the
//! app, which finds its page by the address; `/dashboard` is a page of its own.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rouille::{Request, Response};

use super::ApiError;
use crate::web::{self, File};

const APP: &str = "index.html";
const DASHBOARD: &str = "dashboard.html";

/// How the app's addresses begin; anything else is 404, with the app to say so.
const APP_PATHS: [&str; 8] =
    ["monitoring", "worker", "marketplace", "provider", "renter", "lease", "account", "block-buster"];
/// What never is a page.
const NO_PAGES: [&str; 3] = ["/api/", "/static/", "/ws/"];

/// Where pages come from.
#[derive(Clone, Debug, Default)]
pub enum Pages {
    /// The program.
    #[default]
    Embedded,
    /// A folder, read anew for each request: for work on the pages.
    Folder(PathBuf),
}

impl Pages {
    /// Those of `folder`, or the embedded ones.
    pub fn of(folder: Option<PathBuf>) -> Self {
        folder.map_or(Pages::Embedded, Pages::Folder)
    }

    /// Compresses the files, before the first request: a connection's stack is too small for it.
    pub(super) fn prepare() {
        web::prepare();
    }

    /// The answer for a file's or the dashboard's path, or `None` when none is there.
    pub(super) fn find(&self, request: &Request) -> Option<Response> {
        let name = match path(request) {
            "/dashboard" => DASHBOARD,
            path => path.strip_prefix("/static/")?,
        };
        let file = self.file(name)?;
        if !matches!(request.method(), "GET" | "HEAD") {
            let refusal = ApiError::new(405, "Method Not Allowed").with_header("Allow", "GET, HEAD");
            return Some(refusal.into_response());
        }
        Some(file.response(request, "Accept-Encoding"))
    }

    /// What `GET /` shows a browser; `None` for a program, whose answer must say `Vary: Accept`.
    pub(super) fn landing(&self, request: &Request) -> Option<Response> {
        is_browser(request).then(|| self.app(request))?
    }

    /// The app, for a browser at an address that no route has; 404 unless it is one of the app's.
    pub(super) fn fallback(&self, request: &Request) -> Option<Response> {
        let path = path(request);
        let may_be = is_browser(request)
            && matches!(request.method(), "GET" | "HEAD")
            && !NO_PAGES.iter().any(|prefix| path.starts_with(prefix));
        let first = path.split('/').nth(1).unwrap_or_default();
        let response = may_be.then(|| self.app(request))??;
        let known = APP_PATHS.contains(&first) || response.status_code == 304;
        Some(if known { response } else { response.with_status_code(404) })
    }

    fn app(&self, request: &Request) -> Option<Response> {
        Some(self.file(APP)?.response(request, "Accept, Accept-Encoding"))
    }

    fn file(&self, name: &str) -> Option<Arc<File>> {
        match self {
            Pages::Embedded => web::file(name),
            Pages::Folder(folder) => read(folder, name).map(Arc::new),
        }
    }
}

/// A file below `folder`; nothing hidden, nothing outside.
fn read(folder: &Path, name: &str) -> Option<File> {
    if name.split('/').any(|segment| segment.is_empty() || segment.starts_with('.') || segment.contains('\\'))
    {
        return None;
    }
    let plain = std::fs::read(folder.join(name)).ok()?;
    Some(File::new(Cow::Owned(name.to_owned()), Cow::Owned(plain), false))
}

fn path(request: &Request) -> &str {
    request.raw_url().split('?').next().unwrap_or_default()
}

fn is_browser(request: &Request) -> bool {
    request.header("Accept").is_some_and(|accept| accept.contains("text/html"))
}
