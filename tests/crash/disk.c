/* Stands between a program and the C library: of the calls that write to a disk, the one that a control
 * file names fails. The file, named by DISK_CONTROL, holds three 64-bit numbers: how many calls there were,
 * which of them is to fail (0: none), and with which error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    _Atomic uint64_t calls, failing, error;
};

static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_CONTROL");
    int file = path ? open(path, O_RDWR) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    control = at == MAP_FAILED ? 0 : at;
}

static int fails(void) {
    if (!control || atomic_fetch_add(&control->calls, 1) + 1 != control->failing) return 0;
    errno = (int)control->error;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return fails() ? -1 : REAL(pwrite)(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return fails() ? -1 : REAL(pwrite64)(file, bytes, count, at);
}

int fsync(int file) { return fails() ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return fails() ? -1 : REAL(fdatasync)(file); }

int ftruncate(int file, off_t length) { return fails() ? -1 : REAL(ftruncate)(file, length); }

int ftruncate64(int file, off64_t length) { return fails() ? -1 : REAL(ftruncate64)(file, length); }
