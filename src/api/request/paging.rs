//! Lists by page: `page` and `limit` in, `items`, `total`, `page`, `limit`, `total_pages` out.

use serde::Serialize;

use super::input::Query;
use super::router::Parameter;

/// The parameter `page`.
pub const PAGE: Parameter =
    Parameter { name: "page", kind: "integer", required: false, about: "From 1 (the default)" };

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Paging {
    page: i64,
    limit: i64,
}

impl Paging {
    /// From a query.
    pub fn of(query: &mut Query<'_>, limit_default: i64, limit_max: i64) -> Self {
        let page = query.integer("page", 1, 1..=i64::MAX);
        let limit = query.integer("limit", limit_default, 1..=limit_max);
        Paging { page, limit }
    }

    /// Rows asked for.
    pub fn limit(self) -> i64 {
        self.limit
    }

    /// Rows before the page.
    pub fn offset(self) -> i64 {
        (self.page - 1).saturating_mul(self.limit)
    }

    /// The page out of all that there is.
    pub fn cut<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let places = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
        all.skip(places(self.offset())).take(places(self.limit))
    }

    /// The answer; without rows there are no pages.
    pub fn page<T>(self, items: Vec<T>, total: usize) -> Listing<T> {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let total_pages = total / self.limit + i64::from(total % self.limit != 0);
        Listing { items, total, page: self.page, limit: self.limit, total_pages }
    }
}

/// A page of a list.
#[derive(Serialize)]
pub struct Listing<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Rows in all.
    pub total: i64,
    /// Which page, from 1.
    pub page: i64,
    /// Rows of a full page.
    pub limit: i64,
    /// Pages in all.
    pub total_pages: i64,
}
