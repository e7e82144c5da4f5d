use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};

use super::*;

/// Serves one connection per answer, each after its request was read whole, and returns the
/// requests: head and body.
fn with_chain<T>(answers: &[&str], ask: impl FnOnce(&str) -> T) -> (T, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::scope(|scope| {
        let server = scope.spawn(|| answers.iter().map(|answer| serve(&listener, answer)).collect());
        let result = ask(&base);
        (result, server.join().unwrap())
    })
}

fn serve(listener: &TcpListener, answer: &str) -> String {
    let (mut socket, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut request, mut length) = (String::new(), 0);
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        reader.read_line(&mut request).unwrap();
        let line = request[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.push_str(std::str::from_utf8(&body).unwrap());
    socket.write_all(answer.as_bytes()).unwrap();
    let _ = socket.shutdown(Shutdown::Write);
    request
}

fn http(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$salt$XEN11";

fn block() -> Verify<'static> {
    Verify {
        hash_to_verify: HASH,
        key: "ab12",
        account: "0x24691E54aFafe2416a8252097C9Ca67557271475",
        attempts: "123".to_owned(),
        hashes_per_second: "1500.25".to_owned(),
        worker: "rig-1",
    }
}

#[test]
fn a_difficulty_comes_as_text_or_number() {
    for (body, kib) in [(r#"{"difficulty":"1727"}"#, 1727), (r#"{"difficulty":42000}"#, 42000)] {
        let (difficulty, requests) =
            with_chain(&[&http(200, body)], |base| Client::new(base).unwrap().difficulty());
        assert_eq!(difficulty.unwrap().kib(), kib);
        assert!(requests[0].starts_with("GET /difficulty HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[0].to_lowercase().contains("user-agent: mozilla/5.0 (compatible; xenblocks/"));
    }
}

#[test]
fn a_difficulty_that_is_none_is_an_error() {
    for body in
        [r#"{"difficulty":"0"}"#, r#"{"difficulty":-1}"#, r#"{"difficulty":1e99}"#, "{}", "", "<html>"]
    {
        let (difficulty, _) = with_chain(&[&http(200, body)], |base| Client::new(base).unwrap().difficulty());
        assert!(matches!(difficulty, Err(RpcError::Answer { status: 200, .. })), "{body}: {difficulty:?}");
    }
    let (difficulty, _) =
        with_chain(&[&http(500, r#"{"difficulty":"1727"}"#)], |base| Client::new(base).unwrap().difficulty());
    assert!(matches!(difficulty, Err(RpcError::Answer { status: 500, .. })), "{difficulty:?}");
}

#[test]
fn a_block_is_sent_as_the_network_expects_and_its_answer_understood() {
    let saved = http(200, r#"{"message":"Hash verified successfully and block saved."}"#);
    let exists = http(400, r#"{"message":"Block already exists, continue"}"#);
    let late = http(401, r#"{"message":"XUNI found outside of time window"}"#);
    let failed = http(401, r#"{"message":"Hash verification failed."}"#);
    let empty = http(401, "");
    let answers = [saved, exists, late, failed, empty];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let (verdicts, requests) = with_chain(&answers, |base| {
        let client = Client::new(&format!("{base}/")).unwrap();
        answers.iter().map(|_| client.verify(&block())).collect::<Vec<_>>()
    });
    assert_eq!(verdicts[0], Verdict::Accepted);
    assert_eq!(verdicts[1], Verdict::Duplicate);
    assert_eq!(verdicts[2], Verdict::Final("XUNI found outside of time window".into()));
    assert_eq!(verdicts[3], Verdict::Retry { reason: "Hash verification failed.".into(), few: true });
    assert!(matches!(&verdicts[4], Verdict::Retry { few: false, .. }));
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /verify HTTP/1.1\r\n"));
    assert!(head.to_lowercase().contains("content-type: application/json"));
    let expected = format!(
        r#"{{"hash_to_verify":"{HASH}","key":"ab12","account":"0x24691E54aFafe2416a8252097C9Ca67557271475","attempts":"123","hashes_per_second":"1500.25","worker":"rig-1"}}"#
    );
    assert_eq!(body, expected);
}

#[test]
fn a_chain_that_is_away_hangs_up_or_floods_is_tried_again() {
    let flood = http(200, &"x".repeat(100_000));
    let torn = "HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n{";
    for answer in [flood.as_str(), torn, "", "nonsense\r\n\r\n"] {
        let (verdict, _) = with_chain(&[answer], |base| Client::new(base).unwrap().verify(&block()));
        assert!(matches!(verdict, Verdict::Retry { few: false, .. }), "{verdict:?}");
    }
    let port_of_nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Client::new(&format!("http://{port_of_nobody}")).unwrap();
    assert!(matches!(away.verify(&block()), Verdict::Retry { few: false, .. }));
    assert!(matches!(away.difficulty(), Err(RpcError::Unreachable(_))));
}

#[test]
fn a_chain_that_never_answers_costs_the_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::with_time_max(&base, Duration::from_millis(100)).unwrap();
    assert!(matches!(client.verify(&block()), Verdict::Retry { few: false, .. }));
}

#[test]
fn redirects_are_not_followed() {
    let answer =
        "HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (verdict, _) = with_chain(&[answer], |base| Client::new(base).unwrap().verify(&block()));
    assert!(
        matches!(&verdict, Verdict::Retry { few: false, reason } if reason.contains("302")),
        "{verdict:?}"
    );
}

#[test]
fn blocks_are_listed_by_prefix() {
    let key = "a1b2c3d4e5f60718".repeat(4);
    let body = format!(
        r#"[{{"block_id":"7","key":"{}","account":"0xAB","hash_to_verify":"h","date":"x"}}]"#,
        key.to_uppercase()
    );
    let prefix: Prefix = "A1B2C3D4E5F60718".parse().unwrap();
    let (blocks, requests) =
        with_chain(&[&http(200, &body)], |base| Client::new(base).unwrap().blocks_by_prefix(&prefix));
    let blocks = blocks.unwrap();
    assert_eq!((blocks.len(), blocks[0].block_id, blocks[0].key.as_str()), (1, 7, key.as_str()));
    assert!(requests[0].starts_with("GET /chain/blocks?prefix=a1b2c3d4e5f60718&limit=1000 HTTP"));
}

#[test]
fn an_address_is_plain_http() {
    for bad in ["", "xenblocks.io", "ftp://x", "http://", "http://a?b=c", "http://a b"] {
        assert!(matches!(Client::new(bad), Err(RpcError::Base)), "{bad}");
    }
    assert!(Client::new("http://xenblocks.io").is_ok());
}

/// Each would be a good answer without its end.
#[test]
fn answers_over_their_limits_are_none() {
    let difficulty = http(200, &format!(r#"{{"difficulty":"1727"}}{}"#, " ".repeat(100_000)));
    let (answer, _) = with_chain(&[&difficulty], |base| Client::new(base).unwrap().difficulty());
    assert!(matches!(answer, Err(RpcError::Unreachable(_))), "{answer:?}");
    let blocks = http(200, &format!("[]{}", " ".repeat(1024 * 1024)));
    let prefix: Prefix = "A1B2C3D4E5F60718".parse().unwrap();
    let (answer, _) = with_chain(&[&blocks], |base| Client::new(base).unwrap().blocks_by_prefix(&prefix));
    assert!(matches!(answer, Err(RpcError::Unreachable(_))));
}
