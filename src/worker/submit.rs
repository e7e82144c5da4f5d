//! Found blocks on their way to the chain's RPC, on a thread of their own: a slow or dead RPC holds
//! up neither mining nor the platform's report (contract: pow.md, client rules).

use std::collections::VecDeque;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::limits::WORKER_BLOCKS_QUEUED_MAX;
use crate::base::thread::{self, Deathwatch};
use crate::base::{Clock, EthAddress, Timestamp};
use crate::chain::wire::Verify;
use crate::chain::{Client, Verdict};
use crate::protocol::Block;

/// Tries of a block that the chain refused in words that may be transient.
const TRIES_MAX: u32 = 4;
const RETRY_TIME: Duration = Duration::from_secs(2);
/// The first pause after the chain was not reached; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// For all blocks together, when the miner stops.
const LAST_TRY_TIME_MAX: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(250);

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The chain has it.
    Accepted,
    /// The chain will not take it; why.
    Refused(String),
    /// The chain cannot be reached; it will be tried until it can.
    Deferred,
}

/// News of a block. A deferred block has its final news later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// As given with the block.
    pub index: usize,
    /// The block.
    pub block: Block,
    /// What became of it.
    pub fate: Fate,
    /// The platform is to be told of it now: the first news of a block that is not refused.
    pub report: bool,
}

/// The thread that submits.
pub struct Submitter {
    blocks: Sender<(usize, Block)>,
    thread: JoinHandle<()>,
}

impl Submitter {
    /// Starts it. The news must be drained; when they are not, submission waits.
    pub fn start(client: Client, clock: Clock, watch: &Deathwatch) -> io::Result<(Self, Receiver<News>)> {
        let (blocks, inbox) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        let (news, outbox) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        let thread = thread::spawn("submit", watch, move || {
            serve(&inbox, &clock, &mut Queue::new(|block| verify(&client, block), news));
            Ok(())
        })?;
        Ok((Submitter { blocks, thread }, outbox))
    }

    /// Takes a block; gives it back when too many wait already.
    pub fn submit(&self, index: usize, block: Block) -> Option<Block> {
        self.blocks.try_send((index, block)).err().map(|error| error.into_inner().1)
    }

    /// Lets what waits be tried once more and ends the thread; 30 seconds at most, with a chain
    /// that keeps every caller waiting.
    pub fn stop(self, news: Receiver<News>) {
        // Nobody reads any more, so nobody may wait for a reader.
        drop(news);
        drop(self.blocks);
        // A panic of the thread has been reported to the deathwatch.
        let _ = self.thread.join();
    }
}

fn verify(client: &Client, block: &Block) -> Verdict {
    client.verify(&Verify {
        hash_to_verify: &block.hash,
        key: block.key.as_str(),
        account: block.account.as_ref().map_or("", EthAddress::as_str),
        attempts: block.attempts.to_string(),
        hashes_per_second: block.hashrate.clone(),
        worker: block.worker_id.as_str(),
    })
}

fn serve<V: FnMut(&Block) -> Verdict>(
    blocks: &Receiver<(usize, Block)>,
    clock: &Clock,
    queue: &mut Queue<V>,
) {
    let ticks = clock.every(TICK);
    loop {
        select! {
            recv(blocks) -> block => match block {
                Ok((index, block)) => queue.push(index, block, clock.now()),
                // The owner stops.
                Err(_) => break,
            },
            recv(ticks) -> _ => {}
        }
        queue.work(clock.now());
    }
    queue.last_try(clock);
}

/// Blocks not settled yet, oldest first, and how to try one.
struct Queue<V> {
    verify: V,
    news: Sender<News>,
    waiting: VecDeque<Waiting>,
    pause: Duration,
    resume: Timestamp,
}

struct Waiting {
    index: usize,
    block: Block,
    due: Timestamp,
    tries_left: u32,
    reported: bool,
}

impl<V: FnMut(&Block) -> Verdict> Queue<V> {
    fn new(verify: V, news: Sender<News>) -> Self {
        Queue { verify, news, waiting: VecDeque::new(), pause: PAUSE_MIN, resume: Timestamp::default() }
    }

    /// Takes a block. When too many wait the oldest is given up; the platform was told of it.
    fn push(&mut self, index: usize, block: Block, now: Timestamp) {
        if self.waiting.len() >= WORKER_BLOCKS_QUEUED_MAX {
            let oldest = self.waiting.pop_front().map(|waiting| waiting.block.key);
            log::error!("too many blocks wait for the chain, giving up {oldest:?}");
        }
        let mut waiting = Waiting { index, block, due: now, tries_left: TRIES_MAX, reported: false };
        if now < self.resume {
            tell(&self.news, &mut waiting, Fate::Deferred);
        }
        self.waiting.push_back(waiting);
    }

    /// Tries what is due, until the chain cannot be reached.
    fn work(&mut self, now: Timestamp) {
        while now >= self.resume
            && let Some(place) = self.waiting.iter().position(|waiting| waiting.due <= now)
            && let Some(waiting) = self.waiting.remove(place)
        {
            self.attempt(waiting, now);
        }
    }

    /// Tries everything once, due or not, for a while and as long as the chain can be reached.
    fn last_try(&mut self, clock: &Clock) {
        let deadline = clock.now().plus(LAST_TRY_TIME_MAX);
        let mut reachable = true;
        while reachable
            && clock.now() < deadline
            && let Some(waiting) = self.waiting.pop_front()
        {
            reachable = !matches!((self.verify)(&waiting.block), Verdict::Retry { few: false, .. });
            if !reachable {
                self.waiting.push_front(waiting);
            }
        }
        for waiting in &self.waiting {
            log::error!("block {} did not reach the chain: {}", waiting.block.key, waiting.block.hash);
        }
    }

    fn attempt(&mut self, mut waiting: Waiting, now: Timestamp) {
        let verdict = (self.verify)(&waiting.block);
        if !matches!(verdict, Verdict::Retry { few: false, .. }) {
            self.pause = PAUSE_MIN;
        }
        match verdict {
            Verdict::Accepted | Verdict::Duplicate => tell(&self.news, &mut waiting, Fate::Accepted),
            Verdict::Final(reason) => tell(&self.news, &mut waiting, Fate::Refused(reason)),
            Verdict::Retry { reason, few: true } => {
                waiting.tries_left -= 1;
                if waiting.tries_left == 0 {
                    tell(&self.news, &mut waiting, Fate::Refused(reason));
                } else {
                    waiting.due = now.plus(RETRY_TIME);
                    self.waiting.push_back(waiting);
                }
            }
            Verdict::Retry { reason, few: false } => {
                log::warn!("the chain does not answer ({reason}); again in {} s", self.pause.as_secs());
                self.resume = now.plus(self.pause);
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                self.waiting.push_front(waiting);
                for waiting in &mut self.waiting {
                    tell(&self.news, waiting, Fate::Deferred);
                }
            }
        }
    }
}

/// Says it once if the block waits, and once more at its end.
fn tell(news: &Sender<News>, waiting: &mut Waiting, fate: Fate) {
    if fate == Fate::Deferred && waiting.reported {
        return;
    }
    let report = !waiting.reported && !matches!(fate, Fate::Refused(_));
    waiting.reported |= report;
    // An error: the owner stops and has no use for the news.
    let _ = news.send(News { index: waiting.index, block: waiting.block.clone(), fate, report });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn block(number: u32) -> Block {
        Block {
            worker_id: "rig-1".parse().unwrap(),
            lease_id: None,
            hash: "XEN11".into(),
            key: format!("{number:064x}").parse().unwrap(),
            account: None,
            attempts: 1,
            hashrate: "1.00".into(),
        }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(1000.0 + seconds)
    }

    fn away() -> Verdict {
        Verdict::Retry { reason: "away".into(), few: false }
    }

    fn no() -> Verdict {
        Verdict::Retry { reason: "no".into(), few: true }
    }

    /// Runs `test` on a queue whose chain gives `verdicts` in order, then accepts everything.
    fn with_chain(
        verdicts: Vec<Verdict>,
        test: impl FnOnce(&mut Queue<Box<dyn FnMut(&Block) -> Verdict>>, &Receiver<News>, &RefCell<u32>),
    ) {
        let (news, outbox) = bounded(100);
        let asked = Rc::new(RefCell::new(0));
        let (mut verdicts, count) = (verdicts.into_iter(), asked.clone());
        let verify = move |_: &Block| {
            *count.borrow_mut() += 1;
            verdicts.next().unwrap_or(Verdict::Accepted)
        };
        test(&mut Queue::new(Box::new(verify), news), &outbox, &asked);
    }

    fn fates(news: &Receiver<News>) -> Vec<(Fate, bool)> {
        news.try_iter().map(|news| (news.fate, news.report)).collect()
    }

    #[test]
    fn a_block_that_the_chain_has_is_reported_and_one_it_will_never_take_is_not() {
        let verdicts = vec![Verdict::Accepted, Verdict::Duplicate, Verdict::Final("late".into())];
        with_chain(verdicts, |queue, news, _| {
            (0..3).for_each(|number| queue.push(0, block(number), at(0.0)));
            queue.work(at(0.0));
            let refused = Fate::Refused("late".into());
            assert_eq!(fates(news), [(Fate::Accepted, true), (Fate::Accepted, true), (refused, false)]);
        });
    }

    #[test]
    fn an_unreachable_chain_is_left_alone_and_no_block_waits_for_it_or_is_lost() {
        with_chain(vec![away(), away(), away()], |queue, news, asked| {
            (0..3).for_each(|number| queue.push(0, block(number), at(0.0)));
            queue.work(at(0.0));
            assert_eq!(fates(news), vec![(Fate::Deferred, true); 3], "the platform hears of all at once");
            queue.push(0, block(3), at(0.5));
            queue.work(at(0.5));
            assert_eq!((fates(news), *asked.borrow()), (vec![(Fate::Deferred, true)], 1));
            queue.work(at(1.0));
            queue.work(at(2.9));
            assert_eq!(*asked.borrow(), 2, "the pause doubles");
            queue.work(at(3.0));
            queue.work(at(7.0));
            assert_eq!(fates(news), vec![(Fate::Accepted, false); 4]);
            assert!(queue.waiting.is_empty());
        });
    }

    #[test]
    fn a_refusal_that_may_pass_is_tried_a_few_times_while_others_go_on() {
        with_chain(vec![no(), Verdict::Accepted, no(), no(), no()], |queue, news, asked| {
            queue.push(0, block(0), at(0.0));
            queue.push(0, block(1), at(0.0));
            queue.work(at(0.0));
            assert_eq!(fates(news), [(Fate::Accepted, true)]);
            for seconds in [1.0, 2.0, 4.0, 6.0, 8.0] {
                queue.work(at(seconds));
            }
            assert_eq!(fates(news), [(Fate::Refused("no".into()), false)]);
            assert_eq!(*asked.borrow(), 5);
        });
    }

    #[test]
    fn at_the_end_everything_is_tried_once_more() {
        with_chain(vec![away()], |queue, _news, asked| {
            (0..3).for_each(|number| queue.push(0, block(number), at(0.0)));
            queue.work(at(0.0));
            queue.last_try(&Clock::manual(at(0.0)));
            assert_eq!((*asked.borrow(), queue.waiting.len()), (4, 0));
        });
    }
}
