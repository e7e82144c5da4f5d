//! Blocks, and the counts that workers and counters keep of them.

use rusqlite::{Connection, Result};

use super::Report;
use super::leases::counter;
use crate::base::{BlockKey, Prefix};

pub(super) fn check(connection: &Connection, report: &mut Report) -> Result<()> {
    let self_mined = each_block(connection, report)?;
    counter(connection, "blocks", report.checked.blocks.into(), report)?;
    counter(connection, "blocks_self_mined", self_mined, report)?;
    each_worker(connection, report)
}

/// Returns how many are self-mined. That keys are unique is the file's own check, by their index.
fn each_block(connection: &Connection, report: &mut Report) -> Result<i128> {
    let mut self_mined = 0;
    let mut statement = connection.prepare(
        "SELECT b.block_seq, b.key, b.lease_id, b.worker_id, b.prefix_valid, b.chain_verified, b.pending,
                b.chain_block_id, l.prefix, l.worker_id, w.worker_id IS NOT NULL, c.key
         FROM blocks b LEFT JOIN leases l ON l.lease_id = b.lease_id
         LEFT JOIN workers w ON w.worker_id = b.worker_id
         LEFT JOIN chain_blocks c ON c.block_id = b.chain_block_id ORDER BY b.block_seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.checked.blocks += 1;
        let (seq, key): (i64, String) = (row.get(0)?, row.get(1)?);
        let (lease, worker): (Option<String>, String) = (row.get(2)?, row.get(3)?);
        let (prefix_valid, verified, pending): (bool, bool, bool) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let (prefix, lease_worker): (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
        let parsed = key.parse::<BlockKey>().ok().filter(|parsed| parsed.as_str() == key);
        report.expect(parsed.is_some(), || {
            format!("block {seq}: its key is not 64 to 128 lower-case hexadecimal digits")
        });
        report.expect(row.get(10)?, || format!("block {seq}: worker {worker} is unknown"));
        report
            .expect(!(pending && verified), || format!("block {seq}: verified and still to be looked into"));
        let on_chain: (Option<i64>, Option<String>) = (row.get(7)?, row.get(11)?);
        report.expect(on_chain.0.is_none() || on_chain.1.as_ref() == Some(&key), || {
            format!("block {seq}: number {} on the chain is another block", on_chain.0.unwrap_or_default())
        });
        let Some(lease) = lease else {
            self_mined += 1;
            report.expect(prefix_valid, || format!("block {seq}: self-mined, yet its prefix is judged"));
            continue;
        };
        let Some(prefix) = prefix.and_then(|prefix| prefix.parse::<Prefix>().ok()) else {
            report.violation(format!("block {seq}: lease {lease} is unknown or has no proper prefix"));
            continue;
        };
        report.expect(lease_worker.as_ref() == Some(&worker), || {
            format!("block {seq}: found by {worker}, lease {lease} is another worker's")
        });
        let bears = parsed.is_some_and(|key| key.starts_with(&prefix));
        report.expect(bears == prefix_valid, || {
            format!("block {seq}: prefix_valid is {prefix_valid}, but comparing with {prefix} says {bears}")
        });
    }
    Ok(self_mined)
}

fn each_worker(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT worker_id, state, verified_blocks, self_blocks_found, leases_total, leases_completed
         FROM workers ORDER BY worker_seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.checked.workers += 1;
        let (id, state): (String, String) = (row.get(0)?, row.get(1)?);
        let (blocks, leases) = (counted_blocks(connection, &id)?, counted_leases(connection, &id)?);
        let counts = [
            ("verified_blocks", row.get::<_, i64>(2)?, blocks.0),
            ("self_blocks_found", row.get(3)?, blocks.1),
            ("leases_total", row.get(4)?, leases.total),
            ("leases_completed", row.get(5)?, leases.completed),
        ];
        for (name, value, counted) in counts {
            report.expect(value == counted, || {
                format!("worker {id}: {name} reads {value}, the rows make {counted}")
            });
        }
        let at_work = matches!(state.as_str(), "LEASED" | "MINING");
        report.expect(!at_work || leases.active > 0, || {
            format!("worker {id}: is {state} without an active lease")
        });
    }
    Ok(())
}

fn counted_blocks(connection: &Connection, worker: &str) -> Result<(i64, i64)> {
    connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(lease_id IS NULL), 0) FROM blocks
             WHERE worker_id = ?1 AND prefix_valid = 1 AND chain_verified = 1",
        )?
        .query_row([worker], |row| Ok((row.get(0)?, row.get(1)?)))
}

struct Leases {
    total: i64,
    completed: i64,
    active: i64,
}

fn counted_leases(connection: &Connection, worker: &str) -> Result<Leases> {
    connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE own = 0), coalesce(sum(state = 'completed' AND own = 0), 0), coalesce(sum(state = 'active'), 0)
             FROM leases WHERE worker_id = ?1",
        )?
        .query_row([worker], |row| {
            Ok(Leases { total: row.get(0)?, completed: row.get(1)?, active: row.get(2)? })
        })
}
