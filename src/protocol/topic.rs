//! Topics: `xenminer/{worker_id}/{suffix}`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base::WorkerId;

/// The last level of a worker's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Worker → platform: who it is.
    Register,
    /// Worker → platform, every 30 s.
    Heartbeat,
    /// Worker → platform, on each change of state.
    Status,
    /// Worker → platform: a block was found.
    Block,
    /// Platform → worker: commands about leases.
    Task,
    /// Platform → worker: pause, resume, shutdown, configuration.
    Control,
}

impl Channel {
    /// The level's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Register => "register",
            Channel::Heartbeat => "heartbeat",
            Channel::Status => "status",
            Channel::Block => "block",
            Channel::Task => "task",
            Channel::Control => "control",
        }
    }

    /// Whether workers publish on it (the platform publishes on the others).
    pub const fn is_from_worker(self) -> bool {
        matches!(self, Channel::Register | Channel::Heartbeat | Channel::Status | Channel::Block)
    }

    fn parse(text: &str) -> Option<Self> {
        use Channel::{Block, Control, Heartbeat, Register, Status, Task};
        [Register, Heartbeat, Status, Block, Task, Control].into_iter().find(|c| c.as_str() == text)
    }
}

/// A topic of the worker protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Whose topic it is.
    pub worker: WorkerId,
    /// Which of its topics.
    pub channel: Channel,
}

/// A topic that is not of the worker protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a topic of the form xenminer/<worker id>/<register|heartbeat|status|block|task|control>")]
pub struct TopicError;

impl FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        let (worker, channel) =
            text.strip_prefix("xenminer/").and_then(|rest| rest.split_once('/')).ok_or(TopicError)?;
        let worker = worker.parse().map_err(|_| TopicError)?;
        let channel = Channel::parse(channel).ok_or(TopicError)?;
        Ok(Topic { worker, channel })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xenminer/{}/{}", self.worker, self.channel.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_round_trip_and_strangers_are_refused() {
        let topic: Topic = "xenminer/rig-1/heartbeat".parse().unwrap();
        assert_eq!((topic.worker.as_str(), topic.channel), ("rig-1", Channel::Heartbeat));
        assert_eq!(topic.to_string(), "xenminer/rig-1/heartbeat");
        for bad in
            ["xenminer/rig", "xenminer//block", "xenminer/a/b/block", "other/a/block", "xenminer/a/nope", ""]
        {
            assert_eq!(bad.parse::<Topic>(), Err(TopicError), "{bad}");
        }
    }
}
