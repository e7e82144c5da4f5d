// A warp's 32 lanes, on a GPU and on any other machine.
//
// The kernels are written once, in what C and CUDA have in common. A variable that each lane has
// for itself is an array of HELD elements, of which a lane uses element OF(lane): on a GPU one
// register each, for a lane is a thread; elsewhere 32, and EACH_LANE is a loop. Whatever lanes tell
// each other passes SYNC(), `from_first_of_eight` or `ballot`.
#ifndef XENBLOCKS_LANES_H
#define XENBLOCKS_LANES_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define LANES 32

#ifdef __CUDACC__

#define DEVICE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define HELD 1
#define OF(lane) ((lane) & 0)
#define EACH_LANE(lane) \
    for (u32 lane = threadIdx.x % LANES, lane##_left = 1; lane##_left; lane##_left = 0)
#define SYNC() __syncwarp()

// Two words: what a lane moves at once.
typedef ulonglong2 Cell;

// Asks for a line of memory before it is needed.
DEVICE void expect(const Cell *cell) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(cell)));
}

DEVICE void from_first_of_eight(u32 value[HELD]) {
    value[0] = __shfl_sync(0xffffffffu, value[0], 0, 8);
}

DEVICE u32 ballot(const u32 flag[HELD]) {
    return __ballot_sync(0xffffffffu, flag[0]);
}

#else

#define DEVICE static inline
#define UNROLL
#define HELD LANES
#define OF(lane) lane
// In an order that the tests change: no lane may count on another one's having been there.
#define EACH_LANE(lane) \
    for (u32 lane##_turn = 0, lane = lane_order; lane##_turn < LANES; lane = ++lane##_turn ^ lane_order)
#define SYNC() (void)0

// 0 to 31.
static _Thread_local u32 lane_order;

typedef struct {
    u64 x, y;
} Cell;

DEVICE void expect(const Cell *cell) {
    (void)cell;
}

DEVICE void from_first_of_eight(u32 value[HELD]) {
    EACH_LANE(lane) value[lane] = value[lane / 8 * 8];
}

DEVICE u32 ballot(const u32 flag[HELD]) {
    u32 bits = 0;
    EACH_LANE(lane) bits |= (u32)(flag[lane] != 0) << lane;
    return bits;
}

#endif

DEVICE u64 rotate_right(u64 word, u32 bits) {
    return word >> bits | word << (64 - bits);
}

#endif
