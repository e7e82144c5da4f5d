//! `xenblocks hash` and `xenblocks verify`.

use clap::Args;

use super::{CliError, say};
use crate::base::{BlockKey, EthAddress};
use crate::pow::{Difficulty, Hasher, Phc, Salt};

/// Flags of `xenblocks hash`.
#[derive(Args)]
pub(super) struct Hash {
    /// The key: 64 to 128 hexadecimal digits.
    #[arg(long)]
    key: BlockKey,
    /// The address whose 20 bytes are the salt.
    #[arg(long)]
    address: EthAddress,
    /// Memory, KiB.
    #[arg(long, value_name = "KIB")]
    difficulty: Difficulty,
}

/// Flags of `xenblocks verify`.
#[derive(Args)]
pub(super) struct Verify {
    /// The PHC string: $argon2id$v=19$m=…,t=1,p=1$SALT$TAG
    phc: Phc,
    /// The key it should be of.
    #[arg(long)]
    key: BlockKey,
}

pub(super) fn hash(arguments: Hash) {
    let Hash { key, address, difficulty } = arguments;
    say(Phc::compute(&key, Salt::of(&address), difficulty, &mut Hasher::new()));
}

pub(super) fn verify(arguments: Verify) -> Result<(), CliError> {
    if !arguments.phc.verify(&arguments.key, &mut Hasher::new()) {
        return Err(CliError::Said("the hash is not of this key".into()));
    }
    say("ok");
    Ok(())
}
