//! The table of routes, and finding one.

use std::collections::HashMap;

use rouille::Request;

use super::input::decode;
use crate::api::{Access, Answer, Api, ApiError, Call, KeyScope};

/// The methods we serve. `HEAD` is served by `GET` routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// As on the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" | "HEAD" => Some(Method::Get),
            "POST" => Some(Method::Post),
            "PUT" => Some(Method::Put),
            "DELETE" => Some(Method::Delete),
            _ => None,
        }
    }
}

/// A field of a body or a query, for the API's description.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its JSON type: string, number, integer, boolean or object.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// A route: how it is called, by whom, and who answers.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What an API key must be good for; `None` where any key will do.
    pub scope: Option<KeyScope>,
    /// One line for the API's description.
    pub summary: &'static str,
    /// What its query may hold.
    pub query: &'static [Parameter],
    /// What its JSON body may hold.
    pub body: &'static [Parameter],
    /// What it answers, for the API's description.
    pub answer: &'static str,
    /// The handler.
    pub handle: fn(&Api, &Call<'_>) -> Answer,
}

impl Route {
    /// A `GET` route; its arguments in the order of the fields.
    pub const fn get(
        path: &'static str,
        access: Access,
        scope: Option<KeyScope>,
        summary: &'static str,
        query: &'static [Parameter],
        answer: &'static str,
        handle: fn(&Api, &Call<'_>) -> Answer,
    ) -> Self {
        Route { method: Method::Get, path, access, scope, summary, query, body: &[], answer, handle }
    }
}

/// All routes, resource by resource.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    crate::api::RESOURCES.iter().copied().flatten()
}

/// A route with the values of its path's parameters.
pub struct Found {
    pub(in crate::api) route: &'static Route,
    pub(in crate::api) parameters: Vec<String>,
}

/// Finds routes by the number of their path's segments.
pub struct Router {
    by_length: HashMap<usize, Vec<(Vec<&'static str>, &'static Route)>>,
}

impl Router {
    /// From the table.
    pub fn new() -> Self {
        Self::of(routes())
    }

    /// From a part of the table.
    pub fn of(routes: impl IntoIterator<Item = &'static Route>) -> Self {
        let mut by_length: HashMap<usize, Vec<_>> = HashMap::new();
        for route in routes {
            let segments: Vec<_> = route.path.split('/').skip(1).collect();
            by_length.entry(segments.len()).or_default().push((segments, route));
        }
        for candidates in by_length.values_mut() {
            // A literal segment goes before a parameter.
            candidates.sort_by_key(|(segments, _)| segments.iter().filter(|s| s.starts_with('{')).count());
        }
        Router { by_length }
    }

    /// The route of a request; 404, 405 with `Allow`, or 307 for a trailing slash.
    pub fn find(&self, request: &Request) -> Result<Found, ApiError> {
        let url = request.raw_url();
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let matching = self.by_length.get(&segments.len()).into_iter().flatten();
        let mut matching = matching.filter(|(pattern, _)| matches(pattern, &segments)).peekable();
        if matching.peek().is_none() {
            return Err(self.nothing_at(path, query));
        }
        let method = Method::parse(request.method());
        let mut allowed = Vec::new();
        for (pattern, route) in matching {
            if Some(route.method) == method {
                return Ok(Found { route, parameters: parameters(pattern, &segments) });
            }
            allowed.push(route.method.as_str());
            if route.method == Method::Get {
                allowed.push("HEAD");
            }
        }
        allowed.sort_unstable();
        allowed.dedup();
        Err(ApiError::new(405, "Method Not Allowed").with_header("Allow", allowed.join(", ")))
    }

    fn nothing_at(&self, path: &str, query: Option<&str>) -> ApiError {
        if let Some(shorter) = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()) {
            let segments: Vec<&str> = shorter.split('/').skip(1).collect();
            let known = self.by_length.get(&segments.len()).into_iter().flatten();
            // A path that begins with two slashes would lead to another host.
            if !shorter.starts_with("//") && known.into_iter().any(|(pattern, _)| matches(pattern, &segments))
            {
                let location = query.map_or_else(|| shorter.to_owned(), |query| format!("{shorter}?{query}"));
                return ApiError::new(307, "Temporary Redirect").with_header("Location", location);
            }
        }
        ApiError::new(404, "Not Found")
    }
}

fn matches(pattern: &[&str], segments: &[&str]) -> bool {
    pattern.iter().zip(segments).all(|(pattern, segment)| {
        if pattern.starts_with('{') { !segment.is_empty() } else { pattern == segment }
    })
}

fn parameters(pattern: &[&str], segments: &[&str]) -> Vec<String> {
    let values = pattern.iter().zip(segments).filter(|(pattern, _)| pattern.starts_with('{'));
    values.map(|(_, segment)| decode(segment).into_owned()).collect()
}
