//! What is known of the node: each method's last answer with its time, and how the line to it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::method::Method;
use super::node::CallError;
use crate::base::Timestamp;
use crate::base::limits::{GATEWAY_BREAKER_FAILURES, GATEWAY_ERRORS_KEPT_MAX, GATEWAY_KEPT_TIME};

/// All that is known.
#[derive(Default)]
pub(super) struct Facts {
    known: [Fact; Method::COUNT],
    pub(super) line: Line,
    pub(super) errors: ErrorLog,
    /// The node says that it is a demonstration.
    pub(super) demo: bool,
    /// Grows with each change.
    pub(super) version: u64,
}

/// One method's last answer.
#[derive(Clone, Default)]
struct Fact {
    outcome: Option<Result<Arc<Value>, CallError>>,
    answered: Option<Timestamp>,
    took: Duration,
    /// Why the newest call brought no answer.
    failure: Option<String>,
}

/// How the line to the node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Calls are made.
    #[default]
    Closed,
    /// One call a second, to see whether the node is back.
    Open,
    /// None until then: the node limits this gateway.
    Resting(Timestamp),
}

/// The line to the node.
#[derive(Default)]
pub(super) struct Line {
    pub(super) breaker: Breaker,
    /// Calls without an answer since the last one with.
    pub(super) failures: u32,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_error: Option<String>,
}

/// Data this old is called old although calls are answered: a very slow node.
const SLOW_AGE: Duration = Duration::from_secs(30);
/// A call that fails once may be chance; data must have missed a poll as well.
const MISSED_AGE: Duration = Duration::from_secs(3);

impl Line {
    /// The node answered the newest call.
    pub(super) fn connected(&self) -> bool {
        self.breaker == Breaker::Closed && self.failures == 0 && self.last_success.is_some()
    }

    /// Why there is no answer.
    pub(super) fn trouble(&self) -> String {
        self.last_error.clone().unwrap_or_else(|| "The node has not answered yet".to_owned())
    }
}

impl Facts {
    /// Takes in what a call brought.
    pub(super) fn learn(
        &mut self,
        method: Method,
        outcome: Result<Value, CallError>,
        took: Duration,
        now: Timestamp,
    ) {
        self.version += 1;
        let fact = &mut self.known[method as usize];
        fact.took = took;
        match &outcome {
            Err(error) if !error.is_answer() => fact.failure = Some(error.to_string()),
            _ => {
                fact.outcome = Some(outcome.map(Arc::new));
                fact.answered = Some(now);
                fact.failure = None;
            }
        }
    }

    /// A method that the node lacks is still lacking as long as the node is the same.
    pub(super) fn still_missing(&mut self, method: Method, now: Timestamp) {
        self.known[method as usize].answered = Some(now);
    }

    /// Notes how a call to the node ended, whichever it was.
    pub(super) fn note(&mut self, error: Option<&CallError>, now: Timestamp) {
        self.version += 1;
        match error {
            Some(error) if !error.is_answer() => {
                self.errors.add(now);
                self.line.last_error = Some(error.to_string());
                self.line.failures = self.line.failures.saturating_add(1);
                if self.line.breaker == Breaker::Closed && self.line.failures >= GATEWAY_BREAKER_FAILURES {
                    self.line.breaker = Breaker::Open;
                }
            }
            answered => {
                if answered.is_some() {
                    self.errors.add(now);
                }
                self.line.failures = 0;
                self.line.breaker = Breaker::Closed;
                self.line.last_success = Some(now);
            }
        }
    }

    /// The method's result, or why there is none.
    pub(super) fn get(&self, method: Method, now: Timestamp) -> Result<&Arc<Value>, String> {
        let fact = &self.known[method as usize];
        let trouble = || fact.failure.clone().unwrap_or_else(|| self.line.trouble());
        if self.age(method, now).is_none_or(|age| age > GATEWAY_KEPT_TIME) {
            return Err(trouble());
        }
        match &fact.outcome {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(trouble()),
        }
    }

    /// The same, and nothing old: what a node that does not answer said before is no finding.
    pub(super) fn current(&self, method: Method, now: Timestamp) -> Result<&Arc<Value>, String> {
        let result = self.get(method, now)?;
        let fact = &self.known[method as usize];
        match &fact.failure {
            Some(failure) => Err(failure.clone()),
            None if self.line.connected() => Ok(result),
            None => Err(self.line.trouble()),
        }
    }

    /// Whether the method's newest call brought no answer.
    pub(super) fn has_failed(&self, method: Method) -> bool {
        self.known[method as usize].failure.is_some()
    }

    /// Whether the node has said that it lacks the method.
    pub(super) fn is_missing(&self, method: Method) -> bool {
        matches!(&self.known[method as usize].outcome, Some(Err(error)) if error.is_missing())
    }

    /// When the method was answered last.
    pub(super) fn answered(&self, method: Method) -> Option<Timestamp> {
        self.known[method as usize].answered
    }

    /// How long the method's last call took.
    pub(super) fn took(&self, method: Method) -> Duration {
        self.known[method as usize].took
    }

    /// How old what several methods have said is, by the oldest that is still shown; `None` when
    /// nothing of it is.
    pub(super) fn age_of(&self, methods: &[Method], now: Timestamp) -> Option<Duration> {
        let ages = methods.iter().filter_map(|method| self.age(*method, now));
        ages.filter(|age| *age <= GATEWAY_KEPT_TIME).max()
    }

    /// Whether data of this age must be called old.
    pub(super) fn is_stale(&self, age: Duration) -> bool {
        let failing = self.line.failures > 0 && age > MISSED_AGE;
        self.line.breaker != Breaker::Closed || failing || age > SLOW_AGE
    }

    /// How long ago the node answered anything.
    pub(super) fn lag(&self, now: Timestamp) -> Option<Duration> {
        self.line.last_success.map(|then| between(then, now))
    }

    fn age(&self, method: Method, now: Timestamp) -> Option<Duration> {
        self.answered(method).map(|then| between(then, now))
    }
}

fn between(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(now.micros_since(then).unsigned_abs())
}

/// When calls failed, for the last five minutes.
#[derive(Default)]
pub(super) struct ErrorLog {
    pub(super) total: u64,
    times: VecDeque<Timestamp>,
}

impl ErrorLog {
    fn add(&mut self, now: Timestamp) {
        self.total += 1;
        // Full: the oldest is out of the five minutes, or about to be.
        if self.times.len() == GATEWAY_ERRORS_KEPT_MAX {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// How many within this time.
    pub(super) fn within(&self, time: Duration, now: Timestamp) -> usize {
        let since = now.minus(time);
        self.times.iter().rev().take_while(|then| **then >= since).count()
    }

    /// The last one's time.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.times.back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn down() -> CallError {
        CallError::Unreachable("connection refused".to_owned())
    }

    #[test]
    fn an_answer_is_kept_while_the_node_is_silent_and_no_longer_than_its_time() {
        let mut facts = Facts::default();
        facts.learn(Method::Stats, Ok(json!({"tps": 1})), Duration::ZERO, NOW);
        facts.note(None, NOW);
        let later = NOW.plus(Duration::from_secs(10));
        facts.learn(Method::Stats, Err(down()), Duration::ZERO, later);
        facts.note(Some(&down()), later);
        assert!(facts.get(Method::Stats, later).is_ok() && facts.is_stale(Duration::from_secs(10)));
        let much_later = NOW.plus(GATEWAY_KEPT_TIME).plus(Duration::from_micros(1));
        assert_eq!(
            facts.get(Method::Stats, much_later).unwrap_err(),
            "The node cannot be reached: connection refused"
        );
        assert_eq!(facts.age_of(&[Method::Stats, Method::Peers], much_later), None);
    }

    #[test]
    fn an_error_of_the_node_replaces_its_answer() {
        let mut facts = Facts::default();
        facts.learn(Method::Stats, Ok(json!({"tps": 1})), Duration::ZERO, NOW);
        facts.learn(Method::Stats, Err(CallError::Null), Duration::ZERO, NOW);
        assert_eq!(facts.get(Method::Stats, NOW).unwrap_err(), "The result is null");
        assert_eq!(facts.age_of(&[Method::Stats], NOW), Some(Duration::ZERO));
    }

    #[test]
    fn the_breaker_opens_after_repeated_failures_and_closes_at_an_answer() {
        let mut facts = Facts::default();
        for _ in 0..GATEWAY_BREAKER_FAILURES {
            assert_eq!(facts.line.breaker, Breaker::Closed);
            facts.note(Some(&down()), NOW);
        }
        assert_eq!(facts.line.breaker, Breaker::Open);
        facts.note(Some(&CallError::Null), NOW);
        assert!(facts.line.connected());
        assert_eq!(facts.errors.total, u64::from(GATEWAY_BREAKER_FAILURES) + 1);
    }

    #[test]
    fn errors_are_counted_by_their_age() {
        let mut errors = ErrorLog::default();
        for seconds in [0, 250, 290, 299] {
            errors.add(NOW.plus(Duration::from_secs(seconds)));
        }
        let now = NOW.plus(Duration::from_secs(300));
        assert_eq!(errors.within(Duration::from_secs(60), now), 3);
        assert_eq!(errors.within(Duration::from_secs(200), now), 3);
        assert_eq!(errors.within(Duration::from_secs(300), now), 4);
        assert_eq!(errors.last(), Some(NOW.plus(Duration::from_secs(299))));
    }

    #[test]
    fn of_too_many_errors_the_oldest_go_and_are_counted_still() {
        let mut errors = ErrorLog::default();
        for second in 0..GATEWAY_ERRORS_KEPT_MAX as u64 + 5 {
            errors.add(NOW.plus(Duration::from_secs(second)));
        }
        assert_eq!(
            (errors.times.len(), errors.total),
            (GATEWAY_ERRORS_KEPT_MAX, GATEWAY_ERRORS_KEPT_MAX as u64 + 5)
        );
        assert_eq!(errors.times.front(), Some(&NOW.plus(Duration::from_secs(5))));
    }
}
