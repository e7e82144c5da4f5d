// From a hash's last block to its tag, and what the tag holds as text.
#ifndef XENBLOCKS_LAST_H
#define XENBLOCKS_LAST_H

#include "batch.h"
#include "blake2b.h"

// The tag: H' of 64 bytes is BLAKE2b of their number and the block (RFC 9106, 3.3).
DEVICE void tag_of(const Cell *block, u64 state[STATE_WORDS]) {
    u64 message[MESSAGE_WORDS];
    u64 carried = 64;
    blake2b_begin(state);
    for (u32 part = 0; part <= 8; ++part) {
        UNROLL
        for (u32 i = 0; i < MESSAGE_WORDS; i += 2) {
            Cell cell = {0, 0};
            if (part < 8) cell = block[part * (MESSAGE_WORDS / 2) + i / 2];
            message[i] = carried | cell.x << 32;
            message[i + 1] = cell.x >> 32 | cell.y << 32;
            carried = cell.y >> 32;
        }
        blake2b_take(state, message, part < 8 ? (part + 1) * MESSAGE_BYTES : 1028, part == 8);
    }
}

DEVICE u64 swapped(u64 word) {
    word = (word & 0x00ff00ff00ff00ffull) << 8 | (word >> 8 & 0x00ff00ff00ff00ffull);
    word = (word & 0x0000ffff0000ffffull) << 16 | (word >> 16 & 0x0000ffff0000ffffull);
    return rotate_right(word, 32);
}

#define TEXT_LENGTH 86
// X, U, N and I as digits of base64.
#define XUNI (23u << 18 | 20u << 12 | 13u << 6 | 8u)
#define DIGIT_FIRST 52
#define DIGITS 10

// Whether the tag's 86 characters of base64 hold the marker, or XUNI and a digit. Characters are
// compared as the six bits they stand for; the last stands for two bits and four zeros.
DEVICE u32 holds(const Batch *batch, const u64 tag[STATE_WORDS]) {
    const u32 length = batch->marker_length, bits = 6 * length;
    const u64 mask_low = bits < 64 ? (1ull << bits) - 1 : ~0ull;
    const u64 mask_high = bits > 64 ? (1ull << (bits - 64)) - 1 : 0;
    u64 high = 0, low = 0;
    u32 found = 0;
    UNROLL
    for (u32 i = 0; i < TEXT_LENGTH; ++i) {
        const u32 word = i * 6 / 64, offset = i * 6 % 64;
        u64 digit = swapped(tag[word]) << offset;
        if (offset > 58 && word + 1 < STATE_WORDS) digit |= swapped(tag[word + 1]) >> (64 - offset);
        high = high << 6 | low >> 58;
        low = low << 6 | digit >> 58;
        const u32 marker = ((low ^ batch->marker_low) & mask_low) == 0 && ((high ^ batch->marker_high) & mask_high) == 0;
        const u32 xuni = ((u32)(low >> 6) & 0xffffff) == XUNI && ((u32)low & 63) - DIGIT_FIRST < DIGITS;
        found |= (marker && i + 1 >= length) | (xuni && i >= 4);
    }
    return found;
}

// A warp's share: a lane for each hash.
DEVICE void last_warp(const Batch *batch, u32 warp) {
    u32 found[HELD];
    EACH_LANE(lane) {
        const u64 hash = warp * LANES + lane;
        u64 tag[STATE_WORDS];
        tag_of(batch->ends + hash * 2 * BLOCK_CELLS, tag);
        found[OF(lane)] = holds(batch, tag);
        if (batch->tags) {
            UNROLL
            for (u32 i = 0; i < STATE_WORDS; ++i) batch->tags[hash * STATE_WORDS + i] = tag[i];
        }
    }
    const u32 bits = ballot(found);
    EACH_LANE(lane) {
        if (lane == 0) batch->hits[warp] = bits;
    }
}

#endif
