use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::pow::cpu::Cpu;
use crate::pow::{BackendError, Device, Job, KeyRun, Keys, Marker, Matches, Phc, Tag};
use crate::worker::Hardware;

/// A device whose driver can be taken away.
struct Unplugged {
    plugged: Arc<AtomicBool>,
    cpu: Cpu,
    device: Device,
}

impl Backend for Unplugged {
    fn device(&self) -> &Device {
        &self.device
    }

    fn search(
        &mut self,
        job: &Job,
        keys: &mut Keys,
        found: &mut dyn FnMut(Found),
    ) -> Result<u64, BackendError> {
        if self.plugged.load(Ordering::SeqCst) {
            self.cpu.search(job, keys, found)
        } else {
            Err(BackendError("the driver is gone".into()))
        }
    }

    fn tags(&mut self, salt: &Salt, difficulty: Difficulty, keys: &KeyRun) -> Result<Vec<Tag>, BackendError> {
        self.cpu.tags(salt, difficulty, keys)
    }
}

fn config(board: Board) -> Config {
    Config {
        worker_id: "rig-1".parse().unwrap(),
        address: EthAddress::from_bytes([7; 20]),
        broker: None,
        rpc_link: None,
        hardware: Hardware::Cpu { threads: 1 },
        difficulty: Some(Difficulty::MIN),
        marker: "XEN11XEN11".parse::<Marker>().unwrap(),
        heartbeat_interval: Duration::from_secs(30),
        state_dir: None,
        board,
    }
}

#[test]
fn a_device_without_its_driver_is_told_of_and_tried_again_and_the_others_go_on() {
    let plugs: Vec<Arc<AtomicBool>> = (0..2).map(|_| Arc::new(AtomicBool::new(true))).collect();
    let devices = (0..).zip(&plugs).map(|(index, plugged)| {
        let device = Device { backend: "cuda", index, name: "card".into(), memory_bytes: 0, bus_id: None };
        Box::new(Unplugged { plugged: plugged.clone(), cpu: Cpu::new(0), device }) as Box<dyn Backend + Send>
    });
    let board = Board::default();
    let (watch, _deaths) = thread::deathwatch();
    let (mut miner, inbox) =
        Miner::start(config(board.clone()), devices.collect(), Clock::system(), &watch).unwrap();
    let happens = |miner: &mut Miner| {
        miner.happened(std::iter::once(inbox.happenings.recv_timeout(Duration::from_secs(20)).unwrap()));
        miner.show();
    };

    plugs[0].store(false, Ordering::SeqCst);
    happens(&mut miner);
    let status = board.read();
    assert_eq!(status.devices[0].failure.as_deref(), Some("the driver is gone"));
    assert_eq!((status.devices[1].failure.as_deref(), status.trouble, miner.active()), (None, None, 1));

    plugs[1].store(false, Ordering::SeqCst);
    happens(&mut miner);
    let status = board.read();
    assert_eq!((status.state, status.trouble.as_deref()), ("ERROR", Some("the driver is gone")));
    assert_eq!(miner.active(), 0);

    for plug in &plugs {
        plug.store(true, Ordering::SeqCst);
    }
    happens(&mut miner);
    assert_eq!((board.read().trouble, board.read().state), (None, "IDLE"), "one is enough to go on");
    happens(&mut miner);
    assert_eq!(miner.active(), 2);
    let before = miner.hashing.attempts();
    while miner.hashing.attempts() == before {
        std::thread::yield_now();
    }
    miner.stop(inbox);
}

fn found(key: &str, account: EthAddress, kib: u32) -> Found {
    let phc =
        Phc { difficulty: Difficulty::new(kib).unwrap(), salt: Salt::of(&account), tag: Tag::default() };
    Found { key: key.parse().unwrap(), phc, matches: Matches::find(b"XEN11", &Marker::default()) }
}

#[test]
fn what_a_batch_finds_belongs_to_the_order_it_was_begun_for() {
    let (watch, _deaths) = thread::deathwatch();
    let config = config(Board::default());
    let own = config.address;
    let cpu = vec![Box::new(Cpu::new(0)) as Box<dyn Backend + Send>];
    let (mut miner, inbox) = Miner::start(config, cpu, Clock::system(), &watch).unwrap();
    let lease = |id: &str, prefix: &str, byte| Lease {
        id: id.parse().unwrap(),
        consumer: "consumer-1".parse().unwrap(),
        renter: EthAddress::from_bytes([byte; 20]),
        prefix: Some(prefix.parse().unwrap()),
        ends: None,
    };
    let first = lease("lease-1", "1111111111111111", 1);
    let second = lease("lease-2", "2222222222222222", 2);
    let [own_key, first_key, second_key] = ["3", "1", "2"].map(|digit| digit.repeat(64));
    let whose = |miner: &mut Miner, key: &str, account, kib| {
        let block = miner.block(&found(key, account, kib)).unwrap();
        assert!(block.hash.contains(&format!("$m={kib},")), "at the difficulty it was mined at");
        (block.lease_id.map(|id| id.to_string()), block.account)
    };

    miner.apply(Input::Assign(first.clone()));
    miner.difficulty(Difficulty::new(16).unwrap());
    let before = whose(&mut miner, &own_key, own, 8);
    assert_eq!(before, (None, Some(own)), "begun before the lease");
    miner.apply(Input::Assign(second.clone()));
    miner.apply(Input::Release(second.id.clone()));
    for (key, lease) in [(&first_key, &first), (&second_key, &second)] {
        let late = whose(&mut miner, key, lease.renter, 8);
        assert_eq!(late, (Some(lease.id.to_string()), Some(lease.renter)), "after its end");
    }
    // The right prefix with another's salt is nobody's lease.
    assert_eq!(whose(&mut miner, &first_key, own, 16), (None, Some(own)));
    miner.stop(inbox);
}
