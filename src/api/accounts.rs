//! Accounts: balances, deposits, withdrawals, the ledger, and what leases were settled for.

use rouille::Response;
use serde::Serialize;
use serde_json::{Map, json};

use super::auth::{AccountView, spelled};
use super::leases::{LIMIT, LIMIT_DEFAULT, OFFSET};
use super::request::idempotency::once;
use super::request::router::{Method, Parameter, Route};
use super::views::csv::{self, Cell, Table};
use super::views::{SettlementView, Slice};
use super::{Access, Answer, Api, ApiError, Call, KeyScope};
use crate::auth::Caller;
use crate::base::limits::LIST_ROWS_MAX;
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Timestamp};
use crate::market::{self, Refusal};
use crate::store::counters::{self, Counter};
use crate::store::transactions::{self, Entry, Kind};
use crate::store::{accounts, settlements};

const AMOUNT: Parameter =
    Parameter { name: "amount", kind: "number", required: true, about: "Coins, 0.000001 to 1000000000" };

pub(super) const ROUTES: &[Route] = &[
    Route::get(
        "/api/accounts",
        Access::Administrator,
        Some(KeyScope::Admin),
        "All accounts, or a page of them, in the order they were made",
        &[
            Parameter { name: "limit", kind: "integer", required: false, about: "Rows, all by default" },
            OFFSET,
        ],
        "An object of accounts by id",
        list,
    ),
    Route::get(
        "/api/accounts/{account_id}/balance",
        Access::Open,
        Some(KeyScope::Read),
        "An account's balance",
        &[],
        "account_id, role, balance, eth_address, available, held",
        balance,
    ),
    Route {
        method: Method::Post,
        path: "/api/accounts/{account_id}/deposit",
        access: Access::Open,
        scope: Some(KeyScope::Admin),
        summary: "Put money in; in closed mode administrators alone do",
        query: &[],
        body: &[AMOUNT],
        answer: "account_id, balance",
        handle: deposit,
    },
    Route {
        method: Method::Post,
        path: "/api/accounts/{account_id}/withdraw",
        access: Access::Credential,
        scope: Some(KeyScope::Withdraw),
        summary: "Take money out; what active leases hold stays",
        query: &[],
        body: &[
            AMOUNT,
            Parameter {
                name: "eth_address",
                kind: "string",
                required: false,
                about: "Where to; the account's own address by default",
            },
        ],
        answer: "account_id, balance, withdrawn",
        handle: withdraw,
    },
    Route::get(
        "/api/accounts/{account_id}/transactions",
        Access::Credential,
        Some(KeyScope::Read),
        "An account's ledger, newest first",
        &[
            LIMIT,
            Parameter {
                name: "before",
                kind: "integer",
                required: false,
                about: "Only entries older than this transaction_id: the last page's next_before",
            },
            Parameter { name: "type", kind: "string", required: false, about: "Only entries of this type" },
            csv::FORMAT,
        ],
        "account_id, items, limit, next_before; or a CSV file",
        ledger,
    ),
    Route::get(
        "/api/settlements",
        Access::Administrator,
        Some(KeyScope::Admin),
        "List settlements, newest first",
        &[LIMIT, OFFSET],
        "items, total, limit, offset",
        list_settlements,
    ),
];

fn list(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let limit = query.optional_integer("limit", 1..=LIST_ROWS_MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    if limit.is_none() && offset == 0 {
        let all = api.state.memos.accounts.get(&api.store, &api.clock, |_| encode(api, None, 0))?;
        return Ok(Response::from_data("application/json", all.to_vec()));
    }
    Ok(Response::from_data("application/json", encode(api, limit, offset)?))
}

fn encode(api: &Api, limit: Option<i64>, offset: i64) -> Result<Vec<u8>, ApiError> {
    let listed =
        api.store.read::<_, ApiError, _>(|connection| Ok(accounts::list(connection, limit, offset)?))?;
    let entry = |account: &accounts::Account| {
        let view = json!({
            "account_id": account.account_id,
            "role": account.role.as_str(),
            "eth_address": spelled(account.eth_address.as_ref()),
            "balance": account.balance,
        });
        (account.account_id.to_string(), view)
    };
    let object = listed.iter().map(entry).collect::<Map<_, _>>();
    serde_json::to_vec(&object).map_err(|error| ApiError::internal(&error))
}

fn balance(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.account_id()?;
    hold_to(call, &id, "You can only view your own balance")?;
    let account = api.store.read::<_, Refusal, _>(|connection| market::accounts::get(connection, &id))?;
    super::json(&AccountView::from(&account))
}

#[derive(Serialize)]
struct Moved {
    account_id: AccountId,
    balance: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Amount>,
}

fn deposit(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.account_id()?;
    let mut body = call.body()?;
    let amount = body.number("amount");
    body.finish()?;
    if !call.is_open() && call.caller != Caller::Administrator {
        return Err(ApiError::new(403, "Admin access required"));
    }
    hold_to(call, &id, "You can only deposit to your own account")?;
    let amount = parse_amount(amount)?;
    let now = call.now;
    once(api, call, move |scope| {
        let account = market::accounts::deposit(scope, &id, amount, now)?;
        Ok(Moved { account_id: account.account_id, balance: account.balance, withdrawn: None })
    })
}

fn withdraw(api: &Api, call: &Call<'_>) -> Answer {
    let id = call.account_id()?;
    let mut body = call.body()?;
    let amount = body.number("amount");
    let destination = body.text_or("eth_address", "");
    body.finish()?;
    hold_to(call, &id, "You can only withdraw from your own account")?;
    let amount = parse_amount(amount)?;
    let destination: Option<EthAddress> = match destination.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| ApiError::new(400, format!("eth_address: {error}")))?),
    };
    let now = call.now;
    once(api, call, move |scope| {
        let done = market::accounts::withdraw(scope, &id, amount, destination.as_ref(), now);
        let account = done.map_err(|refusal| {
            let is_short = matches!(refusal, Refusal::Insufficient { .. });
            let error = ApiError::from(refusal);
            // 402 is for renting; the prototype says 400 here.
            if is_short { error.with_status(400) } else { error }
        })?;
        Ok(Moved { account_id: account.account_id, balance: account.balance, withdrawn: Some(amount) })
    })
}

/// Whoever shows a credential is held to it; in closed mode one was needed to come here.
fn hold_to(call: &Call<'_>, account: &AccountId, otherwise: &str) -> Result<(), ApiError> {
    if call.caller == Caller::Nobody || call.caller.may_act_for(account) {
        return Ok(());
    }
    Err(ApiError::new(403, otherwise))
}

fn parse_amount(number: f64) -> Result<Amount, ApiError> {
    Amount::exactly(number).map_err(|error| ApiError::new(400, format!("amount {error}")))
}

#[derive(Serialize)]
struct EntryView {
    transaction_id: i64,
    r#type: &'static str,
    amount: Amount,
    balance_after: Amount,
    lease_id: Option<LeaseId>,
    note: Option<String>,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct Ledger {
    account_id: AccountId,
    items: Vec<EntryView>,
    limit: i64,
    next_before: Option<i64>,
}

const KINDS: [Kind; 8] = [
    Kind::Deposit,
    Kind::Withdraw,
    Kind::LeaseCharge,
    Kind::ProviderPayout,
    Kind::PlatformFee,
    Kind::TransferOut,
    Kind::TransferIn,
    Kind::Opening,
];

fn ledger(api: &Api, call: &Call<'_>) -> Answer {
    let account_id = call.account_id()?;
    let mut query = call.query();
    let before = query.optional_integer("before", 1..=i64::MAX);
    let kind = query.word("type", "", &KINDS.map(Kind::as_str));
    let (is_csv, limit) = csv::format_and_limit(&mut query);
    query.finish()?;
    hold_to(call, &account_id, "You can only view your own transactions")?;
    let kind = KINDS.into_iter().find(|known| known.as_str() == kind);
    let entries = api.store.read::<_, ApiError, _>(|connection| {
        market::accounts::get(connection, &account_id)?;
        Ok(transactions::of_account(connection, &account_id, kind, before, limit)?)
    })?;
    if is_csv {
        return Ok(as_file(&account_id, &entries));
    }
    let is_full = i64::try_from(entries.len()).is_ok_and(|count| count == limit);
    let next_before = entries.last().filter(|_| is_full).map(|entry| entry.transaction_id);
    let view = |entry: Entry| EntryView {
        transaction_id: entry.transaction_id,
        r#type: entry.kind.as_str(),
        amount: entry.amount,
        balance_after: entry.balance_after,
        lease_id: entry.lease_id,
        note: entry.note,
        created_at: entry.created_at,
    };
    let items = entries.into_iter().map(view).collect();
    super::json(&Ledger { account_id, items, limit, next_before })
}

fn as_file(account: &AccountId, entries: &[Entry]) -> Response {
    let mut table =
        Table::new(&["transaction_id", "created_at", "type", "amount", "balance_after", "lease_id", "note"]);
    for entry in entries {
        table.row([
            Cell::plain(entry.transaction_id),
            Cell::plain(format!("{:.6}", entry.created_at.seconds())),
            Cell::plain(entry.kind.as_str()),
            Cell::plain(entry.amount),
            Cell::plain(entry.balance_after),
            Cell::text(entry.lease_id.as_ref().map_or("", LeaseId::as_str)),
            Cell::text(entry.note.as_deref().unwrap_or_default()),
        ]);
    }
    table.into_response(account.as_str())
}

fn list_settlements(api: &Api, call: &Call<'_>) -> Answer {
    let mut query = call.query();
    let limit = query.integer("limit", LIMIT_DEFAULT, 1..=LIST_ROWS_MAX);
    let offset = query.integer("offset", 0, 0..=i64::MAX);
    query.finish()?;
    let slice = api.store.read::<_, ApiError, _>(|connection| {
        let page = settlements::page(connection, limit, offset)?;
        let items = page.into_iter().map(|settlement| SettlementView::new(settlement, true)).collect();
        Ok(Slice { items, total: counters::get(connection, Counter::Settlements)?, limit, offset })
    })?;
    super::json(&slice)
}

#[cfg(test)]
#[path = "tests/accounts.rs"]
mod tests;
