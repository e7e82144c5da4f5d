// A CUDA driver without a GPU, for tests: its kernels are ours, compiled for this machine. What is
// put on a stream is done when the stream is waited for, so that nothing that looks earlier sees
// results. Device memory begins as rubbish and has guards behind it. Devices fail when told to.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "first.h"
#include "last.h"

#define DEVICES 9
#define SUCCESS 0
#define INVALID_VALUE 1
#define OUT_OF_MEMORY 2
#define INVALID_DEVICE 101
#define INVALID_CONTEXT 201
#define NOT_FOUND 500
#define LAUNCH_FAILED 719
#define GUARD_BYTES 64
#define GUARD 0xc7
#define RUBBISH 0xa5
#define RUBBISH_BYTES ((size_t)1 << 24)
#define QUEUE 8

enum { REFERENCES, FIRST, FILL, LAST, KERNELS };
static const char *const names[KERNELS] = {"references", "first", "fill", "last"};

typedef struct {
    size_t memory, used;
    // The error of all later calls in the context, as after a fault of the device.
    int broken;
    // Launches until it breaks; negative: never.
    int breaks_after;
    // Contexts that cannot be made before it works again.
    int absent_for;
    // Hashes come out wrong: 1 all of them, 2 the hits alone.
    int wrong;
    int contexts, streams, overruns;
    unsigned launches;
    // On the stream that no other waits for.
    struct {
        void *memory;
        unsigned char value;
        size_t bytes;
    } fills[QUEUE];
    int waiting;
} Device;

static Device devices[DEVICES] = {
    {.memory = 1 << 28, .breaks_after = -1}, {.memory = 1 << 28, .breaks_after = -1},
    {.memory = 1 << 28, .breaks_after = -1}, {.memory = 1 << 28, .breaks_after = -1},
    {.memory = 1 << 28, .breaks_after = -1}, {.memory = 1 << 28, .breaks_after = -1},
    {.memory = 1 << 28, .breaks_after = -1}, {.memory = 1 << 28, .breaks_after = -1},
    {.memory = 1 << 28, .breaks_after = -1},
};
static _Thread_local Device *current;

// What the tests say and ask.

void fake_memory(int device, size_t bytes) { devices[device].memory = bytes; }
void fake_break(int device, int after_launches, int absent_for) {
    devices[device].breaks_after = after_launches;
    devices[device].absent_for = absent_for;
}
void fake_wrong(int device, int what) { devices[device].wrong = what; }
size_t fake_used(int device) { return devices[device].used; }
int fake_open(int device) { return devices[device].contexts + devices[device].streams; }
int fake_overruns(int device) { return devices[device].overruns; }

// Devices and contexts.

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : SUCCESS; }
int cuDeviceGetCount(int *count) { *count = DEVICES; return SUCCESS; }
int cuDeviceGet(int *device, int index) {
    if (index < 0 || index >= DEVICES) return INVALID_DEVICE;
    *device = index;
    return SUCCESS;
}
int cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, (size_t)length, "Fake GPU %d", device);
    return SUCCESS;
}
int cuDeviceGetPCIBusId(char *name, int length, int device) {
    snprintf(name, (size_t)length, "0000:%02x:00.0", device + 1);
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = devices[device].memory; return SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    // Multiprocessors, and bytes of the second cache.
    *value = attribute == 16 ? 3 : attribute == 38 ? 1 << 19 : 0;
    return SUCCESS;
}
int cuCtxCreate_v2(void **context, unsigned flags, int index) {
    Device *device = &devices[index];
    (void)flags;
    if (device->absent_for > 0 && device->breaks_after < 0) {
        --device->absent_for;
        return INVALID_DEVICE;
    }
    device->broken = 0;
    ++device->contexts;
    *context = current = device;
    return SUCCESS;
}
int cuCtxDestroy_v2(void *context) {
    Device *device = context;
    --device->contexts;
    device->broken = 0;
    if (current == device) current = NULL;
    return SUCCESS;
}
int cuCtxSetCurrent(void *context) {
    current = context;
    return current ? current->broken : INVALID_CONTEXT;
}

// Memory. In front of it stands whose it is and how much.

typedef union {
    struct {
        Device *device;
        size_t bytes;
    } of;
    char room[64];
} Head;

static int usable(void) { return current ? current->broken : INVALID_CONTEXT; }

// Our streams do not wait for the one that fills memory: nothing of it is done until somebody waits.
static void finish_fills(Device *device) {
    for (int i = 0; i < device->waiting; ++i)
        memset(device->fills[i].memory, device->fills[i].value, device->fills[i].bytes);
    device->waiting = 0;
}
int cuCtxSynchronize(void) {
    if (usable()) return usable();
    finish_fills(current);
    return SUCCESS;
}

static int allocate(void **memory, size_t bytes) {
    if (usable()) return usable();
    if (bytes > current->memory - current->used) return OUT_OF_MEMORY;
    Head *head = aligned_alloc(64, (sizeof(Head) + bytes + GUARD_BYTES + 63) / 64 * 64);
    if (!head) return OUT_OF_MEMORY;
    head->of.device = current;
    head->of.bytes = bytes;
    memset(head + 1, RUBBISH, bytes < RUBBISH_BYTES ? bytes : RUBBISH_BYTES);
    memset((char *)(head + 1) + bytes, GUARD, GUARD_BYTES);
    current->used += bytes;
    *memory = head + 1;
    return SUCCESS;
}
static int give_back(void *memory) {
    Head *head = (Head *)memory - 1;
    finish_fills(head->of.device);
    const unsigned char *guard = (unsigned char *)memory + head->of.bytes;
    for (int i = 0; i < GUARD_BYTES; ++i) head->of.device->overruns += guard[i] != GUARD;
    head->of.device->used -= head->of.bytes;
    const int answer = head->of.device->broken;
    free(head);
    return answer;
}
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    if (usable()) return usable();
    *free_bytes = current->memory - current->used;
    *total = current->memory;
    return SUCCESS;
}
int cuMemAlloc_v2(void **memory, size_t bytes) { return allocate(memory, bytes); }
int cuMemAllocHost_v2(void **memory, size_t bytes) { return allocate(memory, bytes); }
int cuMemFree_v2(void *memory) { return give_back(memory); }
int cuMemFreeHost(void *memory) { return give_back(memory); }
int cuMemsetD8_v2(void *memory, unsigned char value, size_t bytes) {
    if (usable()) return usable();
    if (current->waiting == QUEUE) return INVALID_VALUE;
    current->fills[current->waiting].memory = memory;
    current->fills[current->waiting].value = value;
    current->fills[current->waiting++].bytes = bytes;
    return SUCCESS;
}
int cuMemcpyDtoH_v2(void *to, const void *from, size_t bytes) {
    if (usable()) return usable();
    finish_fills(current);
    memcpy(to, from, bytes);
    return SUCCESS;
}

// Kernels.

int cuModuleLoadData(void **module, const void *image) {
    *module = (void *)image;
    return usable();
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    (void)module;
    for (int kernel = 0; kernel < KERNELS; ++kernel) {
        if (strcmp(names[kernel], name) == 0) {
            *function = (void *)names[kernel];
            return usable();
        }
    }
    return NOT_FOUND;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared) {
    (void)function, (void)threads, (void)shared;
    *blocks = 4;
    return usable();
}

// Streams.

typedef struct {
    const char *kernel;
    unsigned blocks;
    Batch batch;
    void *to;
    const void *from;
    size_t bytes;
} Work;

typedef struct {
    Device *device;
    Work queue[QUEUE];
    int waiting;
} Stream;

static void run(Device *device, const Work *work) {
    static Cell _Alignas(64) tile[DEVICES][TILE_CELLS];
    Cell *own = tile[device - devices];
    const Batch *batch = &work->batch;
    lane_order = device->launches++ * 7 % LANES;
    if (work->kernel == names[REFERENCES]) {
        for (u32 warp = 0; warp < work->blocks; ++warp) references_warp(batch, warp, own);
    } else if (work->kernel == names[FIRST]) {
        for (u32 warp = 0; warp < work->blocks * 4; ++warp) first_warp(batch, warp);
    } else if (work->kernel == names[FILL]) {
        for (u32 warp = 0; warp < work->blocks * 2; ++warp) fill_warp(batch, warp, work->blocks * 2, own);
    } else {
        for (u32 warp = 0; warp < work->blocks; ++warp) last_warp(batch, warp);
        if (device->wrong == 1 && batch->tags) batch->tags[0] ^= 1;
        if (device->wrong == 2) batch->hits[0] = ~batch->hits[0];
    }
}
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    (void)flags, (void)priority;
    if (usable()) return usable();
    Stream *made = calloc(1, sizeof(Stream));
    made->device = current;
    ++current->streams;
    *stream = made;
    return SUCCESS;
}
int cuStreamDestroy_v2(void *stream) {
    --((Stream *)stream)->device->streams;
    free(stream);
    return usable();
}
static int put(Stream *stream, Work work) {
    if (usable()) return usable();
    if (stream->device != current || stream->waiting == QUEUE) return INVALID_VALUE;
    stream->queue[stream->waiting++] = work;
    return SUCCESS;
}
int cuLaunchKernel(void *function, unsigned blocks, unsigned y, unsigned z, unsigned threads, unsigned ty,
                   unsigned tz, unsigned shared, void *stream, void **arguments, void **extra) {
    (void)y, (void)z, (void)threads, (void)ty, (void)tz, (void)shared, (void)extra;
    if (blocks == 0) return INVALID_VALUE;
    const Work work = {function, blocks, *(const Batch *)arguments[0], NULL, NULL, 0};
    return put(stream, work);
}
static int copy(void *to, const void *from, size_t bytes, void *stream) {
    Work work;
    memset(&work, 0, sizeof work);
    work.to = to, work.from = from, work.bytes = bytes;
    return put(stream, work);
}
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    return copy(to, from, bytes, stream);
}
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    return copy(to, from, bytes, stream);
}
int cuStreamSynchronize(void *handle) {
    Stream *stream = handle;
    if (usable()) return usable();
    for (int i = 0; i < stream->waiting; ++i) {
        const Work *work = &stream->queue[i];
        if (work->kernel && current->breaks_after >= 0 && current->breaks_after-- == 0) {
            current->broken = LAUNCH_FAILED;
            return LAUNCH_FAILED;
        }
        if (work->kernel) run(current, work);
        else memcpy(work->to, work->from, work->bytes);
    }
    stream->waiting = 0;
    // As late as can be.
    finish_fills(current);
    return SUCCESS;
}
int cuGetErrorString(int code, const char **text) {
    (void)code;
    *text = "a fault made for a test";
    return SUCCESS;
}
