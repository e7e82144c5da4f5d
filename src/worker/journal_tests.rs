use super::*;
use crate::base::EthAddress;

const WORKER: &str = "rig-1";

fn open(folder: &Path) -> Journal {
    Journal::open(Some(folder), &WORKER.parse().unwrap()).unwrap()
}

fn entry(number: u32) -> Entry {
    let block = Block {
        worker_id: WORKER.parse().unwrap(),
        lease_id: number.is_multiple_of(2).then(|| "lease-1".parse().unwrap()),
        hash: format!("XEN11 {number}"),
        key: format!("{number:064x}").parse().unwrap(),
        account: number.is_multiple_of(3).then(|| EthAddress::from_bytes([7; 20])),
        attempts: i64::from(number),
        hashrate: "1.00".into(),
    };
    Entry { block, chain_waits: true, platform_waits: true }
}

fn waiting(journal: &Journal) -> Vec<Entry> {
    journal.waiting(&HashSet::new())
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

#[test]
fn a_block_waits_over_restarts_until_chain_and_platform_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<_> = (0..4).map(entry).collect();
    open(folder.path()).keep(entries.clone());
    let mut journal = open(folder.path());
    assert_eq!(waiting(&journal), entries, "all of them as they were, oldest first");
    assert_eq!(journal.waiting(&HashSet::from([entries[0].block.key.clone()])), entries[1..]);

    journal.chain_settled(&entries[0].block.key, None);
    journal.platform_settled(&entries[1].block.key);
    journal.chain_settled(&entries[2].block.key, None);
    journal.platform_settled(&entries[2].block.key);
    journal.chain_settled(&entries[3].block.key, Some("late".into()));
    journal.write();
    drop(journal);
    let left: Vec<_> = waiting(&open(folder.path()))
        .into_iter()
        .map(|entry| (entry.block.attempts, entry.chain_waits, entry.platform_waits))
        .collect();
    assert_eq!(left, [(0, false, true), (1, true, false)]);
}

#[test]
fn refused_blocks_stay_for_their_owner_to_read_but_not_for_ever() {
    let mut journal = Journal::open(None, &WORKER.parse().unwrap()).unwrap();
    let count = u32::try_from(REFUSED_BLOCKS_KEPT_MAX).unwrap() + 10;
    journal.keep((0..count).map(entry).collect());
    (0..count).for_each(|number| journal.chain_settled(&entry(number).block.key, Some("no".into())));
    journal.write();
    assert!(waiting(&journal).is_empty());
    let kept: i64 =
        journal.connection.query_row("SELECT count(*) FROM blocks", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, REFUSED_BLOCKS_KEPT_MAX);
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    journal.keep(vec![entry(1)]);
    let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    journal.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let many: Vec<_> = (2..500).map(entry).collect();
    journal.keep(many.clone());
    assert!(journal.ails);
    assert_eq!(waiting(&journal).len(), 499, "what the disk did not take is in memory");
    // Settled while the disk was full: a success is not forgotten either.
    journal.chain_settled(&many[0].block.key, None);
    journal.platform_settled(&many[0].block.key);
    journal.write();
    assert_eq!(waiting(&journal).len(), 498);
    journal.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    journal.write();
    assert!(!journal.ails);
    drop(journal);
    let left = waiting(&open(folder.path()));
    assert_eq!(left.len(), 498);
    assert!(!left.contains(&many[0]));
}

#[test]
fn a_torn_end_of_the_file_costs_no_block_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    journal.keep(vec![entry(1)]);
    journal.keep(vec![entry(2)]);
    // As a crash leaves it: the log copied while the journal is open, its last bytes missing.
    let torn = tempfile::tempdir().unwrap();
    for name in ["rig-1.journal", "rig-1.journal-wal"] {
        std::fs::copy(folder.path().join(name), torn.path().join(name)).unwrap();
    }
    let log = OpenOptions::new().write(true).open(torn.path().join("rig-1.journal-wal")).unwrap();
    log.set_len(log.metadata().unwrap().len() - 100).unwrap();
    assert_eq!(waiting(&open(torn.path())), [entry(1)]);
}

#[test]
fn a_file_that_is_no_journal_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rig-1.journal"), "nonsense".repeat(1000)).unwrap();
    let mut journal = open(folder.path());
    journal.keep(vec![entry(1)]);
    assert_eq!(waiting(&journal), [entry(1)]);
    let names = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    let aside = names.filter(|name| name.to_str().unwrap().contains("broken")).count();
    assert_eq!(aside, 1);
}

#[test]
fn two_workers_with_one_id_are_not_of_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = Journal::open(Some(folder.path()), &WORKER.parse().unwrap());
    assert!(matches!(second, Err(WorkerError::Taken(worker)) if worker.as_str() == WORKER));
    assert!(Journal::open(Some(folder.path()), &"rig-2".parse().unwrap()).is_ok());
    drop(first);
    open(folder.path());
}

#[test]
fn a_lease_is_recalled_for_the_time_it_had_left() {
    let folder = tempfile::tempdir().unwrap();
    let lease = |ends| Lease {
        id: "lease-1".parse().unwrap(),
        consumer: "consumer-1".parse().unwrap(),
        renter: EthAddress::from_bytes([9; 20]),
        prefix: "a1b2c3d4e5f60718".parse().ok(),
        ends,
    };
    open(folder.path()).remember(Some(&lease(Some(at(160.0)))), at(100.0), at(5000.0));
    // The clock of the next process begins elsewhere; 20 s have passed on the wall.
    let recalled = open(folder.path()).recall(at(7.0), at(5020.0));
    assert_eq!(recalled, Some(lease(Some(at(47.0)))));
    assert_eq!(open(folder.path()).recall(at(7.0), at(5060.0)), None, "its time is over");
    // The wall clock was set back: no more than it had.
    assert_eq!(open(folder.path()).recall(at(7.0), at(1.0)), Some(lease(Some(at(67.0)))));
    let free = Lease { prefix: None, ..lease(None) };
    open(folder.path()).remember(Some(&free), at(0.0), at(0.0));
    assert_eq!(open(folder.path()).recall(at(9e9), at(9e9)), Some(free));
    open(folder.path()).remember(None, at(0.0), at(0.0));
    assert_eq!(open(folder.path()).recall(at(0.0), at(0.0)), None);
}
