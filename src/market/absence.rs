//! Absences: time of a lease that is not paid, because its worker is away or says that it does something
//! else. Each moment is taken off once, however many causes overlap.

use crate::base::Timestamp;
use crate::fleet::Live;
use crate::store::leases::Lease;

/// An absence that has not ended.
#[derive(Clone, Copy)]
struct Open {
    since: Timestamp,
    /// Microseconds after `since` that are counted already: pauses that ended before anybody knew that the
    /// worker had been silent all the time.
    counted: i64,
}

/// Since when a lease is without its worker at `end`, if it is.
pub fn since(lease: &Lease, live: Option<&Live>, end: Timestamp) -> Option<Timestamp> {
    open(lease, away(live, end)).map(|open| open.since)
}

/// Microseconds of a lease without its worker, up to `end`.
pub fn until(lease: &Lease, live: Option<&Live>, end: Timestamp) -> i64 {
    let open = open(lease, away(live, end)).map_or(0, |open| end.micros_since(open.since) - open.counted);
    (lease.interrupted + open).clamp(0, end.micros_since(lease.created_at))
}

/// The worker is away since `away`, as far as is known: an absence that is open may have begun with that.
/// Whether anything changed.
pub(super) fn note(lease: &mut Lease, away: Option<Timestamp>) -> bool {
    let Some(open) = open(lease, away).filter(|open| lease.interrupted_since != Some(open.since)) else {
        return false;
    };
    begin(lease, open);
    true
}

/// From `now` on the lease is not paid, unless it is not already: gives since when.
pub(super) fn start(lease: &mut Lease, live: Option<&Live>, now: Timestamp) -> Timestamp {
    let now_at_least = now.max(lease.created_at).max(lease.back_since);
    let open = open(lease, away(live, now)).unwrap_or(Open { since: now_at_least, counted: 0 });
    begin(lease, open);
    open.since
}

/// From `now` on the lease is paid again. The worker was away since `away`, as far as is known, and its
/// last sign of life came at `heard`.
pub(super) fn end(lease: &mut Lease, away: Option<Timestamp>, heard: Timestamp, now: Timestamp) {
    let Some(open) = open(lease, away) else { return };
    begin(lease, open);
    let back = now.min(lease.ends_at).max(open.since);
    let heard = heard.max(lease.created_at).min(back);
    lease.interrupted += back.micros_since(open.since);
    let before = if lease.heard_at == Some(heard) { lease.unpaid_since_heard } else { 0 };
    lease.unpaid_since_heard = before + back.micros_since(open.since.max(heard));
    (lease.heard_at, lease.back_since) = (Some(heard), back);
    (lease.interrupted_since, lease.paused) = (None, None);
}

fn away(live: Option<&Live>, end: Timestamp) -> Option<Timestamp> {
    live.and_then(|live| live.away_since(end)).filter(|since| *since < end)
}

/// The absence that a lease is in: the one noted, or the one that began at `away`; if a pause was noted, then
/// whichever was first.
fn open(lease: &Lease, away: Option<Timestamp>) -> Option<Open> {
    let noted = lease.interrupted_since.map(|since| Open { since, counted: 0 });
    let told = away.map(|since| told(lease, since));
    match (noted, told) {
        (Some(noted), Some(told)) if lease.paused.is_some() && told.since < noted.since => Some(told),
        (noted, told) => noted.or(told),
    }
}

/// An absence since `since`, less what was counted before it.
fn told(lease: &Lease, since: Timestamp) -> Open {
    let since = since.max(lease.created_at);
    match lease.heard_at {
        Some(heard) if since < lease.back_since && since <= heard => {
            Open { since: heard, counted: lease.unpaid_since_heard }
        }
        _ => Open { since: since.max(lease.back_since), counted: 0 },
    }
}

fn begin(lease: &mut Lease, open: Open) {
    lease.interrupted -= open.counted;
    lease.unpaid_since_heard -= open.counted;
    lease.back_since = lease.back_since.min(open.since);
    lease.interrupted_since = Some(open.since);
}
