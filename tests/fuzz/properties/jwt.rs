//! Session tokens: whoever has the secret can sign any header and claims; only ours are good, and
//! without the secret nothing is.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use xenblocks::auth::{Auth, AuthError, Caller, JwtSecret, KeyHolder, Mode, Via};
use xenblocks::base::{Clock, EthAddress, Secret, Timestamp};

const SECRET: &str = "a secret of at least 32 bytes, for tests";
const NOW_SECONDS: i64 = 1_790_000_000;

/// Takes a token; and a header and claims, a line each, which are then signed with the right secret.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(read(text).is_none(), "a token that nobody signed: {text:?}");
    let Some((header, claims)) = text.split_once('\n') else { return };
    let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = format!("{body}.{}", signature(&body, SECRET));
    for wrong in [
        format!("{body}."),
        format!("{body}.{}", signature(&body, "another secret of at least 32 bytes")),
        format!("{token}."),
        format!("{token}A"),
        format!(" {token}"),
    ] {
        assert!(read(&wrong).is_none(), "{wrong}");
    }
    let Some(caller) = read(&token) else { return };
    let Caller::Account(session) = caller else { panic!("a token is an account's, not {caller:?}") };
    let (header, claims): (Value, Value) =
        (serde_json::from_str(header).unwrap(), serde_json::from_str(claims).unwrap());
    assert_eq!(header["alg"], "HS256");
    assert!(claims["exp"].as_i64().is_some_and(|end| end > NOW_SECONDS), "{claims}");
    assert_eq!(claims["account_id"], session.account.as_str());
    let wallet: EthAddress = claims["sub"].as_str().unwrap().parse().unwrap();
    assert_eq!((session.wallet, session.via), (Some(wallet), Via::Token));
    assert_eq!(claims["jti"].as_str(), session.token_id.as_deref(), "it can be revoked");
    assert!(claims["role"] == "consumer" || claims["role"] == "provider", "{claims}");
}

fn signature(body: &str, secret: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    URL_SAFE_NO_PAD.encode(mac.chain_update(body.as_bytes()).finalize().into_bytes())
}

fn read(token: &str) -> Option<Caller> {
    static AUTH: OnceLock<Auth> = OnceLock::new();
    let auth = AUTH.get_or_init(|| {
        let secret = JwtSecret::given(Secret::new(SECRET), Mode::Closed).unwrap();
        let now = Timestamp::from_micros(NOW_SECONDS * 1_000_000);
        Auth::new(Mode::Closed, secret, None, Clock::manual(now))
    });
    let nobody = |_: &str| Ok::<Option<KeyHolder>, AuthError>(None);
    auth.identify(Some(token), None, nobody).ok()
}
