//! What workers say: parsed, matched with their topic, put into the fleet and the store.

use crossbeam_channel::Receiver;
use serde::Serialize;

use crate::base::{WorkerId, crash};
use crate::broker::{Inbound, Receipt};
use crate::jobs::House;
use crate::live::HEARTBEAT;
use crate::market::{Refusal, blocks, workers};
use crate::protocol::{Block, Heartbeat, Message, Mining, Register, ReportedState, Status, Topic, parse};
use crate::store::StoreError;

/// Runs until the broker is gone.
pub(super) fn run(house: &House, arrivals: &Receiver<Inbound>) -> Result<(), StoreError> {
    // Disconnected: the broker has stopped, and so does ingest.
    while let Ok(arrival) = arrivals.recv() {
        if let Inbound::Publish { topic, payload, receipt } = arrival {
            house.take(&topic, &payload, receipt)?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct HeartbeatEvent<'a> {
    worker_id: &'a WorkerId,
    hashrate: f64,
    active_gpus: u32,
}

/// What is done with a message.
impl House {
    /// An `Err` is the store's end; whatever is wrong with a message ends here, in the log.
    fn take(&self, topic: &Topic, payload: &[u8], receipt: Option<Receipt>) -> Result<(), StoreError> {
        crash::point("ingest");
        let message = match parse(topic.channel, payload) {
            Ok(message) => message,
            Err(error) => {
                log::warn!("{} of {}: refused: {error}", topic.channel.as_str(), topic.worker);
                return self.refuse(topic, &error.to_string(), receipt);
            }
        };
        let named = match &message {
            Message::Register(register) => &register.worker_id,
            Message::Heartbeat(heartbeat) => &heartbeat.worker_id,
            Message::Status(status) => &status.worker_id,
            Message::Block(block) => &block.worker_id,
        };
        if *named != topic.worker {
            log::warn!("{} of {}: refused: worker_id names {named}", topic.channel.as_str(), topic.worker);
            return self.refuse(topic, "worker_id is not the topic's", receipt);
        }
        match message {
            Message::Heartbeat(heartbeat) => self.heartbeat(heartbeat),
            Message::Register(register) => self.register(register, receipt),
            Message::Status(status) => self.status(status),
            Message::Block(block) => self.block(block, receipt),
        }
    }

    fn heartbeat(&self, heartbeat: Heartbeat) -> Result<(), StoreError> {
        let now = self.clock.now();
        let beat = self.fleet.heartbeat(&heartbeat, now);
        if !beat.known {
            log::debug!("heartbeat of {}: it never registered", heartbeat.worker_id);
            return Ok(());
        }
        let Heartbeat { worker_id, hashrate, active_gpus, mining } = heartbeat;
        let event = HeartbeatEvent { worker_id: &worker_id, hashrate, active_gpus };
        self.live.publish_newest(HEARTBEAT, worker_id.as_str(), &event);
        if let Some(since) = beat.returned {
            let id = worker_id.clone();
            self.submit("return", &worker_id, move |scope| workers::returned(scope, &id, since, now))?;
        }
        let Some(Mining { prefix, .. }) = mining else { return Ok(()) };
        let id = worker_id.clone();
        if beat.disagrees {
            self.submit("reminder", &worker_id, move |scope| workers::remind(scope, &id, &prefix, now))?;
        } else if beat.resumes {
            let live = self.fleet.get(&id);
            self.submit("resumption", &worker_id, move |scope| {
                workers::mines_again(scope, live.as_ref(), &id, &prefix, now)
            })?;
        }
        Ok(())
    }

    fn register(&self, register: Register, receipt: Option<Receipt>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (live, keeps_addresses) = (self.fleet.get(&register.worker_id), self.keeps_addresses);
        let (id, fleet, store) = (register.worker_id.clone(), self.fleet.clone(), self.store.clone());
        self.store.submit(
            move |scope| {
                if keeps_addresses {
                    workers::keep_address(scope, &register)?;
                }
                workers::register(scope, live.as_ref(), &register, now)
            },
            move |result| match result {
                Ok(()) => {
                    fleet.registered(&id, now);
                    acknowledge(receipt);
                }
                // The worker comes again: without the receipt its connection is closed.
                Err(Refusal::Store(error)) => log::error!("register of {id}: {error}"),
                Err(refusal) => {
                    log::warn!("register of {id}: refused: {refusal}");
                    let topic_owner = id.clone();
                    // Stopped: the platform is going down, and the worker will come again.
                    let _ = store.submit(
                        move |scope| {
                            workers::refuse_registration(scope, &topic_owner, refusal.to_string());
                            Ok::<_, Refusal>(())
                        },
                        move |_| acknowledge(receipt),
                    );
                }
            },
        )
    }

    fn status(&self, status: Status) -> Result<(), StoreError> {
        let now = self.clock.now();
        let id = status.worker_id.clone();
        let live = self.fleet.get(&id);
        if status.state == ReportedState::Offline {
            self.fleet.gone(&id, now);
        }
        self.submit("status", &id, move |scope| workers::status(scope, live.as_ref(), &status, now))
    }

    fn block(&self, block: Block, receipt: Option<Receipt>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (policy, id) = (self.policy.clone(), block.worker_id.clone());
        self.store.submit(
            move |scope| blocks::record(scope, &policy, &block, now),
            move |result| match result {
                Ok(_) => acknowledge(receipt),
                // Without the receipt the connection is closed, and the worker sends it again.
                Err(Refusal::Store(error)) => log::error!("block of {id}: {error}"),
                Err(refusal) => {
                    log::warn!("block of {id}: refused: {refusal}");
                    acknowledge(receipt);
                }
            },
        )
    }

    /// A message that is no message is acknowledged: it would not become one by being repeated.
    fn refuse(&self, topic: &Topic, reason: &str, receipt: Option<Receipt>) -> Result<(), StoreError> {
        use crate::protocol::Channel;
        if topic.channel != Channel::Register {
            acknowledge(receipt);
            return Ok(());
        }
        let (id, reason) = (topic.worker.clone(), reason.to_owned());
        self.store.submit(
            move |scope| {
                workers::refuse_registration(scope, &id, reason);
                Ok::<_, Refusal>(())
            },
            move |_| acknowledge(receipt),
        )
    }

    fn submit(
        &self,
        what: &'static str,
        id: &WorkerId,
        job: impl FnOnce(&mut crate::market::Scope<'_>) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), StoreError> {
        let id = id.clone();
        self.store.submit_calm(job, move |result| {
            if let Err(refusal) = result {
                log::warn!("{what} of {id}: refused: {refusal}");
            }
        })
    }
}

fn acknowledge(receipt: Option<Receipt>) {
    if let Some(receipt) = receipt {
        receipt.done();
    }
}
