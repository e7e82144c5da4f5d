//! What the poller writes and everybody else reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::board::Board;
use super::facts::Facts;
use super::metrics::Metrics;
use crate::base::{Clock, Timestamp};

/// The gateway's memory.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) started: Timestamp,
    pub(super) metrics: Metrics,
    facts: Mutex<Facts>,
    board: RwLock<Arc<Board>>,
    bell: Sender<()>,
}

impl Shared {
    /// The memory, and the bell that rings when facts have changed.
    pub(super) fn new(clock: Clock) -> (Self, Receiver<()>) {
        let (bell, rings) = bounded(1);
        let (facts, started) = (Facts::default(), clock.now());
        let board = RwLock::new(Arc::new(Board::new(&facts, started, started, None)));
        let facts = Mutex::new(facts);
        (Shared { clock, started, metrics: Metrics::default(), facts, board, bell }, rings)
    }

    /// Facts changed: they are to be encoded anew.
    pub(super) fn ring(&self) {
        // Full: it rings already. Gone: the gateway is stopping.
        let _ = self.bell.try_send(());
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        // Nothing between lock and unlock panics half-way.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What answers are taken from.
    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn hang_up(&self, board: Board) {
        *self.board.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(board);
    }
}
