//! What the pages share.

use super::memo::Memo;
use super::roster::{Board, Roster};
use crate::api::history::History;
use crate::api::overview::{Feed, Users};
use crate::base::Amount;
use crate::store::blocks::Recent;

/// One of each for all requests.
pub struct Memos {
    pub(in crate::api) roster: Memo<Roster>,
    pub(in crate::api) board: Memo<Board>,
    pub(in crate::api) median: Memo<Option<Amount>>,
    pub(in crate::api) users: Memo<Users>,
    pub(in crate::api) feed: Memo<Feed>,
    pub(in crate::api) blocks_of_day: Memo<Recent>,
    pub(in crate::api) blocks_of_hour: Memo<Recent>,
    pub(in crate::api) history: History,
    /// All accounts, encoded.
    pub(in crate::api) accounts: Memo<Vec<u8>>,
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
