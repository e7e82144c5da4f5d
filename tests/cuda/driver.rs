//! Builds the driver for tests and loads it in place of the machine's.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use xenblocks::pow::cuda::{self, Cuda};

/// The driver for tests has its kernels itself.
pub const KERNELS: &[u8] = b"kernels\0";

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// A backend on that device; `None`, said on stderr, where no C compiler is at hand.
pub fn gpu(device: u32) -> Option<Cuda> {
    library().map(|_| cuda::backends_with(KERNELS, &[device]).unwrap().remove(0))
}

/// Gives a device that much memory.
pub fn memory(device: c_int, bytes: usize) {
    // SAFETY: the function of this name has this type.
    let set: extern "C" fn(c_int, usize) = unsafe { std::mem::transmute(function(c"fake_memory")) };
    set(device, bytes);
}

/// Lets a device break after some launches, and stay away for that many tries to open it.
pub fn break_down(device: c_int, after_launches: c_int, absent_for: c_int) {
    // SAFETY: the function of this name has this type.
    let set: extern "C" fn(c_int, c_int, c_int) = unsafe { std::mem::transmute(function(c"fake_break")) };
    set(device, after_launches, absent_for);
}

/// Lets a device compute wrong hashes (1), report wrong hits (2), or work (0).
pub fn wrong(device: c_int, what: c_int) {
    // SAFETY: the function of this name has this type.
    let set: extern "C" fn(c_int, c_int) = unsafe { std::mem::transmute(function(c"fake_wrong")) };
    set(device, what);
}

/// Bytes that a device has given out.
pub fn used(device: c_int) -> usize {
    // SAFETY: the function of this name has this type.
    let get: extern "C" fn(c_int) -> usize = unsafe { std::mem::transmute(function(c"fake_used")) };
    get(device)
}

/// Contexts and streams of a device.
pub fn open(device: c_int) -> c_int {
    count(c"fake_open", device)
}

/// Bytes that were written behind a device's buffers.
pub fn overruns(device: c_int) -> c_int {
    count(c"fake_overruns", device)
}

fn count(name: &CStr, device: c_int) -> c_int {
    // SAFETY: the functions that are asked for here have this type.
    let get: extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(function(name)) };
    get(device)
}

fn function(name: &CStr) -> *mut c_void {
    let library = library().expect("who has a device has its driver");
    // SAFETY: the library stays open.
    let function = unsafe { dlsym(library as *mut c_void, name.as_ptr()) };
    assert!(!function.is_null(), "{name:?}");
    function
}

fn library() -> Option<usize> {
    static LIBRARY: OnceLock<Option<usize>> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        let house = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libcuda.so.1");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let built = Command::new(&compiler)
            .args(["-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(house.join("cuda"))
            .args([house.join("tests/cuda/driver.c"), "-o".into(), path.clone()])
            .status();
        let Ok(built) = built else {
            eprintln!("SKIPPED: the kernels are not tested, for there is no C compiler {compiler:?}");
            return None;
        };
        assert!(built.success(), "{compiler} compiles the kernels");
        cuda::load_driver(&path).unwrap();
        let text = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the text ends with a zero. The same library that is already open.
        let library = unsafe { dlopen(text.as_ptr(), 2) };
        assert!(!library.is_null());
        Some(library as usize)
    })
}
