// From a key to the first two blocks of its hash (RFC 9106, 3.2, steps 1 to 4).
#ifndef XENBLOCKS_FIRST_H
#define XENBLOCKS_FIRST_H

#include "batch.h"
#include "blake2b.h"

// Eight hexadecimal digits as text, the highest first.
DEVICE u64 digits(u32 number) {
    u64 text = 0;
    UNROLL
    for (u32 i = 0; i < 8; ++i) {
        const u32 digit = number >> (28 - 4 * i) & 15;
        text |= (u64)(digit + (digit < 10 ? '0' : 'a' - 10)) << 8 * i;
    }
    return text;
}

// H0's message: the counting digits are bytes 76 to 91 of it.
DEVICE void first_message(const Batch *batch, u32 hash, u64 message[MESSAGE_WORDS]) {
    const u64 counter = batch->counter + hash;
    const u64 high = digits((u32)(counter >> 32)), low = digits((u32)counter);
    UNROLL
    for (u32 i = 0; i < MESSAGE_WORDS; ++i) message[i] = batch->input[i];
    message[9] |= high << 32;
    message[10] = high >> 32 | low << 32;
    message[11] |= low >> 32;
}

// The message of H' for a block's first 32 bytes: its length of 1024, H0, the block's number, the lane 0.
DEVICE void expansion_message(const u64 h0[STATE_WORDS], u32 block, u64 message[MESSAGE_WORDS]) {
    message[0] = 1024 | h0[0] << 32;
    UNROLL
    for (u32 i = 1; i < STATE_WORDS; ++i) message[i] = h0[i - 1] >> 32 | h0[i] << 32;
    message[8] = h0[7] >> 32 | (u64)block << 32;
    message[9] = 0;
}

// One of the first two blocks of one hash. Message 0 gives H0, each later one 32 bytes of the
// block, the last one 64: one loop, for its body is 3000 instructions long.
DEVICE void first_block(const Batch *batch, u32 hash, u32 block) {
    Cell *to = batch->ends + ((u64)hash * 2 + block) * BLOCK_CELLS;
    u64 message[MESSAGE_WORDS], state[STATE_WORDS];
    first_message(batch, hash, message);
    u32 length = batch->input_length;
    for (u32 round = 0; round <= 31; ++round) {
        blake2b_begin(state);
        blake2b_take(state, message, length, 1);
        if (round == 0) {
            expansion_message(state, block, message);
            length = 76;
        } else {
            UNROLL
            for (u32 i = 0; i < STATE_WORDS; ++i) message[i] = state[i];
            message[8] = 0;
            length = 64;
            Cell cell = {state[0], state[1]};
            *to++ = cell;
            Cell next = {state[2], state[3]};
            *to++ = next;
        }
        UNROLL
        for (u32 i = 10; i < MESSAGE_WORDS; ++i) message[i] = 0;
    }
    Cell cell = {state[4], state[5]};
    to[0] = cell;
    Cell next = {state[6], state[7]};
    to[1] = next;
}

// A warp's share: a lane for each block.
DEVICE void first_warp(const Batch *batch, u32 warp) {
    EACH_LANE(lane) {
        const u32 item = warp * LANES + lane;
        if (item < batch->hashes * 2) first_block(batch, item / 2, item % 2);
    }
}

#endif
