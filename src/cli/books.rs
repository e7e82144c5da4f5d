//! Commands on a database: `seed`, `audit`, `backup`, `restore`, `import`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, arguments, say};
use crate::base::Clock;
use crate::market::{audit, import};
use crate::sim::seed;
use crate::store::{backup, open_current};

/// Flags of `xenblocks seed`.
#[derive(Args)]
#[command(mut_arg("db_path", |path| path.help("The database file to fill; made when missing, and else without a history")))]
pub(super) struct Seed {
    /// Workers, 1 to 10000.
    #[arg(long, env = "XENBLOCKS_WORKERS", default_value_t = 1000, value_name = "N")]
    workers: u32,
    /// Blocks, of leases and self-mined; at most 1000000.
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    blocks: u32,
    /// Leases of the last 30 days; at most 100000.
    #[arg(long, default_value_t = 5000, value_name = "N")]
    leases: u32,
    /// Addresses that own the workers, at least 1; 100 by default, or one a worker when there are fewer.
    #[arg(long, value_name = "N")]
    addresses: Option<u32>,
    /// Draw the same history each time.
    #[arg(long, env = "XENBLOCKS_SEED", default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    db: arguments::Db,
}

/// Flags of `xenblocks audit`.
#[derive(Args)]
#[command(mut_arg("db_path", |path| path.help("The database file to check; it is only read, beside a running server too")))]
pub(super) struct Audit {
    #[command(flatten)]
    db: arguments::Db,
}

/// Flags of `xenblocks backup`.
#[derive(Args)]
#[command(mut_arg("db_path", |path| path.help("The database file to copy; it is only read, beside a running server too")))]
pub(super) struct Backup {
    /// The file to write.
    dest: PathBuf,
    /// Replace it if it exists.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    db: arguments::Db,
}

/// Flags of `xenblocks restore`.
#[derive(Args)]
#[command(mut_arg("db_path", |path| path.help("The database file that the backup takes the place of; no server may run on it. What was there is kept beside it")))]
pub(super) struct Restore {
    /// The backup.
    from: PathBuf,
    #[command(flatten)]
    db: arguments::Db,
}

/// Flags of `xenblocks import`.
#[derive(Args)]
#[command(mut_arg("db_path", |path| path.help("The database file to make; it must be new")))]
pub(super) struct Import {
    /// The prototype's database file.
    from: PathBuf,
    #[command(flatten)]
    db: arguments::Db,
}

pub(super) fn seed(arguments: Seed) -> Result<(), CliError> {
    let path = arguments.db.db_path;
    let seeded = seed::run(&seed::Config {
        path: path.clone(),
        workers: arguments.workers,
        addresses: arguments.addresses.unwrap_or(arguments.workers.min(100)),
        leases: arguments.leases,
        blocks: arguments.blocks,
        seed: arguments.seed,
        now: Clock::system().now(),
    })?;
    say(format_args!(
        "{}: {} workers, {} renters, {} leases ({} of them active), {} blocks",
        path.display(),
        arguments.workers,
        seeded.renters,
        seeded.leases,
        seeded.active,
        seeded.blocks
    ));
    Ok(())
}

pub(super) fn audit(arguments: Audit) -> Result<(), CliError> {
    let path = arguments.db.db_path;
    let report = audit::audit(&open_current(&path)?)?;
    report.violations.iter().for_each(say);
    if report.left_off > 0 {
        say(format_args!("and {} more", report.left_off));
    }
    let checked = report.checked;
    say(format_args!(
        "checked {} accounts, {} ledger entries in {} movements, {} leases, {} settlements, {} blocks, {} workers",
        checked.accounts,
        checked.entries,
        checked.movements,
        checked.leases,
        checked.settlements,
        checked.blocks,
        checked.workers
    ));
    if !report.unsettled.is_empty() {
        say(format_args!(
            "{} ended leases wait for their settlement: the next start settles them",
            report.unsettled.len()
        ));
    }
    if report.is_clean() {
        say("every invariant holds");
        return Ok(());
    }
    let count = report.violations.len() as u64 + report.left_off;
    Err(CliError::Said(format!("{}: {count} invariants are broken", path.display())))
}

pub(super) fn backup(arguments: Backup) -> Result<(), CliError> {
    let bytes = backup::backup(&arguments.db.db_path, &arguments.dest, arguments.overwrite)?;
    say(format_args!("{}: {bytes} bytes", arguments.dest.display()));
    Ok(())
}

pub(super) fn restore(arguments: Restore) -> Result<(), CliError> {
    let path = arguments.db.db_path;
    let before = backup::restore(&arguments.from, &path, Clock::system().now())?;
    let kept = before.map(|before| format!("; what was there is {}", before.display()));
    say(format_args!("{} restored{}", path.display(), kept.unwrap_or_default()));
    Ok(())
}

pub(super) fn import(arguments: Import) -> Result<(), CliError> {
    let path = arguments.db.db_path;
    let config = import::Config { from: arguments.from, path: path.clone(), now: Clock::system().now() };
    let brought = import::run(&config, &mut |line| say(line))?;
    say(format_args!(
        "{}: from version {}: {} accounts, {} keys, {} workers, {} leases ({} of them active), {} settlements, \
         {} blocks; {} rows left out",
        path.display(),
        brought.version,
        brought.accounts,
        brought.keys,
        brought.workers,
        brought.leases,
        brought.active,
        brought.settlements,
        brought.blocks,
        brought.left_out
    ));
    Ok(())
}
