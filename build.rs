//! Before the program is compiled: the pages to embed, the CUDA kernels, when they were built, and a
//! driver to link with.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    provide_driver(&out);
    embed_kernels(&out);
    list_static_files(&out);
}

/// rustacuda links with libcuda, which most machines lack. An empty one satisfies the linker: the
/// functions are in src/pow/cuda/driver.rs, and look for the real ones when the program runs.
fn provide_driver(out: &Path) {
    fs::write(out.join("libcuda.a"), "!<arch>\n").expect("OUT_DIR can be written to");
    println!("cargo:rustc-link-search=native={}", out.display());
}

/// Hands the kernels to the program as `kernels.fatbin`, empty when they were not built or when
/// their sources have changed since.
fn embed_kernels(out: &Path) {
    let house = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| house.join("target"), PathBuf::from);
    let built = target.join("cuda");
    // Watched as a folder: a file that is missing would make cargo run this each time.
    fs::create_dir_all(&built).expect("the target folder can be written to");
    println!("cargo:rerun-if-changed={}", built.display());
    println!("cargo:rerun-if-changed={}", house.join("cuda").display());
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");
    let built_from = fs::read(built.join("kernels.sources")).unwrap_or_default();
    let kernels = fs::read(built.join("kernels.fatbin")).unwrap_or_default();
    let current = built_from == sources(&house.join("cuda"));
    if !current && !kernels.is_empty() {
        println!("cargo:warning=the CUDA kernels are older than their sources and are left out: make cuda");
    }
    fs::write(out.join("kernels.fatbin"), if current { kernels } else { Vec::new() })
        .expect("OUT_DIR can be written to");
}

/// All sources of the kernels in a row, as cuda/build.sh keeps them beside what it built.
fn sources(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).expect("the folder cuda is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder cuda is readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "h" || ending == "cu"));
    paths.sort_by_key(|path| (path.extension().map(ToOwned::to_owned), path.clone()));
    paths.iter().flat_map(|path| fs::read(path).expect("the kernels' sources are readable")).collect()
}

/// Writes `static_files.rs`: an array of each file's path below `static/` and its bytes, so that a
/// page that is added there is served.
fn list_static_files(out: &Path) {
    let house = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let root = house.join("static");
    let (mut paths, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder).expect("the folder static is readable") {
            let path = entry.expect("the folder static is readable").path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    let mut files: Vec<_> =
        paths.iter().map(|path| (name(&root, path), path.display().to_string())).collect();
    files.sort();
    let mut table = String::from("[\n");
    for (name, path) in files {
        writeln!(table, "    ({name:?}, include_bytes!({path:?}).as_slice()),")
            .expect("memory takes all text");
    }
    table.push(']');
    fs::write(out.join("static_files.rs"), table).expect("OUT_DIR can be written to");
}

/// A file's path below `root`, with slashes.
fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("it is below the root").display().to_string().replace('\\', "/")
}
