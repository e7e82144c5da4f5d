// Filling memory: Argon2id's compression function and the choice of reference blocks.
//
// Eight lanes share a hash. In columns, part p of the eight holds words 16r + 2p and 16r + 2p + 1
// of each of a block's eight rows r: that is how blocks lie in memory, so that eight lanes move
// 128 bytes in a row, and each lane reads only what it wrote itself. In rows, part p holds row p.
// Either way the permutation P needs the lane's own sixteen words and nothing else; between the
// two a tile of shared memory turns them.
#ifndef XENBLOCKS_FILL_H
#define XENBLOCKS_FILL_H

#include "batch.h"

#define OWN_WORDS 16
#define OWN_CELLS 8
#define TILE_CELLS (GROUPS * BLOCK_CELLS)

#define ADD(a, b) w[a] += w[b] + ((u64)(u32)w[a] * (u32)w[b] << 1);
#define TURN(a, b, bits) w[a] = rotate_right(w[a] ^ w[b], bits);
#define MIX(a, b, c, d)                \
    ADD(a, b) TURN(d, a, 32)           \
    ADD(c, d) TURN(b, c, 24)           \
    ADD(a, b) TURN(d, a, 16)           \
    ADD(c, d) TURN(b, c, 63)

DEVICE void permute(u64 w[OWN_WORDS]) {
    MIX(0, 4, 8, 12)
    MIX(1, 5, 9, 13)
    MIX(2, 6, 10, 14)
    MIX(3, 7, 11, 15)
    MIX(0, 5, 10, 15)
    MIX(1, 6, 11, 12)
    MIX(2, 7, 8, 13)
    MIX(3, 4, 9, 14)
}

// Where a tile holds the cell of a row and a column: shifted by the row, so that eight lanes that
// go down a column, one row each, find eight different banks.
DEVICE u32 place(u32 lane, u32 row, u32 column) {
    return lane / PARTS * BLOCK_CELLS + row * OWN_CELLS + (column ^ row);
}

DEVICE void columns_to_rows(u64 words[HELD][OWN_WORDS], Cell tile[TILE_CELLS]) {
    EACH_LANE(lane) {
        const u32 part = lane % PARTS;
        UNROLL
        for (u32 row = 0; row < OWN_CELLS; ++row) {
            Cell cell = {words[OF(lane)][2 * row], words[OF(lane)][2 * row + 1]};
            tile[place(lane, row, part)] = cell;
        }
    }
    SYNC();
    EACH_LANE(lane) {
        const u32 part = lane % PARTS;
        UNROLL
        for (u32 column = 0; column < OWN_CELLS; ++column) {
            const Cell cell = tile[place(lane, part, column)];
            words[OF(lane)][2 * column] = cell.x;
            words[OF(lane)][2 * column + 1] = cell.y;
        }
    }
    SYNC();
}

DEVICE void rows_to_columns(u64 words[HELD][OWN_WORDS], Cell tile[TILE_CELLS]) {
    EACH_LANE(lane) {
        const u32 part = lane % PARTS;
        UNROLL
        for (u32 column = 0; column < OWN_CELLS; ++column) {
            Cell cell = {words[OF(lane)][2 * column], words[OF(lane)][2 * column + 1]};
            tile[place(lane, part, column)] = cell;
        }
    }
    SYNC();
    EACH_LANE(lane) {
        const u32 part = lane % PARTS;
        UNROLL
        for (u32 row = 0; row < OWN_CELLS; ++row) {
            const Cell cell = tile[place(lane, row, part)];
            words[OF(lane)][2 * row] = cell.x;
            words[OF(lane)][2 * row + 1] = cell.y;
        }
    }
    SYNC();
}

// The compression function of a block and a block of zeros, in columns on both sides.
DEVICE void compress(u64 words[HELD][OWN_WORDS], Cell tile[TILE_CELLS]) {
    u64 kept[HELD][OWN_WORDS];
    EACH_LANE(lane) {
        UNROLL
        for (u32 i = 0; i < OWN_WORDS; ++i) kept[OF(lane)][i] = words[OF(lane)][i];
    }
    columns_to_rows(words, tile);
    EACH_LANE(lane) permute(words[OF(lane)]);
    rows_to_columns(words, tile);
    EACH_LANE(lane) {
        permute(words[OF(lane)]);
        UNROLL
        for (u32 i = 0; i < OWN_WORDS; ++i) words[OF(lane)][i] ^= kept[OF(lane)][i];
    }
}

// The block that block `at` refers to, by 32 pseudo-random bits: one before its predecessor, the
// nearer the likelier (RFC 9106, 3.4.2, in the first pass of one lane).
DEVICE u32 reference(u32 random, u32 at) {
    const u32 area = at - 1;
    const u32 x = (u32)((u64)random * random >> 32);
    return area - 1 - (u32)((u64)area * x >> 32);
}

// The cells of one hash that the lane owns, from a block's first row on.
DEVICE Cell *own(const Batch *batch, u32 warp, u32 lane) {
    const u32 worker = warp * GROUPS + lane / PARTS;
    return batch->memory + (u64)worker * batch->blocks * BLOCK_CELLS + lane % PARTS;
}

DEVICE void store(Cell *to, const u64 words[OWN_WORDS]) {
    UNROLL
    for (u32 row = 0; row < OWN_CELLS; ++row) {
        Cell cell = {words[2 * row], words[2 * row + 1]};
        to[row * PARTS] = cell;
    }
}

// Puts the two first blocks of the warp's next hashes into its memory; the second stays in hand.
DEVICE void begin(const Batch *batch, u32 warp, u32 hash, u64 words[HELD][OWN_WORDS]) {
    EACH_LANE(lane) {
        const Cell *from = batch->ends + (u64)(hash + lane / PARTS) * 2 * BLOCK_CELLS + lane % PARTS;
        Cell *to = own(batch, warp, lane);
        UNROLL
        for (u32 row = 0; row < OWN_CELLS; ++row) {
            to[row * PARTS] = from[row * PARTS];
            const Cell cell = from[BLOCK_CELLS + row * PARTS];
            to[BLOCK_CELLS + row * PARTS] = cell;
            words[OF(lane)][2 * row] = cell.x;
            words[OF(lane)][2 * row + 1] = cell.y;
        }
    }
}

// Makes block `at` of the block in hand, its predecessor, and the one referred to.
DEVICE void step(const Batch *batch, u32 warp, u32 at, const u32 from[HELD], u64 words[HELD][OWN_WORDS], Cell *tile) {
    EACH_LANE(lane) {
        const Cell *cells = own(batch, warp, lane) + (u64)from[OF(lane)] * BLOCK_CELLS;
        UNROLL
        for (u32 row = 0; row < OWN_CELLS; ++row) {
            const Cell cell = cells[row * PARTS];
            words[OF(lane)][2 * row] ^= cell.x;
            words[OF(lane)][2 * row + 1] ^= cell.y;
        }
    }
    compress(words, tile);
    EACH_LANE(lane) store(own(batch, warp, lane) + (u64)at * BLOCK_CELLS, words[OF(lane)]);
}

// A warp's share: GROUPS hashes at once, then GROUPS later ones, until none are left.
DEVICE void fill_warp(const Batch *batch, u32 warp, u32 warps, Cell tile[TILE_CELLS]) {
    u64 words[HELD][OWN_WORDS];
    u32 from[HELD];
    const u32 half = batch->blocks / 2;
    for (u32 hash = warp * GROUPS; hash < batch->hashes; hash += warps * GROUPS) {
        begin(batch, warp, hash, words);
        u32 next = batch->references[2];
        for (u32 at = 2; at < half; ++at) {
            const u32 known = next;
            // The table has one element more than are used.
            next = batch->references[at + 1];
            EACH_LANE(lane) {
                from[OF(lane)] = known;
                // A part asks for one of the eight lines of the next step.
                expect(own(batch, warp, lane) + (u64)next * BLOCK_CELLS + lane % PARTS * (PARTS - 1));
            }
            step(batch, warp, at, from, words, tile);
        }
        for (u32 at = half; at < batch->blocks; ++at) {
            EACH_LANE(lane) from[OF(lane)] = (u32)words[OF(lane)][0];
            from_first_of_eight(from);
            EACH_LANE(lane) from[OF(lane)] = reference(from[OF(lane)], at);
            step(batch, warp, at, from, words, tile);
        }
        EACH_LANE(lane) {
            store(batch->ends + (u64)(hash + lane / PARTS) * 2 * BLOCK_CELLS + lane % PARTS, words[OF(lane)]);
        }
    }
}

// A warp's share of the references of the first two slices, which depend on the memory alone: each
// eight lanes make 128 of one slice (RFC 9106, 3.4.1.2).
DEVICE void references_warp(const Batch *batch, u32 warp, Cell tile[TILE_CELLS]) {
    const u32 segment = batch->blocks / 4;
    const u32 rows = (segment + BLOCK_WORDS - 1) / BLOCK_WORDS;
    u64 words[HELD][OWN_WORDS];
    EACH_LANE(lane) {
        const u32 item = warp * GROUPS + lane / PARTS;
        UNROLL
        for (u32 i = 0; i < OWN_WORDS; ++i) words[OF(lane)][i] = 0;
        switch (lane % PARTS) {
        case 1:
            words[OF(lane)][0] = item / rows;
            words[OF(lane)][1] = batch->blocks;
            break;
        case 2:
            // One pass, Argon2id.
            words[OF(lane)][0] = 1;
            words[OF(lane)][1] = 2;
            break;
        case 3:
            words[OF(lane)][0] = item % rows + 1;
            break;
        }
    }
    compress(words, tile);
    compress(words, tile);
    EACH_LANE(lane) {
        const u32 item = warp * GROUPS + lane / PARTS;
        if (item < 2 * rows) {
            UNROLL
            for (u32 i = 0; i < OWN_WORDS; ++i) {
                const u32 index = item % rows * BLOCK_WORDS + i / 2 * 16 + lane % PARTS * 2 + i % 2;
                const u32 at = item / rows * segment + index;
                if (index < segment && at >= 2)
                    batch->references[at] = reference((u32)words[OF(lane)][i], at);
            }
        }
    }
}

#endif
