//! What a renter sees of its own leases.

use serde::Serialize;

use super::leases::{LIMIT, OFFSET};
use super::request::router::{Parameter, Route};
use super::views::csv::{self, Table};
use super::views::{LeaseView, Slice};
use super::{Access, Answer, Api, ApiError, Call, KeyScope, json};
use crate::auth::{ADMINISTRATOR_ID, Caller};
use crate::base::{AccountId, Amount};
use crate::store::leases::{self, LeaseState};
use crate::store::settlements;

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/renter/stats",
        Access::Credential,
        Some(KeyScope::Read),
        "The caller's leases in numbers",
        &[],
        "Counts, what was spent, and the mean per lease",
        stats,
    ),
    Route::get(
        "/api/renter/leases",
        Access::Credential,
        Some(KeyScope::Read),
        "The caller's leases, newest first",
        &[
            Parameter {
                name: "state",
                kind: "string",
                required: false,
                about: "active, completed or cancelled; all by default",
            },
            LIMIT,
            OFFSET,
            csv::FORMAT,
        ],
        "items, total, limit, offset; or a CSV file",
        list,
    ),
];

const STATES: [LeaseState; 3] = [LeaseState::Active, LeaseState::Completed, LeaseState::Cancelled];

#[derive(Serialize)]
struct Stats {
    active_leases: i64,
    completed_leases: i64,
    total_leases: i64,
    total_spent: Amount,
    avg_cost: Amount,
}

fn stats(api: &Api, call: &Call<'_>) -> Answer {
    let renter = renter(call)?;
    let stats = api.store.read::<_, ApiError, _>(|connection| {
        let count = |state| leases::count_of_consumer(connection, &renter, state);
        let (active_leases, completed_leases) = (count(LeaseState::Active)?, count(LeaseState::Completed)?);
        let (spent, settled) = settlements::charged_to(connection, &renter)?;
        Ok(Stats {
            active_leases,
            completed_leases,
            total_leases: active_leases + completed_leases + count(LeaseState::Cancelled)?,
            total_spent: spent.shown(),
            avg_cost: spent.scale(1, settled.max(1)).shown(),
        })
    })?;
    json(&stats)
}

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let state = query.optional_text("state");
    let (is_csv, limit) = csv::format_and_limit(&mut query);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    let renter = renter(call)?;
    let states: Vec<LeaseState> = match &state {
        Some(word) => STATES.into_iter().filter(|state| state.as_str() == word).collect(),
        None => STATES.to_vec(),
    };
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        let mut total = 0;
        for state in &states {
            total += leases::count_of_consumer(connection, &renter, *state)?;
        }
        let wanted = if state.is_some() { states.first().copied() } else { None };
        let rows = if total == 0 {
            Vec::new()
        } else {
            leases::of_consumer(connection, &renter, wanted, limit, offset)?
        };
        let view = |lease: &leases::Lease| {
            let live = api.fleet.get(&lease.worker_id);
            LeaseView::new(lease, live.as_ref(), call.now, true)
        };
        Ok(Slice { items: rows.iter().map(view).collect(), total, limit, offset })
    })?;
    if is_csv {
        let mut table = Table::new(&LeaseView::COLUMNS);
        for lease in &slice.items {
            table.row(lease.cells());
        }
        return Ok(table.into_response("leases"));
    }
    json(&slice)
}

/// Whose leases: the caller's account. The administrator has none.
fn renter(call: &Call<'_>) -> Result<AccountId, ApiError> {
    match &call.caller {
        Caller::Account(session) => Ok(session.account.clone()),
        Caller::Administrator | Caller::Nobody => {
            ADMINISTRATOR_ID.parse().map_err(|error| ApiError::internal(&error))
        }
    }
}
