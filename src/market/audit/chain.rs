//! The simulated chain: its state and its miners' balances, as its blocks make them.

use rusqlite::{Connection, OptionalExtension, Result};

use super::Report;
use super::ledger::money;
use crate::chain::simulator::reward;
use crate::pow::BlockKind;

pub(super) fn check(connection: &Connection, report: &mut Report) -> Result<()> {
    state(connection, report)?;
    miners(connection, report)
}

const KINDS: [BlockKind; 3] = [BlockKind::Normal, BlockKind::Super, BlockKind::Xuni];

fn state(connection: &Connection, report: &mut Report) -> Result<()> {
    let counted: [i64; 5] = connection.query_row(
        "SELECT coalesce(sum(block_type = 'normal'), 0), coalesce(sum(block_type = 'super'), 0),
                coalesce(sum(block_type = 'xuni'), 0), coalesce(max(block_id), 0) + 1,
                (SELECT count(*) FROM chain_miners) FROM chain_blocks",
        [],
        |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
    )?;
    let blocks: i64 = counted[..KINDS.len()].iter().sum();
    report.checked.chain_blocks = u64::try_from(blocks).unwrap_or_default();
    let kept: Option<[i64; 5]> = connection
        .query_row(
            "SELECT normal_blocks, super_blocks, xuni_blocks, next_block_id, miners FROM chain_state",
            [],
            |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
        )
        .optional()?;
    // A chain that was never opened has no state and no blocks.
    let kept = kept.unwrap_or([0, 0, 0, 1, 0]);
    let names = ["normal_blocks", "super_blocks", "xuni_blocks", "next_block_id", "miners"];
    for (name, (kept, counted)) in names.into_iter().zip(kept.into_iter().zip(counted)) {
        report.expect(kept == counted, || format!("chain: {name} reads {kept}, the rows make {counted}"));
    }
    Ok(())
}

fn miners(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement =
        connection.prepare("SELECT account, blocks, balance FROM chain_miners ORDER BY account")?;
    let mut of_account = connection.prepare(
        "SELECT coalesce(sum(block_type = 'normal'), 0), coalesce(sum(block_type = 'super'), 0),
                coalesce(sum(block_type = 'xuni'), 0) FROM chain_blocks WHERE account = ?1",
    )?;
    let mut rows = statement.query([])?;
    let mut blocks_of_miners = 0;
    while let Some(row) = rows.next()? {
        let (account, blocks, balance): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let counted: [i64; 3] =
            of_account.query_row([&account], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        let (found, earned) =
            KINDS.iter().zip(counted).fold((0, 0_i128), |(found, earned), (kind, count)| {
                (found + count, earned + i128::from(count) * i128::from(reward(*kind).millionths()))
            });
        blocks_of_miners += found;
        report.expect(blocks == found, || {
            format!("chain: miner {account} has {blocks} blocks, the rows make {found}")
        });
        report.expect(i128::from(balance) == earned, || {
            format!(
                "chain: miner {account} has {}, the rewards make {}",
                money(balance.into()),
                money(earned)
            )
        });
    }
    let blocks = i128::from(report.checked.chain_blocks);
    report.expect(blocks == i128::from(blocks_of_miners), || {
        format!("chain: {blocks} blocks, but its miners have {blocks_of_miners}")
    });
    Ok(())
}
