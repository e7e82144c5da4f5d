//! Requests as they come over a socket, to a whole platform: whatever is sent, the answer is an HTTP
//! answer, no route fails, errors say what is wrong, and the connection ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use xenblocks::base::{Clock, Timestamp};
use xenblocks::platform::{Config, Platform};
use xenblocks::pow::Difficulty;

const PATIENCE: Duration = Duration::from_secs(15);

/// Takes all that a client sends before it closes its half of the connection.
pub fn check(data: &[u8]) {
    static HOUSE: OnceLock<(Platform, TempDir)> = OnceLock::new();
    let (platform, _) = HOUSE.get_or_init(start);
    let answer = conversation(platform.api_addr(), data);
    if let Ok(death) = platform.deaths().try_recv() {
        panic!("a thread died: {death:?}");
    }
    let Some(answer) = Answer::parse(&answer) else {
        assert!(answer.is_empty(), "no answer: {:?}", String::from_utf8_lossy(&answer));
        return;
    };
    answer.is_sound(data.starts_with(b"HEAD "));
}

struct Answer<'a> {
    status: u16,
    headers: Vec<(String, &'a str)>,
    rest: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The first final answer of a stream.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut lines = std::str::from_utf8(&bytes[..end]).expect("a head is text").split("\r\n");
        let line = lines.next()?;
        let status = line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().expect("a status of three digits");
        if status == 100 {
            return Answer::parse(&bytes[end + 4..]);
        }
        let header = |line: &'a str| {
            let (name, value) = line.split_once(": ").expect("a name and a value");
            (name.to_ascii_lowercase(), value)
        };
        Some(Answer { status, headers: lines.map(header).collect(), rest: &bytes[end + 4..] })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| *value)
    }

    fn is_sound(&self, is_head: bool) {
        assert!((101..=505).contains(&self.status), "{}", self.status);
        assert!(self.header("date").is_some() || self.status == 101, "every answer is dated");
        if self.status == 101 || is_head {
            return;
        }
        // A body in chunks is that of a file or a list, and no error.
        let Some(length) = self.header("content-length") else {
            assert!(self.status < 400, "{}", self.status);
            return;
        };
        let body = self.rest.get(..length.parse().expect("a length"));
        let Some(body) = body else {
            panic!("{length} bytes were announced, {} came", self.rest.len());
        };
        let is_json = self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let said: Option<Value> =
            is_json.then(|| serde_json::from_slice(body).unwrap_or_else(|_| panic!("no JSON: {body:?}")));
        if self.status >= 500 && self.status != 501 && self.status != 505 {
            // The chain's own manners: a submission that makes no sense is 500 there.
            let status = said.as_ref().map(|said| &said["status"]);
            assert!(status.is_some_and(|status| status == "error"), "{} {said:?}", self.status);
        } else if self.status >= 400 {
            let said = said.unwrap_or(Value::Null);
            let is_said = said.get("detail").or(said.get("message")).or(said.get("error")).is_some();
            let is_page = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert!(is_said || is_page, "{} {}", self.status, String::from_utf8_lossy(body));
        }
    }
}

fn conversation(addr: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    // An error: the server has heard enough already, and what it said may still be there.
    let _ = stream.write_all(data).and_then(|()| stream.shutdown(Shutdown::Write));
    let (mut answer, mut piece) = (Vec::new(), [0; 16384]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the connection is still open after {PATIENCE:?}")
            }
            // The fuzzer has a timer.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
}

/// In open mode, where everything is within reach.
fn start() -> (Platform, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::on_loopback(folder.path().join("market.db"), Difficulty::new(8).unwrap());
    let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000.0));
    (Platform::start(config, clock).unwrap(), folder)
}
