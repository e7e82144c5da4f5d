//! Found blocks from the moment they are found until chain and platform have them.

use std::collections::HashMap;

use crossbeam_channel::Receiver;

use super::agent::Agent;
use super::board::Tally;
use super::journal::{Entry, Journal};
use super::submit::{Fate, News, Submitter};
use crate::base::BlockKey;
use crate::base::limits::WORKER_BLOCKS_IN_HAND_MAX;
use crate::pow::{BlockKind, Marker, Matches};
use crate::protocol::Block;

/// All blocks of a miner that are not settled: in the journal, and some of them in hand.
pub(super) struct Blocks {
    pub(super) journal: Journal,
    submitter: Option<Submitter>,
    has_platform: bool,
    marker: Marker,
    in_hand: HashMap<BlockKey, InHand>,
    /// The journal may hold some that are not in hand.
    more_wait: bool,
    pub(super) tally: Tally,
}

/// Who has not taken a block yet.
#[derive(Clone, Copy)]
struct InHand {
    chain: bool,
    platform: bool,
    kind: Option<BlockKind>,
}

impl Blocks {
    /// With what the last run left behind, which [`Blocks::refill`] takes in hand.
    pub(super) fn new(
        journal: Journal,
        submitter: Option<Submitter>,
        has_platform: bool,
        marker: Marker,
    ) -> Self {
        let (in_hand, tally) = (HashMap::new(), Tally::default());
        Blocks { journal, submitter, has_platform, marker, in_hand, more_wait: true, tally }
    }

    /// Keeps what was found, and only then sends it anywhere.
    pub(super) fn found(&mut self, blocks: Vec<Block>, agent: &mut Agent) {
        self.tally.found += blocks.len() as u64;
        let (chain_waits, platform_waits) = (self.submitter.is_some(), self.has_platform);
        let entry = |block| Entry { block, chain_waits, platform_waits };
        let entries: Vec<Entry> = blocks.into_iter().map(entry).collect();
        self.journal.keep(entries.clone());
        for entry in entries {
            self.send(entry, agent);
        }
    }

    /// Takes from the journal what waits there and has room in hand.
    pub(super) fn refill(&mut self, agent: &mut Agent) {
        self.journal.write();
        if !self.more_wait || self.in_hand.len() > WORKER_BLOCKS_IN_HAND_MAX / 2 {
            return;
        }
        self.more_wait = false;
        let known = self.in_hand.keys().cloned().collect();
        for entry in self.journal.waiting(&known) {
            self.send(entry, agent);
        }
    }

    /// Takes what the chain said.
    pub(super) fn news(&mut self, News { block, fate, report, .. }: News, agent: &mut Agent) {
        let Some(in_hand) = self.in_hand.get_mut(&block.key) else { return };
        let report = report && in_hand.platform;
        match fate {
            Fate::Accepted => {
                in_hand.chain = false;
                let kind = in_hand.kind;
                self.accepted(kind);
                self.journal.chain_settled(&block.key, None);
            }
            Fate::Refused(reason) => {
                log::warn!("the chain refused {}: {reason}", block.key);
                (in_hand.chain, in_hand.platform) = (false, false);
                self.tally.refused += 1;
                self.journal.chain_settled(&block.key, Some(reason));
            }
            Fate::Deferred => {}
        }
        self.let_go(&block.key);
        if report {
            agent.report(block);
        }
    }

    /// Takes the platform's receipts.
    pub(super) fn receipts(&mut self, keys: &[BlockKey]) {
        for key in keys {
            self.journal.platform_settled(key);
            let Some(in_hand) = self.in_hand.get_mut(key) else { continue };
            in_hand.platform = false;
            let kind = in_hand.kind;
            if self.submitter.is_none() {
                self.accepted(kind);
            }
            self.let_go(key);
        }
    }

    /// Blocks in hand that chain or platform have not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.in_hand.len()
    }

    /// Ends the submission with a last try; what it does not settle stays in the journal.
    pub(super) fn stop(mut self, news: Receiver<News>, agent: &mut Agent) {
        if let Some(submitter) = self.submitter.take() {
            submitter.stop(news, |news| self.news(news, agent));
        }
        self.journal.write();
        if !self.in_hand.is_empty() {
            log::info!(
                "{} blocks are still on their way: the next run goes on with them",
                self.in_hand.len()
            );
        }
    }

    fn send(&mut self, entry: Entry, agent: &mut Agent) {
        if self.in_hand.len() >= WORKER_BLOCKS_IN_HAND_MAX {
            self.more_wait = true;
            return;
        }
        let Entry { block, chain_waits, platform_waits } = entry;
        let chain = chain_waits && self.submitter.is_some();
        let platform = platform_waits && self.has_platform;
        let tag = block.hash.rsplit('$').next().unwrap_or_default();
        let kind = Matches::find(tag.as_bytes(), &self.marker).kind();
        self.in_hand.insert(block.key.clone(), InHand { chain, platform, kind });
        match &self.submitter {
            Some(submitter) if chain => {
                // Full cannot be: its queue has room for all that is in hand.
                if let Some(block) = submitter.submit(0, block) {
                    self.in_hand.remove(&block.key);
                    self.more_wait = true;
                }
            }
            _ if platform => agent.report(block),
            // Another run waits for a chain or a platform that this one does not have.
            _ => _ = self.in_hand.remove(&block.key),
        }
    }

    fn accepted(&mut self, kind: Option<BlockKind>) {
        self.tally.accepted += 1;
        match kind {
            Some(BlockKind::Super) => self.tally.accepted_super += 1,
            Some(BlockKind::Xuni) => self.tally.accepted_xuni += 1,
            Some(BlockKind::Normal) | None => {}
        }
    }

    fn let_go(&mut self, key: &BlockKey) {
        if self.in_hand.get(key).is_some_and(|in_hand| !in_hand.chain && !in_hand.platform) {
            self.in_hand.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    fn block(number: usize) -> Block {
        Block {
            worker_id: "rig-1".parse().unwrap(),
            lease_id: None,
            hash: format!("XEN11 {number}"),
            key: format!("{number:064x}").parse().unwrap(),
            account: None,
            attempts: 1,
            hashrate: "1.00".into(),
        }
    }

    #[test]
    fn what_has_no_room_in_hand_while_the_platform_is_away_waits_in_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let worker = "rig-1".parse().unwrap();
        let journal = Journal::open(Some(folder.path()), &worker).unwrap();
        let mut agent = Agent::new(None, Clock::system());
        let mut blocks = Blocks::new(journal, None, true, Marker::default());
        let count = WORKER_BLOCKS_IN_HAND_MAX * 2 + 1;
        blocks.found((0..count).map(block).collect(), &mut agent);
        assert_eq!(blocks.waiting(), WORKER_BLOCKS_IN_HAND_MAX);

        let mut taken = 0;
        while blocks.waiting() > 0 {
            let keys: Vec<BlockKey> = blocks.in_hand.keys().cloned().collect();
            taken += keys.len();
            blocks.receipts(&keys);
            // A receipt that comes again settles nothing twice.
            blocks.receipts(&keys);
            blocks.refill(&mut agent);
        }
        assert_eq!((taken, blocks.tally.found, blocks.tally.accepted), (count, count as u64, count as u64));
        drop(blocks);
        let journal = Journal::open(Some(folder.path()), &worker).unwrap();
        assert!(journal.waiting(&std::collections::HashSet::new()).is_empty());
    }
}
