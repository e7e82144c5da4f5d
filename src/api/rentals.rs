//! Renting and stopping.

use serde::Serialize;

use super::request::idempotency::once;
use super::request::router::{Method, Parameter, Route};
use super::views::SettlementView;
use super::{Access, Answer, Api, ApiError, Call, KeyScope};
use crate::auth::{Caller, Role};
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Prefix, Timestamp, WorkerId};
use crate::market::Actor;
use crate::market::leases::{self, RentRequest};
use crate::store::leases::Lease;

const RENT_BODY: &[Parameter] = &[
    Parameter {
        name: "consumer_id",
        kind: "string",
        required: false,
        about: "Who pays; the caller by default",
    },
    Parameter {
        name: "consumer_address",
        kind: "string",
        required: false,
        about: "The address to mine for; the account's by default",
    },
    Parameter {
        name: "duration_sec",
        kind: "integer",
        required: false,
        about: "Length in seconds, 3600 by default",
    },
    Parameter {
        name: "worker_id",
        kind: "string",
        required: false,
        about: "A certain worker; any by default",
    },
    Parameter {
        name: "expected_price_per_min",
        kind: "number",
        required: false,
        about: "The price that was shown: at another one 409 with `price_per_min`, and nothing is rented",
    },
];
const STOP_BODY: &[Parameter] =
    &[Parameter { name: "lease_id", kind: "string", required: true, about: "The lease to stop" }];

macro_rules! rent_route {
    ($path:literal) => {
        Route {
            method: Method::Post,
            path: $path,
            access: Access::Open,
            scope: Some(KeyScope::Rent),
            summary: "Rent a worker",
            query: &[],
            body: RENT_BODY,
            answer: "The lease: its id, worker, key prefix, price and hold",
            handle: rent,
        }
    };
}

macro_rules! stop_route {
    ($path:literal) => {
        Route {
            method: Method::Post,
            path: $path,
            access: Access::Open,
            scope: Some(KeyScope::Rent),
            summary: "Stop a lease and settle it",
            query: &[],
            body: STOP_BODY,
            answer: "The lease's end and its settlement",
            handle: stop,
        }
    };
}

pub(super) const ROUTES: &[Route] = &[
    rent_route!("/api/rent"),
    rent_route!("/api/rental/start"),
    stop_route!("/api/stop"),
    stop_route!("/api/rental/stop"),
];

#[derive(Serialize)]
struct Rented {
    lease_id: LeaseId,
    worker_id: WorkerId,
    prefix: Prefix,
    duration_sec: i64,
    consumer_id: AccountId,
    consumer_address: EthAddress,
    created_at: Timestamp,
    price_per_min: Amount,
    held: Amount,
}

impl From<Lease> for Rented {
    fn from(lease: Lease) -> Self {
        Rented {
            lease_id: lease.lease_id,
            worker_id: lease.worker_id,
            prefix: lease.prefix,
            duration_sec: lease.duration_sec,
            consumer_id: lease.consumer_id,
            consumer_address: lease.consumer_address,
            created_at: lease.created_at,
            price_per_min: lease.price_per_min,
            held: lease.hold,
        }
    }
}

fn rent(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let consumer = body.text_or("consumer_id", "");
    let address = body.text_or("consumer_address", "");
    let duration_sec = body.integer_or("duration_sec", 3600);
    let worker = body.optional_text("worker_id");
    let expected = body.optional_number("expected_price_per_min");
    body.finish()?;
    let expected_price = expected
        .map(Amount::exactly)
        .transpose()
        .map_err(|error| ApiError::new(400, format!("expected_price_per_min {error}")))?;
    let request = RentRequest {
        consumer: renter(call, &consumer)?,
        address: optional_address(&address)?,
        duration_sec,
        worker: worker
            .map(|id| id.parse().map_err(|_| ApiError::new(404, "No available workers")))
            .transpose()?,
        expected_price,
    };
    let (fleet, now) = (api.fleet.clone(), call.now);
    once(api, call, move |scope| Ok(Rented::from(leases::rent(scope, &fleet, &request, now)?)))
}

/// Who pays: the account named, which must be the caller's own if the caller has shown one.
fn renter(call: &Call<'_>, named: &str) -> Result<AccountId, ApiError> {
    if let Caller::Account(session) = &call.caller {
        if session.role == Role::Provider && session.wallet.is_none() {
            return Err(ApiError::new(403, "Consumer account required to rent"));
        }
        if named.is_empty() || named == session.account.as_str() {
            return Ok(session.account.clone());
        }
        return Err(ApiError::new(403, "You can only rent on your own account"));
    }
    let Actor::Unrestricted = call.actor()? else { unreachable!("accounts are dealt with above") };
    if named.is_empty() {
        return Err(ApiError::new(400, "consumer_id required (provide in body or authenticate)"));
    }
    named.parse().map_err(|_| ApiError::new(404, "Account not found"))
}

fn optional_address(text: &str) -> Result<Option<EthAddress>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse().map_err(|error| ApiError::new(400, format!("consumer_address: {error}")))?;
    Ok(Some(address))
}

#[derive(Serialize)]
struct Stopped {
    lease_id: LeaseId,
    state: &'static str,
    blocks_found: i64,
    settlement: SettlementView,
}

fn stop(api: &Api, call: &Call<'_>) -> Answer {
    let mut body = call.body()?;
    let lease = body.text("lease_id");
    body.finish()?;
    let lease: LeaseId = lease.parse().map_err(|_| ApiError::new(404, "Lease not found or not active"))?;
    let (actor, fleet, now) = (call.actor()?, api.fleet.clone(), call.now);
    once(api, call, move |scope| {
        let settlement = leases::stop(scope, &fleet, &actor, &lease, now)?;
        Ok(Stopped {
            lease_id: settlement.lease_id.clone(),
            state: "completed",
            blocks_found: settlement.blocks_found,
            settlement: SettlementView::new(settlement, true),
        })
    })
}
