//! HTTP over real sockets: what is framed wrong is refused, what is slow or large is bounded, and
//! the server lives on.

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/http_house.rs"]
mod http_house;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use http_house::House;
use proptest::prelude::*;
use rouille::Response;
use xenblocks::base::thread::deathwatch;
use xenblocks::base::{Clock, Timestamp, limits};
use xenblocks::http::{Config, HttpError, Server, Timeouts, handler};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Each of these is answered with its status, as JSON, and the connection is closed after it.
#[test]
fn requests_that_cannot_be_framed_are_refused() {
    let house = House::new();
    let post = |headers: &str, body: &str| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}");
    let chunks = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let many = "X-Many: 1\r\n".repeat(limits::HTTP_HEADERS_MAX);
    let long = "x".repeat(limits::HTTP_HEAD_BYTES_MAX);
    let cases: Vec<(Vec<u8>, u16)> = vec![
        ("nonsense\r\n\r\n".into(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        ("GET /\r\n\r\n".into(), 400),
        ("GET / HTTP/3.0\r\n\r\n".into(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n".into(), 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n".to_vec(), 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET json HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n").into(), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").into(), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").into(), 431),
        (post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab").into(), 400),
        (post("Content-Length: 1, 1\r\n", "a").into(), 400),
        (post("Content-Length: -1\r\n", "").into(), 400),
        (post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").into(), 400),
        (post("Content-Length: 100000000000\r\n", "").into(), 413),
        (post("Content-Length: 99999999999999999999999\r\n", "").into(), 413),
        (post("Expect: 100-continue\r\nContent-Length: 65537\r\n", "").into(), 413),
        (post("Expect: something\r\n", "").into(), 417),
        (post("Transfer-Encoding: gzip\r\n", "").into(), 501),
        (post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n").into(), 501),
        ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("POST /echo HTTP/1.0\r\n\r\n".into(), 411),
        (chunks("z\r\n").into(), 400),
        (chunks("3\r\nabcd\r\n").into(), 400),
        (chunks("3\nabc\n0\n\n").into(), 400),
        (chunks("ffffffffffffffffff\r\n").into(), 400),
        (chunks("10001\r\n").into(), 413),
        (chunks(&format!("{:x}\r\n{}\r\n1\r\n", 65536, "x".repeat(65536))).into(), 413),
        (chunks(&format!("1;{}\r\n", "e".repeat(300))).into(), 400),
        (chunks(&format!("0\r\n{}", "T: 1\r\n".repeat(3000))).into(), 431),
    ];
    for (request, status) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        let mut client = house.client();
        let answer = client.send(&request).answer();
        assert_eq!(answer.status, status, "{shown:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{shown:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        assert!(client.is_closed(), "{shown:?}");
    }
    house.assert_alive();
}

#[test]
fn bodies_come_through_however_they_are_cut() {
    let house = House::new();
    let mut client = house.client();
    let whole = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;ext=1\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    for step in [1, 7, whole.len()] {
        for part in whole.chunks(step) {
            client.send(part);
        }
        assert_eq!(client.answer().text(), "hello");
        assert_eq!(client.answer().text(), "abc0123456789");
    }
    let largest = "x".repeat(limits::HTTP_BODY_BYTES_MAX);
    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", largest.len()));
    assert_eq!(client.send(&largest).answer().text(), largest);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "");
}

#[test]
fn an_expectant_client_is_told_to_continue() {
    let house = House::new();
    let mut client = house.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.send("ok").answer().text(), "ok");
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer().status, 200, "no interim answer for a body that is already here");
}

#[test]
fn requests_may_be_pipelined_and_bodies_are_never_requests() {
    let house = House::new();
    let mut client = house.client();
    let smuggled = "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", smuggled.len());
    let batch = format!("{post}{smuggled}\r\nGET /json HTTP/1.1\r\nHost: a\r\n\r\n").repeat(200);
    client.send(&batch);
    for _ in 0..200 {
        assert_eq!(client.answer().text(), smuggled);
        assert_eq!(client.answer().text(), r#"{"ok":true}"#);
    }
}

#[test]
fn persistence_follows_the_client() {
    let house = House::new();
    for (request, keeps) in [
        ("GET /json HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET /json HTTP/1.0\r\n\r\n", false),
        ("GET /json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
        ("\r\nGET http://other/json HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ] {
        let mut client = house.client();
        let answer = client.send(request).answer();
        assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"), "{request:?}");
        assert_eq!(answer.header("connection") == Some("keep-alive"), keeps, "{request:?}");
        if keeps {
            assert_eq!(client.send(request).answer().status, 200, "{request:?}");
        } else {
            assert!(client.is_closed(), "{request:?}");
        }
    }
}

#[test]
fn handlers_see_method_target_host_and_peer() {
    let house = House::new();
    let mut client = house.client();
    client.send("GET http://other.org/what?a=%20b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), r#"GET /what?a=%20b Some("other.org") 127.0.0.1"#);
}

#[test]
fn a_panic_costs_one_answer() {
    let house = House::new();
    let mut client = house.client();
    let answer = client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text()), (500, r#"{"detail":"Internal Server Error"}"#));
    assert_eq!(client.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    house.assert_alive();
}

#[test]
fn answers_are_framed_by_their_size_status_and_method() {
    let house = House::new();
    let mut client = house.client();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let big = client.send(get("/big")).answer();
    assert_eq!((big.header("content-length"), big.body.len()), (Some("5000000"), 5_000_000));
    let stream = client.send(get("/stream")).answer();
    assert_eq!((stream.header("content-length"), &stream.body), (None, &vec![b'y'; 100_000]));
    let nothing = client.send(get("/nothing")).answer();
    assert_eq!((nothing.status, nothing.header("content-length")), (204, None));
    let split = client.send(get("/split")).answer();
    assert_eq!((split.header("x-split"), split.text()), (None, "x"));
    client.send("HEAD /json HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().header("content-length"), Some("11"));
    client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.send(get("/json")).answer().status, 200);

    let old = house.client().send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!((old.header("transfer-encoding"), old.body.len()), (None, 100_000));
    client.send(get("/short"));
    assert!(client.is_closed(), "a body shorter than its response says ends the connection");
}

#[test]
fn every_answer_is_dated_by_the_clock() {
    let clock = Clock::manual(Timestamp::from_seconds(784_111_777.0));
    let house = House::with(|config| config.clock = clock.clone());
    let mut client = house.client();
    let mut date = |request: &str| client.send(request).answer().header("date").unwrap().to_owned();
    assert_eq!(date("GET /json HTTP/1.1\r\nHost: a\r\n\r\n"), "Sun, 06 Nov 1994 08:49:37 GMT");
    clock.advance(Duration::from_secs(86_400));
    for request in ["GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"] {
        assert_eq!(date(request), "Mon, 07 Nov 1994 08:49:37 GMT");
    }
    assert_eq!(date("GET /json HTTP/1.1\r\n\r\n"), "Mon, 07 Nov 1994 08:49:37 GMT", "a refusal");
}

#[test]
fn slow_clients_are_let_go_and_hold_nobody_up() {
    let quick = Duration::from_millis(300);
    let house = House::with(|config| {
        config.timeouts = Timeouts { head: quick, body: quick, idle: quick, write: quick };
    });
    let mut idle = house.client();
    let mut half_head = house.client();
    let mut half_body = house.client();
    let mut half_chunk = house.client();
    half_head.send("GET /json HT");
    half_body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    half_chunk.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf");
    house.assert_alive();
    for slow in [&mut half_head, &mut half_body, &mut half_chunk] {
        let answer = slow.answer();
        assert_eq!((answer.status, answer.text()), (408, r#"{"detail":"Request timed out"}"#));
        assert!(slow.is_closed());
    }
    assert!(idle.is_closed(), "an idle connection is closed without an answer");
    // A client that does not read a large answer loses its connection.
    let mut deaf = house.client();
    deaf.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
    house.await_connections(0);
    house.assert_alive();
}

#[test]
fn a_client_that_trickles_its_head_runs_out_of_time() {
    let house = House::with(|config| config.timeouts.head = Duration::from_millis(400));
    let mut client = house.client();
    let started = Instant::now();
    client.stream().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    client.send("GET / HTTP/1.1\r\nX: ");
    // Each byte comes soon after the last one; the sum is what counts.
    while client.stream().peek(&mut [0]).is_err() {
        client.send("x");
        assert!(started.elapsed() < Duration::from_secs(8));
    }
    assert_eq!(client.answer().status, 408);
}

/// What it goes on sending is read no faster than the limit says, and it gets the whole answer.
#[test]
fn who_sends_on_after_a_refusal_is_held_up() {
    let house = House::new();
    let mut client = house.client();
    let started = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let mut writer = client.stream().try_clone().unwrap();
    let sending = move || {
        let line = format!("X-Long: {}\r\n", "y".repeat(1000)).repeat(16);
        while writer.write_all(line.as_bytes()).is_ok() {}
    };
    let sending = xenblocks::base::thread::spawn_connection("sending", sending).unwrap();
    assert_eq!(client.answer().status, 431);
    sending.join().unwrap();
    assert!(started.elapsed() >= limits::HTTP_LINGER_TIME_MAX, "{:?}", started.elapsed());
    // Who sends a little more and then reads is not kept waiting.
    let started = Instant::now();
    let mut client = house.client();
    let body = "x".repeat(limits::HTTP_BODY_BYTES_MAX * 3 / 2);
    let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(client.send(request).answer().status, 413);
    assert!(client.is_closed() && started.elapsed() < limits::HTTP_LINGER_TIME_MAX);
    house.assert_alive();
}

#[test]
fn the_cap_is_answered_503_and_gives_way_again() {
    let house = House::with(|config| config.connections_max = 2);
    let (mut first, mut second) = (house.client(), house.client());
    for client in [&mut first, &mut second] {
        client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
        house.entered.recv_timeout(Duration::from_secs(8)).unwrap();
    }
    for _ in 0..40 {
        let mut over = house.client();
        let answer = over.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer();
        assert_eq!(answer.status, 503);
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")));
        assert_eq!(answer.text(), r#"{"detail":"Too many connections, try again later"}"#);
        assert!(over.is_closed());
    }
    for _ in 0..2 {
        house.leave.send(()).unwrap();
    }
    for client in [&mut first, &mut second] {
        assert_eq!(client.answer().text(), "waited");
    }
    drop(first);
    house.await_connections(1);
    house.assert_alive();
    assert_eq!(second.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
}

#[test]
fn idle_connections_make_room() {
    let house = House::with(|config| config.connections_max = 2);
    let mut upgraded = house.client();
    assert_eq!(upgraded.send(UPGRADE).answer().status, 101);
    let mut idle = house.client();
    assert_eq!(idle.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    for _ in 0..40 {
        // A connection is idle a moment after its answer has arrived: until then there is no room.
        let admitted = || {
            let mut client = house.client();
            let status = client.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status;
            (status == 200).then_some(client)
        };
        let next = std::iter::repeat_with(admitted).take(1000).flatten().next().unwrap();
        assert!(idle.is_closed(), "the one that was idle had to go");
        idle = next;
    }
    assert_eq!(upgraded.send("still").bytes(5), b"STILL");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is broken, wherever it is cut: the conversation ends, and the server lives on.
    #[test]
    fn damaged_streams_end(at in 0usize..260, damage in prop::collection::vec(any::<u8>(), 0..6), cut in 1usize..300) {
        static HOUSE: LazyLock<House> = LazyLock::new(House::new);
        let mut bytes = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
            POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;ext=1\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\
            GET /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            .to_vec();
        let at = at.min(bytes.len());
        let end = (at + damage.len()).min(bytes.len());
        bytes.splice(at..end, damage);
        let mut client = HOUSE.client();
        for part in bytes.chunks(cut) {
            client.send(part);
        }
        // An error is a client that is already cut off.
        let _ = client.stream().shutdown(Shutdown::Write);
        let mut answers = Vec::new();
        let ended = client.stream().read_to_end(&mut answers);
        prop_assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        prop_assert!(!answers.windows(5).any(|window| window == b" 500 "));
        HOUSE.assert_alive();
    }
}

#[test]
fn clients_that_break_off_anywhere_leave_nothing_behind() {
    let house = House::new();
    let whole = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for cut in 0..whole.len() {
        house.client().send(&whole[..cut]);
    }
    let mut half = house.client();
    half.send(whole).stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(half.answer().text(), "hello", "a client may end its side and still read");
    drop(half);
    house.await_connections(0);
    house.assert_alive();
}

#[test]
fn a_connection_can_be_taken_over() {
    let house = House::new();
    let mut client = house.client();
    let answer = client.send(format!("{UPGRADE}early")).answer();
    assert_eq!((answer.status, answer.reason.as_str()), (101, "Switching Protocols"));
    // The example of RFC 6455, section 1.3.
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.bytes(5), b"early");
    assert_eq!(client.send("late").bytes(4), b"LATE");
    for (request, status) in [
        ("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 426),
        (UPGRADE.replace("GET", "POST"), 426),
        (UPGRADE.replace("Version: 13", "Version: 8"), 426),
        (UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
        (UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "?"), 400),
    ] {
        let mut client = house.client();
        assert_eq!(client.send(&request).answer().status, status, "{request:?}");
        assert_eq!(client.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    }
}

#[test]
fn stopping_finishes_requests_and_frees_the_port() {
    let mut house = House::new();
    let mut idle = house.client();
    assert_eq!(idle.send("GET /json HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
    let mut waiting = house.client();
    waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    house.entered.recv_timeout(Duration::from_secs(8)).unwrap();
    let server = house.server.take().unwrap();
    let (watch, _deaths) = deathwatch();
    let stopping = xenblocks::base::thread::spawn("stopper", &watch, move || {
        server.stop();
        Ok(())
    });
    assert!(idle.is_closed(), "an idle connection ends at once");
    house.leave.send(()).unwrap();
    let answer = waiting.answer();
    assert_eq!((answer.text(), answer.header("connection")), ("waited", Some("close")));
    stopping.unwrap().join().unwrap();
    let addr = house.addr;
    House::with(|config| config.addr = addr).assert_alive();
}

#[test]
fn stopping_does_not_wait_for_those_who_never_end() {
    let mut house = House::new();
    let mut upgraded = house.client();
    assert_eq!(upgraded.send(UPGRADE).answer().status, 101);
    let mut waiting = house.client();
    waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    house.entered.recv_timeout(Duration::from_secs(8)).unwrap();
    let mut half = house.client();
    half.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    let started = Instant::now();
    house.stop();
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    assert!(upgraded.is_closed());
    house.leave.send(()).unwrap();
}

#[test]
fn stopping_works_under_load() {
    let mut house = House::new();
    let (watch, _deaths) = deathwatch();
    let addr = house.addr;
    let (served, serving) = bounded(64);
    let loads: Vec<_> = (0..8)
        .map(|_| {
            let served = served.clone();
            let load = move || {
                let request = b"GET /json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(8);
                let mut stream = std::net::TcpStream::connect(addr)?;
                let mut scratch = [0; 4096];
                while stream.write_all(&request).is_ok()
                    && stream.read(&mut scratch).is_ok_and(|count| count > 0)
                {
                    // Full: the test has seen enough answers.
                    let _ = served.try_send(());
                }
                Ok(())
            };
            xenblocks::base::thread::spawn("load", &watch, load).unwrap()
        })
        .collect();
    for _ in 0..64 {
        serving.recv_timeout(Duration::from_secs(8)).unwrap();
    }
    let started = Instant::now();
    house.stop();
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    for load in loads {
        load.join().unwrap();
    }
}

#[test]
fn a_taken_address_is_named() {
    let house = House::new();
    let (watch, _deaths) = deathwatch();
    let config = Config::new("http", house.addr);
    let error = Server::start(config, &watch, handler(|_| Response::empty_404().into())).err().unwrap();
    assert!(matches!(error, HttpError::Taken(addr) if addr == house.addr));
    assert_eq!(error.to_string(), format!("{} is already taken by another program", house.addr));
}
