//! The embedded chain's RPC, in the words of the network and of the prototype's simulator
//! (contract: pow.md). With `--no-chain` there is nothing here.

use rouille::Response;
use serde::Serialize;

use super::request::router::{Method, Parameter, Route};
use super::{Access, Answer, Api, ApiError, Call, json};
use crate::base::ids::ID_LENGTH_MAX;
use crate::base::limits::LIST_ROWS_MAX;
use crate::chain::simulator::{self, Accepted};
use crate::chain::{Refusal, Rules, Submission, check, wire};
use crate::http;
use crate::market;

const fn text(name: &'static str, required: bool, about: &'static str) -> Parameter {
    Parameter { name, kind: "string", required, about }
}

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/difficulty",
        Access::Public,
        None,
        "The difficulty that new blocks must meet, KiB as text",
        &[],
        "difficulty",
        difficulty,
    ),
    Route {
        method: Method::Post,
        path: "/verify",
        access: Access::Public,
        scope: None,
        summary: "Submit a block to the chain; a hash in full is recomputed",
        query: &[],
        body: &[
            text("hash_to_verify", true, "The hash in full, or a simulator's bare one"),
            text("key", true, "64 to 128 hexadecimal digits"),
            text("account", true, "Whose it is"),
            text("attempts", false, "Hashes it took, number or text"),
            text("hashes_per_second", false, "How fast they were, number or text"),
            text("worker", false, "The machine"),
        ],
        answer: "status, message, block_type, block_id",
        handle: verify,
    },
    Route::get(
        "/getblocks/lastblock",
        Access::Public,
        None,
        "The chain's last 100 blocks, oldest first",
        &[],
        "An array of blocks",
        last_blocks,
    ),
    Route {
        method: Method::Post,
        path: "/send_pow",
        access: Access::Public,
        scope: None,
        summary: "Report a proof over the last blocks",
        query: &[],
        body: &[text("block_id", false, "The last block's number, number or text")],
        answer: "status, message, block_id",
        handle: send_pow,
    },
    Route::get(
        "/balance/{address}",
        Access::Public,
        None,
        "What an address earned on the chain",
        &[],
        "address, balance",
        balance,
    ),
    Route::get(
        "/chain/stats",
        Access::Public,
        None,
        "The chain's counts",
        &[],
        "total_blocks, normal_blocks, super_blocks, xuni_blocks, difficulty, unique_miners, next_block_id",
        stats,
    ),
    Route::get(
        "/chain/blocks",
        Access::Public,
        None,
        "The chain's newest blocks, those of an account or a key's beginning newest first",
        &[
            text("account", false, "Only this account's"),
            text("prefix", false, "Only keys that begin so"),
            Parameter {
                name: "limit",
                kind: "integer",
                required: false,
                about: "Blocks, 100 by default, 1 to 1000",
            },
        ],
        "An array of blocks",
        list_blocks,
    ),
];

/// The chain's rules, or 404 when there is no chain.
fn rules(api: &Api) -> Result<&Rules, ApiError> {
    api.chain.as_ref().ok_or_else(|| ApiError::new(404, "Not Found"))
}

fn difficulty(api: &Api, _call: &Call<'_>) -> Answer {
    rules(api)?;
    let difficulty = api.store.read::<_, ApiError, _>(|connection| Ok(simulator::difficulty(connection)?))?;
    json(&wire::Difficulty::from(difficulty))
}

fn verify(api: &Api, call: &Call<'_>) -> Answer {
    let rules = rules(api)?;
    let body = call.dictionary()?;
    match submit(api, call, rules, Submission::from_json(body.object()))? {
        Ok(accepted) => json(&accepted.wire()),
        Err(refusal) => refused(&refusal),
    }
}

/// The inner `Err` is the chain's no.
fn submit(
    api: &Api,
    call: &Call<'_>,
    rules: &Rules,
    submission: Result<Submission, Refusal>,
) -> Result<Result<Accepted, Refusal>, ApiError> {
    let submission = match submission {
        Ok(submission) => submission,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let key = submission.key().clone();
    let (known, difficulty) = api.store.read::<_, ApiError, _>(|connection| {
        Ok((simulator::refuse_known(connection, &key)?, simulator::difficulty(connection)?))
    })?;
    let checked = known.and_then(|()| check(submission, call.now, rules, difficulty, &api.verifier));
    let checked = match checked {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (rules, policy, now) = (rules.clone(), api.policy.clone(), call.now);
    Ok(api.store.write::<_, market::Refusal, _>(move |scope| {
        let recorded = simulator::record(scope, now, &rules, &checked)?;
        if recorded.is_ok() {
            market::blocks::confirm(scope, &policy, &key)?;
        }
        Ok(recorded)
    })?)
}

fn refused(refusal: &Refusal) -> Answer {
    let response = answer(refusal.status, &refusal.wire())?;
    // Busy: the block is good for all we know, and to be sent again.
    Ok(if refusal.status == 503 { response.with_additional_header("Retry-After", "1") } else { response })
}

fn answer<T: Serialize>(status: u16, value: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_string(value).map_err(|error| ApiError::internal(&error))?;
    Ok(http::json(status, body))
}

fn last_blocks(api: &Api, _call: &Call<'_>) -> Answer {
    rules(api)?;
    let blocks = api.store.read::<_, ApiError, _>(|connection| Ok(simulator::last_blocks(connection)?))?;
    shown(&blocks)
}

fn send_pow(api: &Api, call: &Call<'_>) -> Answer {
    rules(api)?;
    json(&wire::PowAccepted::to(call.dictionary()?.object()))
}

fn balance(api: &Api, call: &Call<'_>) -> Answer {
    rules(api)?;
    let address = call.parameter();
    if address.len() > ID_LENGTH_MAX {
        return Err(ApiError::new(404, "Not Found"));
    }
    let balance =
        api.store.read::<_, ApiError, _>(|connection| Ok(simulator::balance(connection, address)?))?;
    json(&wire::Balance { address, balance })
}

fn stats(api: &Api, _call: &Call<'_>) -> Answer {
    rules(api)?;
    json(&api.store.read::<_, ApiError, _>(|connection| Ok(simulator::stats(connection)?))?)
}

fn list_blocks(api: &Api, call: &Call<'_>) -> Answer {
    const LIMIT_DEFAULT: i64 = 100;
    rules(api)?;
    let mut query = call.query();
    let account = query.short_text("account", ID_LENGTH_MAX);
    let prefix = query.short_text("prefix", ID_LENGTH_MAX);
    let limit = query.integer("limit", LIMIT_DEFAULT, 1..=LIST_ROWS_MAX);
    query.finish()?;
    let limit = u32::try_from(limit).expect("within 1 to 1000");
    let blocks = api.store.read::<_, ApiError, _>(|connection| {
        Ok(simulator::blocks(connection, account.as_deref(), prefix.as_deref(), limit)?)
    })?;
    shown(&blocks)
}

fn shown(blocks: &[simulator::Block]) -> Answer {
    json(&blocks.iter().map(wire::Block::from).collect::<Vec<_>>())
}

#[cfg(test)]
#[path = "tests/chain.rs"]
mod tests;
