//! A chain that takes every block and remembers it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use xenblocks::base::thread::spawn_connection;

type Submitted = Arc<Mutex<HashMap<String, Value>>>;

pub struct Rpc {
    port: u16,
    submitted: Submitted,
    difficulty: Arc<Mutex<String>>,
}

impl Rpc {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rpc = Rpc {
            port: listener.local_addr().unwrap().port(),
            submitted: Submitted::default(),
            difficulty: Arc::new(Mutex::new("11".into())),
        };
        let (submitted, difficulty) = (rpc.submitted.clone(), rpc.difficulty.clone());
        spawn_connection("rpc", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (submitted, difficulty) = (submitted.clone(), difficulty.clone());
                spawn_connection(
                    "rpc-client",
                    move || while serve(&stream, &submitted, &difficulty).is_some() {},
                )
                .unwrap();
            }
        })
        .unwrap();
        rpc
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it says from now on.
    pub fn set_difficulty(&self, kib: &str) {
        kib.clone_into(&mut self.difficulty.lock().unwrap());
    }

    /// How many blocks it has.
    pub fn count(&self) -> usize {
        self.submitted.lock().unwrap().len()
    }

    /// What was submitted with this key; it must have been.
    pub fn submitted(&self, key: &str) -> Value {
        self.submitted.lock().unwrap()[key].clone()
    }
}

fn serve(stream: &TcpStream, submitted: &Submitted, difficulty: &Mutex<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = if request.starts_with("GET /difficulty ") {
        format!(r#"{{"difficulty":"{}"}}"#, difficulty.lock().unwrap())
    } else {
        assert!(request.starts_with("POST /verify "), "{request}");
        let block: Value = serde_json::from_slice(&body).unwrap();
        submitted.lock().unwrap().insert(block["key"].as_str().unwrap().to_owned(), block);
        r#"{"message":"Hash verified successfully and block saved."}"#.to_owned()
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
    let mut stream = stream;
    stream.write_all((head + &answer).as_bytes()).ok()
}
