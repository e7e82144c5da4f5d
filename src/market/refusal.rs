//! Why a rule says no.

use thiserror::Error;

use crate::base::Amount;
use crate::store::StoreError;

/// A rule's no. The message is for the person who asked.
#[derive(Debug, Error)]
pub enum Refusal {
    /// What is asked for does not exist, or is not to be had now.
    #[error("{0}")]
    NotFound(String),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Not for this caller.
    #[error("{0}")]
    Forbidden(String),
    /// It would take more than is there.
    #[error("Insufficient balance: have {:.4}, need {:.4}", have.to_f64(), need.to_f64())]
    Insufficient {
        /// What is available.
        have: Amount,
        /// What it would take.
        need: Amount,
    },
    /// Not at the price that was shown.
    #[error("The price has changed: {price_per_min} per minute now; look again and confirm")]
    PriceChanged {
        /// What it is now.
        price_per_min: Amount,
    },
    /// The database failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Refusal::NotFound(text.into())
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Refusal::Invalid(text.into())
    }

    pub(super) fn forbidden(text: impl Into<String>) -> Self {
        Refusal::Forbidden(text.into())
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::Store(error.into())
    }
}
