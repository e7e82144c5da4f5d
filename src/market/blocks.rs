//! Blocks: recorded once per key, counted when they are proven (contract: rest.md, Rules).

use std::time::Duration;

use crate::base::{BlockKey, EthAddress, Timestamp};
use crate::chain::simulator;
use crate::pow::{Busy, Marker, Matches, Phc, Salt, Verifier};
use crate::protocol;
use crate::store::blocks::{self, Block};
use crate::store::counters::{self, Counter};
use crate::store::leases::{self, Lease, LeaseState};
use crate::store::workers;

use super::{Event, Refusal, Scope};

/// A block found in a lease may come this much after the lease's end.
const GRACE: Duration = Duration::from_secs(10);
/// Blocks of a lease that are looked for on the chain at a time when it ends.
const RECONCILED_PAGE: u32 = 500;
/// How long a worker's own block may have waited to be reported: what was mined before the difficulty
/// rose is still work done.
const SELF_MINED_WITHIN: Duration = Duration::from_secs(86_400);

/// What a block must show to count.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The embedded chain is on and knows the blocks that were submitted to it.
    pub chain: bool,
    /// Only a hash that recomputes counts.
    pub require_pow: bool,
    /// What a block's hash must contain, beside `XUNI` and a digit.
    pub marker: Marker,
}

/// What became of a block that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Recorded, and all that is to be known of it is.
    Decided,
    /// Recorded; its hash is to be recomputed.
    Pending,
    /// It was recorded before.
    Repeated,
}

/// Records a block that a worker reports. A key that begins with a lease's prefix is that lease's
/// alone: nobody uses it up from elsewhere. One that was recorded without proof gives way to a proof.
pub fn record(
    scope: &mut Scope<'_>,
    policy: &Policy,
    report: &protocol::Block,
    now: Timestamp,
) -> Result<Recorded, Refusal> {
    let worker = workers::get(scope, &report.worker_id)?;
    let worker = worker.ok_or_else(|| Refusal::not_found("the worker is not registered"))?;
    let of_prefix = leases::with_prefix(scope, &report.key.prefix())?;
    if of_prefix.is_some_and(|lease| report.lease_id != Some(lease.lease_id)) {
        return Err(Refusal::forbidden("the key begins with the prefix of another lease"));
    }
    let before = blocks::with_key(scope, &report.key)?;
    if before.as_ref().is_some_and(|block| block.chain_verified || block.pending) {
        return Ok(Recorded::Repeated);
    }
    let lease = match &report.lease_id {
        Some(_) => Some(lease_of(scope, report, now)?),
        None => None,
    };
    let account =
        report.account.or(lease.as_ref().map(|lease| lease.consumer_address)).or(worker.eth_address);
    let for_renter = lease.as_ref().is_none_or(|lease| account == Some(lease.consumer_address));
    let mined_since = lease.as_ref().map_or_else(|| now.minus(SELF_MINED_WITHIN), |lease| lease.created_at);
    let verdict = if for_renter {
        judge(scope, policy, report, account.as_ref(), mined_since)?
    } else {
        Verdict::Unproven
    };
    let block = Block {
        block_seq: 0,
        lease_id: report.lease_id.clone(),
        worker_id: report.worker_id.clone(),
        hash: report.hash.clone(),
        key: report.key.clone(),
        account,
        attempts: report.attempts,
        hashrate: report.hashrate.clone(),
        prefix_valid: lease.is_none_or(|lease| report.key.starts_with(&lease.prefix)),
        chain_verified: matches!(verdict, Verdict::Proven(_)),
        pending: verdict == Verdict::Recompute,
        chain_block_id: if let Verdict::Proven(id) = verdict { id } else { None },
        created_at: now,
    };
    match before {
        Some(_) if verdict == Verdict::Unproven => Ok(Recorded::Repeated),
        Some(unproven) => {
            forget(scope, &unproven)?;
            add(scope, block)
        }
        None => add(scope, block),
    }
}

/// Notes whether the hash of a pending block recomputed, after looking on the chain once more.
pub fn decide(
    scope: &mut Scope<'_>,
    policy: &Policy,
    key: &BlockKey,
    recomputed: bool,
) -> Result<(), Refusal> {
    let Some(block) = blocks::with_key(scope, key)?.filter(|block| block.pending) else { return Ok(()) };
    let on_chain = proof_on_chain(scope, policy, key, block.account.as_ref())?;
    finish(scope, block, recomputed || on_chain.is_some(), on_chain)
}

/// The chain has taken a block: if a worker had reported it before, it is proven now.
pub fn confirm(scope: &mut Scope<'_>, policy: &Policy, key: &BlockKey) -> Result<(), Refusal> {
    let Some(block) = blocks::with_key(scope, key)?.filter(|block| !block.chain_verified) else {
        return Ok(());
    };
    let Some(on_chain) = proof_on_chain(scope, policy, key, block.account.as_ref())? else { return Ok(()) };
    let for_renter = match &block.lease_id {
        Some(id) => {
            leases::get(scope, id)?.is_some_and(|lease| block.account == Some(lease.consumer_address))
        }
        None => true,
    };
    if for_renter {
        finish(scope, block, true, Some(on_chain))?;
    }
    Ok(())
}

/// Records the blocks of a lease that the chain knows and nobody reported: a crash or a lost
/// message swallowed them. The chain is the judge; its keys bear the lease's prefix.
pub fn reconcile(scope: &mut Scope<'_>, lease: &Lease, now: Timestamp) -> Result<i64, Refusal> {
    if !simulator::has_prefix(scope, &lease.prefix)? {
        return Ok(0);
    }
    let (mut recovered, mut after) = (0, 0);
    // A page at a time: a long lease has more blocks than one answer of the chain.
    loop {
        let account = Some(&lease.consumer_address);
        let page = simulator::by_prefix(scope, &lease.prefix, account, after, RECONCILED_PAGE)?;
        let Some(last) = page.last() else { return Ok(recovered) };
        after = last.block_id;
        recovered += record_found(scope, lease, page, now)?;
    }
}

fn record_found(
    scope: &mut Scope<'_>,
    lease: &Lease,
    page: Vec<simulator::Block>,
    now: Timestamp,
) -> Result<i64, Refusal> {
    let mut recovered = 0;
    for on_chain in page {
        if blocks::with_key(scope, &on_chain.key)?.is_some() {
            continue;
        }
        let block = Block {
            block_seq: 0,
            lease_id: Some(lease.lease_id.clone()),
            worker_id: lease.worker_id.clone(),
            hash: on_chain.hash_to_verify,
            key: on_chain.key,
            account: Some(lease.consumer_address),
            attempts: on_chain.attempts,
            hashrate: on_chain.hashes_per_second,
            prefix_valid: true,
            chain_verified: true,
            pending: false,
            chain_block_id: Some(on_chain.block_id),
            created_at: on_chain.created_at.min(now),
        };
        add(scope, block)?;
        recovered += 1;
    }
    Ok(recovered)
}

/// Whether a full hash is of this key and account and holds a marker: the expensive check, made
/// outside the writer. `Err`: all hashers are busy, ask again.
pub fn recomputes(policy: &Policy, verifier: &Verifier, block: &Block) -> Result<bool, Busy> {
    let Ok(phc) = block.hash.parse::<Phc>() else { return Ok(false) };
    // The old fixed salt belongs to nobody, so it proves nothing for a renter.
    let of_account = block.account.is_some_and(|account| match block.lease_id {
        Some(_) => phc.salt == Salt::of(&account),
        None => phc.salt.belongs_to(&account),
    });
    if !of_account || !Matches::find(&phc.tag.text(), &policy.marker).any() {
        return Ok(false);
    }
    verifier.verify(&phc, &block.key)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Proven(Option<i64>),
    Recompute,
    Unproven,
}

fn lease_of(scope: &Scope<'_>, report: &protocol::Block, now: Timestamp) -> Result<Lease, Refusal> {
    let id = report.lease_id.as_ref().expect("the caller looked");
    let lease = leases::get(scope, id)?.ok_or_else(|| Refusal::not_found("the lease is unknown"))?;
    if lease.worker_id != report.worker_id {
        return Err(Refusal::forbidden("the lease is another worker's"));
    }
    let in_time =
        lease.state == LeaseState::Active || lease.ended_at.is_some_and(|ended| ended.plus(GRACE) >= now);
    in_time.then_some(lease).ok_or_else(|| Refusal::invalid("the lease has ended"))
}

fn judge(
    scope: &Scope<'_>,
    policy: &Policy,
    report: &protocol::Block,
    account: Option<&EthAddress>,
    mined_since: Timestamp,
) -> Result<Verdict, Refusal> {
    if let Some(block_id) = proof_on_chain(scope, policy, &report.key, account)? {
        return Ok(Verdict::Proven(Some(block_id)));
    }
    if report.hash.starts_with('$') {
        let worth_it = is_hard_enough(scope, policy, &report.hash, mined_since)?;
        return Ok(if worth_it { Verdict::Recompute } else { Verdict::Unproven });
    }
    // Without a chain to ask, a simulator's bare hash is judged as the chain would: by its marker.
    let bare_counts = !policy.chain && !policy.require_pow;
    let marked = Matches::find(report.hash.as_bytes(), &policy.marker).any();
    Ok(if bare_counts && marked { Verdict::Proven(None) } else { Verdict::Unproven })
}

/// Whether the chain would have taken a hash of this difficulty at some time since `since`. Without a
/// chain to ask, any difficulty will do.
fn is_hard_enough(scope: &Scope<'_>, policy: &Policy, hash: &str, since: Timestamp) -> Result<bool, Refusal> {
    if !policy.chain {
        return Ok(true);
    }
    let asked = simulator::difficulty_since(scope, since)?;
    let lowest = asked.into_iter().map(|(_, difficulty)| difficulty).min();
    Ok(hash.parse::<Phc>().is_ok_and(|phc| lowest.is_none_or(|lowest| phc.difficulty.kib() >= lowest)))
}

/// The number of the chain's block that proves this key for this account: another's block proves
/// nothing, nor does one whose hash was not recomputed when that is asked for.
fn proof_on_chain(
    scope: &Scope<'_>,
    policy: &Policy,
    key: &BlockKey,
    account: Option<&EthAddress>,
) -> Result<Option<i64>, Refusal> {
    let found = if policy.chain { simulator::by_key(scope, key)? } else { None };
    let proof = found.filter(|found| {
        let same = account.is_some_and(|account| account.as_str().eq_ignore_ascii_case(&found.account));
        same && (!policy.require_pow || found.pow_verified)
    });
    Ok(proof.map(|found| found.block_id))
}

fn add(scope: &mut Scope<'_>, block: Block) -> Result<Recorded, Refusal> {
    if !blocks::insert(scope, &block)? {
        return Ok(Recorded::Repeated);
    }
    counters::add(scope, Counter::Blocks, 1)?;
    if block.lease_id.is_none() {
        counters::add(scope, Counter::BlocksSelfMined, 1)?;
    }
    if block.pending {
        scope.emit(Event::BlockPending(block));
        return Ok(Recorded::Pending);
    }
    count(scope, &block)?;
    scope.emit(Event::Block(block));
    Ok(Recorded::Decided)
}

/// Takes back a block that was never counted.
fn forget(scope: &Scope<'_>, unproven: &Block) -> Result<(), Refusal> {
    blocks::remove(scope, &unproven.key)?;
    counters::add(scope, Counter::Blocks, -1)?;
    if unproven.lease_id.is_none() {
        counters::add(scope, Counter::BlocksSelfMined, -1)?;
    }
    Ok(())
}

fn finish(
    scope: &mut Scope<'_>,
    mut block: Block,
    proven: bool,
    chain_block_id: Option<i64>,
) -> Result<(), Refusal> {
    blocks::decide(scope, &block.key, proven, chain_block_id)?;
    block.pending = false;
    block.chain_verified = proven;
    block.chain_block_id = chain_block_id.or(block.chain_block_id);
    count(scope, &block)?;
    scope.emit(Event::Block(block));
    Ok(())
}

/// A block counts when its key bears the prefix and it is proven.
fn count(scope: &Scope<'_>, block: &Block) -> Result<(), Refusal> {
    if !(block.prefix_valid && block.chain_verified) {
        return Ok(());
    }
    workers::count_block(scope, &block.worker_id, block.lease_id.is_none())?;
    if let Some(lease) = &block.lease_id {
        leases::count_block(scope, lease)?;
    }
    Ok(())
}
