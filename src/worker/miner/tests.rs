use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::pow::cpu::Cpu;
use crate::pow::{BackendError, Device, Job, KeyRun, Keys, Marker, Tag};
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
