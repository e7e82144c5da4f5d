//! Files that an operator writes: the gateway's settings, and secrets.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;
use xenblocks::auth::JwtSecret;
use xenblocks::base::limits::{GATEWAY_FILE_BYTES_MAX, JWT_SECRET_BYTES_MIN, SECRET_FILE_BYTES_MAX};
use xenblocks::block_buster::FileSettings;

/// Takes the bytes of a file.
pub fn check(data: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let path = FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().join("file");
    write(&path, data);
    settings(&path, data);
    secret(&path, data);
}

fn write(path: &Path, data: &[u8]) {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(data).unwrap();
}

/// What is understood can be written down and read again, and says as much.
fn settings(path: &Path, data: &[u8]) {
    let read = match FileSettings::read(path, true) {
        Ok(read) => read,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("file") && said.lines().count() == 1, "{said:?}");
            return;
        }
    };
    assert!(data.len() as u64 <= GATEWAY_FILE_BYTES_MAX);
    let token = read.auth_token.as_ref().map(|token| token.expose().to_owned());
    let mut text = String::new();
    for (key, value) in [("rpc_url", &read.rpc_url), ("ws_url", &read.ws_url), ("auth_token", &token)] {
        let Some(value) = value else { continue };
        assert!(!value.contains('\n'), "{value:?}");
        let quote = if value.contains('\'') { '"' } else { '\'' };
        if value.contains(quote) || (quote == '"' && value.contains('\\')) {
            // A plain text that no quotes can hold.
            return;
        }
        writeln!(text, "{key}: {quote}{value}{quote}").unwrap();
    }
    write(path, text.as_bytes());
    let again = FileSettings::read(path, true).unwrap();
    assert_eq!((again.rpc_url, again.ws_url), (read.rpc_url, read.ws_url), "{text}");
    assert_eq!(again.auth_token.map(|token| token.expose().to_owned()), token, "{text}");
    write(path, data);
}

/// What is taken for a secret, or two, is long enough and nothing else is in the file.
fn secret(path: &Path, data: &[u8]) {
    if JwtSecret::from_file(path).is_err() {
        return;
    }
    assert!(data.len() as u64 <= SECRET_FILE_BYTES_MAX);
    let text = std::str::from_utf8(data).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!((1..=2).contains(&words.len()), "{text:?}");
    for word in words {
        assert!(word.len() >= JWT_SECRET_BYTES_MIN && word.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
