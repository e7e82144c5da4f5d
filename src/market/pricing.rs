//! Prices: defaults, what is suggested, and what a provider sets.

use super::{Actor, Event, Refusal, Scope};
use crate::base::limits::{LEASE_SECONDS_MAX, PRICE_PER_MIN_MAX};
use crate::base::{Amount, Timestamp, WorkerId};
use crate::protocol::Gpu;
use crate::store::workers::{self, Worker};

/// Price of a minute until the provider sets one (contract: rest.md, Rules).
pub const DEFAULT_PRICE_PER_MIN: Amount = Amount::from_millionths(600_000);
/// The shortest lease advised, seconds.
pub const DEFAULT_MIN_DURATION_SEC: i64 = 60;
/// The longest lease advised, seconds.
pub const DEFAULT_MAX_DURATION_SEC: i64 = 86_400;

const PER_GPU: [(&str, i64); 9] = [
    ("RTX 4090", 1_200_000),
    ("RTX 4080", 900_000),
    ("RTX 4070", 600_000),
    ("RTX 3090", 800_000),
    ("RTX 3080", 550_000),
    ("RTX 3070", 400_000),
    ("RTX 3060", 250_000),
    ("A100", 2_000_000),
    ("H100", 3_500_000),
];

/// What a minute of these GPUs is worth (contract: rest.md, pricing/suggest): by name, unknown ones by
/// their memory, all together by the total when they are not listed.
pub fn suggest(gpus: &[Gpu], gpu_count: u32, total_memory_gb: f64) -> Amount {
    if gpus.is_empty() {
        let (each, known) = by_memory(total_memory_gb, None);
        return if known { or_default(each * i64::from(gpu_count)) } else { DEFAULT_PRICE_PER_MIN };
    }
    or_default(gpus.iter().map(price_of).sum())
}

fn price_of(gpu: &Gpu) -> i64 {
    let name = gpu.name.to_uppercase();
    let named = PER_GPU.iter().find(|(model, _)| name.contains(model));
    named.map_or_else(|| by_memory(gpu.memory_gb, Some(200_000)).0, |(_, price)| *price)
}

fn by_memory(gb: f64, floor: Option<i64>) -> (i64, bool) {
    match gb {
        gb if gb >= 80.0 => (2_000_000, true),
        gb if gb >= 24.0 => (800_000, true),
        gb if gb >= 12.0 => (400_000, true),
        _ => (floor.unwrap_or_default(), floor.is_some()),
    }
}

fn or_default(millionths: i64) -> Amount {
    if millionths > 0 { Amount::from_millionths(millionths) } else { DEFAULT_PRICE_PER_MIN }
}

/// The limits that apply to a worker's leases, or advise when the provider has set none, seconds.
pub fn duration_limits(worker: &Worker) -> (i64, i64) {
    (
        worker.min_duration_sec.unwrap_or(DEFAULT_MIN_DURATION_SEC),
        worker.max_duration_sec.unwrap_or(DEFAULT_MAX_DURATION_SEC),
    )
}

/// Sets a worker's price and limits; a limit that is not given stays as it was.
pub fn set(
    scope: &mut Scope<'_>,
    actor: &Actor,
    id: &WorkerId,
    price_per_min: Amount,
    min_duration_sec: Option<i64>,
    max_duration_sec: Option<i64>,
) -> Result<Worker, Refusal> {
    let worker = workers::get(scope, id)?.ok_or_else(|| Refusal::not_found("Worker not found"))?;
    if !actor.owns(&worker) {
        return Err(Refusal::forbidden("You can only set pricing for your own worker"));
    }
    if price_per_min.is_negative() {
        return Err(Refusal::invalid("price_per_min must be non-negative"));
    }
    if price_per_min > PRICE_PER_MIN_MAX {
        return Err(Refusal::invalid("price_per_min must be at most 1000000"));
    }
    if min_duration_sec.is_some_and(|min| min < 1) {
        return Err(Refusal::invalid("min_duration_sec must be at least 1"));
    }
    if max_duration_sec.is_some_and(|max| max > LEASE_SECONDS_MAX) {
        return Err(Refusal::invalid(format!("max_duration_sec must be at most {LEASE_SECONDS_MAX}")));
    }
    let (standing_min, standing_max) = duration_limits(&worker);
    if max_duration_sec.unwrap_or(standing_max) < min_duration_sec.unwrap_or(standing_min) {
        return Err(Refusal::invalid("max_duration_sec must be >= min_duration_sec"));
    }
    workers::set_pricing(scope, id, price_per_min, min_duration_sec, max_duration_sec)?;
    scope.emit(Event::WorkerChanged(id.clone()));
    Ok(workers::get(scope, id)?.expect("the worker was there above"))
}

/// The price per minute in the middle of what settled leases since `since` were made at.
pub fn market_median(connection: &rusqlite::Connection, since: Timestamp) -> Result<Option<Amount>, Refusal> {
    let prices: Vec<Amount> = connection
        .prepare_cached(
            "SELECT price_per_min FROM leases WHERE state = 'completed' AND created_at >= ?1
             ORDER BY lease_seq DESC LIMIT 1000",
        )?
        .query_map([since], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut sorted = prices;
    sorted.sort_unstable();
    Ok(sorted.get(sorted.len() / 2).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(name: &str, memory_gb: f64) -> Gpu {
        Gpu { index: 0, name: name.into(), memory_gb, bus_id: None }
    }

    #[test]
    fn suggestions_follow_the_table() {
        let suggestion = |gpus: &[Gpu], count, memory| suggest(gpus, count, memory).millionths();
        assert_eq!(
            suggestion(&[gpu("NVIDIA GeForce RTX 4090", 24.0), gpu("rtx 3080", 10.0)], 2, 34.0),
            1_750_000
        );
        assert_eq!(
            suggestion(&[gpu("Mystery", 96.0), gpu("Mystery", 24.0), gpu("", 12.0), gpu("x", 1.0)], 4, 0.0),
            3_400_000
        );
        assert_eq!(suggestion(&[], 2, 24.0), 1_600_000);
        assert_eq!(suggestion(&[], 2, 4.0), 600_000);
        assert_eq!(suggestion(&[], 0, 80.0), 600_000);
    }
}
