//! One worker as the platform sees it: its session and its state machine together, and the blocks
//! that it has still to report. What hashes, for real or not, is the caller's. Without a session it
//! is a worker that mines for its owner and that no platform knows of.

use std::collections::VecDeque;

use super::session::{Event, Session, Ticket};
use super::state::{Action, Input, Lease, Machine, Orders};
use super::wire::Pulse;
use crate::base::limits::WORKER_BLOCKS_QUEUED_MAX;
use crate::base::{BlockKey, Clock};
use crate::protocol::{Block, Channel, Command, Control, ReportedState};

/// A worker's session, state and unreported blocks. Never blocks.
pub struct Agent {
    session: Option<Session>,
    machine: Machine,
    clock: Clock,
    online: bool,
    blocks: VecDeque<Unreported>,
}

struct Unreported {
    block: Block,
    sent: Option<Ticket>,
}

/// What the caller must act on after an event.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// Obey from the next key on.
    pub orders: Option<Orders>,
    /// An operator's or owner's wish.
    pub control: Option<Control>,
    /// The session has just come up: a good moment for a heartbeat.
    pub connected: bool,
    /// Keys of blocks that the platform acknowledged.
    pub receipts: Vec<BlockKey>,
}

impl Agent {
    /// A worker that mines for its owner until told otherwise.
    pub fn new(session: impl Into<Option<Session>>, clock: Clock) -> Self {
        let session = session.into();
        Agent { session, machine: Machine::default(), clock, online: false, blocks: VecDeque::new() }
    }

    /// Takes an event of the session.
    pub fn handle(&mut self, event: Event) -> Reaction {
        let mut reaction = Reaction::default();
        match event {
            Event::Connected => {
                (self.online, reaction.connected) = (true, true);
                reaction.orders = self.apply(Input::Connected);
                self.send_blocks();
            }
            Event::Disconnected => {
                self.online = false;
                self.blocks.iter_mut().for_each(|unreported| unreported.sent = None);
                reaction.orders = self.apply(Input::Disconnected);
            }
            Event::Command(Command::RegisterAck(ack)) => {
                if !ack.accepted {
                    let reason = ack.reason.as_deref().unwrap_or("no reason given");
                    log::warn!("worker {}: registration refused: {reason}", self.name());
                }
                reaction.orders = self.apply(Input::Registered(ack));
            }
            Event::Command(Command::AssignTask {
                lease_id,
                consumer_id,
                consumer_address,
                prefix,
                duration_sec,
            }) => {
                let now = self.clock.now();
                let lease =
                    Lease::assigned(lease_id, consumer_id, consumer_address, prefix, duration_sec, now);
                reaction.orders = self.apply(Input::Assign(lease));
            }
            Event::Command(Command::Release { lease_id }) => {
                reaction.orders = self.apply(Input::Release(lease_id));
            }
            Event::BadTask(problem) => reaction.orders = self.apply(Input::BadTask(problem)),
            Event::Control(control) => reaction.control = Some(control),
            Event::Receipt(ticket) => {
                let acknowledged = |unreported: &Unreported| unreported.sent == Some(ticket);
                let keys = self.blocks.iter().filter(|block| acknowledged(block));
                reaction.receipts = keys.map(|unreported| unreported.block.key.clone()).collect();
                self.blocks.retain(|unreported| !acknowledged(unreported));
            }
        }
        reaction
    }

    /// Lets time pass: expiry, registrations and blocks to send again. Call it often.
    pub fn tick(&mut self) -> Option<Orders> {
        self.send_blocks();
        self.apply(Input::Tick)
    }

    /// Tells the state machine something that did not come from the platform.
    pub fn apply(&mut self, input: Input) -> Option<Orders> {
        let mut obey = None;
        for action in self.machine.step(input, self.clock.now()) {
            match action {
                Action::Obey(orders) => obey = Some(orders),
                Action::Report { state, lease, detail } => {
                    log::debug!("worker {}: {}", self.name(), state.as_str());
                    // Not sent when offline: the state is told again after the next registration.
                    if let Some(session) = &self.session {
                        session.status(state, lease.as_ref(), detail.as_deref());
                    }
                }
                Action::Register => {
                    if let Some(session) = &self.session {
                        session.register();
                    }
                }
            }
        }
        obey
    }

    /// Reports a block, again and again until the platform acknowledges it. When too many wait the
    /// oldest is given up.
    pub fn report(&mut self, block: Block) {
        if self.blocks.len() >= WORKER_BLOCKS_QUEUED_MAX {
            let oldest = self.blocks.pop_front().map(|unreported| unreported.block.key);
            log::error!("worker {}: too many blocks unreported, giving up {oldest:?}", self.name());
        }
        self.blocks.push_back(Unreported { block, sent: None });
        self.send_blocks();
    }

    /// Sends a heartbeat, if there is a connection.
    pub fn heartbeat(&self, pulse: &Pulse) {
        if let Some(session) = self.session.as_ref().filter(|_| self.online) {
            session.heartbeat(pulse);
        }
    }

    /// Goes offline with a goodbye, or comes back.
    pub fn set_online(&self, online: bool) {
        if let Some(session) = &self.session {
            session.set_online(online);
        }
    }

    /// Whether there is a connection.
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// The state that the platform is told.
    pub fn state(&self) -> ReportedState {
        self.machine.state()
    }

    /// The lease in force.
    pub fn lease(&self) -> Option<&Lease> {
        self.machine.lease()
    }

    /// Whether the operator wants no hashing.
    pub fn is_paused(&self) -> bool {
        self.machine.is_paused()
    }

    /// What keeps the worker from hashing, in words.
    pub fn trouble(&self) -> Option<String> {
        self.machine.trouble()
    }

    /// What is mined now.
    pub fn orders(&self) -> Orders {
        self.machine.orders()
    }

    /// Blocks that the platform has not acknowledged yet.
    pub fn unreported(&self) -> usize {
        self.blocks.len()
    }

    fn name(&self) -> &str {
        self.session.as_ref().map_or("without a platform", |session| session.worker().as_str())
    }

    fn send_blocks(&mut self) {
        let Some(session) = self.session.as_ref().filter(|_| self.online) else { return };
        for unreported in self.blocks.iter_mut().filter(|unreported| unreported.sent.is_none()) {
            unreported.sent = session.publish_for_receipt(Channel::Block, &unreported.block);
            if unreported.sent.is_none() {
                // The session's queue is full: the rest goes with the next tick.
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_unreported_blocks_the_oldest_is_given_up() {
        let mut agent = Agent::new(None, Clock::system());
        let key = |n: usize| -> BlockKey { format!("{n:064x}").parse().unwrap() };
        for n in 0..WORKER_BLOCKS_QUEUED_MAX + 3 {
            agent.report(Block {
                worker_id: "rig-1".parse().unwrap(),
                lease_id: None,
                hash: "XEN11".into(),
                key: key(n),
                account: None,
                attempts: 1,
                hashrate: "1.00".into(),
            });
        }
        assert_eq!(agent.unreported(), WORKER_BLOCKS_QUEUED_MAX);
        assert_eq!(agent.blocks.front().unwrap().block.key, key(3));
        assert_eq!(agent.blocks.back().unwrap().block.key, key(WORKER_BLOCKS_QUEUED_MAX + 2));
    }
}
