//! What an answer to `POST /verify` means to a miner that holds a found block.

use serde_json::Value;

/// What to do with a submission that was sent (contract: pow.md, client rules).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain took the block.
    Accepted,
    /// The chain had the block already: a success too.
    Duplicate,
    /// The chain will never take it.
    Final(String),
    /// To be sent again, later.
    Retry {
        /// What happened.
        reason: String,
        /// The chain answered and said no in words that may be transient: a few more times are
        /// enough. Else the chain was not reached: with back-off, for as long as it takes.
        few: bool,
    },
}

impl Verdict {
    /// Judges an answer. Never an error: what cannot be understood is tried again.
    pub fn of_answer(status: u16, body: &str) -> Self {
        let said = serde_json::from_str::<Value>(body).ok().filter(Value::is_object);
        let text_of = |name: &str| said.as_ref()?.get(name)?.as_str().filter(|text| !text.trim().is_empty());
        let is_error = text_of("error").is_some() || text_of("status") == Some("error");
        if status == 200 && said.is_some() && !is_error {
            return Verdict::Accepted;
        }
        match text_of("message").or(text_of("error")) {
            Some(text) => Verdict::of_refusal(text),
            None => Verdict::Retry {
                reason: format!("status {status} without a message"),
                few: (400..500).contains(&status) && status != 429 && !body.trim().is_empty(),
            },
        }
    }

    fn of_refusal(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let says = |phrase: &str| lower.contains(phrase);
        // The network says "Block already exists, continue", the simulator "Key already exists".
        if says("already exists") {
            Verdict::Duplicate
        } else if says("outside of time window") || says("outside of proper time frame") {
            Verdict::Final(text.to_owned())
        } else {
            Verdict::Retry { reason: text.to_owned(), few: true }
        }
    }

    /// The chain has the block, whoever brought it.
    pub fn is_success(&self) -> bool {
        matches!(self, Verdict::Accepted | Verdict::Duplicate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn few(reason: &str) -> Verdict {
        Verdict::Retry { reason: reason.into(), few: true }
    }

    #[test]
    fn every_answer_of_the_network_and_the_simulator() {
        let judge = Verdict::of_answer;
        let verified = r#"{"message":"Hash verified successfully and block saved."}"#;
        assert_eq!(judge(200, verified), Verdict::Accepted);
        let ours = r#"{"status":"success","message":"Block accepted: normal #1","block_type":"normal","block_id":1}"#;
        assert_eq!(judge(200, ours), Verdict::Accepted);
        assert_eq!(judge(400, r#"{"message":"Block already exists, continue"}"#), Verdict::Duplicate);
        assert_eq!(judge(409, r#"{"status":"error","message":"Key already exists"}"#), Verdict::Duplicate);
        for text in ["XUNI Submitted outside of proper time frame.", "XUNI found outside of time window"] {
            let body = format!(r#"{{"message":"{text}"}}"#);
            assert_eq!(judge(401, &body), Verdict::Final(text.into()));
        }
        assert_eq!(
            judge(401, r#"{"message":"Hash verification failed."}"#),
            few("Hash verification failed.")
        );
        assert_eq!(judge(400, r#"{"error":"Invalid key format"}"#), few("Invalid key format"));
        assert_eq!(judge(200, r#"{"status":"error","message":"busy"}"#), few("busy"));
    }

    #[test]
    fn a_chain_that_was_not_reached_is_tried_for_as_long_as_it_takes() {
        let lasting = |status, body| match Verdict::of_answer(status, body) {
            Verdict::Retry { few, .. } => !few,
            other => panic!("{other:?}"),
        };
        assert!(lasting(401, ""), "the network's answer to a client it does not like");
        assert!(lasting(200, ""));
        assert!(lasting(200, "<html>log in to the hotel</html>"));
        assert!(lasting(502, "<html>Bad Gateway</html>"));
        assert!(lasting(429, "slow down"));
        assert!(!lasting(404, "<html>Not Found</html>"));
    }

    proptest! {
        #[test]
        fn only_success_counts_as_success(status in 100u16..600, body in ".{0,200}") {
            let verdict = Verdict::of_answer(status, &body);
            prop_assert!(!verdict.is_success() || status == 200 || body.contains("already exists"));
        }
    }
}
