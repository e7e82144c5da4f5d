//! The table `workers`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::convert::OptionalAddress;
use crate::base::{AccountId, Amount, EthAddress, LeaseId, Timestamp, WorkerId};
use crate::protocol::{Gpu, Register, ReportedState};

impl rusqlite::ToSql for ReportedState {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl rusqlite::types::FromSql for ReportedState {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Order of first registration.
    pub worker_seq: i64,
    /// Its id.
    pub worker_id: WorkerId,
    /// Names its owner.
    pub eth_address: Option<EthAddress>,
    /// Number of GPUs.
    pub gpu_count: u32,
    /// Memory of all GPUs, GB.
    pub total_memory_gb: f64,
    /// The GPUs as JSON text.
    pub gpus: String,
    /// Software version.
    pub version: String,
    /// What it does now.
    pub state: ReportedState,
    /// For rent by its owner's will.
    pub listed: bool,
    /// Price of a minute.
    pub price_per_min: Amount,
    /// The shortest lease, when the provider has set it.
    pub min_duration_sec: Option<i64>,
    /// The longest lease, when the provider has set it.
    pub max_duration_sec: Option<i64>,
    /// First registration.
    pub registered_at: Timestamp,
    /// H/s at the last flush.
    pub hashrate: f64,
    /// GPUs at work at the last flush.
    pub active_gpus: u32,
    /// The last sign of life that was written.
    pub last_heartbeat: Timestamp,
    /// Microseconds online in all.
    pub total_online: i64,
    /// Verified blocks found without a lease.
    pub self_blocks_found: i64,
    /// Verified blocks in all.
    pub verified_blocks: i64,
    /// Leases ever made, but those of its owner.
    pub leases_total: i64,
    /// Of these, those that came to their end.
    pub leases_completed: i64,
    /// The account whose token it came in with, while no signed-in wallet owns it.
    pub keeper: Option<AccountId>,
}

/// The columns of a [`Worker`], in the order of [`from_row`].
pub const COLUMNS: &str = "worker_seq, worker_id, eth_address, gpu_count, total_memory_gb, gpus, version, state, listed, \
     price_per_min, min_duration_sec, max_duration_sec, registered_at, hashrate, active_gpus, last_heartbeat, \
     total_online, self_blocks_found, verified_blocks, leases_total, leases_completed, keeper";

/// A [`Worker`] from a row that begins with [`COLUMNS`].
pub fn from_row(row: &Row<'_>) -> Result<Worker> {
    Ok(Worker {
        worker_seq: row.get(0)?,
        worker_id: row.get(1)?,
        eth_address: row.get::<_, OptionalAddress>(2)?.0,
        gpu_count: row.get(3)?,
        total_memory_gb: row.get(4)?,
        gpus: row.get(5)?,
        version: row.get(6)?,
        state: row.get(7)?,
        listed: row.get(8)?,
        price_per_min: row.get(9)?,
        min_duration_sec: row.get(10)?,
        max_duration_sec: row.get(11)?,
        registered_at: row.get(12)?,
        hashrate: row.get(13)?,
        active_gpus: row.get(14)?,
        last_heartbeat: row.get(15)?,
        total_online: row.get(16)?,
        self_blocks_found: row.get(17)?,
        verified_blocks: row.get(18)?,
        leases_total: row.get(19)?,
        leases_completed: row.get(20)?,
        keeper: row.get(21)?,
    })
}

/// The worker with this id.
pub fn get(connection: &Connection, id: &WorkerId) -> Result<Option<Worker>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM workers WHERE worker_id = ?1"))?
        .query_row([id], from_row)
        .optional()
}

/// Whether a worker is the wallet's with this address, or kept by this account.
pub fn is_of(
    connection: &Connection,
    id: &WorkerId,
    account: &AccountId,
    wallet: Option<&EthAddress>,
) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM workers WHERE worker_id = ?1 AND (eth_address = ?2 OR keeper = ?3)")?
        .exists((id, wallet, account))
}

/// Gives a worker a keeper, or takes it away.
pub fn set_keeper(connection: &Connection, id: &WorkerId, keeper: Option<&AccountId>) -> Result<()> {
    connection
        .prepare_cached("UPDATE workers SET keeper = ?2 WHERE worker_id = ?1")?
        .execute((id, keeper))?;
    Ok(())
}

/// A wallet has signed in: its workers are its own from now on.
pub fn end_keeping(connection: &Connection, address: &EthAddress) -> Result<()> {
    connection
        .prepare_cached("UPDATE workers SET keeper = NULL WHERE eth_address = ?1 AND keeper IS NOT NULL")?
        .execute([address])?;
    Ok(())
}

/// Adds a worker or renews what a registration says of it.
pub fn upsert(
    connection: &Connection,
    register: &Register,
    state: ReportedState,
    price_per_min: Amount,
    now: Timestamp,
) -> Result<()> {
    let gpus = serde_json::to_string(&register.gpus)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    connection
        .prepare_cached(
            "INSERT INTO workers (worker_id, eth_address, gpu_count, total_memory_gb, gpus, gpu_names, version, state,
                                  price_per_min, registered_at, last_heartbeat)
             VALUES (:id, :address, :gpu_count, :memory, :gpus, :names, :version, :state, :price, :now, :now)
             ON CONFLICT (worker_id) DO UPDATE SET
                 eth_address = excluded.eth_address, gpu_count = excluded.gpu_count,
                 total_memory_gb = excluded.total_memory_gb, gpus = excluded.gpus, gpu_names = excluded.gpu_names,
                 version = excluded.version, state = excluded.state, last_heartbeat = excluded.last_heartbeat",
        )?
        .execute(named_params! {
            ":id": register.worker_id,
            ":address": OptionalAddress(register.eth_address),
            ":gpu_count": register.gpu_count,
            ":memory": register.total_memory_gb,
            ":gpus": gpus,
            ":names": names_to_search(&register.gpus),
            ":version": register.version,
            ":state": state,
            ":price": price_per_min,
            ":now": now,
        })?;
    Ok(())
}

/// What `gpu_type` filters search in: the GPUs' names, joined, in upper case.
pub fn names_to_search(gpus: &[Gpu]) -> String {
    let names: Vec<String> = gpus.iter().map(|gpu| gpu.name.to_uppercase()).collect();
    names.join(" ")
}

/// Workers that may be rented, first registered first, each with an active lease left out; the caller
/// knows which of them are online.
pub fn each_for_rent(connection: &Connection, mut visit: impl FnMut(Worker) -> bool) -> Result<()> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM workers WHERE state = 'AVAILABLE' AND listed = 1
           AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.worker_id = workers.worker_id AND leases.state = 'active')
         ORDER BY worker_seq"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !visit(from_row(row)?) {
            break;
        }
    }
    Ok(())
}

/// Where a worker stands: little, for what is asked often.
pub struct Standing {
    /// For rent by its owner's will.
    pub listed: bool,
    /// What it does, as last heard.
    pub state: ReportedState,
    /// The lease that it is in.
    pub lease: Option<LeaseId>,
}

/// Where a worker stands.
pub fn standing(connection: &Connection, id: &WorkerId) -> Result<Option<Standing>> {
    connection
        .prepare_cached(
            "SELECT w.listed, w.state, l.lease_id FROM workers w
             LEFT JOIN leases l ON l.worker_id = w.worker_id AND l.state = 'active' WHERE w.worker_id = ?1",
        )?
        .query_row([id], |row| Ok(Standing { listed: row.get(0)?, state: row.get(1)?, lease: row.get(2)? }))
        .optional()
}

/// A worker is leased: one more lease, when it counts.
pub fn begin_lease(connection: &Connection, id: &WorkerId, counts: bool) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE workers SET state = 'LEASED', leases_total = leases_total + ?2 WHERE worker_id = ?1",
        )?
        .execute((id, i64::from(counts)))?;
    Ok(())
}

/// A worker's lease came to its end: one more completed, when it counts.
pub fn end_lease(connection: &Connection, id: &WorkerId, state: ReportedState, counts: bool) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE workers SET state = ?2, leases_completed = leases_completed + ?3 WHERE worker_id = ?1",
        )?
        .execute((id, state, i64::from(counts)))?;
    Ok(())
}

/// Sets the state; true when it was another.
pub fn set_state(connection: &Connection, id: &WorkerId, state: ReportedState) -> Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE workers SET state = ?2 WHERE worker_id = ?1 AND state <> ?2")?
        .execute((id, state))?;
    Ok(changed > 0)
}

/// Lists or unlists a worker.
pub fn set_listed(connection: &Connection, id: &WorkerId, listed: bool) -> Result<()> {
    connection
        .prepare_cached("UPDATE workers SET listed = ?2 WHERE worker_id = ?1")?
        .execute((id, listed))?;
    Ok(())
}

/// Sets price and limits; a limit that is `None` stays as it was.
pub fn set_pricing(
    connection: &Connection,
    id: &WorkerId,
    price_per_min: Amount,
    min_duration_sec: Option<i64>,
    max_duration_sec: Option<i64>,
) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE workers SET price_per_min = ?2, min_duration_sec = coalesce(?3, min_duration_sec),
                                max_duration_sec = coalesce(?4, max_duration_sec) WHERE worker_id = ?1",
        )?
        .execute((id, price_per_min, min_duration_sec, max_duration_sec))?;
    Ok(())
}

/// Counts one more verified block, found without a lease or in one.
pub fn count_block(connection: &Connection, id: &WorkerId, self_mined: bool) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE workers SET self_blocks_found = self_blocks_found + ?2, verified_blocks = verified_blocks + 1
             WHERE worker_id = ?1",
        )?
        .execute((id, i64::from(self_mined)))?;
    Ok(())
}

/// What heartbeats said since the last flush.
#[derive(Clone, Debug)]
pub struct Pulse {
    /// Whose.
    pub worker_id: WorkerId,
    /// The newest hashrate, H/s.
    pub hashrate: f64,
    /// The newest count of GPUs at work.
    pub active_gpus: u32,
    /// The newest sign of life.
    pub last_heartbeat: Timestamp,
    /// Microseconds online since the last flush.
    pub online: i64,
    /// Sum of the hashrates reported, for the lease's average.
    pub hashrate_sum: f64,
    /// How many were summed.
    pub hashrate_samples: i64,
}

/// Writes a pulse to the worker and to its active lease.
pub fn write_pulse(connection: &Connection, pulse: &Pulse) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE workers SET hashrate = ?2, active_gpus = ?3, last_heartbeat = max(last_heartbeat, ?4),
                                total_online = total_online + ?5 WHERE worker_id = ?1",
        )?
        .execute((&pulse.worker_id, pulse.hashrate, pulse.active_gpus, pulse.last_heartbeat, pulse.online))?;
    if pulse.hashrate_samples > 0 {
        connection
            .prepare_cached(
                "UPDATE leases SET hashrate_sum = hashrate_sum + ?2, hashrate_samples = hashrate_samples + ?3
                 WHERE worker_id = ?1 AND state = 'active'",
            )?
            .execute((&pulse.worker_id, pulse.hashrate_sum, pulse.hashrate_samples))?;
    }
    Ok(())
}

/// All workers, first registered first.
pub fn all(connection: &Connection) -> Result<Vec<Worker>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM workers ORDER BY worker_seq"))?
        .query_map([], from_row)?
        .collect()
}

/// Whose workers are asked for.
#[derive(Clone, Debug)]
pub enum Owner {
    /// Those that name this address.
    Wallet(EthAddress),
    /// Those that this account keeps.
    Keeper(AccountId),
}

impl Owner {
    /// The column of `workers` that names it.
    pub(super) const fn column(&self) -> &'static str {
        match self {
            Owner::Wallet(_) => "eth_address",
            Owner::Keeper(_) => "keeper",
        }
    }
}

impl rusqlite::ToSql for Owner {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Owner::Wallet(address) => address.to_sql(),
            Owner::Keeper(account) => account.to_sql(),
        }
    }
}

/// An owner's workers, first registered first.
pub fn of_owner(connection: &Connection, owner: &Owner, limit: i64, offset: i64) -> Result<Vec<Worker>> {
    let column = owner.column();
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM workers WHERE {column} = ?1 ORDER BY worker_seq LIMIT ?2 OFFSET ?3"
        ))?
        .query_map((owner, limit, offset), from_row)?
        .collect()
}

/// Sums over an owner's workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerSums {
    /// Workers.
    pub workers: i64,
    /// Verified blocks they found.
    pub verified_blocks: i64,
    /// Of these, without a lease.
    pub self_blocks_found: i64,
    /// Their GPUs.
    pub gpus: i64,
    /// The first registration among them.
    pub registered_at: Option<Timestamp>,
}

/// Sums over an owner's workers.
pub fn sums_of_owner(connection: &Connection, owner: &Owner) -> Result<OwnerSums> {
    connection
        .prepare_cached(&format!(
            "SELECT count(*), coalesce(sum(verified_blocks), 0), coalesce(sum(self_blocks_found), 0),
                    coalesce(sum(gpu_count), 0), min(registered_at)
             FROM workers WHERE {} = ?1",
            owner.column()
        ))?
        .query_row([owner], |row| {
            Ok(OwnerSums {
                workers: row.get(0)?,
                verified_blocks: row.get(1)?,
                self_blocks_found: row.get(2)?,
                gpus: row.get(3)?,
                registered_at: row.get(4)?,
            })
        })
}

/// The ids of an owner's workers, first registered first.
pub fn ids_of_owner(connection: &Connection, owner: &Owner) -> Result<Vec<WorkerId>> {
    let column = owner.column();
    connection
        .prepare_cached(&format!("SELECT worker_id FROM workers WHERE {column} = ?1 ORDER BY worker_seq"))?
        .query_map([owner], |row| row.get(0))?
        .collect()
}
