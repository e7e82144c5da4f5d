//! Who may use which topic (contract: mqtt.md, Who may do what). Plain functions over text.

use super::Identity;
use crate::base::limits::{MQTT_CLIENT_ID_BYTES_MAX, MQTT_TOPIC_BYTES_MAX, MQTT_TOPIC_LEVELS_MAX};
use crate::protocol::Topic;

/// Where an allowed publish goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To `ingest`, and to subscribers.
    Ingest(Topic),
    /// To subscribers only.
    Relay,
    /// A registration under what is no worker's id: to subscribers, and the refusal to this topic, where
    /// the worker listens for its answer.
    Misnamed(String),
}

/// The library panics on topics that begin with a non-ASCII character; blanks and control
/// characters also keep the gate's own topics apart.
fn is_sane(text: &str, wildcards: bool) -> bool {
    (1..=MQTT_TOPIC_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && (wildcards || !b"+#".contains(&b)))
        && !text.starts_with('$')
        && text.split('/').count() <= MQTT_TOPIC_LEVELS_MAX
}

/// Whether a client id is one that we take: visible ASCII, bounded.
pub(super) fn is_client_id(id: &str) -> bool {
    (1..=MQTT_CLIENT_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a name may be a token that somebody put into the wrong field: 32 hexadecimal digits or more.
pub(super) fn may_be_secret(name: &str) -> bool {
    name.len() >= 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where a publish of `identity` on `topic` goes, or why it ends the connection.
pub(super) fn publish_route(identity: &Identity, topic: &[u8]) -> Result<Route, &'static str> {
    let text = std::str::from_utf8(topic).map_err(|_| "a topic that is not text")?;
    if !is_sane(text, false) {
        return Err("a topic beyond our alphabet or limits");
    }
    let of_worker = text.parse::<Topic>().ok();
    match (identity, of_worker) {
        (_, Some(topic)) if !topic.channel.is_from_worker() => Err("only the platform commands workers"),
        (Identity::Anyone, Some(topic)) => Ok(Route::Ingest(topic)),
        (Identity::Anyone, None) => Ok(answer_topic(text).map_or(Route::Relay, Route::Misnamed)),
        (Identity::Worker(worker), Some(topic)) if topic.worker == *worker => Ok(Route::Ingest(topic)),
        (Identity::Worker(_), _) => Err("a topic that is not this worker's"),
        (Identity::Administrator, _) => Err("administrators publish nothing"),
    }
}

/// Where a registration on `topic` would be answered, whatever it takes for its worker's id.
fn answer_topic(topic: &str) -> Option<String> {
    let worker = topic.strip_prefix("xenminer/")?.strip_suffix("/register")?;
    Some(format!("xenminer/{worker}/task"))
}

/// What may be done about an allowed filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// A worker's own commands: whoever holds it acts for that worker.
    Commands(Topic),
    /// Anything else.
    Other,
}

/// Whether `filter` is one at all; what is not ends the connection (MQTT 3.1.1, section 4.7).
pub(super) fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() || filter.contains('\0') {
        return Err("a filter that is empty or holds a null character");
    }
    has_wildcards_in_place(filter).then_some(()).ok_or("a filter with a wildcard out of place")
}

/// Whether `identity` may subscribe to `filter`, or why it is refused.
pub(super) fn subscription(identity: &Identity, filter: &str) -> Result<Subscription, &'static str> {
    if !is_sane(filter, true) {
        return Err("a filter beyond our alphabet or limits");
    }
    let commands = filter.parse::<Topic>().ok().filter(|topic| !topic.channel.is_from_worker());
    match (identity, commands) {
        (Identity::Anyone, Some(topic)) => Ok(Subscription::Commands(topic)),
        (Identity::Anyone, None) => Ok(Subscription::Other),
        (Identity::Worker(worker), Some(topic)) if topic.worker == *worker => {
            Ok(Subscription::Commands(topic))
        }
        (Identity::Administrator, _) if filter.starts_with("xenminer/") => Ok(Subscription::Other),
        _ => Err("a filter that this login may not use"),
    }
}

/// Whether `identity` may read what is published on `topic`.
pub(super) fn may_read(identity: &Identity, topic: &str) -> bool {
    match identity {
        Identity::Anyone => true,
        Identity::Worker(worker) => topic
            .parse::<Topic>()
            .is_ok_and(|topic| topic.worker == *worker && !topic.channel.is_from_worker()),
        Identity::Administrator => topic.starts_with("xenminer/"),
    }
}

fn has_wildcards_in_place(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    levels.iter().enumerate().all(|(place, level)| match *level {
        "+" => true,
        "#" => place == last,
        other => !other.contains(['+', '#']),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Channel;

    fn worker(id: &str) -> Identity {
        Identity::Worker(id.parse().unwrap())
    }

    #[test]
    fn nobody_commands_workers() {
        for who in [Identity::Anyone, worker("a"), Identity::Administrator] {
            for topic in ["xenminer/a/task", "xenminer/a/control", "xenminer/b/task"] {
                assert!(publish_route(&who, topic.as_bytes()).is_err(), "{who:?} {topic}");
            }
        }
    }

    #[test]
    fn workers_keep_to_their_own_topics() {
        let own = worker("a");
        for suffix in ["register", "heartbeat", "status", "block"] {
            let route = publish_route(&own, format!("xenminer/a/{suffix}").as_bytes()).unwrap();
            assert!(matches!(route, Route::Ingest(topic) if topic.channel.as_str() == suffix));
            assert!(publish_route(&own, format!("xenminer/b/{suffix}").as_bytes()).is_err());
        }
        assert!(publish_route(&own, b"else/where").is_err());
        assert!(matches!(
            subscription(&own, "xenminer/a/task"),
            Ok(Subscription::Commands(topic)) if topic.channel == Channel::Task
        ));
        for bad in ["xenminer/b/task", "xenminer/+/task", "xenminer/a/#", "xenminer/a/status", "#"] {
            assert!(subscription(&own, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registration_under_no_workers_id_has_a_topic_for_its_refusal() {
        let long = "w".repeat(129);
        for id in [long.as_str(), "rig@home", "farm/rig", ""] {
            let route = publish_route(&Identity::Anyone, format!("xenminer/{id}/register").as_bytes());
            assert_eq!(route, Ok(Route::Misnamed(format!("xenminer/{id}/task"))), "{id}");
            let route = publish_route(&Identity::Anyone, format!("xenminer/{id}/status").as_bytes());
            assert_eq!(route, Ok(Route::Relay), "{id}");
        }
        assert_eq!(publish_route(&Identity::Anyone, b"xenminer/register"), Ok(Route::Relay));
    }

    #[test]
    fn administrators_read_the_fleet_and_nothing_else() {
        assert_eq!(subscription(&Identity::Administrator, "xenminer/#"), Ok(Subscription::Other));
        assert!(subscription(&Identity::Administrator, "#").is_err());
        assert!(publish_route(&Identity::Administrator, b"xenminer/a/status").is_err());
    }

    #[test]
    fn who_reads_what_is_as_narrow_as_what_may_be_subscribed_to() {
        for (who, topic, may) in [
            (Identity::Anyone, "anything/at/all", true),
            (Identity::Administrator, "xenminer/a/status", true),
            (Identity::Administrator, "xenminer", false),
            (Identity::Administrator, "else", false),
            (worker("a"), "xenminer/a/task", true),
            (worker("a"), "xenminer/a/status", false),
            (worker("a"), "xenminer/b/task", false),
            (worker("a"), "else", false),
        ] {
            assert_eq!(may_read(&who, topic), may, "{who:?} {topic}");
        }
    }

    #[test]
    fn topics_and_filters_that_the_library_cannot_bear_are_refused() {
        let long = "a".repeat(MQTT_TOPIC_BYTES_MAX + 1);
        let deep = "a/".repeat(MQTT_TOPIC_LEVELS_MAX);
        for bad in ["", "é/x", "a b", "a\u{1}", "$SYS/x", "a/+", "#", &long, &deep] {
            assert!(publish_route(&Identity::Anyone, bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(publish_route(&Identity::Anyone, b"\xff\xfe").is_err());
        for bad in ["$share/g/x", "$SYS/#", "é", "a b", &long, &deep] {
            assert!(check_filter(bad).is_ok(), "{bad:?}");
            assert!(subscription(&Identity::Anyone, bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a#", "a/#/b", "a+/b", "##", "a\0"] {
            assert!(check_filter(bad).is_err(), "{bad:?}");
        }
        for good in ["#", "+", "+/a/#", "/a", "a//b", "xenminer/+/heartbeat"] {
            assert!(check_filter(good).is_ok(), "{good}");
            assert!(subscription(&Identity::Anyone, good).is_ok(), "{good}");
        }
    }

    #[test]
    fn ordinary_client_ids_pass() {
        for good in ["xenminer_rig-1", "mosqpub|12-host", "a/b", "$x#"] {
            assert!(is_client_id(good), "{good}");
        }
        for bad in ["", "é", "a b", "x\n"] {
            assert!(!is_client_id(bad), "{bad:?}");
        }
    }
}
