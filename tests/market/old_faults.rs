//! What the prototype got wrong under load and on the wire (contract: faults.md), where no other file is about it.

use std::thread::ScopedJoinHandle;

use serde_json::json;

use crate::support::house::{House, RENTER};
use crate::support::mqtt_client::{Connect, RawClient};
use crate::support::rig::Rig;
use crate::support::server::{Server, folder};

const RENTERS: usize = 4;
const CYCLES: usize = 12;

#[test]
fn fault_23_every_lease_that_was_stopped_is_settled_while_heartbeats_pour_in() {
    let house = House::open();
    let rigs: Vec<Rig> = (0..RENTERS).map(|number| house.rig(&format!("rig-{number}"))).collect();
    let settled = std::thread::scope(|scope| {
        let renters: Vec<ScopedJoinHandle<usize>> = rigs
            .into_iter()
            .map(|mut rig| {
                let house = &house;
                scope.spawn(move || {
                    let body = json!({"consumer_id": RENTER, "worker_id": rig.id, "duration_sec": 60});
                    let mut settled = 0;
                    for _ in 0..CYCLES {
                        let lease = house.api.post("/api/rent", &body).ok();
                        for _ in 0..10 {
                            rig.heartbeat(1000.0);
                        }
                        let lease = lease["lease_id"].as_str().unwrap();
                        let stopped = house.stop(lease);
                        let shown = house.api.get(&format!("/api/leases/{lease}")).ok();
                        assert_eq!(
                            (&shown["state"], &stopped["state"]),
                            (&json!("completed"), &json!("completed"))
                        );
                        settled += usize::from(shown["settlement"]["total_cost"].is_number());
                    }
                    settled
                })
            })
            .collect();
        renters.into_iter().map(|renter| renter.join().unwrap()).sum::<usize>()
    });
    assert_eq!(settled, RENTERS * CYCLES);
    let status = house.api.get("/api/status").ok();
    assert_eq!((status["active_leases"].as_u64(), status["total_settlements"].as_u64()), (Some(0), Some(48)));
}

#[test]
fn fault_36_messages_of_quality_1_bear_an_id_and_wait_for_their_acknowledgement() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let mut listener = RawClient::connect(house.mqtt(), &Connect::new("listener"));
    assert_eq!(listener.subscribe("xenminer/rig-1/heartbeat", 1), Some(1));
    let mut ids = Vec::new();
    for _ in 0..3 {
        rig.heartbeat(1000.0);
        let packet = listener.read().unwrap();
        assert_eq!((packet.first >> 4, (packet.first >> 1) & 3), (3, 1), "a PUBLISH of quality 1");
        ids.push(packet.id());
        let [high, low] = packet.id().to_be_bytes();
        listener.send(&[0x40, 2, high, low]);
    }
    assert!(ids.iter().all(|id| *id != 0), "{ids:?}");
    assert!(listener.ping());
}

/// The server's CPU time for so many messages of one worker, in clock ticks.
fn ticks_of(server: &Server, rig: &mut Rig, messages: u32) -> u64 {
    let ticks = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        // After the name in brackets: the 12th and 13th field are user and system time.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    for _ in 0..messages {
        rig.heartbeat(1000.0);
    }
    ticks() - before
}

#[test]
fn fault_43_a_message_costs_the_same_however_many_clients_are_connected() {
    const MESSAGES: u32 = 1000;
    const FEW: usize = 10;
    const MANY: usize = 800;
    let (_folder, db) = folder();
    let server = Server::spawn(&db);
    let mut rig = Rig::join(server.mqtt, "rig-1");
    let listener = |number| Rig::connect(server.mqtt, &format!("listener-{number}"));
    let mut listeners: Vec<Rig> = (0..FEW).map(listener).collect();
    let with_few = ticks_of(&server, &mut rig, MESSAGES);
    listeners.extend((FEW..MANY).map(listener));
    let with_many = ticks_of(&server, &mut rig, MESSAGES);
    // 80 times as many; four times the cost is a busy machine's doing, and 50 ticks that of its clock.
    assert!(with_many <= 4 * with_few + 50, "{with_few} ticks with {FEW} clients, {with_many} with {MANY}");
}
