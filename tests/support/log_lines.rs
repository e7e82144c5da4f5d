//! What this process says in its log, kept for tests to look at.

use std::sync::{Mutex, Once};

use log::{LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("xenblocks::") {
            LINES.lock().unwrap().push((record.target().to_owned(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Keeps what is said from now on, at `level` and above; once in a process.
pub fn collect(level: LevelFilter) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(level);
    });
}

/// The lines so far of a room (part of the target) that hold `part`.
pub fn lines_with(room: &str, part: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let wanted = lines.iter().filter(|(target, line)| target.contains(room) && line.contains(part));
    wanted.map(|(_, line)| line.clone()).collect()
}
