//! The query of `/theblock/receipts`: each parameter once, each a number or a market.

use super::views::receipts::{Market, Page};
use crate::base::limits::GATEWAY_RECEIPTS_MAX;

const LIMIT: usize = 100;

/// The page that a query asks for, or what is wrong with it. Unknown parameters are nobody's.
pub(super) fn page(query: &str) -> Result<Page, String> {
    let (mut limit, mut offset, mut market) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_first = match name {
            "limit" => limit.replace(number(name, value)?).is_none(),
            "offset" => offset.replace(number(name, value)?).is_none(),
            "market" => market.replace(named(value)?).is_none(),
            _ => true,
        };
        if !is_first {
            return Err(format!("{name} is given more than once"));
        }
    }
    Ok(Page {
        limit: limit.unwrap_or(LIMIT).min(GATEWAY_RECEIPTS_MAX),
        offset: offset.unwrap_or(0),
        market: market.flatten(),
    })
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("{name} must be a whole number from 0 on"))
}

/// No name is every market, as the prototype has it.
fn named(value: &str) -> Result<Option<Market>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let known = Market::parse(value).map(Some);
    known.ok_or_else(|| "market must be compute, storage, energy or ad".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_within_bounds_and_bad_numbers_are_refused() {
        let all = Page { limit: 100, offset: 0, market: None };
        assert_eq!(page(""), Ok(all));
        assert_eq!(page("market=&x=1&"), Ok(all));
        assert_eq!(
            page("limit=3&offset=7&market=ADS"),
            Ok(Page { limit: 3, offset: 7, market: Some(Market::Ad) })
        );
        assert_eq!(page("limit=1000000").map(|page| page.limit), Ok(GATEWAY_RECEIPTS_MAX));
        for wrong in [
            "limit=",
            "limit",
            "limit=-1",
            "limit=+1",
            "limit=1.5",
            "limit=1e3",
            "limit=0x1",
            "limit=%31",
            "offset=abc",
            "limit=99999999999999999999999",
            "limit=3&limit=3",
            "market=gold",
            "market=ad&market=",
        ] {
            assert!(page(wrong).is_err(), "{wrong}");
        }
    }
}
