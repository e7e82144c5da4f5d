//! A client that sends exactly the bytes it is given, and reads answers as strictly as it can.

#![allow(dead_code, reason = "each test file that includes this uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A raw connection to a server.
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// The status line's number.
    pub status: u16,
    /// The status line's text.
    pub reason: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    /// Connects; every wait of this client ends after 10 s.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // A server that has refused may close while we still send; its answer is what counts.
        let _ = self.reader.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Reads an answer with its body.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.status < 200 || answer.status == 204 || answer.status == 304 {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).unwrap();
                let mut chunk = vec![0; size];
                self.reader.read_exact(&mut chunk).unwrap();
                assert_eq!(self.line(), "");
                if size == 0 {
                    return answer;
                }
                answer.body.extend(chunk);
            }
        }
        match answer.header("content-length") {
            Some(length) => {
                answer.body.resize(length.parse().unwrap(), 0);
                self.reader.read_exact(&mut answer.body).unwrap();
            }
            None => drop(self.reader.read_to_end(&mut answer.body).unwrap()),
        }
        answer
    }

    /// Reads an answer's head only, as after `HEAD`.
    pub fn head(&mut self) -> Answer {
        let line = self.line();
        let (version, rest) = line.split_once(' ').unwrap();
        assert_eq!(version, "HTTP/1.1");
        let (status, reason) = rest.split_once(' ').unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Answer { status: status.parse().unwrap(), reason: reason.to_owned(), headers, body: Vec::new() }
    }

    /// Reads that many bytes as they are.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether the server has closed, with nothing more to read.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("no whole line: {line:?}")).to_owned()
    }
}
