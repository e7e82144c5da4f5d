//! Rate limits: a token bucket for each address and each account, a smaller one for signing in
//! (contract: rest.md, Rules).
//!
//! A bucket is kept as the moment at which it will be full again, so one that is full needs no
//! memory. When there is no room for another bucket, newcomers share one.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::call;
use crate::api::auth::{LOGIN, NONCE, REGISTER, VERIFY};
use crate::api::{Api, ApiError, Call, Route};
use crate::auth::{Caller, Mode};
use crate::base::Timestamp;
use crate::base::limits::{
    RATE_ACCOUNT_BURST, RATE_ACCOUNT_INTERVAL, RATE_ADDRESS_BURST, RATE_ADDRESS_INTERVAL, RATE_BUCKETS_MAX,
    RATE_SIGN_IN_BURST, RATE_SIGN_IN_INTERVAL,
};
use crate::base::time::micros_of;

/// Routes that cost a signature's check, or make something without asking who it is for.
const SIGN_IN: [&str; 4] = [NONCE, VERIFY, REGISTER, LOGIN];

/// All buckets.
pub struct Limiter {
    addresses: Buckets,
    sign_ins: Buckets,
    accounts: Buckets,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter {
            addresses: Buckets::new(RATE_ADDRESS_BURST, RATE_ADDRESS_INTERVAL, RATE_BUCKETS_MAX),
            sign_ins: Buckets::new(RATE_SIGN_IN_BURST, RATE_SIGN_IN_INTERVAL, RATE_BUCKETS_MAX),
            accounts: Buckets::new(RATE_ACCOUNT_BURST, RATE_ACCOUNT_INTERVAL, RATE_BUCKETS_MAX),
        }
    }
}

/// Lets an address's request in, before its credential costs anything, or 429.
pub(in crate::api) fn admit_address(
    api: &Api,
    request: &rouille::Request,
    route: &Route,
) -> Result<(), ApiError> {
    let address = call::origin(request);
    if api.auth.mode() == Mode::Open && address.is_loopback() {
        return Ok(());
    }
    let (limiter, network, now) = (&api.state.limiter, network(address), api.clock.now());
    limiter.addresses.take(network, now).map_err(too_many)?;
    if SIGN_IN.contains(&route.path) {
        limiter.sign_ins.take(network, now).map_err(too_many)?;
    }
    Ok(())
}

/// Lets an account's request in, or 429.
pub(in crate::api) fn admit_account(api: &Api, call: &Call<'_>) -> Result<(), ApiError> {
    match &call.caller {
        Caller::Account(session) if !call.is_open() => {
            api.state.limiter.accounts.take(session.account.as_str(), call.now).map_err(too_many)
        }
        Caller::Account(_) | Caller::Administrator | Caller::Nobody => Ok(()),
    }
}

fn too_many(wait: Duration) -> ApiError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    ApiError::new(429, "Too many requests, slow down").with_header("Retry-After", seconds.max(1).to_string())
}

/// One household of IPv6 has 2^64 addresses and counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

const SHARDS: usize = 16;

/// Buckets of one size, by whose they are.
struct Buckets {
    interval: i64,
    depth: i64,
    shard_max: usize,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// Moments are microseconds since the epoch.
#[derive(Default)]
struct Shard {
    full_at: HashMap<u64, i64>,
    shared_full_at: i64,
    last_sweep: i64,
}

impl Buckets {
    /// `burst` tokens each, one more every `interval`; memory for `max` buckets.
    fn new(burst: u32, interval: Duration, max: usize) -> Self {
        let interval = micros_of(interval);
        Buckets {
            interval,
            depth: interval * i64::from(burst),
            shard_max: max / SHARDS,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Takes a token, or says how long until there is one.
    fn take<K: Hash>(&self, key: K, now: Timestamp) -> Result<(), Duration> {
        let (hash, now) = (self.hasher.hash_one(key), now.micros());
        let index = usize::try_from(hash % SHARDS as u64).expect("less than the number of shards");
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = shard.bucket(hash, now, self.shard_max);
        let next = (*full_at).max(now) + self.interval;
        let excess = next - now - self.depth;
        if excess > 0 {
            return Err(Duration::from_micros(excess.unsigned_abs()));
        }
        *full_at = next;
        Ok(())
    }
}

impl Shard {
    const SWEEP_INTERVAL: i64 = 1_000_000;

    fn bucket(&mut self, hash: u64, now: i64, max: usize) -> &mut i64 {
        let is_new = !self.full_at.contains_key(&hash);
        if is_new && self.full_at.len() >= max {
            if now - self.last_sweep >= Self::SWEEP_INTERVAL {
                self.full_at.retain(|_, full_at| *full_at > now);
                self.last_sweep = now;
            }
            if self.full_at.len() >= max {
                return &mut self.shared_full_at;
            }
        }
        self.full_at.entry(hash).or_insert(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::request::router::routes;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + millis * 1000)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(3, Duration::from_millis(500), 1024);
        for _ in 0..3 {
            assert_eq!(buckets.take("a", at(0)), Ok(()));
        }
        assert_eq!(buckets.take("a", at(0)), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take("b", at(0)), Ok(()), "another's bucket is another");
        assert_eq!(buckets.take("a", at(400)), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take("a", at(500)), Ok(()));
        assert!(buckets.take("a", at(500)).is_err());
        assert!((0..3).all(|_| buckets.take("a", at(60_000)).is_ok()), "full again, and no fuller");
        assert!(buckets.take("a", at(60_000)).is_err());
    }

    #[test]
    fn memory_is_bounded_and_newcomers_share_when_it_is_full() {
        let buckets = Buckets::new(2, Duration::from_secs(10), SHARDS * 4);
        let let_in = (0..10_000).filter(|n: &u32| buckets.take(n, at(0)).is_ok()).count();
        let kept: usize = buckets.shards.iter().map(|shard| shard.lock().unwrap().full_at.len()).sum();
        assert_eq!(kept, SHARDS * 4);
        assert_eq!(let_in, SHARDS * 4 + SHARDS * 2, "each shard's own buckets and the shared one's burst");
        assert!(buckets.take(77_777, at(3_600_000)).is_ok(), "those that are full again make room");
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
    }

    #[test]
    fn the_strict_routes_exist() {
        assert!(SIGN_IN.iter().all(|path| routes().any(|route| route.path == *path)));
    }
}
