//! Log lines on stderr, for people or for programs.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};
use serde_json::json;

use super::CliError;

/// What a log line looks like.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// `HH:MM:SS [module] LEVEL message`, in UTC.
    #[default]
    Text,
    /// `{"time":…,"level":…,"module":…,"message":…}`; the time as RFC 3339, in UTC.
    Json,
}

/// From here on `log`'s macros write what `filter` lets through.
pub(super) fn start(filter: &str, format: Format) -> Result<(), CliError> {
    check(filter)?;
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter);
    // The broker's library reports each packet it refuses as an error; our gate says what matters.
    builder.filter_module("rumqttd", LevelFilter::Off).filter_module("tracing", LevelFilter::Off);
    // On a terminal the miner's status may stand where the line begins.
    let begin = if io::stderr().is_terminal() { "\x1b[K" } else { "" };
    match format {
        Format::Text => builder.format(move |line, record| text(line, begin, record)),
        Format::Json => builder.format(json),
    };
    builder.try_init().map_err(|error| CliError::Said(format!("--log: {error}")))
}

/// A word that is no level would be taken for a module's name, and everything else fall silent.
fn check(filter: &str) -> Result<(), CliError> {
    for part in filter.split(',').map(str::trim) {
        let level = match part.split_once('=') {
            Some((_, level)) => level.trim(),
            None if part.contains("::") => continue,
            None => part,
        };
        if level.parse::<LevelFilter>().is_err() {
            return Err(CliError::Said(format!(
                "--log: {level:?} is no level; use off, error, warn, info, debug or trace"
            )));
        }
    }
    Ok(())
}

fn text(line: &mut Formatter, begin: &str, record: &Record<'_>) -> io::Result<()> {
    let time = line.timestamp_seconds().to_string();
    let time = time.get(11..19).unwrap_or(&time);
    let module = record.target().rsplit("::").next().unwrap_or_default();
    let (level, message) = (record.level(), record.args().to_string());
    writeln!(line, "{begin}{time} [{module}] {level} {}", on_one_line(&message))
}

/// What others have sent can neither begin a line of its own nor steer a terminal.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

fn json(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let object = json!({
        "time": line.timestamp_millis().to_string(),
        "level": record.level().as_str().to_lowercase(),
        "module": record.target(),
        "message": record.args().to_string(),
    });
    writeln!(line, "{object}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(on_one_line("rig-1: gemüse 中"), "rig-1: gemüse 中");
        assert_eq!(on_one_line("a\r\n00:00 INFO b\u{1b}[2J\u{9b}m"), "a\\r\\n00:00 INFO b\\u{1b}[2J\\u{9b}m");
    }
}
