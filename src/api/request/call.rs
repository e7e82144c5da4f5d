//! One request, received: matched, its caller known and let in.

use std::cell::{Cell, OnceCell};
use std::io::Read;
use std::net::IpAddr;

use rouille::Request;
use rusqlite::Connection;

use super::input::{Body, Query};
use super::router::{Found, Route};
use crate::api::{Api, ApiError};
use crate::auth::{AuthError, Caller, Mode, keys, sessions};
use crate::base::limits::LAST_USE_TIME;
use crate::base::{AccountId, LeaseId, Timestamp, WorkerId};
use crate::market::Actor;

/// A request that its route's [`crate::api::Access`] has let in.
pub struct Call<'a> {
    /// The request itself.
    pub request: &'a Request,
    /// Its route.
    pub route: &'static Route,
    /// Who asks.
    pub caller: Caller,
    /// When it came.
    pub now: Timestamp,
    pub(in crate::api) is_noted: Cell<bool>,
    mode: Mode,
    parameters: Vec<String>,
    bytes: OnceCell<Vec<u8>>,
}

impl<'a> Call<'a> {
    /// Identifies the caller and holds it to the route's access.
    pub fn receive(api: &Api, request: &'a Request, found: Found) -> Result<Self, ApiError> {
        let caller = Self::identify(api, request)?;
        let mode = api.auth.mode();
        found.route.access.check(mode, &caller)?;
        if let Some(scope) = found.route.scope {
            caller.require_scope(scope)?;
        }
        let Found { route, parameters } = found;
        let is_noted = Cell::new(false);
        let now = api.clock.now();
        Ok(Call { request, route, caller, now, is_noted, mode, parameters, bytes: OnceCell::new() })
    }

    /// Who shows the credentials of a request; 401 when they are wrong.
    pub fn identify(api: &Api, request: &Request) -> Result<Caller, ApiError> {
        let now = api.clock.now();
        let shown = Cell::new(None);
        let caller = api.auth.identify(bearer(request), request.header("X-API-Key"), |key| {
            let holder = api.store.read::<_, ApiError, _>(|c| Ok(keys::find(c, key, now)?))?;
            shown.set(holder.as_ref().map(|holder| (holder.key_id, holder.last_used_at)));
            Ok::<_, ApiError>(holder)
        })?;
        if let Some((key, last)) = shown.get() {
            note_use(api, last, now, move |scope| keys::note_use(scope, key, now));
        }
        if let Some(shown) = caller.session().filter(|session| session.token_id.is_some()) {
            let standing = api.store.read::<_, ApiError, _>(|c| Ok(sessions::find(c, shown)?))?;
            let session = standing.ok_or(AuthError::Token)?;
            note_use(api, Some(session.last_used_at), now, move |scope| {
                sessions::note_use(scope, session.session_id, now)
            });
        }
        Ok(caller)
    }

    /// On whose behalf the market is asked: in open mode nobody in particular may do everything,
    /// whoever shows a credential is held to it.
    pub fn actor(&self) -> Result<Actor, ApiError> {
        match &self.caller {
            Caller::Administrator => Ok(Actor::Unrestricted),
            Caller::Account(session) => {
                Ok(Actor::Account { id: session.account.clone(), wallet: session.wallet })
            }
            Caller::Nobody if self.mode == Mode::Open => Ok(Actor::Unrestricted),
            Caller::Nobody => Err(AuthError::Missing.into()),
        }
    }

    /// Whether the platform is open.
    pub fn is_open(&self) -> bool {
        self.mode == Mode::Open
    }

    /// The path's parameters.
    pub(in crate::api) fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// The path's first parameter.
    pub fn parameter(&self) -> &str {
        &self.parameters[0]
    }

    /// The path's second parameter.
    pub fn second_parameter(&self) -> &str {
        &self.parameters[1]
    }

    /// The path's parameter as a worker's id; what cannot be one is 404.
    pub fn worker_id(&self) -> Result<WorkerId, ApiError> {
        self.parameter().parse().map_err(|_| ApiError::new(404, "Worker not found"))
    }

    /// The path's parameter as an account's id; what cannot be one is 404.
    pub fn account_id(&self) -> Result<AccountId, ApiError> {
        self.parameter().parse().map_err(|_| ApiError::new(404, "Account not found"))
    }

    /// The path's parameter as a lease's id; what cannot be one is 404.
    pub fn lease_id(&self) -> Result<LeaseId, ApiError> {
        self.parameter().parse().map_err(|_| ApiError::new(404, "Lease not found"))
    }

    /// The query, to be taken apart.
    pub fn query(&self) -> Query<'_> {
        Query::new(self.request)
    }

    /// The body's bytes.
    pub fn bytes(&self) -> Result<&[u8], ApiError> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        if let Some(mut data) = self.request.data() {
            data.read_to_end(&mut bytes).map_err(|error| ApiError::internal(&error))?;
        }
        Ok(self.bytes.get_or_init(|| bytes))
    }

    /// The JSON body, to be taken apart.
    pub fn body(&self) -> Result<Body, ApiError> {
        Body::parse(self.bytes()?, self.request.header("Content-Type"))
    }

    /// The JSON body of a route that takes any dictionary.
    pub fn dictionary(&self) -> Result<Body, ApiError> {
        Body::parse_dictionary(self.bytes()?, self.request.header("Content-Type"))
    }

    /// Where the request came from.
    pub fn peer(&self) -> IpAddr {
        origin(self.request)
    }
}

/// Notes, now and then, that a credential was used. Nobody waits for it.
fn note_use(
    api: &Api,
    last: Option<Timestamp>,
    now: Timestamp,
    note: impl FnOnce(&Connection) -> Result<(), AuthError> + Send + 'static,
) {
    if last.is_some_and(|last| last.plus(LAST_USE_TIME) > now) {
        return;
    }
    let noted = api.store.submit_calm(move |scope| Ok::<_, ApiError>(note(scope)?), |_| {});
    if let Err(error) = noted {
        log::debug!("a credential's use was not noted: {error}");
    }
}

/// Where a request came from: what the proxy on this machine says, if one has forwarded it.
pub(in crate::api) fn origin(request: &Request) -> IpAddr {
    let peer = request.remote_addr().ip();
    let forwarded = request.header("X-Forwarded-For").filter(|_| peer.is_loopback());
    // Our proxy has added the last one; those before are whatever its client sent.
    let last = forwarded.and_then(|list| list.rsplit(',').next());
    last.and_then(|address| address.trim().parse().ok()).unwrap_or(peer)
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.header("Authorization")?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
