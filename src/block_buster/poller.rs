//! The one thread that talks to the node: all calls, a full check's and a passed-on one included.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};
use serde_json::Value;

use super::facts::Breaker;
use super::method::Method;
use super::node::{Answer, CallError, Node};
use super::shared::Shared;
use crate::base::Timestamp;
use crate::base::limits::{
    GATEWAY_BAN_TIME, GATEWAY_CALLS_MAX, GATEWAY_CALLS_WINDOW, GATEWAY_JOBS_QUEUED_MAX, GATEWAY_MISSING_TIME,
    GATEWAY_PROBE_INTERVAL, GATEWAY_WAITERS_MAX,
};

/// What clients may ask of the poller.
pub(super) enum Job {
    /// Ask anew what a full check looks at; the end of that is told here.
    Check(Sender<()>),
    /// Pass a call on.
    Call {
        /// The method, from the allow-list.
        method: String,
        /// Its parameters, an object.
        params: Value,
        /// Where the outcome goes.
        reply: Sender<Result<Value, CallError>>,
    },
}

/// The poller's own state.
pub(super) struct Poller {
    shared: Arc<Shared>,
    node: Node,
    time_max: Duration,
    jobs: Receiver<Job>,
    /// When each method is to be called next; `None` is not before somebody asks.
    due: [Option<Timestamp>; Method::COUNT],
    missing_until: [Option<Timestamp>; Method::COUNT],
    window: Window,
    probe_due: Timestamp,
    attempts: u32,
    calls: u64,
    checks: Vec<Sender<()>>,
    /// Calls of clients that wait for room in the window.
    passed_on: VecDeque<Job>,
}

/// How often the poller looks what is due.
const TICK: Duration = Duration::from_millis(100);
/// What a call may take while the node fails: short, so that its return is soon seen.
const SHORT_PATIENCE: Duration = Duration::from_millis(700);
/// One in four may take longer: a node that comes back may be slow.
const LONG_PATIENCE: Duration = Duration::from_millis(1700);
/// A full check asks again what is older than this.
const CHECK_AGE: Duration = Duration::from_secs(1);
/// After a call without an answer.
const RETRY_TIME: Duration = Duration::from_millis(500);

impl Poller {
    pub(super) fn new(shared: Arc<Shared>, node: Node, time_max: Duration, jobs: Receiver<Job>) -> Self {
        let now = shared.clock.now();
        let mut poller = Poller {
            shared,
            node,
            time_max,
            jobs,
            due: [None; Method::COUNT],
            missing_until: [None; Method::COUNT],
            window: Window::default(),
            probe_due: now,
            attempts: 0,
            calls: 0,
            checks: Vec::new(),
            passed_on: VecDeque::new(),
        };
        poller.all_due(now);
        poller
    }

    /// Polls until `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let tick = self.shared.clock.every(TICK);
        loop {
            // Between any two calls it hears of its end, and of what clients ask.
            let job = if self.step() {
                select! {
                    recv(stop) -> _ => return,
                    recv(self.jobs) -> job => job.ok(),
                    default => None,
                }
            } else {
                select! {
                    recv(stop) -> _ => return,
                    recv(tick) -> _ => None,
                    // An error: no handler is left that could ask.
                    recv(self.jobs) -> job => job.ok(),
                }
            };
            if let Some(job) = job {
                self.take(job);
            }
        }
    }

    /// Makes one call that is due and allowed now, and answers whether there was one.
    fn step(&mut self) -> bool {
        let calls = self.calls;
        self.pass_on();
        let breaker = self.shared.facts().line.breaker;
        let now = self.shared.clock.now();
        match breaker {
            Breaker::Resting(until) if now < until => {}
            Breaker::Resting(_) | Breaker::Open => self.probe(now),
            Breaker::Closed => self.poll(),
        }
        self.tell_checks();
        self.calls != calls
    }

    fn take(&mut self, job: Job) {
        let usable = self.shared.facts().line.connected();
        match job {
            Job::Check(done) if usable && self.checks.len() < GATEWAY_WAITERS_MAX => {
                let now = self.shared.clock.now();
                for method in Method::ALL.into_iter().filter(|method| method.is_checked()) {
                    let answered = self.shared.facts().answered(method);
                    if answered.is_none_or(|then| then < now.minus(CHECK_AGE)) {
                        self.due[method as usize] = Some(now);
                    }
                }
                self.checks.push(done);
            }
            // Dropped: the check is told at once what is known.
            Job::Check(_) => {}
            Job::Call { reply, .. } if self.passed_on.len() == GATEWAY_JOBS_QUEUED_MAX => {
                // Gone: the client did not wait.
                let _ = reply.try_send(Err(CallError::Limited("too many calls are passed on".to_owned())));
            }
            call @ Job::Call { .. } => self.passed_on.push_back(call),
        }
    }

    /// Passes a call on, within the part of the window that polling does not need.
    fn pass_on(&mut self) {
        let usable = self.shared.facts().line.connected();
        if usable && !self.window.has_room_for_others() {
            return;
        }
        let Some(Job::Call { method, params, reply }) = self.passed_on.pop_front() else { return };
        let outcome = if usable {
            self.call(&method, &params, self.time_max).map(|(answer, _)| answer.result)
        } else {
            Err(CallError::Away(self.shared.facts().line.trouble()))
        };
        // Gone: the client did not wait.
        let _ = reply.try_send(outcome);
    }

    /// Calls what is due most urgently, when the window allows.
    fn poll(&mut self) {
        while self.window.has_room() {
            let now = self.shared.clock.now();
            let due = |method: &Method| self.due[*method as usize].filter(|due| *due <= now);
            let Some(method) = Method::ALL.into_iter().filter(|m| due(m).is_some()).min_by_key(due) else {
                return;
            };
            self.due[method as usize] = method.period().map(|period| now.plus(period));
            if !self.is_wanted(method, now) {
                continue;
            }
            return self.ask(method);
        }
    }

    /// A method that another one replaces is not asked, nor one that the node was found to lack.
    fn is_wanted(&mut self, method: Method, now: Timestamp) -> bool {
        let mut facts = self.shared.facts();
        if method.stands_in_for().is_some_and(|other| !facts.is_missing(other)) {
            return false;
        }
        let is_missing = self.missing_until[method as usize].is_some_and(|until| now < until);
        if is_missing {
            facts.still_missing(method, now);
        }
        !is_missing
    }

    /// Asks whether the node is back.
    fn probe(&mut self, now: Timestamp) {
        if now < self.probe_due || !self.window.has_room() {
            return;
        }
        self.ask(Method::Header);
        let after = self.shared.clock.now();
        self.probe_due = now.plus(GATEWAY_PROBE_INTERVAL).max(after);
        if self.shared.facts().line.breaker == Breaker::Closed {
            log::info!("the node is back");
            self.all_due(after);
            self.due[Method::Header as usize] = Method::Header.period().map(|period| after.plus(period));
        }
    }

    fn all_due(&mut self, now: Timestamp) {
        for method in Method::ALL {
            self.due[method as usize] = method.period().map(|_| now);
        }
        self.missing_until = [None; Method::COUNT];
    }

    fn ask(&mut self, method: Method) {
        let time = self.patience();
        let outcome = self.call(method.name(), &method.params(), time);
        let now = self.shared.clock.now();
        let mut facts = self.shared.facts();
        match outcome {
            Ok((answer, took)) => {
                facts.demo = answer.demo;
                facts.learn(method, Ok(answer.result), took, now);
            }
            Err(error) => {
                if error.is_missing() {
                    self.missing_until[method as usize] = Some(now.plus(GATEWAY_MISSING_TIME));
                    for stand_in in Method::ALL.into_iter().filter(|m| m.stands_in_for() == Some(method)) {
                        self.due[stand_in as usize] = Some(now);
                    }
                } else if !error.is_answer() && !facts.has_failed(method) {
                    // Once soon, then at its usual pace: it may be this method alone that hangs.
                    let retry = now.plus(RETRY_TIME);
                    self.due[method as usize] = self.due[method as usize].map(|due| due.min(retry));
                }
                facts.learn(method, Err(error), Duration::ZERO, now);
            }
        }
        drop(facts);
        self.shared.ring();
    }

    fn call(
        &mut self,
        method: &str,
        params: &Value,
        time: Duration,
    ) -> Result<(Answer, Duration), CallError> {
        self.window.take();
        self.calls = self.calls.wrapping_add(1);
        let started = Instant::now();
        let outcome = self.node.call(method, params, time);
        let took = started.elapsed();
        let now = self.shared.clock.now();
        let kind = outcome.as_ref().err().map_or("ok", CallError::kind);
        self.shared.metrics.upstream(kind, took);
        let mut facts = self.shared.facts();
        let before = facts.line.breaker;
        facts.note(outcome.as_ref().err(), now);
        if let Err(CallError::Limited(words)) = &outcome {
            log::warn!("the node limits this gateway ({words}): no calls for {GATEWAY_BAN_TIME:?}");
            facts.line.breaker = Breaker::Resting(now.plus(GATEWAY_BAN_TIME));
        } else if before == Breaker::Closed && facts.line.breaker == Breaker::Open {
            log::warn!("{}; one call a second until it is back", facts.line.trouble());
        }
        outcome.map(|answer| (answer, took))
    }

    fn patience(&mut self) -> Duration {
        if self.shared.facts().line.failures == 0 {
            return self.time_max;
        }
        self.attempts = self.attempts.wrapping_add(1);
        let patience = if self.attempts.is_multiple_of(4) { LONG_PATIENCE } else { SHORT_PATIENCE };
        patience.min(self.time_max)
    }

    /// Ends the wait of full checks once nothing that they look at is due, or the node is gone.
    fn tell_checks(&mut self) {
        let now = self.shared.clock.now();
        let open = Method::ALL
            .into_iter()
            .any(|method| method.is_checked() && self.due[method as usize].is_some_and(|due| due <= now));
        if !open || !self.shared.facts().line.connected() {
            // Dropped: that is what the waiting handlers notice.
            self.checks.clear();
        }
    }
}

/// The times of the last calls: never more than so many in any second, whoever asked.
#[derive(Default)]
struct Window(VecDeque<Instant>);

impl Window {
    fn has_room(&self) -> bool {
        self.0.len() < GATEWAY_CALLS_MAX
            || self.0.front().is_none_or(|oldest| oldest.elapsed() > GATEWAY_CALLS_WINDOW)
    }

    /// Whether half of the window is free: what is left of it is enough for polling.
    fn has_room_for_others(&self) -> bool {
        self.0.iter().filter(|call| call.elapsed() <= GATEWAY_CALLS_WINDOW).count() < GATEWAY_CALLS_MAX / 2
    }

    fn take(&mut self) {
        if self.0.len() == GATEWAY_CALLS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{TryRecvError, bounded};
    use serde_json::json;

    use super::*;
    use crate::base::Clock;

    #[test]
    fn checks_and_calls_beyond_those_that_wait_are_told_at_once() {
        let (shared, _rings) = Shared::new(Clock::system());
        let node = Node::new("http://127.0.0.1:1", None).unwrap();
        let (_ask, jobs) = bounded(1);
        let mut poller = Poller::new(Arc::new(shared), node, Duration::from_secs(1), jobs);
        // As after an answer of the node.
        let now = poller.shared.clock.now();
        poller.shared.facts().note(None, now);

        let mut check = || {
            let (done, told) = bounded(0);
            poller.take(Job::Check(done));
            told
        };
        let waiting: Vec<_> = (0..GATEWAY_WAITERS_MAX).map(|_| check()).collect();
        assert_eq!(check().try_recv(), Err(TryRecvError::Disconnected), "it answers with what is known");
        assert!(waiting.iter().all(|told| told.try_recv() == Err(TryRecvError::Empty)));

        let mut call = || {
            let (reply, outcome) = bounded(1);
            poller.take(Job::Call { method: "net.stats".to_owned(), params: json!({}), reply });
            outcome
        };
        let waiting: Vec<_> = (0..GATEWAY_JOBS_QUEUED_MAX).map(|_| call()).collect();
        let refused = call().try_recv().unwrap();
        assert_eq!(refused, Err(CallError::Limited("too many calls are passed on".to_owned())));
        assert!(waiting.iter().all(|outcome| outcome.try_recv() == Err(TryRecvError::Empty)));
    }
}
