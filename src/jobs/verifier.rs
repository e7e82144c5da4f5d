//! Recomputes the hashes of blocks that nobody has proven yet, outside the writer.

use crossbeam_channel::{Receiver, select};

use super::House;
use crate::base::limits::PENDING_BLOCKS_QUEUED_MAX;
use crate::base::thread::BoxError;
use crate::market::{Refusal, blocks};
use crate::store::StoreError;
use crate::store::blocks::{Block, pending};

/// Runs until `stop` or `arrivals` closes. An `Err` is the store's end.
pub fn verify_blocks(house: &House, arrivals: &Receiver<Block>, stop: &Receiver<()>) -> Result<(), BoxError> {
    house.catch_up(stop)?;
    loop {
        select! {
            recv(arrivals) -> block => match block {
                Ok(block) => house.verify(&block)?,
                // Dispatch is gone: the platform is stopping.
                Err(_) => return Ok(()),
            },
            // Closed: likewise.
            recv(stop) -> _ => return Ok(()),
        }
        if arrivals.is_empty() {
            // The queue may have been full for a while: what it could not hold waits in the database.
            house.catch_up(stop)?;
        }
    }
}

impl House {
    fn catch_up(&self, stop: &Receiver<()>) -> Result<(), StoreError> {
        loop {
            let page = i64::try_from(PENDING_BLOCKS_QUEUED_MAX).expect("a small limit");
            let waiting = self.store.read::<_, StoreError, _>(|connection| Ok(pending(connection, page)?))?;
            if waiting.is_empty() {
                return Ok(());
            }
            for block in &waiting {
                // Closed: the platform is stopping; the rest waits in the database.
                if stop.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected) {
                    return Ok(());
                }
                self.verify(block)?;
            }
        }
    }

    fn verify(&self, block: &Block) -> Result<(), StoreError> {
        let proven = loop {
            // Busy: the hashers work for the chain's callers at the moment; each try waits its turn.
            if let Ok(proven) = blocks::recomputes(&self.policy, &self.verifier, block) {
                break proven;
            }
        };
        let (policy, key) = (self.policy.clone(), block.key.clone());
        match self.store.write::<_, Refusal, _>(move |scope| blocks::decide(scope, &policy, &key, proven)) {
            Err(Refusal::Store(error)) => Err(error),
            Err(refusal) => {
                log::error!("block {}: {refusal}", block.key);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
