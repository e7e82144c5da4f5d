//! What hostile bytes must never do, as functions of bytes ([`properties`]). `make fuzz` lets a fuzzer
//! look for bytes that break them; this replays what `seeds/` keeps, with the usual compiler.

mod properties;

use std::path::{Path, PathBuf};

use properties::PROPERTIES;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds")
}

/// Names of what a folder holds, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn replay(target: &str) {
    let (_, property) = PROPERTIES.iter().find(|(name, _)| *name == target).expect("a property of that name");
    let folder = seeds().join(target);
    let names = names(&folder);
    assert!(names.len() >= 5, "{target} has seeds");
    for name in names {
        println!("{target}: {name}");
        property(&std::fs::read(folder.join(name)).unwrap());
    }
}

/// A test for each property, so that they run beside each other and fail by name.
macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test] fn $target() { replay(stringify!($target)); })*
        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replays!(mqtt_gate mqtt_payload http phc siwe jwt config_file miner_options);

#[test]
fn every_property_has_its_target_and_its_seeds() {
    let known: Vec<_> = PROPERTIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, REPLAYED);
    let mut sorted = known.clone();
    sorted.sort_unstable();
    assert_eq!(names(&seeds()), sorted);
    let targets = names(&seeds().with_file_name("targets"));
    assert_eq!(targets, sorted.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
}
