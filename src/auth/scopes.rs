//! What an API key is good for: all that its account may do, or less.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};

/// One thing that a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Seeing what is the account's; every key has it.
    Read,
    /// Renting, extending and stopping leases.
    Rent,
    /// Pricing, controlling and admitting workers.
    Provider,
    /// Taking money out.
    Withdraw,
    /// Making and revoking keys, ending sessions.
    Admin,
}

impl KeyScope {
    /// All of them.
    pub const ALL: [KeyScope; 5] =
        [KeyScope::Read, KeyScope::Rent, KeyScope::Provider, KeyScope::Withdraw, KeyScope::Admin];

    /// As the wire and the database spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyScope::Read => "read",
            KeyScope::Rent => "rent",
            KeyScope::Provider => "provider",
            KeyScope::Withdraw => "withdraw",
            KeyScope::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All that one key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyScopes(u8);

impl KeyScopes {
    /// Everything that the account may do.
    pub const ALL: KeyScopes = KeyScopes(0b1_1111);

    /// These, and [`KeyScope::Read`] whether it is among them or not: who may act may look.
    pub fn of(scopes: impl IntoIterator<Item = KeyScope>) -> Self {
        KeyScopes(scopes.into_iter().fold(KeyScope::Read.bit(), |bits, scope| bits | scope.bit()))
    }

    /// Whether `scope` is among them.
    pub fn holds(self, scope: KeyScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }
}

impl Serialize for KeyScopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.each().map(KeyScope::as_str))
    }
}

impl ToSql for KeyScopes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let names: Vec<_> = self.each().map(KeyScope::as_str).collect();
        Ok(names.join(" ").into())
    }
}

impl FromSql for KeyScopes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let named = |name| KeyScope::named(name).ok_or(FromSqlError::InvalidType);
        Ok(KeyScopes::of(value.as_str()?.split(' ').map(named).collect::<FromSqlResult<Vec<_>>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_stored_and_read_again_and_can_read() {
        for bits in 0..32_u8 {
            let scopes = KeyScopes::of(KeyScope::ALL.into_iter().filter(|scope| bits & scope.bit() != 0));
            let Ok(ToSqlOutput::Owned(rusqlite::types::Value::Text(text))) = scopes.to_sql() else {
                panic!()
            };
            assert_eq!(KeyScopes::column_result(ValueRef::Text(text.as_bytes())), Ok(scopes));
            assert!(scopes.holds(KeyScope::Read));
        }
        assert_eq!(KeyScopes::of(KeyScope::ALL), KeyScopes::ALL);
        for bad in ["", "read everything", "READ", "read  rent"] {
            assert!(KeyScopes::column_result(ValueRef::Text(bad.as_bytes())).is_err(), "{bad:?}");
        }
    }
}
