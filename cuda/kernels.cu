// The kernels of a GPU: each hands its warps their shares.
#include "fill.h"
#include "first.h"
#include "last.h"

// Warps of a thread block. Few, so that a few hashes already spread over the whole GPU.
#define FILL_WARPS 2
#define WARPS 4

extern "C" {

__global__ void __launch_bounds__(LANES) references(const __grid_constant__ Batch batch) {
    __shared__ Cell tile[TILE_CELLS];
    references_warp(&batch, blockIdx.x, tile);
}

__global__ void __launch_bounds__(WARPS *LANES) first(const __grid_constant__ Batch batch) {
    first_warp(&batch, blockIdx.x * WARPS + threadIdx.x / LANES);
}

__global__ void __launch_bounds__(FILL_WARPS *LANES, 8) fill(const __grid_constant__ Batch batch) {
    __shared__ Cell tiles[FILL_WARPS][TILE_CELLS];
    const u32 own = threadIdx.x / LANES;
    fill_warp(&batch, blockIdx.x * FILL_WARPS + own, gridDim.x * FILL_WARPS, tiles[own]);
}

// A thread block is one warp: the number of hashes is a multiple of its lanes.
__global__ void __launch_bounds__(LANES) last(const __grid_constant__ Batch batch) {
    last_warp(&batch, blockIdx.x);
}
}
