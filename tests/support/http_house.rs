//! An HTTP server whose routes show what a client's bytes led to.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rouille::{Request, Response, ResponseBody};
use xenblocks::base::thread::{Death, deathwatch};
use xenblocks::http::{Config, Handler, Reply, Server, handler, json};

use crate::http_client::Client;

/// A server with those routes, and what its tests hold on to.
pub struct House {
    /// Taken by the tests that stop it.
    pub server: Option<Server>,
    /// Where it listens.
    pub addr: SocketAddr,
    deaths: Receiver<Death>,
    /// A request for `/wait` says here that it runs, and waits to be let go.
    pub entered: Receiver<()>,
    /// Lets one of them go.
    pub leave: Sender<()>,
}

impl House {
    /// With the limits of the house.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// With other limits.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (enter, entered) = bounded(16);
        let (leave, left) = bounded(16);
        let mut config = Config::new("http", "127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let (watch, deaths) = deathwatch();
        let server = Server::start(config, &watch, routes(enter, left)).unwrap();
        House { addr: server.local_addr(), server: Some(server), deaths, entered, leave }
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// A fresh client still gets its answer.
    pub fn assert_alive(&self) {
        let answer = self.client().send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!((answer.status, answer.text()), (200, r#"{"ok":true}"#));
        assert!(self.deaths.try_recv().is_err());
    }

    /// Waits until no more than `count` connections are left.
    pub fn await_connections(&self, count: usize) {
        let started = Instant::now();
        while self.server.as_ref().unwrap().connections() > count {
            assert!(started.elapsed() < Duration::from_secs(8), "connections were not let go");
            std::thread::yield_now();
        }
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }
}

fn routes(enter: Sender<()>, left: Receiver<()>) -> Arc<Handler> {
    handler(move |request: &Request| {
        let response = match request.url().as_str() {
            "/json" => json(200, r#"{"ok":true}"#.to_owned()),
            "/echo" => {
                let mut body = Vec::new();
                request.data().unwrap().read_to_end(&mut body).unwrap();
                Response::from_data("application/octet-stream", body)
            }
            "/what" => {
                let (method, url) = (request.method(), request.raw_url());
                Response::text(format!(
                    "{method} {url} {:?} {}",
                    request.header("host"),
                    request.remote_addr().ip()
                ))
            }
            "/panic" => panic!("the handler is broken"),
            "/big" => Response::from_data("text/plain", vec![b'x'; 5_000_000]),
            "/stream" => Response {
                data: ResponseBody::from_reader(std::io::repeat(b'y').take(100_000)),
                ..Response::text("")
            },
            "/short" => Response {
                data: ResponseBody::from_reader_and_size(std::io::repeat(b'z').take(10), 20),
                ..Response::text("")
            },
            "/nothing" => Response::empty_204(),
            "/split" => Response::text("x").with_additional_header("X-Evil", "a\r\nX-Split: b"),
            "/wait" => {
                enter.send(()).unwrap();
                left.recv().unwrap();
                Response::text("waited")
            }
            "/ws" => {
                return Reply::WebSocket(Box::new(|socket| {
                    let (stream, unread) = socket.into_parts();
                    (&*stream).write_all(&unread).unwrap();
                    let mut byte = [0];
                    while let Ok(1) = (&*stream).read(&mut byte) {
                        (&*stream).write_all(&byte.map(|byte| byte.to_ascii_uppercase())).unwrap();
                    }
                }));
            }
            _ => Response::empty_404(),
        };
        response.into()
    })
}
