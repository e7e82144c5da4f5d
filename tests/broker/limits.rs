//! What a client is told, and who else notices, when a limit of the broker is reached.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use xenblocks::base::limits::{
    INGEST_QUEUED_MAX, MQTT_CLIENT_ID_BYTES_MAX, MQTT_RECEIPT_TIME_MAX, MQTT_SOCKETS_SPARE,
    MQTT_UNRELEASED_MAX,
};
use xenblocks::broker::Config;

use super::mqtt_client::{Connect, RawClient, packet, publish};
use super::{Harness, until};

#[test]
fn messages_of_quality_2_that_are_not_released_are_limited() {
    let house = Harness::open();
    let mut client = house.connect("holds-back");
    let max = u16::try_from(MQTT_UNRELEASED_MAX).unwrap();
    for id in 1..=max {
        client.send(&publish(b"a/b", b"x", 2, id, false));
        assert_eq!(client.read().expect("a PUBREC").first, 0x50);
    }
    client.send(&packet(0x62, &1_u16.to_be_bytes()));
    assert_eq!(client.read().expect("a PUBCOMP").first, 0x70);
    client.send(&publish(b"a/b", b"x", 2, max + 1, false));
    assert_eq!(client.read().expect("room for one more").first, 0x50);
    client.send(&publish(b"a/b", b"x", 2, max + 2, false));
    assert_eq!(client.read(), None, "one too many");
    house.assert_serves();
}

#[test]
fn a_client_id_over_the_limit_is_refused() {
    let house = Harness::open();
    let longest = "i".repeat(MQTT_CLIENT_ID_BYTES_MAX);
    assert_eq!(RawClient::try_connect(house.addr(), &Connect::new(&longest)), Some(0));
    assert_eq!(RawClient::try_connect(house.addr(), &Connect::new(&(longest + "i"))), Some(2));
}

/// Sockets that say nothing take the spare places, and each further one is closed at once; who is
/// connected stays, and there is room again when they are gone.
#[test]
fn silent_sockets_beyond_the_spare_are_closed_at_once() {
    let house = Harness::with(Config { connections_max: 2, ..Config::open(([127, 0, 0, 1], 0).into()) });
    let mut client = house.connect("served");
    let silent: Vec<TcpStream> =
        (0..=MQTT_SOCKETS_SPARE).map(|_| TcpStream::connect(house.addr()).unwrap()).collect();
    until("a socket that is closed at once", || {
        let mut socket = TcpStream::connect(house.addr()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // An error: it is open, and nothing is said on it.
        matches!(socket.read(&mut [0]), Ok(0))
    });
    assert!(client.ping(), "who was there is served");
    drop(silent);
    until("room for a client", || {
        let mut client = RawClient::open(house.addr());
        client.send(&Connect::new("late").bytes());
        client.read().is_some_and(|packet| packet.body == [0, 0])
    });
}

#[test]
fn what_ingest_has_no_room_for_waits_and_is_not_lost() {
    let house = Harness::open();
    let mut rig = house.connect("rig");
    let count = INGEST_QUEUED_MAX + 2000;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for number in 0..count {
                rig.send(&publish(b"xenminer/rig/heartbeat", number.to_string().as_bytes(), 0, 0, false));
            }
        });
        until("the queue is full", || house.inbound.is_full());
        for number in 0..count {
            assert_eq!(house.published().1, number.to_string().as_bytes());
        }
    });
    house.assert_serves();
}

#[test]
fn a_connection_whose_commit_does_not_come_in_time_is_closed_without_an_acknowledgement() {
    let house = Harness::open();
    let mut rig = house.connect("rig");
    let started = Instant::now();
    rig.send(&publish(b"xenminer/rig/block", b"{}", 1, 3, false));
    let (_, _, receipt) = house.published();
    assert_eq!(rig.read(), None);
    assert!(started.elapsed() >= MQTT_RECEIPT_TIME_MAX);
    receipt.unwrap().done();
    house.assert_serves();
}
