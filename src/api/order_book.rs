//! Prices that can be compared: what a thousand hashes a second cost for an hour, the ladder of what
//! is offered, and where one worker's price stands in it.

use serde::Serialize;

use super::request::router::{Parameter, Route};
use super::state::roster::{self, Glance, Row};
use super::views::rounded;
use super::{Access, Answer, Api, ApiError, Call, json, marketplace, workers};
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::{Amount, WorkerId};

const LEVELS: i64 = 50;
const LEVELS_MAX: i64 = 200;
const DECIMALS: usize = 6;

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/marketplace/ladder",
        Access::Public,
        None,
        "What is for rent by comparable price, and the hashrate to be had up to each",
        &[
            Parameter {
                name: "levels",
                kind: "integer",
                required: false,
                about: "Steps at most: 50 by default, 1 to 200; close prices share one",
            },
            Parameter { name: "gpu_type", kind: "string", required: false, about: "Part of a GPU's name" },
        ],
        "levels, workers, hashrate, unrated",
        ladder,
    ),
    Route::get(
        "/api/workers/{worker_id}/pricing/rank",
        Access::Public,
        None,
        "Where a worker's price, or another one, stands among what is for rent",
        &[Parameter {
            name: "price_per_min",
            kind: "number",
            required: false,
            about: "A price to try; the worker's own by default",
        }],
        "The comparable price, its rank, and the market's cheapest and median",
        rank,
    ),
];

/// What a thousand hashes a second cost for an hour; `None` for a worker that does not hash.
pub(super) fn per_khs_hour(price_per_min: Amount, hashrate: f64) -> Option<f64> {
    (hashrate > 0.0).then(|| rounded(price_per_min.to_f64() * 60.0 / (hashrate / 1000.0), DECIMALS))
}

/// What one worker offers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offer {
    price: f64,
    hashrate: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Level {
    price_per_khs_hour: f64,
    workers: usize,
    hashrate: f64,
    cumulative_hashrate: f64,
}

#[derive(Serialize)]
struct Ladder {
    levels: Vec<Level>,
    workers: usize,
    hashrate: f64,
    unrated: usize,
}

fn ladder(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let most = query.integer("levels", LEVELS, 1..=LEVELS_MAX);
    let gpu_type = query.short_text("gpu_type", ID_LENGTH_MAX).map(|text| text.to_lowercase());
    query.finish()?;
    let board = roster::board(api)?;
    let fits = |row: &Row| gpu_type.as_ref().is_none_or(|part| row.gpus.search.contains(part));
    let available =
        board.entries().filter(|(row, glance)| marketplace::is_available(row, glance) && fits(row));
    let all: Vec<Option<Offer>> = available.map(|(row, glance)| offer(row, glance)).collect();
    let mut offers: Vec<Offer> = all.iter().copied().flatten().collect();
    offers.sort_by(|a, b| a.price.total_cmp(&b.price));
    json(&Ladder {
        workers: offers.len(),
        hashrate: rounded(offers.iter().map(|offer| offer.hashrate).sum(), 2),
        unrated: all.len() - offers.len(),
        levels: steps(&offers, usize::try_from(most).unwrap_or(1)),
    })
}

fn offer(row: &Row, glance: &Glance) -> Option<Offer> {
    let price = per_khs_hour(row.worker.price_per_min, glance.hashrate)?;
    Some(Offer { price, hashrate: glance.hashrate })
}

/// Steps of offers in the order of price: one for each price, or, when there are too many, of equal
/// numbers of offers, each named by the highest price in it.
fn steps(offers: &[Offer], most: usize) -> Vec<Level> {
    let mut chunks: Vec<&[Offer]> = offers.chunk_by(|a, b| a.price.total_cmp(&b.price).is_eq()).collect();
    if chunks.len() > most {
        chunks = offers.chunks(offers.len().div_ceil(most)).collect();
    }
    let mut cumulative = 0.0;
    let level = |chunk: &[Offer]| {
        let hashrate: f64 = chunk.iter().map(|offer| offer.hashrate).sum();
        cumulative += hashrate;
        Level {
            price_per_khs_hour: chunk.last().map_or(0.0, |offer| offer.price),
            workers: chunk.len(),
            hashrate: rounded(hashrate, 2),
            cumulative_hashrate: rounded(cumulative, 2),
        }
    };
    chunks.into_iter().map(level).collect()
}

#[derive(Serialize)]
struct Rank<'a> {
    worker_id: &'a WorkerId,
    price_per_min: Amount,
    hashrate: f64,
    /// Null for a worker that does not hash: it has no rank.
    price_per_khs_hour: Option<f64>,
    rank: Option<usize>,
    of: usize,
    cheapest_per_khs_hour: Option<f64>,
    median_per_khs_hour: Option<f64>,
}

fn rank(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let price = query.optional_number("price_per_min");
    query.finish()?;
    let price = price.map(Amount::exactly).transpose();
    let price = price.map_err(|error| ApiError::new(400, format!("price_per_min {error}")))?;
    if price.is_some_and(Amount::is_negative) {
        return Err(ApiError::new(400, "price_per_min must be non-negative"));
    }
    let row = workers::find(api, call)?;
    let (id, hashrate) = (&row.worker.worker_id, roster::live(api, &row.worker).hashrate);
    let price_per_min = price.unwrap_or(row.worker.price_per_min);
    let own = per_khs_hour(price_per_min, hashrate);
    let board = roster::board(api)?;
    let others = board
        .entries()
        .filter(|(row, glance)| row.worker.worker_id != *id && marketplace::is_available(row, glance));
    let mut prices: Vec<f64> = others.filter_map(|(row, glance)| Some(offer(row, glance)?.price)).collect();
    prices.sort_by(f64::total_cmp);
    json(&Rank {
        worker_id: id,
        price_per_min,
        hashrate,
        price_per_khs_hour: own,
        rank: own.map(|own| 1 + prices.partition_point(|price| *price < own)),
        of: prices.len() + usize::from(own.is_some()),
        cheapest_per_khs_hour: prices.first().copied(),
        median_per_khs_hour: prices.get(prices.len() / 2).copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(prices: &[f64]) -> Vec<Offer> {
        prices.iter().map(|price| Offer { price: *price, hashrate: 100.0 }).collect()
    }

    #[test]
    fn a_price_is_comparable_when_there_is_a_hashrate() {
        let price = Amount::from_f64(0.6).unwrap();
        assert_eq!(per_khs_hour(price, 2000.0), Some(18.0));
        assert_eq!(per_khs_hour(price, 0.0), None);
    }

    #[test]
    fn the_ladder_climbs_by_price_and_sums_up() {
        let level = |price_per_khs_hour, workers, hashrate, cumulative_hashrate| Level {
            price_per_khs_hour,
            workers,
            hashrate,
            cumulative_hashrate,
        };
        assert_eq!(steps(&[], 5), []);
        let all = offers(&[1.0, 1.0, 2.0, 5.0]);
        let expected =
            [level(1.0, 2, 200.0, 200.0), level(2.0, 1, 100.0, 300.0), level(5.0, 1, 100.0, 400.0)];
        assert_eq!(steps(&all, 5), expected);
        assert_eq!(steps(&all, 2), [level(1.0, 2, 200.0, 200.0), level(5.0, 2, 200.0, 400.0)]);
        assert_eq!(steps(&all, 1), [level(5.0, 4, 400.0, 400.0)]);
    }
}
