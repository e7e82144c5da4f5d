use serde_json::json;

use super::*;
use crate::pow::{Hasher, Keys, Salt, Tag};
use proptest::prelude::*;

const ACCOUNT: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";
const NOW: Timestamp = Timestamp::from_micros(30 * 60_000_000);

fn submission(key: &str, hash: &str, account: &str) -> Submission {
    let body = json!({"hash_to_verify": hash, "key": key, "account": account, "attempts": "12",
        "hashes_per_second": "1500.25", "worker": "rig-1"});
    Submission::from_json(body.as_object().unwrap()).unwrap()
}

fn refusal_of(body: &Value) -> (u16, String) {
    let refusal = Submission::from_json(body.as_object().unwrap()).unwrap_err();
    (refusal.status, refusal.message.into_owned())
}

fn judge(submission: Submission, rules: &Rules, difficulty: u32) -> Result<Checked, (u16, String)> {
    let difficulty = Difficulty::new(difficulty).unwrap();
    check(submission, NOW, rules, difficulty, &Verifier::new())
        .map_err(|refusal| (refusal.status, refusal.message.into_owned()))
}

/// Mines until the tag holds `marker`.
fn mine(marker: &Marker, account: &str, kib: u32) -> (BlockKey, Phc) {
    let mut hasher = Hasher::new();
    let mut keys = Keys::new(None);
    let salt = Salt::of(&account.parse().unwrap());
    loop {
        let key = keys.take(1).key(0);
        let phc = Phc::compute(&key, salt, Difficulty::new(kib).unwrap(), &mut hasher);
        let matches = Matches::find(&phc.tag.text(), marker);
        if matches.marker && !matches.xuni {
            return (key, phc);
        }
    }
}

#[test]
fn keys_are_refused_in_the_prototypes_words() {
    assert_eq!(refusal_of(&json!({})), (500, "Key is empty".into()));
    assert_eq!(refusal_of(&json!({"key": null})), (500, "Key is empty".into()));
    assert_eq!(refusal_of(&json!({"key": 123})), (500, "Key too short: 3 chars (need >= 64)".into()));
    let short = "a".repeat(63);
    assert_eq!(refusal_of(&json!({"key": short})), (500, "Key too short: 63 chars (need >= 64)".into()));
    for tricks in [format!("0x{}", "0".repeat(64)), format!("{}_0", "0".repeat(64)), "ä".repeat(64)] {
        assert_eq!(refusal_of(&json!({"key": tricks})), (500, "Key contains non-hex characters".into()));
    }
    assert_eq!(refusal_of(&json!({"key": "0".repeat(129)})), (400, "Invalid key format".into()));
    assert!(Submission::from_json(json!({"key": "0".repeat(128)}).as_object().unwrap()).is_ok());
}

#[test]
fn statistics_come_as_text_or_number_and_never_cost_a_block() {
    let parse = |attempts: Value, rate: Value| {
        let body = json!({"key": "A".repeat(64), "attempts": attempts, "hashes_per_second": rate});
        let submission = Submission::from_json(body.as_object().unwrap()).unwrap();
        assert_eq!(submission.key.as_str(), "a".repeat(64));
        (submission.attempts, submission.hashes_per_second)
    };
    assert_eq!(parse(json!("12345"), json!("1500.25")), (12345, "1500.25".into()));
    assert_eq!(parse(json!(12345), json!(1500.25)), (12345, "1500.25".into()));
    assert_eq!(parse(json!(1.5e6), json!(7)), (1_500_000, "7".into()));
    assert_eq!(parse(json!("many"), json!("fast")), (0, "0".into()));
    assert_eq!(parse(json!(-5), json!("inf")), (0, "0".into()));
    assert_eq!(parse(json!([1]), json!({})), (0, "0".into()));
}

#[test]
fn text_that_is_too_long_or_could_be_html_is_refused() {
    let with = |name: &str, value: String| refusal_of(&json!({"key": "0".repeat(64), name: value}));
    assert_eq!(with("account", "<img src=x>".into()), (400, "Invalid account".into()));
    assert_eq!(with("worker", "w".repeat(129)), (400, "Invalid worker".into()));
    assert_eq!(with("hash_to_verify", "h".repeat(257)), (400, "Invalid hash_to_verify".into()));
}

#[test]
fn a_bare_hash_is_judged_by_its_marker_unless_work_is_required() {
    let key = "0".repeat(64);
    let kind = |hash: &str| judge(submission(&key, hash, ACCOUNT), &Rules::default(), 1727).map(|c| c.kind);
    assert_eq!(kind("00aaXEN11bb"), Ok(BlockKind::Normal));
    assert_eq!(kind(&format!("XEN11{}", "C".repeat(60))), Ok(BlockKind::Super));
    assert_eq!(kind("00XUNI300"), Ok(BlockKind::Xuni));
    let no_marker = "Hash does not contain valid block marker (XEN11 or XUNI)";
    assert_eq!(kind("00aabb"), Err((500, no_marker.into())));
    let strict = Rules { require_pow: true, ..Rules::default() };
    let refused = judge(submission(&key, "00aaXEN11bb", ACCOUNT), &strict, 1727).unwrap_err();
    assert_eq!(refused, (401, "Hash verification failed.".into()));
}

#[test]
fn the_window_of_xuni_is_kept_when_asked_for() {
    let rules = Rules { enforce_xuni_window: true, ..Rules::default() };
    let xuni = submission(&"0".repeat(64), "00XUNI300", ACCOUNT);
    let refused = judge(xuni.clone(), &rules, 1727).unwrap_err();
    assert_eq!(refused, (400, "XUNI found outside of time window".into()));
    let open = Timestamp::from_micros(57 * 60_000_000);
    let difficulty = Difficulty::new(8).unwrap();
    let checked = check(xuni, open, &rules, difficulty, &Verifier::new()).unwrap();
    assert_eq!(checked.kind, BlockKind::Xuni);
}

#[test]
fn a_hash_in_full_is_recomputed() {
    let rules = Rules { marker: "X".parse().unwrap(), ..Rules::default() };
    let (key, phc) = mine(&rules.marker, ACCOUNT, 16);
    let hash = phc.to_string();
    let judge_as = |key: &str, hash: &str, account: &str, difficulty| {
        judge(submission(key, hash, account), &rules, difficulty).map(|checked| checked.pow_verified)
    };
    let not_verified = Err((401, "Hash verification failed.".into()));
    assert_eq!(judge_as(key.as_str(), &hash, ACCOUNT, 16), Ok(true));
    assert_eq!(judge_as(&key.as_str().to_uppercase(), &hash, &ACCOUNT.to_lowercase(), 8), Ok(true));
    assert_eq!(judge_as(&"0".repeat(64), &hash, ACCOUNT, 16), not_verified, "another key");
    let other = "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD";
    assert_eq!(judge_as(key.as_str(), &hash, other, 16), not_verified, "another account");
    assert_eq!(judge_as(key.as_str(), &hash, "", 16), not_verified, "no account");
    assert_eq!(judge_as(key.as_str(), &format!("{hash}A"), ACCOUNT, 16), not_verified, "no hash");
    let (status, text) = judge_as(key.as_str(), &hash, ACCOUNT, 17).unwrap_err();
    assert_eq!(status, 401);
    assert!(text.starts_with("Hash does not contain 'm=17'"), "{text}");
    let salt = hash.split('$').nth(4).unwrap();
    let salted = hash.replace(salt, "c29tZXNhbHQ");
    assert_eq!(judge_as(key.as_str(), &salted, ACCOUNT, 16), Err((400, "Invalid salt format".into())));
}

#[test]
fn fault_35_a_fabricated_hash_is_refused_though_it_holds_the_marker() {
    let salt = Salt::of(&ACCOUNT.parse().unwrap());
    let phc = Phc { difficulty: Difficulty::new(1727).unwrap(), salt, tag: Tag([0; 64]) };
    let hash = phc.to_string().replace(&"A".repeat(86), &format!("XEN11{}A", "a".repeat(80)));
    assert!(hash.contains("XEN11") && hash.parse::<Phc>().is_ok());
    let refused = judge(submission(&"0".repeat(64), &hash, ACCOUNT), &Rules::default(), 1727).unwrap_err();
    assert_eq!(refused, (401, "Hash verification failed.".into()));
}

#[test]
fn the_marker_counts_in_the_tag_alone() {
    let rules = Rules { marker: "argon2id".parse().unwrap(), ..Rules::default() };
    let phc = Phc::compute(
        &"0".repeat(64).parse().unwrap(),
        Salt::of(&ACCOUNT.parse().unwrap()),
        Difficulty::new(8).unwrap(),
        &mut Hasher::new(),
    );
    let refused = judge(submission(&"0".repeat(64), &phc.to_string(), ACCOUNT), &rules, 8).unwrap_err();
    assert_eq!(refused.0, 500);
}

proptest! {
    #[test]
    fn no_text_passes_for_work(hash in "(\\$argon2id\\$)?[ -~]{0,200}") {
        let body = json!({"key": "0".repeat(64), "hash_to_verify": hash, "account": ACCOUNT});
        let strict = Rules { require_pow: true, marker: "X".parse().unwrap(), ..Rules::default() };
        if let Ok(submission) = Submission::from_json(body.as_object().unwrap()) {
            prop_assert!(judge(submission, &strict, 8).is_err());
        }
    }
}
