//! What a worker does next: its state machine, without I/O (contract: mqtt.md, Worker states).
//!
//! The platform's last word counts: a new lease replaces the old one, the same lease again only
//! moves its end. What the worker is told while it cannot mine it answers with its state.

use std::time::Duration;

use crate::base::{AccountId, EthAddress, LeaseId, Prefix, Timestamp};
use crate::protocol::{RegisterAck, ReportedState};

/// A registration that nobody answered, or that was refused, is tried again after this time.
pub const REGISTER_RETRY_TIME: Duration = Duration::from_secs(60);

/// A lease that the worker mines for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The renter's account.
    pub consumer: AccountId,
    /// The renter's address: the salt.
    pub renter: EthAddress,
    /// What every key begins with; some leases ask for nothing.
    pub prefix: Option<Prefix>,
    /// When the worker stops by itself; never when the platform gave no positive duration.
    pub ends: Option<Timestamp>,
}

impl Lease {
    /// The lease that an `assign_task` received at `now` gives. A duration of zero or less never
    /// ends by itself.
    pub fn assigned(
        id: LeaseId,
        consumer: AccountId,
        renter: EthAddress,
        prefix: Option<Prefix>,
        duration_sec: i64,
        now: Timestamp,
    ) -> Self {
        let seconds = u64::try_from(duration_sec).ok().filter(|seconds| *seconds > 0);
        let ends = seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
        Lease { id, consumer, renter, prefix, ends }
    }
}

/// What the hashing parts are to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Orders {
    /// Mine for the worker's owner.
    Own,
    /// Mine for a renter.
    Lease(Lease),
    /// Hash nothing.
    Rest,
}

/// All that can change what a worker does.
#[derive(Clone, Debug)]
pub enum Input {
    /// The session is up and has sent its registration.
    Connected,
    /// The session is down.
    Disconnected,
    /// The platform answered the registration.
    Registered(RegisterAck),
    /// The platform rents the worker out.
    Assign(Lease),
    /// The platform ends a lease.
    Release(LeaseId),
    /// A task that cannot be understood came; why.
    BadTask(String),
    /// Time has passed.
    Tick,
    /// The operator wants no hashing.
    Pause,
    /// The operator wants hashing again.
    Resume,
    /// The worker cannot hash; why.
    Failed(String),
    /// The worker can hash again.
    Recovered,
    /// The owner offers the worker for rent, or no longer.
    Listed(bool),
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// From the very next key on.
    Obey(Orders),
    /// Tell the platform.
    Report {
        /// The state to tell.
        state: ReportedState,
        /// The lease it concerns.
        lease: Option<LeaseId>,
        /// Why, in words.
        detail: Option<String>,
    },
    /// Send the registration again.
    Register,
}

/// A worker's state.
#[derive(Debug, Default)]
pub struct Machine {
    lease: Option<Lease>,
    paused: bool,
    unlisted: bool,
    fault: Option<String>,
    link: Link,
}

/// How far the worker is with the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Link {
    #[default]
    Down,
    /// Registration sent at this time, not accepted yet.
    Asked(Timestamp),
    Registered,
}

impl Machine {
    /// The state that the platform is told.
    pub fn state(&self) -> ReportedState {
        match (&self.fault, self.paused, &self.lease) {
            (Some(_), _, _) => ReportedState::Error,
            (None, false, Some(_)) => ReportedState::Mining,
            (None, false, None) if self.unlisted => ReportedState::SelfMining,
            (None, false, None) if self.link == Link::Registered => ReportedState::Available,
            (None, _, _) => ReportedState::Idle,
        }
    }

    /// What the hashing parts do now.
    pub fn orders(&self) -> Orders {
        match &self.lease {
            _ if self.paused || self.fault.is_some() => Orders::Rest,
            Some(lease) => Orders::Lease(lease.clone()),
            None => Orders::Own,
        }
    }

    /// The lease in force.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether the operator wants no hashing.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// What keeps the worker from hashing, in words.
    pub fn trouble(&self) -> Option<String> {
        self.fault.clone().or_else(|| self.paused.then(|| "paused".to_owned()))
    }

    /// Takes one input at `now` and says what follows, in order.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Action> {
        match input {
            Input::Connected => {
                self.link = Link::Asked(now);
                Vec::new()
            }
            Input::Disconnected => {
                self.link = Link::Down;
                Vec::new()
            }
            Input::Registered(ack) => self.registered(&ack, now),
            Input::Assign(lease) => self.assign(lease),
            Input::Release(id) => self.release(&id),
            Input::BadTask(problem) => self.bad_task(problem),
            Input::Tick => self.tick(now),
            Input::Pause => self.pause(),
            Input::Resume => self.resume(),
            Input::Failed(cause) => self.fail(cause),
            Input::Recovered => self.recover(),
            Input::Listed(listed) => {
                self.unlisted = !listed;
                vec![self.report_now()]
            }
        }
    }

    fn registered(&mut self, ack: &RegisterAck, now: Timestamp) -> Vec<Action> {
        if ack.accepted {
            self.link = Link::Registered;
            vec![self.report_now()]
        } else {
            self.link = Link::Asked(now);
            Vec::new()
        }
    }

    fn assign(&mut self, lease: Lease) -> Vec<Action> {
        let free_for_others = self.lease.is_some() || !self.unlisted;
        if self.paused || self.fault.is_some() || !free_for_others {
            return vec![self.report_now()];
        }
        let id = lease.id.clone();
        let before = self.lease.replace(lease);
        let mut actions = vec![Action::Obey(self.orders())];
        match before {
            Some(same) if same.id == id => {}
            Some(other) => {
                actions.push(report(ReportedState::Completed, Some(other.id)));
                actions.push(report(ReportedState::Leased, Some(id)));
            }
            None => actions.push(report(ReportedState::Leased, Some(id))),
        }
        actions.push(self.report_now());
        actions
    }

    fn release(&mut self, id: &LeaseId) -> Vec<Action> {
        if self.lease.as_ref().is_some_and(|lease| lease.id == *id) { self.complete() } else { Vec::new() }
    }

    fn complete(&mut self) -> Vec<Action> {
        let ended = self.lease.take().map(|lease| lease.id);
        vec![Action::Obey(self.orders()), report(ReportedState::Completed, ended), self.report_now()]
    }

    fn bad_task(&mut self, problem: String) -> Vec<Action> {
        let state = if self.lease.is_some() { self.state() } else { ReportedState::Error };
        let lease = self.lease.as_ref().map(|lease| lease.id.clone());
        let refusal = Action::Report { state, lease, detail: Some(problem) };
        if self.lease.is_some() || self.fault.is_some() {
            return vec![refusal];
        }
        let mut actions = vec![refusal, report(ReportedState::Idle, None)];
        if self.state() != ReportedState::Idle {
            actions.push(self.report_now());
        }
        actions
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Action> {
        if self.lease.as_ref().is_some_and(|lease| lease.ends.is_some_and(|ends| ends <= now)) {
            return self.complete();
        }
        match self.link {
            Link::Asked(asked) if asked.plus(REGISTER_RETRY_TIME) <= now => {
                self.link = Link::Asked(now);
                vec![Action::Register]
            }
            _ => Vec::new(),
        }
    }

    fn pause(&mut self) -> Vec<Action> {
        self.paused = true;
        vec![Action::Obey(self.orders()), self.report_now()]
    }

    fn resume(&mut self) -> Vec<Action> {
        self.paused = false;
        vec![Action::Obey(self.orders()), self.report_now()]
    }

    fn fail(&mut self, cause: String) -> Vec<Action> {
        let lease = self.lease.take().map(|lease| lease.id);
        self.fault = Some(cause.clone());
        let error = Action::Report { state: ReportedState::Error, lease, detail: Some(cause) };
        vec![Action::Obey(Orders::Rest), error]
    }

    fn recover(&mut self) -> Vec<Action> {
        if self.fault.take().is_none() {
            return Vec::new();
        }
        let mut actions = vec![Action::Obey(self.orders()), report(ReportedState::Idle, None)];
        if self.state() != ReportedState::Idle {
            actions.push(self.report_now());
        }
        actions
    }

    fn report_now(&self) -> Action {
        let detail = self.trouble();
        let lease = self.lease.as_ref().map(|lease| lease.id.clone());
        Action::Report { state: self.state(), lease, detail }
    }
}

fn report(state: ReportedState, lease: Option<LeaseId>) -> Action {
    Action::Report { state, lease, detail: None }
}

#[cfg(test)]
mod tests;
