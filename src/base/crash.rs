//! Named moments at which a debug build can be told to die, so that tests can look at what a restart
//! makes of it: `XENBLOCKS_CRASH_AT=after-commit:17` ends the process the 17th time it gets there.
//! A release build has none of this.

/// Every moment, in the order in which a message or request meets them.
pub const POINTS: [&str; 7] =
    ["migration", "ingest", "between-legs", "before-commit", "after-commit", "after-answers", "dispatch"];

/// Dies here, without a word and as suddenly as by `kill -9`, when the environment says so.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    struct Target {
        name: String,
        passes_left: AtomicI64,
    }

    static TARGET: LazyLock<Option<Target>> = LazyLock::new(|| {
        let setting = std::env::var("XENBLOCKS_CRASH_AT").ok()?;
        let (name, count) = setting.split_once(':').unwrap_or((&setting, "1"));
        assert!(super::POINTS.contains(&name), "XENBLOCKS_CRASH_AT: {name} is none of {:?}", super::POINTS);
        let count = count.parse().expect("XENBLOCKS_CRASH_AT: a number follows the colon");
        Some(Target { name: name.to_owned(), passes_left: AtomicI64::new(count) })
    });

    pub(super) fn pass(name: &str) {
        debug_assert!(super::POINTS.contains(&name), "{name} is not listed");
        if let Some(target) = TARGET.as_ref().filter(|target| target.name == name)
            && target.passes_left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}
