// What the host tells the kernels; src/pow/cuda/batch.rs has the same structure.
#ifndef XENBLOCKS_BATCH_H
#define XENBLOCKS_BATCH_H

#include "lanes.h"

#define INPUT_BYTES 128
// A block of 1 KiB in cells and in words.
#define BLOCK_CELLS 64
#define BLOCK_WORDS 128
// Lanes that share one hash while memory is filled, and hashes of a warp.
#define PARTS 8
#define GROUPS (LANES / PARTS)

typedef struct {
    // For each block of the first two slices the block it refers to.
    u32 *references;
    // blocks * BLOCK_CELLS for each hash that is filled at once.
    Cell *memory;
    // Two blocks for each hash: its first two, later its last one in the place of the first.
    Cell *ends;
    // One bit for each hash: it holds what is looked for.
    u32 *hits;
    // 64 bytes for each hash, or null when nobody wants them.
    u64 *tags;
    // The first key's counter.
    u64 counter;
    // The marker's six-bit digits, the last one lowest; 128 bits.
    u64 marker_high, marker_low;
    // A multiple of LANES.
    u32 hashes;
    // Of one hash: 4 * floor(m / 4).
    u32 blocks;
    // Bytes of the input that count.
    u32 input_length;
    // Characters of the marker, 1 to 16.
    u32 marker_length;
    // What Argon2 hashes first, with zeros where the key's sixteen counting digits go.
    u64 input[INPUT_BYTES / 8];
} Batch;

typedef char batch_has_208_bytes[sizeof(Batch) == 208 ? 1 : -1];

#endif
