// BLAKE2b with 64 bytes of output and no key (RFC 7693).
#ifndef XENBLOCKS_BLAKE2B_H
#define XENBLOCKS_BLAKE2B_H

#include "lanes.h"

#define STATE_WORDS 8
#define MESSAGE_WORDS 16
#define MESSAGE_BYTES 128

#define IV0 0x6a09e667f3bcc908ull
#define IV1 0xbb67ae8584caa73bull
#define IV2 0x3c6ef372fe94f82bull
#define IV3 0xa54ff53a5f1d36f1ull
#define IV4 0x510e527fade682d1ull
#define IV5 0x9b05688c2b3e6c1full
#define IV6 0x1f83d9abfb41bd6bull
#define IV7 0x5be0cd19137e2179ull
// 64 bytes of output, no key, no tree.
#define PARAMETERS 0x01010040ull

#define QUARTER(a, b, c, d, x, y)                     \
    v[a] += v[b] + message[x];                        \
    v[d] = rotate_right(v[d] ^ v[a], 32);             \
    v[c] += v[d];                                     \
    v[b] = rotate_right(v[b] ^ v[c], 24);             \
    v[a] += v[b] + message[y];                        \
    v[d] = rotate_right(v[d] ^ v[a], 16);             \
    v[c] += v[d];                                     \
    v[b] = rotate_right(v[b] ^ v[c], 63);

#define BLAKE2B_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    QUARTER(0, 4, 8, 12, s0, s1)                                                    \
    QUARTER(1, 5, 9, 13, s2, s3)                                                    \
    QUARTER(2, 6, 10, 14, s4, s5)                                                   \
    QUARTER(3, 7, 11, 15, s6, s7)                                                   \
    QUARTER(0, 5, 10, 15, s8, s9)                                                   \
    QUARTER(1, 6, 11, 12, s10, s11)                                                 \
    QUARTER(2, 7, 8, 13, s12, s13)                                                  \
    QUARTER(3, 4, 9, 14, s14, s15)

DEVICE void blake2b_begin(u64 state[STATE_WORDS]) {
    state[0] = IV0 ^ PARAMETERS;
    state[1] = IV1;
    state[2] = IV2;
    state[3] = IV3;
    state[4] = IV4;
    state[5] = IV5;
    state[6] = IV6;
    state[7] = IV7;
}

// Takes in one message block; `length` counts all bytes up to its end.
DEVICE void blake2b_take(u64 state[STATE_WORDS], const u64 message[MESSAGE_WORDS], u32 length, u32 last) {
    u64 v[16] = {state[0], state[1],      state[2], state[3], state[4],
                 state[5], state[6],      state[7], IV0,      IV1,
                 IV2,      IV3,           IV4 ^ length, IV5,  last ? ~IV6 : IV6,
                 IV7};
    BLAKE2B_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    BLAKE2B_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    BLAKE2B_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
    BLAKE2B_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
    BLAKE2B_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
    BLAKE2B_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
    BLAKE2B_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
    BLAKE2B_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
    BLAKE2B_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
    BLAKE2B_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
    BLAKE2B_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    BLAKE2B_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    UNROLL
    for (u32 i = 0; i < STATE_WORDS; ++i) state[i] ^= v[i] ^ v[i + STATE_WORDS];
}

#endif
