//! Found blocks on their way to the chain's RPC, on threads of their own: a slow or dead RPC holds
//! up neither mining nor the platform's report (contract: pow.md, client rules).

mod queue;

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::base::limits::{SUBMISSIONS_AT_ONCE, WORKER_BLOCKS_QUEUED_MAX};
use crate::base::thread::{self, Deathwatch};
use crate::base::{Clock, EthAddress};
use crate::chain::wire::Verify;
use crate::chain::{Client, Verdict};
use crate::protocol::Block;
use queue::{Queue, Waiting, is_silence};

/// For all blocks together, when the miner stops.
const LAST_TRY_TIME_MAX: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(250);

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The chain has it.
    Accepted,
    /// The chain will not take it; why.
    Refused(String),
    /// The block has to wait; it will be tried until the chain says something final.
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

/// The threads that submit.
pub struct Submitter {
    blocks: Sender<(usize, Block)>,
    threads: Vec<JoinHandle<()>>,
}

impl Submitter {
    /// Starts them. The news must be drained; when they are not, submission waits.
    pub fn start(client: Client, clock: Clock, watch: &Deathwatch) -> io::Result<(Self, Receiver<News>)> {
        let (blocks, inbox) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        let (news, outbox) = bounded(WORKER_BLOCKS_QUEUED_MAX);
        // Never full: no more than this many are under way.
        let (to_callers, asked) = bounded::<Waiting>(SUBMISSIONS_AT_ONCE);
        let (answer, answers) = bounded(SUBMISSIONS_AT_ONCE);
        let mut threads = Vec::new();
        for number in 0..SUBMISSIONS_AT_ONCE {
            let (client, asked, answer) = (client.clone(), asked.clone(), answer.clone());
            threads.push(thread::spawn(&format!("verify-{number}"), watch, move || {
                for waiting in asked {
                    let verdict = verify(&client, &waiting.block);
                    // An error: the submitting thread is gone, the end of `asked` follows.
                    let _ = answer.send((waiting, verdict));
                }
                Ok(())
            })?);
        }
        let desk = Desk { queue: Queue::new(random_seed()), clock, to_callers, answers, news };
        threads.push(thread::spawn("submit", watch, move || {
            desk.serve(&inbox);
            Ok(())
        })?);
        Ok((Submitter { blocks, threads }, outbox))
    }

    /// Takes a block; gives it back when too many wait already.
    pub fn submit(&self, index: usize, block: Block) -> Option<Block> {
        self.blocks.try_send((index, block)).err().map(|error| error.into_inner().1)
    }

    /// Lets what waits be tried once more, hands its news to `take`, and ends the threads; 15
    /// seconds at most, with a chain that keeps every caller waiting.
    pub fn stop(self, news: Receiver<News>, take: impl FnMut(News)) {
        drop(self.blocks);
        // Ends when the submitting thread does.
        news.into_iter().for_each(take);
        for thread in self.threads {
            // A panic of the thread has been reported to the deathwatch.
            let _ = thread.join();
        }
    }
}

fn random_seed() -> u64 {
    getrandom::u64().expect("the system gives random bytes")
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

/// The thread that owns the queue.
struct Desk {
    queue: Queue,
    clock: Clock,
    to_callers: Sender<Waiting>,
    answers: Receiver<(Waiting, Verdict)>,
    news: Sender<News>,
}

impl Desk {
    fn serve(mut self, blocks: &Receiver<(usize, Block)>) {
        let ticks = self.clock.every(TICK);
        loop {
            select! {
                recv(blocks) -> block => match block {
                    Ok((index, block)) => {
                        let news = self.queue.push(index, block, self.clock.now());
                        self.tell(news);
                    }
                    // The owner stops.
                    Err(_) => break,
                },
                recv(self.answers) -> answer => {
                    let (waiting, verdict) = answer.expect("the callers live as long as what they are asked");
                    let news = self.queue.judge(waiting, verdict, self.clock.now());
                    self.tell(news);
                }
                recv(ticks) -> _ => {
                    let news = self.queue.defer_xuni(self.clock.wall());
                    self.tell(news);
                }
            }
            self.ask();
        }
        self.last_try();
    }

    fn ask(&mut self) {
        while let Some(waiting) = self.queue.take(self.clock.now(), self.clock.wall()) {
            self.to_callers.send(waiting).expect("the callers live as long as what they are asked");
        }
    }

    /// Tries everything once, due or not, for a while and as long as the chain can be reached.
    fn last_try(&mut self) {
        let deadline = self.clock.now().plus(LAST_TRY_TIME_MAX);
        let mut goes_on = true;
        self.queue.hurry();
        self.ask();
        while self.queue.in_flight() > 0 {
            let (waiting, verdict) = self.answers.recv().expect("the callers answer what they are asked");
            goes_on &= !is_silence(&verdict) && self.clock.now() < deadline;
            let news = self.queue.judge(waiting, verdict, self.clock.now());
            self.tell(news);
            if goes_on {
                self.ask();
            }
        }
        let left = self.queue.waiting().count();
        if let Some(block) = self.queue.waiting().next() {
            log::warn!(
                "{left} blocks have not reached the chain yet, the oldest {}: {}",
                block.key,
                block.hash
            );
        }
    }

    fn tell(&self, news: impl IntoIterator<Item = News>) {
        for news in news {
            // An error: the owner is gone and has no use for the news.
            let _ = self.news.send(news);
        }
    }
}
