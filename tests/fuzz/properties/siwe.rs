//! Sign-in messages (EIP-4361): what is read is the whole text, line by line, and nothing else fits.

use std::fmt::Write;

use xenblocks::auth::siwe::SignInMessage;

/// Takes any text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = SignInMessage::parse(text) else { return };
    assert_eq!(printed(&message, text), text);
    assert!(!text.contains(['\r', '\0']), "{text:?}");
    assert!(message.nonce.len() >= 8 && message.nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(!message.domain.is_empty() && !message.domain.contains(['/', '?', '#', ' ', '<']));
    assert!(message.chain_id.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(message.expiration_time.is_none_or(|end| message.check_time(end).is_err()));
    let begins = message.not_before.map_or(message.issued_at, |begins| begins.max(message.issued_at));
    let ended = message.expiration_time.is_some_and(|end| end <= begins);
    assert_eq!(message.check_time(begins).is_ok(), !ended);
    for more in ["\n", "\n\n", " ", "\nVersion: 1", "\nNonce: 12345678"] {
        let longer = format!("{text}{more}");
        let read = SignInMessage::parse(&longer);
        assert!(read.is_err(), "{longer:?}");
    }
}

/// The text from the parts that were read; times, which can be spelled in many ways, from the text.
fn printed(message: &SignInMessage, text: &str) -> String {
    let mut out = String::new();
    if let Some(scheme) = message.scheme {
        write!(out, "{scheme}://").unwrap();
    }
    writeln!(out, "{} wants you to sign in with your Ethereum account:", message.domain).unwrap();
    writeln!(out, "{}\n", message.address).unwrap();
    if let Some(statement) = message.statement {
        writeln!(out, "{statement}").unwrap();
    }
    writeln!(out, "\nURI: {}\nVersion: 1\nChain ID: {}", message.uri, message.chain_id).unwrap();
    write!(out, "Nonce: {}", message.nonce).unwrap();
    let mut times = text[out.len().min(text.len())..].split('\n').skip(1);
    let optional = [message.expiration_time.is_some(), message.not_before.is_some()];
    let labels = ["Expiration Time: ", "Not Before: "].into_iter().zip(optional);
    for label in ["Issued At: "].into_iter().chain(labels.filter_map(|(label, is)| is.then_some(label))) {
        let line = times.next().expect("a line for each time");
        assert!(line.starts_with(label), "{line:?} is no {label}");
        write!(out, "\n{line}").unwrap();
    }
    if let Some(id) = message.request_id {
        write!(out, "\nRequest ID: {id}").unwrap();
    }
    // A list may be there and empty.
    if !message.resources.is_empty() || text.ends_with("\nResources:") {
        write!(out, "\nResources:").unwrap();
    }
    for resource in &message.resources {
        write!(out, "\n- {resource}").unwrap();
    }
    out
}
