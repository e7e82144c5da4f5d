//! Session tokens: JWTs signed with HS256, the only algorithm accepted.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::secret_file::{self, SecretFileError};
use super::{AuthError, KeyScopes, Mode, Role, Session, Via};
use crate::base::limits::{JWT_SECRET_BYTES_MIN, TOKEN_LIFETIME};
use crate::base::{AccountId, EthAddress, Secret, Timestamp};

/// What tokens are signed with. Whoever has it can sign in as anybody.
#[derive(Clone, Debug)]
pub struct JwtSecret {
    signs: Secret,
    /// The one before it, whose tokens are good until they end.
    previous: Option<Secret>,
}

impl JwtSecret {
    /// The operator's own. In closed mode it needs 32 bytes; `None` for one that is too short.
    pub fn given(secret: Secret, mode: Mode) -> Option<Self> {
        let length_min = if mode == Mode::Closed { JWT_SECRET_BYTES_MIN } else { 1 };
        (secret.expose().len() >= length_min).then(|| JwtSecret::alone(secret))
    }

    /// The operator's own, at least 32 bytes, from a file that only its owner may read. A second line is
    /// the secret before it: its tokens are good until they end, and no new ones are signed with it.
    pub fn from_file(path: &Path) -> Result<Self, SecretFileError> {
        let mut secrets = secret_file::read_up_to(2, path, JWT_SECRET_BYTES_MIN)?;
        let previous = (secrets.len() == 2).then(|| secrets.remove(1));
        Ok(JwtSecret { signs: secrets.remove(0), previous })
    }

    /// The one kept at `path`, made at the first start: sessions survive restarts.
    pub fn kept(path: &Path) -> Result<Self, SecretFileError> {
        if path.exists() {
            return Self::from_file(path);
        }
        let fresh = Secret::random(JWT_SECRET_BYTES_MIN);
        secret_file::read_or_create(path, JWT_SECRET_BYTES_MIN, fresh).map(|(kept, _)| Self::alone(kept))
    }

    /// One for this process alone: its sessions end with it.
    pub fn random() -> Self {
        Self::alone(Secret::random(JWT_SECRET_BYTES_MIN))
    }

    fn alone(signs: Secret) -> Self {
        JwtSecret { signs, previous: None }
    }
}

/// A token just made.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// Its own id, the claim `jti`.
    pub token_id: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// The claims, as the wire names them.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: EthAddress,
    role: Role,
    account_id: AccountId,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Signs and reads tokens; the keys are made once.
pub(super) struct Tokens {
    header: Header,
    signing: EncodingKey,
    reading: Vec<DecodingKey>,
    validation: Validation,
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const TOKEN_ID_BYTES: usize = 16;

impl Tokens {
    pub(super) fn new(secret: &JwtSecret) -> Self {
        // Err: it is installed already, by an earlier call.
        let _ = PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the system's clock; `read` asks ours.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.leeway = 0;
        let secrets = std::iter::once(&secret.signs).chain(&secret.previous);
        Tokens {
            header: Header::new(Algorithm::HS256),
            signing: EncodingKey::from_secret(secret.signs.expose().as_bytes()),
            reading: secrets.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes())).collect(),
            validation,
        }
    }

    pub(super) fn issue(
        &self,
        account: &AccountId,
        role: Role,
        wallet: &EthAddress,
        now: Timestamp,
    ) -> Issued {
        let claims = Claims {
            sub: EthAddress::from_bytes(wallet.bytes()),
            role,
            account_id: account.clone(),
            iat: now.micros() / MICROS_PER_SECOND,
            exp: now.plus(TOKEN_LIFETIME).micros() / MICROS_PER_SECOND,
            jti: Secret::random(TOKEN_ID_BYTES).expose().to_owned(),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing);
        let token = Secret::new(token.expect("the key is an HMAC key and claims are plain JSON"));
        let expires_at = Timestamp::from_micros(claims.exp * MICROS_PER_SECOND);
        Issued { token, token_id: claims.jti, expires_at }
    }

    pub(super) fn read(&self, token: &str, now: Timestamp) -> Result<Session, AuthError> {
        let decode = |key| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok();
        let token = self.reading.iter().find_map(decode).ok_or(AuthError::Token)?;
        let Claims { sub, role, account_id, exp, jti, .. } = token.claims;
        if now.micros() >= exp.saturating_mul(MICROS_PER_SECOND) {
            return Err(AuthError::Token);
        }
        Ok(Session {
            account: account_id,
            role,
            wallet: Some(sub),
            via: Via::Token,
            scopes: KeyScopes::ALL,
            key_expires_at: None,
            token_id: Some(jti),
        })
    }
}

/// HS256 over `hmac` and `sha2`; the library's own providers bring RSA along.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.as_bytes()))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(secret: &[u8]) -> Self {
        Hs256(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let mac = self.0.clone().chain_update(message);
        mac.verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_500_000);
    const SECRET: &str = "a secret of at least 32 bytes, for tests";

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&JwtSecret::given(Secret::new(secret), Mode::Closed).unwrap())
    }

    fn wallet() -> EthAddress {
        "0x24691E54aFafe2416a8252097C9Ca67557271475".parse().unwrap()
    }

    fn token(tokens: &Tokens) -> Secret {
        tokens.issue(&"wallet-0x24691e54".parse().unwrap(), Role::Provider, &wallet(), NOW).token
    }

    /// A token with any header and claims, signed with the right secret.
    fn forged(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let body = format!("{}.{}", part(header), part(claims));
        let signature = Hs256::new(SECRET.as_bytes()).try_sign(body.as_bytes()).unwrap();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims() -> Value {
        json!({"sub": wallet().lower(), "role": "provider", "account_id": "a", "iat": 1_790_000_000,
               "exp": 1_790_086_400, "jti": "00"})
    }

    #[test]
    fn a_token_holds_the_claims_of_the_contract() {
        let token = token(&tokens(SECRET));
        let parts: Vec<&str> = token.expose().split('.').collect();
        let part = |n: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[n]).unwrap()).unwrap()
        };
        assert_eq!(part(0), json!({"typ": "JWT", "alg": "HS256"}));
        let mut claims = part(1);
        let jti = claims.as_object_mut().unwrap().shift_remove("jti").unwrap();
        assert_eq!(jti.as_str().unwrap().len(), 32);
        let expected = json!({"sub": "0x24691e54afafe2416a8252097c9ca67557271475", "role": "provider",
            "account_id": "wallet-0x24691e54", "iat": 1_790_000_000, "exp": 1_790_086_400});
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_token_is_good_for_a_day_by_our_clock_without_leeway() {
        let tokens = tokens(SECRET);
        let token = token(&tokens);
        let session = tokens.read(token.expose(), NOW).unwrap();
        assert_eq!(session.account.as_str(), "wallet-0x24691e54");
        assert_eq!((session.wallet, session.via), (Some(wallet()), Via::Token));
        let end = Timestamp::from_micros(1_790_086_400_000_000);
        assert!(tokens.read(token.expose(), end.minus(Duration::from_micros(1))).is_ok());
        assert!(matches!(tokens.read(token.expose(), end), Err(AuthError::Token)));
    }

    #[test]
    fn other_algorithms_secrets_and_claims_are_refused() {
        let reader = tokens(SECRET);
        let good = json!({"alg": "HS256", "typ": "JWT"});
        assert!(reader.read(&forged(&good, &claims()), NOW).is_ok());
        for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
            let token = forged(&json!({"alg": algorithm, "typ": "JWT"}), &claims());
            assert!(matches!(reader.read(&token, NOW), Err(AuthError::Token)), "{algorithm}");
            let unsigned = &token[..=token.rfind('.').unwrap()];
            assert!(reader.read(unsigned, NOW).is_err(), "{algorithm}, unsigned");
        }
        let other = token(&tokens("another secret of at least 32 bytes, too"));
        assert!(reader.read(other.expose(), NOW).is_err());
        for field in ["sub", "role", "account_id", "iat", "exp", "jti"] {
            let mut missing = claims();
            missing.as_object_mut().unwrap().shift_remove(field);
            assert!(reader.read(&forged(&good, &missing), NOW).is_err(), "without {field}");
        }
        for (field, value) in [
            ("sub", json!("0x1")),
            ("role", json!("admin")),
            ("account_id", json!("<b>")),
            ("exp", json!("1790086400")),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
        ] {
            let mut wrong = claims();
            wrong[field] = value;
            assert!(reader.read(&forged(&good, &wrong), NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let reader = tokens(SECRET);
        let good = token(&reader);
        for bad in ["", ".", "..", "a.b.c", "Bearer x", "é.é.é", &good.expose().replace('.', "")] {
            assert!(matches!(reader.read(bad, NOW), Err(AuthError::Token)), "{bad}");
        }
        for place in 0..good.expose().len() - 1 {
            let mut changed = good.expose().as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert!(reader.read(std::str::from_utf8(&changed).unwrap(), NOW).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_kept_secret_stays_and_a_short_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.key");
        let token = token(&Tokens::new(&JwtSecret::kept(&path).unwrap()));
        let later = Tokens::new(&JwtSecret::kept(&path).unwrap());
        assert!(later.read(token.expose(), NOW).is_ok());
        assert!(Tokens::new(&JwtSecret::from_file(&path).unwrap()).read(token.expose(), NOW).is_ok());
        assert!(Tokens::new(&JwtSecret::random()).read(token.expose(), NOW).is_err());
        assert!(JwtSecret::given(Secret::new("short"), Mode::Closed).is_none());
        assert!(JwtSecret::given(Secret::new("short"), Mode::Open).is_some());
        assert!(JwtSecret::given(Secret::new(""), Mode::Open).is_none());
        let shown = format!("{:?}", JwtSecret::random());
        assert_eq!(shown, "JwtSecret { signs: <sensitive>, previous: None }");
    }
}
