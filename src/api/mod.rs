//! REST: one table of routes, one file per resource (contract: rest.md). `request` is what every call
//! passes, `views` how rows look on the wire, `state` what the API remembers.
//!
//! A request is matched, its caller identified and held to the route's [`Access`], its input turned
//! into types or a 422, and then handed to the market or read from the store. No SQL and no MQTT here.

mod accounts;
mod activity;
mod acts;
mod auth;
mod blocks;
mod chain;
mod fleet_order;
mod history;
mod keys;
mod lease_page;
mod leases;
pub mod live_feed;
mod marketplace;
mod metrics;
mod monitoring;
mod openapi;
mod order_book;
mod overview;
mod pages;
mod provider;
mod readiness;
mod rentals;
mod renter;
mod request;
mod sessions;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod views;
mod wallet;
mod workers;

use std::sync::Arc;

use rouille::{Request, Response};
use serde::Serialize;

pub use pages::Pages;
pub use request::access::Access;
pub use request::call::Call;
pub use request::error::ApiError;
pub use request::router::{Method, Parameter, Route};
pub use state::State;
pub use system::SERVICE;

use crate::auth::{Auth, KeyScope};
use crate::base::{Clock, Timestamp, WorkerId};
use crate::chain::Rules;
use crate::fleet::Fleet;
use crate::http::{self, Reply};
use crate::live::Hub;
use crate::market::Store;
use crate::market::blocks::Policy;
use crate::pow::Verifier;
use crate::protocol::Control;
use request::router::Router;
use request::{origin, rate};

/// What a handler returns.
pub type Answer = Result<Response, ApiError>;

/// The way to the workers, which the MQTT edge provides.
pub trait WorkerLink: Send + Sync {
    /// The ids of the clients that are connected, sorted.
    fn client_ids(&self) -> Vec<String>;
    /// How many there are; asked for often, so cheap.
    fn client_count(&self) -> usize;
    /// Whether the broker takes connections and delivers.
    fn is_up(&self) -> bool;
    /// Whether a client acts for this worker now.
    fn is_connected(&self, worker: &WorkerId) -> bool;
    /// Ends the connections that logged in as this worker, all or those that came in with one token.
    fn disconnect(&self, worker: &WorkerId, token: Option<i64>);
    /// Sends on the worker's `control` topic.
    fn control(&self, worker: &WorkerId, control: &Control);
}

/// All that handlers work with.
pub struct Api {
    /// The database.
    pub store: Store,
    /// What is volatile about workers.
    pub fleet: Arc<Fleet>,
    /// Who is asking.
    pub auth: Arc<Auth>,
    /// The time.
    pub clock: Clock,
    /// The live feed.
    pub live: Hub,
    /// The way to the workers.
    pub link: Arc<dyn WorkerLink>,
    /// What a block must show to count.
    pub policy: Policy,
    /// The embedded chain's rules; `None` with `--no-chain`.
    pub chain: Option<Rules>,
    /// Recomputes the hashes of strangers, outside the writer.
    pub verifier: Verifier,
    /// When the platform started.
    pub started_at: Timestamp,
    /// The MQTT port in use.
    pub mqtt_port: u16,
    /// The HTTP port in use.
    pub api_port: u16,
    /// The host (and port) that sign-in messages (EIP-4361) must be for, when the operator has said.
    pub sign_in_domain: Option<String>,
    /// The pages for browsers.
    pub pages: Pages,
    /// What the API itself remembers.
    pub state: State,
}

/// Answers every request of the platform's HTTP port.
pub fn handler(api: Arc<Api>) -> Arc<http::Handler> {
    Pages::prepare();
    let router = Router::new();
    http::handler(move |request| answer(&api, &router, request))
}

/// Answers the embedded chain's RPC alone.
pub fn chain_handler(api: Arc<Api>) -> Arc<http::Handler> {
    let router = Router::of(chain::ROUTES);
    http::handler(move |request| {
        respond(&api, &router, request).unwrap_or_else(ApiError::into_response).into()
    })
}

fn answer(api: &Arc<Api>, router: &Router, request: &Request) -> Reply {
    if let Err(refused) = origin::check(api, request) {
        return refused.into_response().into();
    }
    if request.raw_url().split('?').next() == Some(live_feed::PATH) {
        return live_feed::reply(api, request);
    }
    if let Some(page) = api.pages.find(request) {
        return page.into();
    }
    let response = respond(api, router, request).unwrap_or_else(|error| {
        let page = (error.status() == 404).then(|| api.pages.fallback(request)).flatten();
        page.unwrap_or_else(|| error.into_response())
    });
    api.state.answers.count(response.status_code);
    response.into()
}

fn respond(api: &Api, router: &Router, request: &Request) -> Answer {
    let found = router.find(request)?;
    rate::admit_address(api, request, found.route)?;
    let call = Call::receive(api, request, found)?;
    rate::admit_account(api, &call)?;
    let answer = (call.route.handle)(api, &call);
    acts::complete(api, &call, &answer);
    answer
}

/// A 200 with this value as JSON.
fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    Ok(Response::from_data("application/json", body))
}

/// The resources, in the order of the API's description.
const RESOURCES: &[&[Route]] = &[
    system::ROUTES,
    auth::ROUTES,
    keys::ROUTES,
    sessions::ROUTES,
    accounts::ROUTES,
    activity::ROUTES,
    acts::ROUTES,
    rentals::ROUTES,
    leases::ROUTES,
    lease_page::ROUTES,
    blocks::ROUTES,
    workers::ROUTES,
    marketplace::ROUTES,
    order_book::ROUTES,
    overview::ROUTES,
    monitoring::ROUTES,
    provider::ROUTES,
    renter::ROUTES,
    wallet::ROUTES,
    chain::ROUTES,
];
