//! The CUDA driver, looked for when the program runs.
//!
//! rustacuda calls the driver's functions by name and would be linked with its library, so that the
//! program would not even start where there is no driver. Here each of those names is a function
//! that jumps to where [`load`] found the real one, and answers "no device" until then. What
//! rustacuda lacks is here too.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use rustacuda::error::CudaError;

const SUCCESS: u32 = 0;
const NO_DEVICE: u32 = 100;
const UNKNOWN: u32 = 999;

/// The driver as its package installs it, and as Windows lends it to Linux.
const LIBRARIES: [&str; 2] = ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];
const RTLD_NOW: c_int = 2;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Finds the driver: `path`, or where drivers usually are. The first call decides; `false` says
/// that there is none.
pub(super) fn load(path: Option<&Path>) -> bool {
    static LOADED: OnceLock<bool> = OnceLock::new();
    *LOADED.get_or_init(|| match path {
        Some(path) => open(&path.to_string_lossy()),
        None => LIBRARIES.iter().any(|path| open(path)),
    })
}

fn open(path: &str) -> bool {
    let Ok(path) = CString::new(path) else { return false };
    // SAFETY: the path ends with a zero; the library stays open for good.
    let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    if library.is_null() {
        return false;
    }
    for (name, address) in FUNCTIONS {
        // SAFETY: the library is open and the name ends with a zero. A function that an older
        // driver lacks stays null.
        address.store(unsafe { dlsym(library, name.as_ptr().cast()) }, Ordering::Release);
    }
    true
}

/// Errors that rustacuda knows: for it they are an enum, which must never hold anything else.
const fn known(code: u32) -> u32 {
    match code {
        0..=8
        | 100..=101
        | 200..=202
        | 205..=220
        | 300..=304
        | 400
        | 500
        | 600
        | 700..=705
        | 708..=719
        | 800..=801 => code,
        _ => UNKNOWN,
    }
}

/// How an answer is passed on. What gives something back is quiet: after some errors the driver
/// refuses everything until the context is gone, and rustacuda panics when it cannot free.
macro_rules! answer {
    ($code:expr) => {
        known($code)
    };
    ($code:expr, quiet) => {{
        let _ = $code;
        SUCCESS
    }};
}

macro_rules! word {
    ($argument:ident) => {
        usize
    };
}

/// Functions of the driver by name and number of arguments. All of these are whole numbers or
/// pointers, and each takes a whole register or slot of the stack, so `usize` does for any.
macro_rules! driver {
    ($($name:ident($($argument:ident)*) $($quiet:ident)?;)*) => {
        #[expect(non_upper_case_globals, reason = "the driver's names")]
        mod addresses {
            use super::*;
            $(pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(null_mut());)*
        }

        static FUNCTIONS: &[(&str, &AtomicPtr<c_void>)] =
            &[$((concat!(stringify!($name), "\0"), &addresses::$name)),*];

        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: usize),*) -> u32 {
                let address = addresses::$name.load(Ordering::Acquire);
                if address.is_null() {
                    return NO_DEVICE;
                }
                // SAFETY: the driver's function of this name takes this many arguments.
                let function = unsafe {
                    std::mem::transmute::<*mut c_void, unsafe extern "C" fn($(word!($argument)),*) -> u32>(address)
                };
                // SAFETY: the caller gave what the function wants.
                answer!(unsafe { function($($argument),*) } $(, $quiet)?)
            }
        )*
    };
}

driver! {
    cuArray3DCreate_v2(a b);
    cuArray3DGetDescriptor_v2(a b);
    cuArrayDestroy(a) quiet;
    cuCtxCreate_v2(a b c);
    cuCtxDestroy_v2(a) quiet;
    cuCtxGetApiVersion(a b);
    cuCtxGetCacheConfig(a);
    cuCtxGetCurrent(a);
    cuCtxGetDevice(a);
    cuCtxGetFlags(a);
    cuCtxGetLimit(a b);
    cuCtxGetSharedMemConfig(a);
    cuCtxGetStreamPriorityRange(a b);
    cuCtxPopCurrent_v2(a);
    cuCtxPushCurrent_v2(a);
    cuCtxSetCacheConfig(a);
    cuCtxSetCurrent(a);
    cuCtxSetLimit(a b);
    cuCtxSetSharedMemConfig(a);
    cuCtxSynchronize();
    cuDeviceGet(a b);
    cuDeviceGetAttribute(a b c);
    cuDeviceGetCount(a);
    cuDeviceGetName(a b c);
    cuDeviceGetPCIBusId(a b c);
    cuDeviceGetUuid(a b);
    cuDeviceTotalMem_v2(a b);
    cuDriverGetVersion(a);
    cuEventCreate(a b);
    cuEventDestroy_v2(a) quiet;
    cuEventElapsedTime(a b c);
    cuEventQuery(a);
    cuEventRecord(a b);
    cuEventSynchronize(a);
    cuFuncGetAttribute(a b c);
    cuFuncSetCacheConfig(a b);
    cuFuncSetSharedMemConfig(a b);
    cuGetErrorString(a b);
    cuInit(a);
    cuLaunchKernel(a b c d e f g h i j k);
    cuMemAllocHost_v2(a b);
    cuMemAllocManaged(a b c);
    cuMemAlloc_v2(a b);
    cuMemFreeHost(a) quiet;
    cuMemFree_v2(a) quiet;
    cuMemGetInfo_v2(a b);
    cuMemcpyDtoDAsync_v2(a b c d);
    cuMemcpyDtoD_v2(a b c);
    cuMemcpyDtoHAsync_v2(a b c d);
    cuMemcpyDtoH_v2(a b c);
    cuMemcpyHtoDAsync_v2(a b c d);
    cuMemcpyHtoD_v2(a b c);
    cuMemsetD8_v2(a b c);
    cuModuleGetFunction(a b c);
    cuModuleGetGlobal_v2(a b c d);
    cuModuleLoad(a b);
    cuModuleLoadData(a b);
    cuModuleUnload(a) quiet;
    cuOccupancyMaxActiveBlocksPerMultiprocessor(a b c d);
    cuStreamAddCallback(a b c d);
    cuStreamCreateWithPriority(a b c);
    cuStreamDestroy_v2(a) quiet;
    cuStreamGetFlags(a b);
    cuStreamGetPriority(a b);
    cuStreamSynchronize(a);
    cuStreamWaitEvent(a b c);
}

/// Bytes of device memory that are free and that there are at all, of the current context.
pub(super) fn memory() -> Result<(usize, usize), CudaError> {
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: both are size_t that live here.
    check(unsafe { cuMemGetInfo_v2(address(&mut free), address(&mut total)) })?;
    Ok((free, total))
}

/// Where a device is on the PCI bus, such as `0000:01:00.0`.
pub(super) fn bus_id(device: u32) -> Result<String, CudaError> {
    let mut text = [0u8; 32];
    // SAFETY: the buffer has the length that is told; a device's handle is its number.
    check(unsafe { cuDeviceGetPCIBusId(address(&mut text), text.len(), device as usize) })?;
    let text = CStr::from_bytes_until_nul(&text).map_err(|_| CudaError::UnknownError)?;
    Ok(text.to_string_lossy().into_owned())
}

/// Code on a device. Valid in the context that it was loaded in, and gone with it.
#[derive(Clone, Copy)]
pub(super) struct Module(usize);

/// A kernel of a module.
#[derive(Clone, Copy)]
pub(super) struct Kernel(usize);

impl Module {
    /// Loads what nvcc built, into the current context.
    pub(super) fn load(image: &'static [u8]) -> Result<Self, CudaError> {
        let mut module = 0usize;
        // SAFETY: the image says its own length, and stays.
        check(unsafe { cuModuleLoadData(address(&mut module), image.as_ptr().expose_provenance()) })?;
        Ok(Module(module))
    }

    /// The kernel of that name.
    pub(super) fn kernel(self, name: &CStr) -> Result<Kernel, CudaError> {
        let mut kernel = 0usize;
        // SAFETY: the module is loaded and the name ends with a zero.
        check(unsafe {
            cuModuleGetFunction(address(&mut kernel), self.0, name.as_ptr().expose_provenance())
        })?;
        Ok(Kernel(kernel))
    }
}

impl Kernel {
    /// How many thread blocks of `threads` threads a multiprocessor takes at once.
    pub(super) fn resident_blocks(self, threads: u32) -> Result<u32, CudaError> {
        let mut blocks: c_int = 0;
        // SAFETY: the kernel is loaded; it has no dynamic shared memory.
        check(unsafe {
            cuOccupancyMaxActiveBlocksPerMultiprocessor(address(&mut blocks), self.0, threads as usize, 0)
        })?;
        Ok(blocks.unsigned_abs())
    }
}

/// Work for a device, done in order. Other streams' work goes on beside it.
pub(super) struct Stream(usize);

impl Stream {
    /// A new one in the current context.
    pub(super) fn new() -> Result<Self, CudaError> {
        const NON_BLOCKING: usize = 1;
        let mut stream = 0usize;
        // SAFETY: the handle lives here.
        check(unsafe { cuStreamCreateWithPriority(address(&mut stream), NON_BLOCKING, 0) })?;
        Ok(Stream(stream))
    }

    /// Starts a kernel.
    ///
    /// # Safety
    /// `argument` is the kernel's only one, and the device memory that it names lives until the
    /// kernel has ended and is used by nothing else meanwhile.
    pub(super) unsafe fn launch<T: Copy>(
        &self,
        kernel: Kernel,
        blocks: u32,
        threads: u32,
        mut argument: T,
    ) -> Result<(), CudaError> {
        let mut arguments = [address(&mut argument)];
        let (blocks, threads) = (blocks as usize, threads as usize);
        // SAFETY: the driver copies the argument before it returns.
        check(unsafe {
            cuLaunchKernel(kernel.0, blocks, 1, 1, threads, 1, 1, 0, self.0, address(&mut arguments), 0)
        })
    }

    /// Copies from the device into locked memory.
    ///
    /// # Safety
    /// Both live until the stream was waited for, and nobody looks at `to` before.
    pub(super) unsafe fn fetch(&self, to: &mut [u32], from: u64) -> Result<(), CudaError> {
        let bytes = size_of_val(to);
        // SAFETY: as promised; `from` has as many bytes.
        check(unsafe {
            cuMemcpyDtoHAsync_v2(to.as_mut_ptr().expose_provenance(), device_address(from), bytes, self.0)
        })
    }

    /// Copies within the device.
    ///
    /// # Safety
    /// Both have `bytes` bytes, and live until the stream was waited for.
    pub(super) unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), CudaError> {
        // SAFETY: as promised.
        check(unsafe { cuMemcpyDtoDAsync_v2(device_address(to), device_address(from), bytes, self.0) })
    }

    /// Waits until everything on the stream is done.
    pub(super) fn wait(&self) -> Result<(), CudaError> {
        // SAFETY: the stream is open.
        check(unsafe { cuStreamSynchronize(self.0) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is open and nobody has it any more.
        let _always_succeeds = unsafe { cuStreamDestroy_v2(self.0) };
    }
}

fn address<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value).expose_provenance()
}

/// An address of the device as a word of this machine: CUDA runs on 64-bit machines alone.
fn device_address(address: u64) -> usize {
    usize::try_from(address).unwrap_or(0)
}

fn check(code: u32) -> Result<(), CudaError> {
    match code {
        SUCCESS => Ok(()),
        // SAFETY: the stubs give codes that the enum has, and nothing else.
        code => Err(unsafe { std::mem::transmute::<u32, CudaError>(code) }),
    }
}
