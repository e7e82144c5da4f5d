//! How the house's types are kept in columns.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::base::{AccountId, Amount, BlockKey, EthAddress, LeaseId, Prefix, Timestamp, WorkerId};

macro_rules! integer_column {
    ($type:ty, $from:path, $to:path) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok($to(*self).into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map($from)
            }
        }
    };
}

integer_column!(Amount, Amount::from_millionths, Amount::millionths);
integer_column!(Timestamp, Timestamp::from_micros, Timestamp::micros);

macro_rules! text_column {
    ($($type:ty),+) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )+};
}

text_column!(AccountId, BlockKey, EthAddress, LeaseId, WorkerId);

impl ToSql for Prefix {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Prefix {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// An address column in which empty means none.
pub struct OptionalAddress(pub Option<EthAddress>);

impl ToSql for OptionalAddress {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_ref().map_or("", EthAddress::as_str).into())
    }
}

impl FromSql for OptionalAddress {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "" => Ok(OptionalAddress(None)),
            text => text.parse().map(|address| OptionalAddress(Some(address))).map_err(FromSqlError::other),
        }
    }
}
