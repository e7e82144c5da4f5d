//! What a miner says of itself: heartbeats, rates, and the board for whoever looks.

use super::{Miner, NO_DIFFICULTY};
use crate::base::EthAddress;
use crate::pow::Difficulty;
use crate::protocol::{Heartbeat, Mining};
use crate::worker::board::{DeviceView, LeaseView, Rates, Status};
use crate::worker::state::Orders;
use crate::worker::wire::Pulse;

impl Miner {
    /// Says who this is and what hashes.
    pub(super) fn introduce(&self) {
        let mut kinds: Vec<(&str, u32)> = Vec::new();
        for (device, _) in self.hashing.devices() {
            match kinds.iter_mut().find(|(name, _)| *name == device.name) {
                Some((_, count)) => *count += 1,
                None => kinds.push((&device.name, 1)),
            }
        }
        let kinds: Vec<String> = kinds.iter().map(|(name, count)| format!("{count} × {name}")).collect();
        // A measurement may be without an address.
        let owner = Some(self.own.address).filter(|address| *address != EthAddress::from_bytes([0; 20]));
        let owner = owner.map(|address| format!(", for {address}")).unwrap_or_default();
        log::info!("{} hashes with {}{owner}", self.worker, kinds.join(", "));
    }

    /// Says that a lease began or ended; of a beginning also how fast it hashes: who rented it is not
    /// to wait for that until the next heartbeat is due.
    pub(super) fn tell_lease(&mut self) {
        let now = self.agent.lease();
        if self.told.as_ref() == now.map(|lease| &lease.id) {
            return;
        }
        if let Some(ended) = &self.told {
            let blocks =
                self.recent.iter().find(|(lease, _)| lease.id == *ended).map_or(0, |(_, blocks)| *blocks);
            log::info!("{ended} is over: {blocks} blocks");
        }
        if let Some(lease) = now {
            let seconds = lease.ends.map(|ends| (ends.micros_since(self.clock.now()) + 500_000) / 1_000_000);
            let time = seconds.map_or("until it is released".into(), |seconds| format!("for {seconds} s"));
            log::info!("{}: mining for {}, {time}", lease.id, lease.renter);
        }
        self.told = now.map(|lease| lease.id.clone());
        // A rate of nothing is not measured yet: the first measure tells itself.
        if self.told.is_some() && self.rates.seconds_10 > 0.0 {
            self.heartbeat();
        }
    }

    /// The first measure after a rest is told at once: nobody is to see a worker at 0 H/s for the
    /// time between two heartbeats.
    pub(super) fn measure(&mut self) {
        let now = self.clock.now();
        let rates =
            if self.resting { Rates::default() } else { self.meter.sample(now, self.hashing.attempts()) };
        for ((meter, rate), (_, attempts)) in
            self.device_meters.iter_mut().zip(&mut self.device_rates).zip(self.hashing.devices())
        {
            *rate = if self.resting { 0.0 } else { meter.sample(now, attempts).seconds_10 };
        }
        let begins = self.rates.seconds_10 == 0.0 && rates.seconds_10 > 0.0;
        self.rates = rates;
        if begins {
            self.heartbeat();
        }
    }

    pub(super) fn restart_meters(&mut self) {
        let now = self.clock.now();
        self.meter.restart(now, self.hashing.attempts());
        for (meter, (_, attempts)) in self.device_meters.iter_mut().zip(self.hashing.devices()) {
            meter.restart(now, attempts);
        }
    }

    pub(super) fn active(&self) -> u32 {
        let failed = self.failures.iter().flatten().count();
        let all = self.failures.len();
        // The threads of a CPU are one device.
        let active = if self.gpus.len() == all { all - failed } else { usize::from(failed < all) };
        if self.resting { 0 } else { u32::try_from(active).unwrap_or(u32::MAX) }
    }

    pub(super) fn heartbeat(&mut self) {
        let (address, prefix) = match self.agent.orders() {
            Orders::Lease(lease) => (lease.renter, lease.prefix),
            Orders::Own | Orders::Rest => (self.own.address, self.own.prefix),
        };
        self.agent.heartbeat(&Pulse {
            heartbeat: Heartbeat {
                worker_id: self.worker.clone(),
                hashrate: (self.rates.seconds_10 * 100.0).round() / 100.0,
                active_gpus: self.active(),
                mining: Some(Mining {
                    address: address.to_string(),
                    prefix: prefix.map(|prefix| prefix.to_string()).unwrap_or_default(),
                    block_pattern: self.own.marker.as_str().to_owned(),
                }),
            },
            accepted_blocks: self.blocks.tally.accepted,
            difficulty: self.own.difficulty.map_or(0, Difficulty::kib),
            uptime_sec: self.uptime_sec(),
        });
    }

    fn uptime_sec(&self) -> i64 {
        self.clock.now().micros_since(self.started) / 1_000_000
    }

    pub(super) fn show(&self) {
        let now = self.clock.now();
        let lease = self.agent.lease().map(|lease| LeaseView {
            id: lease.id.clone(),
            consumer: lease.consumer.clone(),
            renter: lease.renter,
            remaining_sec: lease.ends.map(|ends| ends.micros_since(now) / 1_000_000),
            blocks: self
                .recent
                .iter()
                .find(|(known, _)| known.id == lease.id)
                .map_or(0, |(_, blocks)| *blocks),
        });
        let account = lease.as_ref().map_or(self.own.address, |lease| lease.renter);
        let no_difficulty = self.own.difficulty.is_none().then(|| NO_DIFFICULTY.to_owned());
        self.board.write(Status {
            uptime_sec: self.uptime_sec(),
            has_platform: self.has_platform,
            online: self.agent.is_online(),
            state: self.agent.state().as_str(),
            trouble: self.agent.trouble().or(no_difficulty),
            lease,
            account: Some(account),
            difficulty: self.own.difficulty.map_or(0, Difficulty::kib),
            rates: self.rates,
            attempts: self.hashing.attempts(),
            devices: self.device_views(),
            tally: self.blocks.tally,
            blocks_waiting: self.blocks.waiting(),
        });
    }

    fn device_views(&self) -> Vec<DeviceView> {
        let mut views: Vec<DeviceView> = Vec::new();
        let measured = self.hashing.devices().zip(&self.device_rates).zip(&self.failures);
        for (((device, _), rate), failure) in measured {
            match views.first_mut() {
                // The threads of a CPU are one device.
                Some(cpu) if device.backend == "cpu" => cpu.hashrate += rate,
                _ => views.push(DeviceView {
                    index: device.index,
                    name: device.name.clone(),
                    bus_id: device.bus_id.clone(),
                    hashrate: *rate,
                    failure: failure.clone(),
                }),
            }
        }
        views
    }
}
