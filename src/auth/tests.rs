//! The gatekeeper as a whole.

use std::sync::Arc;
use std::time::Duration;

use super::eth::Wallet;
use super::*;
use crate::base::Timestamp;
use crate::base::thread::deathwatch;
use crate::store::{Store, StoreError};

const ADMIN: &str = "an administrator's key";

fn clock() -> Clock {
    Clock::manual(Timestamp::from_seconds(1_790_000_000.0))
}

fn auth(mode: Mode, clock: &Clock) -> Auth {
    Auth::new(mode, JwtSecret::random(), Some(Secret::new(ADMIN)), clock.clone())
}

/// A database with the account `consumer-1`.
fn store(folder: &tempfile::TempDir) -> Store<()> {
    let (events, _told) = crossbeam_channel::bounded(1);
    let store = Store::open(&folder.path().join("t.db"), events, &deathwatch().0).unwrap();
    let sql = "INSERT INTO accounts (account_id, role, origin, created_at)
               VALUES ('consumer-1', 'consumer', 'registered', 0)";
    store.write::<usize, StoreError, _>(move |scope| Ok(scope.execute(sql, [])?)).unwrap();
    store
}

fn untouched(_: &str) -> Result<Option<KeyHolder>, AuthError> {
    panic!("the database must not be asked")
}

fn plain<'a>(wallet: &'a Wallet, challenge: &'a Challenge, signature: &'a str) -> SignIn<'a> {
    SignIn { address: wallet.address(), signature, nonce: &challenge.nonce, message: None, domain: None }
}

fn siwe(wallet: &Wallet, nonce: &str, rest: &str) -> String {
    format!(
        "market.example wants you to sign in with your Ethereum account:\n{}\n\nSign in.\n\n\
         URI: https://market.example/\nVersion: 1\nChain ID: 1\nNonce: {nonce}\n\
         Issued At: 2026-09-21T14:13:20Z{rest}",
        wallet.address()
    )
}

fn is_refused(result: Result<EthAddress, AuthError>) -> bool {
    matches!(result, Err(AuthError::Signature))
}

#[test]
fn without_a_credential_nobody_asks() {
    for mode in [Mode::Open, Mode::Closed] {
        let caller = auth(mode, &clock()).identify(None, None, untouched).unwrap();
        assert_eq!(caller, Caller::Nobody);
    }
}

#[test]
fn an_api_key_is_its_holder_and_a_wrong_credential_is_never_as_if_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let consumer: AccountId = "consumer-1".parse().unwrap();
    let holder = consumer.clone();
    let now = Timestamp::from_seconds(0.0);
    let issued =
        store.write(move |scope| keys::issue(scope, &holder, &keys::Terms::endless(KeyScopes::ALL), now));
    let key = issued.unwrap().key;
    let look_up = |key: &str| store.read(|conn| keys::find(conn, key, now));

    for mode in [Mode::Open, Mode::Closed] {
        let auth = auth(mode, &clock());
        let caller = auth.identify(None, Some(key.expose()), look_up).unwrap();
        let session = caller.session().unwrap();
        assert_eq!((&session.account, session.via), (&consumer, Via::ApiKey));
        assert!(caller.may_act_for(&consumer) && !caller.may_act_for(&"consumer-2".parse().unwrap()));
        assert!(matches!(caller.require_wallet(), Err(AuthError::WalletRequired)));
        caller.require_credential().unwrap();

        for wrong in ["", "nonsense", &format!(" {}", key.expose())] {
            let refused = auth.identify(None, Some(wrong), look_up);
            assert!(matches!(refused, Err(AuthError::Credentials)), "{wrong}");
            // The bearer token decides: a good key does not save a bad one.
            let refused = auth.identify(Some(wrong), Some(key.expose()), untouched);
            assert!(matches!(refused, Err(AuthError::Token)), "{wrong}");
        }
    }
    store.stop();
}

#[test]
fn the_test_key_is_the_administrators_in_open_mode_only() {
    let clock = clock();
    let open = auth(Mode::Open, &clock).identify(None, Some(administrator::TEST_KEY), untouched).unwrap();
    assert_eq!(open, Caller::Administrator);
    let nothing = |_: &str| Ok::<_, AuthError>(None);
    let closed = auth(Mode::Closed, &clock).identify(None, Some(administrator::TEST_KEY), nothing);
    assert!(matches!(closed, Err(AuthError::Credentials)));
    let test_key = Some(Secret::new(administrator::TEST_KEY));
    let configured = Auth::new(Mode::Closed, JwtSecret::random(), test_key, clock.clone());
    assert!(!configured.is_administrator(administrator::TEST_KEY), "not even when configured");
    let without = Auth::new(Mode::Closed, JwtSecret::random(), None, clock.clone());
    assert!(!without.is_administrator(ADMIN) && !without.is_administrator(""));
    for mode in [Mode::Open, Mode::Closed] {
        let caller = auth(mode, &clock).identify(None, Some(ADMIN), untouched).unwrap();
        assert_eq!(caller, Caller::Administrator);
        assert!(caller.may_act_for(&"anybody".parse().unwrap()));
        assert!(caller.session().is_none());
    }
}

#[test]
fn a_wallet_signs_in_and_its_token_speaks_for_it() {
    let clock = clock();
    let auth = auth(Mode::Closed, &clock);
    let wallet = Wallet::from_seed(b"renter");
    let challenge = auth.nonce(&EthAddress::from_bytes(wallet.address().bytes()));
    assert_eq!(
        challenge.message,
        format!("Sign this message to authenticate with XenBlocks.\n\nNonce: {}", challenge.nonce)
    );
    assert_eq!(challenge.address.as_str(), wallet.address().as_str());
    let proven =
        auth.verify_signature(&plain(&wallet, &challenge, &wallet.sign(&challenge.message))).unwrap();
    assert_eq!(proven, *wallet.address());

    let token = auth.token(&"wallet-1".parse().unwrap(), Role::Provider, &proven);
    let caller = auth.identify(Some(token.token.expose()), None, untouched).unwrap();
    let (session, address) = caller.require_wallet().unwrap();
    let by_key = Caller::Account(Session { via: Via::ApiKey, ..session.clone() });
    assert!(matches!(by_key.require_wallet(), Err(AuthError::WalletRequired)), "keys do not count here");
    assert_eq!((session.account.as_str(), session.role), ("wallet-1", Role::Provider));
    assert_eq!(*address, proven);
    clock.advance(Duration::from_secs(86_400));
    assert!(matches!(auth.identify(Some(token.token.expose()), None, untouched), Err(AuthError::Token)));
}

#[test]
fn a_nonce_signs_in_once_even_when_asked_twice_at_once() {
    let auth = Arc::new(auth(Mode::Closed, &clock()));
    let wallet = Wallet::from_seed(b"twice");
    let challenge = auth.nonce(wallet.address());
    let signature = wallet.sign(&challenge.message);
    let proven = std::thread::scope(|threads| {
        let attempt = || auth.verify_signature(&plain(&wallet, &challenge, &signature)).is_ok();
        let attempts: Vec<_> = (0..8).map(|_| threads.spawn(attempt)).collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(proven, 1);
}

#[test]
fn strangers_sign_ins_fail_and_void_nothing() {
    let clock = clock();
    let auth = auth(Mode::Closed, &clock);
    let (victim, attacker) = (Wallet::from_seed(b"victim"), Wallet::from_seed(b"attacker"));
    let challenge = auth.nonce(victim.address());
    for _ in 0..1000 {
        auth.nonce(victim.address());
    }
    let foreign = attacker.sign(&challenge.message);
    assert!(is_refused(auth.verify_signature(&plain(&victim, &challenge, &foreign))));
    assert!(is_refused(auth.verify_signature(&plain(&attacker, &challenge, &foreign))), "another's nonce");
    for garbage in ["", "0x", "nonsense", &"0".repeat(130), &"f".repeat(130)] {
        assert!(is_refused(auth.verify_signature(&plain(&victim, &challenge, garbage))), "{garbage}");
    }
    let unknown = Challenge { nonce: "0".repeat(32), ..challenge.clone() };
    let signature = victim.sign(&plain_message(&unknown.nonce));
    assert!(is_refused(auth.verify_signature(&plain(&victim, &unknown, &signature))), "not our nonce");

    let signature = victim.sign(&challenge.message);
    assert!(auth.verify_signature(&plain(&victim, &challenge, &signature)).is_ok(), "the victim still can");
    let late = auth.nonce(victim.address());
    clock.advance(Duration::from_secs(300));
    let signature = victim.sign(&late.message);
    assert!(is_refused(auth.verify_signature(&plain(&victim, &late, &signature))), "expired");
}

#[test]
fn a_sign_in_message_is_checked_in_all_its_parts() {
    let clock = clock();
    let auth = auth(Mode::Closed, &clock);
    let (wallet, other) = (Wallet::from_seed(b"siwe"), Wallet::from_seed(b"other"));
    let nonce = auth.nonce(wallet.address()).nonce;
    let foreign_nonce = auth.nonce(wallet.address()).nonce;
    let attempt = |message: &str, domain: Option<&str>| {
        let signature = wallet.sign(message);
        auth.verify_signature(&SignIn {
            address: wallet.address(),
            signature: &signature,
            nonce: &nonce,
            message: Some(message),
            domain,
        })
    };
    let good = siwe(&wallet, &nonce, "\nExpiration Time: 2026-09-21T14:14:20Z");
    for here in ["evil.example", "market.example:8080"] {
        let refused = attempt(&good, Some(here)).unwrap_err();
        assert!(matches!(&refused, AuthError::MessageDomain(said) if said == here), "{refused}");
    }
    assert!(is_refused(attempt(&siwe(&other, &nonce, ""), None)), "for another address");
    assert!(is_refused(attempt(&siwe(&wallet, &foreign_nonce, ""), None)), "with another nonce");
    let ahead = good.replace("Issued At: 2026-09-21T14:13:20Z", "Issued At: 2026-09-21T14:14:21Z");
    for (message, says) in [
        (siwe(&wallet, &nonce, "\nExpiration Time: 2026-09-21T14:13:20Z"), "ended 1 s ago"),
        (siwe(&wallet, &nonce, "\nNot Before: 2026-09-21T14:13:21Z"), "holds only in"),
        (ahead, "ahead of this server's clock: set your machine's clock"),
    ] {
        let refused = attempt(&message, None).unwrap_err();
        assert!(
            matches!(refused, AuthError::MessageTime(_)) && refused.to_string().contains(says),
            "{refused}"
        );
    }
    assert!(is_refused(attempt(&plain_message(&nonce), None)), "the plain text is no such message");
    let long = format!("\nResources:{}", "\n- https://market.example/".repeat(400));
    assert!(is_refused(attempt(&siwe(&wallet, &nonce, &long), None)), "too long");
    let unsigned = wallet.sign(&plain_message(&nonce));
    let mixed = SignIn {
        address: wallet.address(),
        signature: &unsigned,
        nonce: &nonce,
        message: Some(&good),
        domain: None,
    };
    assert!(is_refused(auth.verify_signature(&mixed)), "another text was signed");
    assert_eq!(attempt(&good, Some("Market.Example")).unwrap(), *wallet.address());
    assert!(is_refused(attempt(&good, None)), "spent");
}

#[test]
fn refusals_say_what_the_contract_says_and_secrets_stay_out_of_logs() {
    let texts = [
        (AuthError::Credentials, "Invalid or missing credentials"),
        (
            AuthError::Missing,
            "Missing or invalid credentials. Pass Authorization: Bearer <jwt> or X-API-Key header.",
        ),
        (AuthError::Token, "Invalid or expired token"),
        (AuthError::Signature, "Invalid signature or expired nonce"),
        (AuthError::WalletRequired, "Wallet authentication required"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
    assert!(matches!(Caller::Nobody.require_credential(), Err(AuthError::Missing)));
    assert!(matches!(Caller::Nobody.require_wallet(), Err(AuthError::WalletRequired)));
    assert!(matches!(Caller::Administrator.require_wallet(), Err(AuthError::WalletRequired)));
    assert!(!Caller::Nobody.may_act_for(&"consumer-1".parse().unwrap()));
    assert_eq!(format!("{:?}", auth(Mode::Open, &clock())), "Auth { mode: Open, .. }");
}

#[test]
fn a_sign_in_message_over_the_limit_is_refused_and_spends_nothing() {
    let clock = clock();
    let (auth, wallet) = (auth(Mode::Closed, &clock), Wallet::from_seed(b"verbose"));
    let challenge = auth.nonce(wallet.address());
    let resources = |length: usize| {
        let short = siwe(&wallet, &challenge.nonce, "\nResources:\n- a:");
        let padding = "b".repeat(length - short.len());
        short + &padding
    };
    for (length, is_taken) in [(SIGN_IN_MESSAGE_BYTES_MAX + 1, false), (SIGN_IN_MESSAGE_BYTES_MAX, true)] {
        let message = resources(length);
        let signature = wallet.sign(&message);
        let sign_in = SignIn { message: Some(&message), ..plain(&wallet, &challenge, &signature) };
        assert_eq!(auth.verify_signature(&sign_in).is_ok(), is_taken, "{length} bytes");
    }
}
