//! What a gateway is told, and the file that may say it.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{BlockBusterError, node};
use crate::base::Secret;
use crate::base::limits::{GATEWAY_CALL_TIME_MAX, GATEWAY_FILE_BYTES_MAX};

/// How a gateway runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's JSON-RPC address.
    pub rpc_url: String,
    /// Sent to the node with each call.
    pub auth_token: Option<Secret>,
    /// What a call may take, at most [`GATEWAY_CALL_TIME_MAX`].
    pub rpc_timeout: Duration,
    /// Address of the HTTP port.
    pub http_host: IpAddr,
    /// HTTP port; 0 takes a free one.
    pub http_port: u16,
    /// Address of both WebSocket ports.
    pub ws_host: IpAddr,
    /// WebSocket port.
    pub ws_port: u16,
    /// Port of the features' feed.
    pub feature_ws_port: u16,
    /// Origins that browsers may read answers from; none named is all.
    pub cors: Vec<String>,
    /// Pass read calls on at `POST /rpc`.
    pub allow_rpc: bool,
    /// Play a node and read that one.
    pub demo_node: bool,
}

/// A node on the same machine.
pub const RPC_URL: &str = "http://localhost:9933";
/// The WebSocket of a node on the same machine.
pub const WS_URL: &str = "ws://localhost:9944";

/// Refuses what is no WebSocket's address.
pub fn check_ws_url(url: &str) -> Result<(), BlockBusterError> {
    let begins = url.starts_with("ws://") || url.starts_with("wss://");
    begins.then_some(()).ok_or_else(|| BlockBusterError::WsUrl(url.to_owned()))
}

impl Settings {
    /// A node's call may take this long, whatever was asked for.
    pub fn call_time(&self) -> Duration {
        self.rpc_timeout.min(GATEWAY_CALL_TIME_MAX)
    }
}

/// What the configuration file says.
#[derive(Clone, Debug, Default)]
pub struct FileSettings {
    /// `rpc_url`.
    pub rpc_url: Option<String>,
    /// `ws_url`.
    pub ws_url: Option<String>,
    /// `auth_token`.
    pub auth_token: Option<Secret>,
}

impl FileSettings {
    /// Where the file is looked for when no other is named.
    pub fn default_path(home: &Path) -> PathBuf {
        home.join(".block-buster").join("config.yaml")
    }

    /// Reads the file; one that is not there says nothing, unless it `must` be.
    pub fn read(path: &Path, must: bool) -> Result<Self, BlockBusterError> {
        let failed = |cause: String| BlockBusterError::File { path: path.to_owned(), cause };
        let (length, mode) = match std::fs::metadata(path) {
            Ok(found) => (found.len(), found.permissions().mode()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must => return Ok(Self::default()),
            Err(error) => return Err(failed(error.to_string())),
        };
        if length > GATEWAY_FILE_BYTES_MAX {
            return Err(failed(format!("it has more than {GATEWAY_FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let settings = Self::parse(&text).map_err(failed)?;
        // Here, while it is known whose fault it is.
        let (rpc, ws) = (settings.rpc_url.as_deref(), settings.ws_url.as_deref());
        let checked = rpc.map_or(Ok(()), |url| node::address(url).map(drop));
        let checked = checked.and_then(|()| ws.map_or(Ok(()), check_ws_url));
        checked.map_err(|error| failed(error.to_string()))?;
        if settings.auth_token.is_some() && mode & 0o077 != 0 {
            log::warn!("{} holds a token and is open to others than its owner: chmod 600 it", path.display());
        }
        Ok(settings)
    }

    /// Three known keys with plain or quoted texts, one on each line, and comments: all of YAML that
    /// such a file needs. What is more is an error, never ignored.
    fn parse(text: &str) -> Result<Self, String> {
        let mut settings = FileSettings::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let wrong = |what: &str| format!("line {}: {what}", index + 1);
            let line = line.trim_end();
            if line.is_empty() || line.trim_start().starts_with('#') || line == "---" {
                continue;
            }
            if line.starts_with([' ', '\t', '-']) {
                return Err(wrong("only `key: value` lines are understood"));
            }
            let (key, rest) = line.split_once(':').ok_or_else(|| wrong("there is no `key: value`"))?;
            if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
                return Err(wrong("a space is missing behind the colon"));
            }
            let value = scalar(rest.trim()).map_err(wrong)?;
            let is_new = match key.trim_end() {
                "rpc_url" => replace(&mut settings.rpc_url, value),
                "ws_url" => replace(&mut settings.ws_url, value),
                "auth_token" => replace(&mut settings.auth_token, value.map(Secret::new)),
                other => {
                    return Err(wrong(&format!(
                        "unknown key {other:?}; there are rpc_url, ws_url, auth_token"
                    )));
                }
            };
            if !is_new {
                return Err(wrong("this key was there before"));
            }
        }
        Ok(settings)
    }
}

fn replace<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let is_new = slot.is_none();
    *slot = value;
    is_new
}

/// A value: quoted, or plain up to a comment; `None` when it is empty or null.
fn scalar(text: &str) -> Result<Option<String>, &'static str> {
    let value = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, behind) = text[1..].split_once(quote).ok_or("a quote is not closed")?;
            if value.contains('\\') && quote == '"' {
                return Err("escapes are not understood; use single quotes");
            }
            let behind = behind.trim_start();
            if !behind.is_empty() && !behind.starts_with('#') {
                return Err("there is something behind the quoted value");
            }
            return Ok(Some(value.to_owned()));
        }
        Some('{' | '[' | '&' | '*' | '!' | '|' | '>' | '@' | '`' | '%') => {
            return Err("only plain or quoted texts are understood");
        }
        Some('#') | None => "",
        Some(_) => text.split(" #").next().unwrap_or_default().trim_end(),
    };
    Ok((!["", "~", "null"].contains(&value)).then(|| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_keys_are_read_however_they_are_quoted() {
        let text =
            "# mine\n---\nrpc_url: http://node:3030 # home\nws_url: 'ws://node'\n\nauth_token: \"a b: #c\"\n";
        let settings = FileSettings::parse(text).unwrap();
        assert_eq!(settings.rpc_url.as_deref(), Some("http://node:3030"));
        assert_eq!(settings.ws_url.as_deref(), Some("ws://node"));
        assert_eq!(settings.auth_token.unwrap().expose(), "a b: #c");
        let empty = FileSettings::parse("auth_token:\nrpc_url: ~\r\n").unwrap();
        assert!(empty.auth_token.is_none() && empty.rpc_url.is_none());
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_line() {
        for (text, fault) in [
            ("rpc: x", "line 1: unknown key \"rpc\""),
            ("\nrpc_url x", "line 2: there is no"),
            ("node:\n  rpc_url: x", "line 1: unknown key"),
            ("rpc_url:x", "line 1: a space is missing"),
            ("  rpc_url: x", "line 1: only `key: value`"),
            ("rpc_url: a\nrpc_url: b", "line 2: this key was there before"),
            ("auth_token: \"x", "line 1: a quote is not closed"),
            ("auth_token: \"x\" y", "line 1: there is something behind"),
            ("auth_token: |", "line 1: only plain or quoted"),
        ] {
            let error = FileSettings::parse(text).unwrap_err();
            assert!(error.starts_with(fault), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_only_when_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = FileSettings::default_path(folder.path());
        assert!(FileSettings::read(&path, false).unwrap().rpc_url.is_none());
        let error = FileSettings::read(&path, true).unwrap_err().to_string();
        assert!(error.contains("config.yaml"), "{error}");
    }
}
