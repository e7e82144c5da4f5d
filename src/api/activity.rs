//! What happened to one account: its leases and its money, newest first. The source of notifications.

use std::cmp::Reverse;

use serde::Serialize;

use super::keys::holder;
use super::request::paging::{PAGE, Paging};
use super::request::router::{Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::base::limits::PAGE_ROWS_MAX;
use crate::base::{Amount, LeaseId, Timestamp, WorkerId};
use crate::market;
use crate::store::leases::{self, Lease};
use crate::store::transactions::{self, Entry};

/// The feed is made of this many of the newest leases, and of entries of the ledger; what is older is
/// in their own lists.
const DEPTH: i64 = 200;
const LIMIT: i64 = 50;

pub(super) const ROUTES: &[Route] = &[Route::get(
    "/api/activity",
    Access::Credential,
    Some(KeyScope::Read),
    "What happened to the caller's account: leases that began and ended, money that moved",
    &[
        Parameter {
            name: "account_id",
            kind: "string",
            required: false,
            about: "Whose; the caller's own by default, administrators must name the account",
        },
        Parameter {
            name: "since",
            kind: "number",
            required: false,
            about: "Only what is newer than this time",
        },
        PAGE,
        Parameter {
            name: "limit",
            kind: "integer",
            required: false,
            about: "Rows of a page: 50 by default, at most 200",
        },
    ],
    "items (type, timestamp, details), total, page, limit, total_pages",
    activity,
)];

#[derive(Serialize)]
struct Happening {
    r#type: &'static str,
    timestamp: Timestamp,
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    Started { lease_id: LeaseId, worker_id: WorkerId, duration_sec: i64 },
    Ended { lease_id: LeaseId, worker_id: WorkerId, blocks_found: i64 },
    Money { amount: Amount, balance_after: Amount, lease_id: Option<LeaseId>, note: Option<String> },
}

fn activity(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let account = holder(call, &mut query)?;
    let since = query.optional_number("since").map(Timestamp::from_seconds);
    let paging = Paging::of(&mut query, LIMIT, PAGE_ROWS_MAX);
    query.finish()?;
    let mut happened = api.store.read::<_, ApiError, _>(|connection| {
        market::accounts::get(connection, &account)?;
        let rented = leases::of_consumer(connection, &account, None, DEPTH, 0)?;
        let moved = transactions::of_account(connection, &account, None, None, DEPTH)?;
        let mut happened: Vec<Happening> = rented.iter().filter_map(ended).collect();
        happened.extend(rented.into_iter().map(started));
        happened.extend(moved.into_iter().map(money));
        Ok(happened)
    })?;
    happened.retain(|happening| since.is_none_or(|since| happening.timestamp > since));
    happened.sort_by_key(|happening| Reverse(happening.timestamp));
    let total = happened.len();
    json(&paging.page(paging.cut(happened.into_iter()).collect(), total))
}

fn started(lease: Lease) -> Happening {
    let Lease { lease_id, worker_id, duration_sec, created_at, .. } = lease;
    let details = Details::Started { lease_id, worker_id, duration_sec };
    Happening { r#type: "lease_started", timestamp: created_at, details }
}

fn ended(lease: &Lease) -> Option<Happening> {
    let details = Details::Ended {
        lease_id: lease.lease_id.clone(),
        worker_id: lease.worker_id.clone(),
        blocks_found: lease.blocks_found,
    };
    Some(Happening { r#type: "lease_completed", timestamp: lease.ended_at?, details })
}

fn money(entry: Entry) -> Happening {
    let Entry { kind, amount, balance_after, lease_id, note, created_at, .. } = entry;
    let details = Details::Money { amount, balance_after, lease_id, note };
    Happening { r#type: kind.as_str(), timestamp: created_at, details }
}
