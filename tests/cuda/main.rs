//! Hashing on GPUs, without one: the kernels are compiled for this machine and run by a driver made
//! for tests, lane by lane. Every test has devices of its own.

mod driver;

use std::collections::HashSet;

use xenblocks::pow::cuda::{self, CudaError};
use xenblocks::pow::{Backend, Difficulty, Found, Job, KeyRun, Keys, Matches, Reference, Salt, Tag};

fn job(prefix: &str, account: u8, difficulty: u32, marker: &str) -> Job {
    Job {
        salt: Salt::Account([account; 20]),
        prefix: Some(prefix.parse().unwrap()),
        difficulty: Difficulty::new(difficulty).unwrap(),
        marker: marker.parse().unwrap(),
    }
}

const OWN: &str = "1111111111111111";
const LEASE: &str = "a1b2c3d4e5f60718";

/// So little memory that launches are small: what they find is computed on this machine too.
const LITTLE: usize = 4 << 20;

fn tag_of(found: &Found) -> Tag {
    Reference::new().hash(found.key.as_str().as_bytes(), &found.phc.salt, found.phc.difficulty)
}

fn check(found: &Found, job: &Job) {
    assert!(found.key.starts_with(&job.prefix.unwrap()), "{}", found.key);
    assert_eq!((found.phc.salt, found.phc.difficulty), (job.salt, job.difficulty));
    assert_eq!(found.phc.tag, tag_of(found));
    assert_eq!(found.matches, Matches::find(&found.phc.tag.text(), &job.marker));
    assert!(found.matches.any());
}

/// Keys of these digits and what follows.
fn keys(digits: &str, count: u64) -> KeyRun {
    let (head, counter) = digits.split_at(48);
    let head = head.as_bytes().try_into().unwrap();
    KeyRun { head, first: u64::from_str_radix(counter, 16).unwrap(), count }
}

#[test]
fn the_networks_vectors() {
    let Some(mut gpu) = driver::gpu(0) else { return };
    let first = Salt::of(&"0x24691E54aFafe2416a8252097C9Ca67557271475".parse().unwrap());
    let second = Salt::of(&"0xAABBCCDDEE1234567890ABCDEF1234567890ABCD".parse().unwrap());
    let vectors = [
        (
            "0".repeat(64),
            first,
            8,
            "Y0gfN0WEiayjGyeVO7l2QFWLXaiP+tYWGC1fcfUFW3neEXPl2bb/eYotFdYww5DQTNRSLwIkjnYigotqUqF16Q",
        ),
        (
            "0123456789abcdef".repeat(4),
            first,
            100,
            "hgdCBNBdDID2GilEh8YFR7GhvDSoibhCxqgTkrtOgjlYy2MkbrcHurOiLva2kINqggB7AtssXR8jlAVXw8ox1w",
        ),
        (
            format!("a1b2c3d4e5f60718{}", "0".repeat(48)),
            second,
            1727,
            "3WHMSFgDUPlK0kYA8H+GAtYdAu65wTSSepWd0Q3y05tLVyQ6z96Njg7bBKXt1QyH/415wzJ6cPrKW8cc07BQbQ",
        ),
        (
            "ffffffff24691e54afafe2416a8252097c9ca675572714750123456789abcdef".into(),
            first,
            4096,
            "txJe7QEnopNyK3J1gOcNFFh83tV24FLWi8OrLYdpm+fEZ8WTvZfBGDybd8sGKSJtYMvlPuf5wMBOb17BKDezDg",
        ),
    ];
    for (key, salt, kib, tag) in vectors {
        let tags = gpu.tags(&salt, Difficulty::new(kib).unwrap(), &keys(&key, 1)).unwrap();
        assert_eq!((tags.len(), tags[0].to_string().as_str()), (1, tag), "m = {kib}");
    }
    assert_eq!(gpu.device().bus_id.as_deref(), Some("0000:01:00.0"));
}

#[test]
fn a_thousand_random_keys_at_many_difficulties_as_the_cpu_has_them() {
    let Some(mut gpu) = driver::gpu(1) else { return };
    let mut hasher = Reference::new();
    // Each remainder of 4, where a segment is one reference block and where it is several.
    let difficulties =
        [8, 9, 10, 11, 12, 15, 16, 29, 100, 101, 127, 128, 511, 512, 513, 518, 1024, 1100, 2051, 4099];
    for (account, kib) in (0..).zip(difficulties) {
        let difficulty = Difficulty::new(kib).unwrap();
        let salt = if kib == 29 { Salt::Old } else { Salt::Account([account; 20]) };
        let keys = Keys::new(None).take(50);
        let tags = gpu.tags(&salt, difficulty, &keys).unwrap();
        for (index, tag) in (0..keys.count).zip(&tags) {
            assert_eq!(
                *tag,
                hasher.hash(&keys.digits(index), &salt, difficulty),
                "m = {kib}, {}",
                keys.key(index)
            );
        }
        assert_eq!(tags.len(), 50);
    }
}

#[test]
fn the_largest_difficulty_and_a_counter_that_wraps() {
    let Some(mut gpu) = driver::gpu(2) else { return };
    driver::memory(2, 2 << 30);
    let difficulty = Difficulty::new(100_000).unwrap();
    let keys = KeyRun { head: [b'e'; 48], first: u64::MAX, count: 2 };
    let tags = gpu.tags(&Salt::Old, difficulty, &keys).unwrap();
    for (index, tag) in (0..2).zip(tags) {
        assert_eq!(tag, Reference::new().hash(&keys.digits(index), &Salt::Old, difficulty));
    }
}

#[test]
fn a_search_finds_exactly_what_the_cpu_finds() {
    let Some(mut gpu) = driver::gpu(3) else { return };
    driver::memory(3, LITTLE);
    for marker in ["X", "a7", "/", "AAAAAAAAAAAAAAAA"] {
        let job = job(OWN, 3, 8, marker);
        let mut keys = Keys::new(job.prefix);
        let all = keys.take(0);
        let (mut tried, mut found) = (0, Vec::new());
        for _ in 0..12 {
            tried += gpu.search(&job, &mut keys, &mut |block| found.push(block)).unwrap();
        }
        tried += gpu.finish(&mut |block| found.push(block)).unwrap();
        assert_eq!(keys.take(0).first, all.first.wrapping_add(tried), "each key that was taken is tried");
        for found in &found {
            check(found, &job);
        }
        let all = KeyRun { count: tried, ..all };
        let mut hasher = Reference::new();
        let blocks = (0..all.count).filter(|&index| {
            let tag = hasher.hash(&all.digits(index), &job.salt, job.difficulty);
            Matches::find(&tag.text(), &job.marker).any()
        });
        let expected: HashSet<_> = blocks.map(|index| all.key(index)).collect();
        let keys: HashSet<_> = found.iter().map(|found| found.key.clone()).collect();
        assert_eq!((keys.len(), &keys), (found.len(), &expected), "{marker}");
        assert!(tried > 300 && (marker.len() > 2 || found.len() > 3), "{marker}: {tried}, {}", found.len());
    }
}

#[test]
fn what_is_measured_is_not_the_choice_of_a_launchs_shape() {
    let Some(mut gpu) = driver::gpu(8) else { return };
    driver::memory(8, LITTLE);
    let job = job(OWN, 3, 8, "AAAAAAAAAAAAAAAA");
    let mut keys = Keys::new(job.prefix);
    gpu.warm_up(&job, &mut keys).unwrap();
    let mut search = || gpu.search(&job, &mut keys, &mut |_| {}).unwrap();
    let launch = search();
    assert!(launch > 0 && (0..8).all(|_| search() == launch), "one launch after another, all alike");
    gpu.finish(&mut |_| {}).unwrap();
}

#[test]
fn what_is_in_flight_when_orders_change_belongs_to_the_old_ones() {
    let Some(mut gpu) = driver::gpu(4) else { return };
    driver::memory(4, LITTLE);
    let jobs = [job(OWN, 1, 8, "a7"), job(LEASE, 2, 8, "a7"), job(LEASE, 2, 16, "a7")];
    let mut keys = [0, 1, 2].map(|at| Keys::new(jobs[at].prefix));
    let mut found = Vec::new();
    for at in [0; 10].into_iter().chain((0..4).flat_map(|_| [0, 1, 2])) {
        gpu.search(&jobs[at], &mut keys[at], &mut |block| found.push(block)).unwrap();
    }
    gpu.finish(&mut |block| found.push(block)).unwrap();
    let mut seen = [0; 3];
    for block in &found {
        let of_job = |job: &Job| block.phc.salt == job.salt && block.phc.difficulty == job.difficulty;
        let at = jobs.iter().position(of_job).unwrap();
        check(block, &jobs[at]);
        seen[at] += 1;
    }
    assert!(seen.iter().all(|&seen| seen > 0), "{seen:?}");
    found.clear();
    while found.len() < 5 {
        gpu.search(&jobs[1], &mut keys[1], &mut |block| found.push(block)).unwrap();
    }
    for found in &found {
        check(found, &jobs[1]);
    }
}

#[test]
fn a_gpu_that_fails_says_so_gives_all_back_and_returns_while_others_go_on() {
    let (Some(mut failing), Some(mut steady)) = (driver::gpu(5), driver::gpu(6)) else { return };
    driver::memory(5, LITTLE);
    driver::memory(6, LITTLE);
    let job = job(OWN, 5, 8, "a7");
    let mut keys = Keys::new(job.prefix);
    let mut search = |gpu: &mut cuda::Cuda| {
        let mut blocks = Vec::new();
        let tried = gpu.search(&job, &mut keys, &mut |found| blocks.push(found));
        for found in &blocks {
            check(found, &job);
        }
        tried.map_err(|error| error.to_string())
    };
    assert!(search(&mut failing).unwrap() > 0);
    for breaks_after in [0, 1, 5, 6] {
        driver::break_down(5, breaks_after, 2);
        let error = (0..100).find_map(|_| search(&mut failing).err()).unwrap();
        assert!(error.starts_with("CUDA device 5: LaunchFailed while"), "{error}");
        assert_eq!((driver::used(5), driver::open(5)), (0, 0), "everything is given back");
        for _ in 0..2 {
            assert_eq!(search(&mut failing), Err("CUDA device 5: InvalidDevice while being opened".into()));
            assert!(search(&mut steady).unwrap() > 0);
        }
        assert!(search(&mut failing).unwrap() > 0, "it is back");
    }
    failing.finish(&mut |found| check(&found, &job)).unwrap();
    drop((failing, steady));
    assert_eq!((driver::used(5), driver::open(5), driver::overruns(5)), (0, 0, 0));
    assert_eq!((driver::used(6), driver::open(6), driver::overruns(6)), (0, 0, 0));
}

#[test]
fn little_memory_and_wrong_hashes() {
    let Some(mut gpu) = driver::gpu(7) else { return };
    let (job, mut keys) = (job(OWN, 7, 2048, "a7"), Keys::new(None));
    // Eight hashes in each of two slots take 32 MiB of these.
    driver::memory(7, 38 << 20);
    let mut found = Vec::new();
    for _ in 0..3 {
        gpu.search(&job, &mut keys, &mut |block| found.push(block)).unwrap();
    }
    assert!(!found.is_empty() && found.iter().all(|found| found.phc.tag == tag_of(found)));
    drop(gpu);
    driver::memory(7, 30 << 20);
    let mut gpu = driver::gpu(7).unwrap();
    let refusal = gpu.search(&job, &mut keys, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(refusal, "CUDA device 7: OutOfMemory while making room");

    let easy = Job { difficulty: Difficulty::MIN, marker: "XEN11".parse().unwrap(), ..job };
    gpu.search(&easy, &mut keys, &mut |_| {}).unwrap();
    for wrong in [2, 1] {
        driver::wrong(7, wrong);
        if wrong == 1 {
            gpu = driver::gpu(7).unwrap();
        }
        let mut found = Vec::new();
        let failure =
            (0..10).find_map(|_| gpu.search(&easy, &mut keys, &mut |block| found.push(block)).err());
        assert_eq!(failure.unwrap().to_string(), "CUDA device 7 computes wrong hashes");
        assert!(found.iter().all(|found| found.phc.tag == tag_of(found)));
    }
    driver::wrong(7, 0);
    assert!(gpu.search(&easy, &mut keys, &mut |_| {}).is_ok());
    assert!(gpu.bandwidth(Difficulty::MIN).unwrap() > 0.0);
}

#[test]
fn devices_are_chosen_by_number() {
    if driver::gpu(0).is_none() {
        return;
    }
    let devices = cuda::devices().unwrap();
    assert_eq!((devices.len(), devices[3].name.as_str(), devices[3].index), (9, "Fake GPU 3", 3));
    let chosen = cuda::backends_with(driver::KERNELS, &[2, 0]).unwrap();
    assert_eq!(chosen.iter().map(|gpu| gpu.device().index).collect::<Vec<_>>(), [2, 0]);
    let refusal = cuda::backends_with(driver::KERNELS, &[9]).err().unwrap();
    assert!(matches!(refusal, CudaError::NoSuchDevice { wanted: 9, count: 9 }), "{refusal}");
}
