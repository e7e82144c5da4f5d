//! The files of `static/`, embedded in the program: compressed once, with strong tags, and headers
//! that let a page do nothing but show itself and talk to the server that it came from.

mod file;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

pub use file::{File, import_map, is_hashed};

static EMBEDDED: LazyLock<Vec<Arc<File>>> = LazyLock::new(|| {
    let table = include!(concat!(env!("OUT_DIR"), "/static_files.rs"));
    let file = |(name, plain)| Arc::new(File::new(Cow::Borrowed(name), Cow::Borrowed(plain), true));
    table.map(file).into()
});

/// Compresses the files, before the first request: a connection's stack is too small for it.
pub fn prepare() {
    LazyLock::force(&EMBEDDED);
}

/// The file of this name below `static/`.
pub fn file(name: &str) -> Option<Arc<File>> {
    EMBEDDED.binary_search_by(|file| (*file.name).cmp(name)).ok().map(|at| Arc::clone(&EMBEDDED[at]))
}

/// All of them, by name.
pub fn files() -> &'static [Arc<File>] {
    &EMBEDDED
}
