//! One connection: requests in, answers out, one after the other, until either side has enough.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rouille::Request;

use super::body;
use super::date::Date;
use super::head::{self, Framing, Head};
use super::inbound::Inbound;
use super::refusal::{Failure, Refusal};
use super::response::{Manner, Outbound};
use super::server::{Connection, Shared};
use super::socket::{Socket, handshake, linger};
use super::{Reply, detail};
use crate::base::limits::HTTP_SLOWED_TIME;
use crate::base::thread::panic_text;

const TOO_MANY_REQUESTS: u16 = 429;

/// Serves a connection until its end.
pub(super) fn serve(shared: &Shared, connection: &Connection, peer: SocketAddr) {
    if let Err(error) = Conversation::begin(shared, connection, peer).and_then(Conversation::run) {
        log::debug!("{}: connection of {peer} ended: {error}", shared.config.name);
    }
}

struct Conversation<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    peer: SocketAddr,
    inbound: Inbound,
    outbound: Outbound,
}

impl<'a> Conversation<'a> {
    fn begin(shared: &'a Shared, connection: &'a Connection, peer: SocketAddr) -> io::Result<Self> {
        let stream = &connection.stream;
        stream.set_nodelay(true)?;
        let date = Date::new(shared.config.clock.clone());
        let outbound = Outbound::new(Arc::clone(stream), shared.config.timeouts.write, date)?;
        Ok(Conversation { shared, connection, peer, inbound: Inbound::new(Arc::clone(stream)), outbound })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            let (head, body) = match self.request() {
                Ok(request) => request,
                Err(Failure::Gone) => return Ok(()),
                Err(Failure::Refused(refusal)) => return self.refuse(refusal),
            };
            let Head { method, target, headers, keep_alive, is_old, .. } = head;
            let manner = Manner { with_body: method != "HEAD", chunks: !is_old, keep_alive };
            let request = Request::fake_http_from(self.peer, method, target, headers, body);
            let response = match self.handle(&request) {
                Reply::Http(response) => response,
                Reply::WebSocket(take) => match handshake(&request, is_old) {
                    Ok(answer) => return self.upgrade(&answer, take),
                    Err(response) => response,
                },
            };
            if response.status_code == TOO_MANY_REQUESTS {
                // Before the answer: a proxy lends the connection to nobody else meanwhile.
                std::thread::sleep(HTTP_SLOWED_TIME);
            }
            let keep_alive = manner.keep_alive && !self.shared.is_stopping();
            if !self.outbound.send(response, Manner { keep_alive, ..manner })? {
                if !self.inbound.unread().is_empty() {
                    linger(&self.connection.stream);
                }
                return Ok(());
            }
            self.connection.busy.store(!self.inbound.unread().is_empty(), Ordering::SeqCst);
            // Asked after `busy` was cleared: `stop` ends the connections that it sees idle, and
            // those that it sees busy see here that it came.
            if self.shared.is_stopping() {
                return Ok(());
            }
        }
    }

    fn request(&mut self) -> Result<(Head, Vec<u8>), Failure> {
        let head = self.head()?;
        let is_whole = match head.framing {
            Framing::Length(length) => self.inbound.unread().len() >= length,
            Framing::Chunked => false,
        };
        if head.expects_continue && !is_whole {
            self.outbound.send_raw(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = body::read(&mut self.inbound, head.framing, self.shared.config.timeouts.body)?;
        Ok((head, body))
    }

    fn head(&mut self) -> Result<Head, Failure> {
        let mut deadline = None;
        loop {
            if !self.inbound.unread().is_empty() {
                if let Some((head, length)) = head::parse(self.inbound.unread())? {
                    self.inbound.consume(length);
                    return Ok(head);
                }
                if self.inbound.is_full() {
                    let has_line = self.inbound.unread().contains(&b'\n');
                    return Err(if has_line { Refusal::HeadTooLarge } else { Refusal::TargetTooLong }.into());
                }
                deadline.get_or_insert_with(|| Instant::now() + self.shared.config.timeouts.head);
            }
            match deadline {
                Some(deadline) => self.inbound.fill_until(deadline)?,
                None => self.await_first_byte(self.shared.config.timeouts.idle)?,
            }
        }
    }

    fn await_first_byte(&mut self, idle: Duration) -> Result<(), Failure> {
        match self.inbound.fill(idle) {
            // Idle for too long, closed or broken: nobody waits for an answer.
            Ok(0) | Err(_) => Err(Failure::Gone),
            Ok(_) => {
                self.connection.busy.store(true, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    fn handle(&self, request: &Request) -> Reply {
        let handler = &self.shared.handler;
        match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(reply) => reply,
            Err(panic) => {
                let (method, path) = (request.method(), request.url());
                log::error!("the handler of {method} {path:?} panicked: {}", panic_text(panic.as_ref()));
                detail(500, "Internal Server Error").into()
            }
        }
    }

    fn refuse(mut self, refusal: Refusal) -> io::Result<()> {
        log::debug!("{}: refused a request of {}: {refusal}", self.shared.config.name, self.peer);
        std::thread::sleep(self.shared.config.refusal_delay);
        let response = detail(refusal.status(), &refusal.to_string());
        self.outbound.send(response, Manner { with_body: true, chunks: false, keep_alive: false })?;
        linger(&self.connection.stream);
        Ok(())
    }

    fn upgrade(self, answer: &str, take: Box<dyn FnOnce(Socket) + Send>) -> io::Result<()> {
        self.outbound.send_raw(answer.as_bytes())?;
        let stream = Arc::clone(&self.connection.stream);
        stream.set_read_timeout(None)?;
        let socket = Socket::new(stream, self.inbound.unread().to_vec(), self.peer);
        let (name, peer) = (self.shared.config.name, self.peer);
        drop(self);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| take(socket))) {
            log::error!("{name}: the WebSocket of {peer} panicked: {}", panic_text(panic.as_ref()));
        }
        Ok(())
    }
}
