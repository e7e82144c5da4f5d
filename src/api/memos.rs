//! What the pages share.

use super::history::History;
use super::memo::Memo;
use super::overview::{Feed, Users};
use super::roster::{Board, Roster};
use crate::base::Amount;
use crate::store::blocks::Recent;

/// One of each for all requests.
pub struct Memos {
    pub(super) roster: Memo<Roster>,
    pub(super) board: Memo<Board>,
    pub(super) median: Memo<Option<Amount>>,
    pub(super) users: Memo<Users>,
    pub(super) feed: Memo<Feed>,
    pub(super) blocks_of_day: Memo<Recent>,
    pub(super) blocks_of_hour: Memo<Recent>,
    pub(super) history: History,
    /// All accounts, encoded.
    pub(super) accounts: Memo<Vec<u8>>,
}

impl Default for Memos {
    fn default() -> Self {
        Memos {
            roster: Memo::of_database(),
            board: Memo::brief(),
            median: Memo::of_database(),
            users: Memo::of_database(),
            feed: Memo::of_database(),
            blocks_of_day: Memo::brief(),
            blocks_of_hour: Memo::brief(),
            history: History::default(),
            accounts: Memo::of_database(),
        }
    }
}
