//! BLAKE2b with 64 bytes of output and no key (RFC 7693), as many inputs at once as a vector has
//! words: word i of each input lies in one vector.

use super::vector::{LANES_MAX, Vector, each};

/// Words of a message block.
pub(super) const MESSAGE_WORDS: usize = 16;
/// Bytes of a message block.
pub(super) const MESSAGE_BYTES: usize = 8 * MESSAGE_WORDS;

/// Words of several inputs or outputs: first their first words, then their second ones.
pub(super) type Wide<const WORDS: usize> = [[u64; LANES_MAX]; WORDS];

/// The state of several hashes.
pub(super) struct Blake2b<V>([V; 8]);

const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// 64 bytes of output, no key, one sequence.
const PARAMETERS: u64 = 0x0101_0040;

const SIGMA: [[usize; MESSAGE_WORDS]; 12] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
];

impl<V: Vector> Blake2b<V> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let mut state = IV.map(V::splat);
        state[0] = V::splat(IV[0] ^ PARAMETERS);
        Blake2b(state)
    }

    /// Takes in a message block; `bytes` have come with it and before it, of the input alone. The
    /// last block is filled with zeros.
    #[inline(always)]
    pub(super) fn update(&mut self, message: &[V; MESSAGE_WORDS], bytes: usize, last: bool) {
        let iv = each!([0 1 2 3 4 5 6 7], i => V::splat(IV[i]));
        let h = self.0;
        let (mut a, mut b) = ([h[0], h[1], h[2], h[3]], [h[4], h[5], h[6], h[7]]);
        let (mut c, mut d) = ([iv[0], iv[1], iv[2], iv[3]], [iv[4], iv[5], iv[6], iv[7]]);
        d[0] = d[0].xor(V::splat(bytes as u64));
        if last {
            d[2] = d[2].xor(V::splat(u64::MAX));
        }
        for order in &SIGMA {
            let word = |place: usize| message[order[place]];
            [a, b, c, d] = mix([a, b, c, d], each!([0 1 2 3 4 5 6 7], k => word(k)));
            let diagonals = [a, [b[1], b[2], b[3], b[0]], [c[2], c[3], c[0], c[1]], [d[3], d[0], d[1], d[2]]];
            [a, b, c, d] = mix(diagonals, each!([0 1 2 3 4 5 6 7], k => word(8 + k)));
            [b, c, d] = [[b[3], b[0], b[1], b[2]], [c[2], c[3], c[0], c[1]], [d[1], d[2], d[3], d[0]]];
        }
        let low = each!([0 1 2 3], i => h[i].xor(a[i]).xor(c[i]));
        let high = each!([0 1 2 3], i => h[4 + i].xor(b[i]).xor(d[i]));
        self.0 = [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]];
    }

    /// What has come out.
    #[inline(always)]
    pub(super) fn output(&self) -> [V; 8] {
        self.0
    }
}

/// Four Gs, step by step, so that they hide each other's latency.
#[inline(always)]
fn mix<V: Vector>([mut a, mut b, mut c, mut d]: [[V; 4]; 4], words: [V; 8]) -> [[V; 4]; 4] {
    a = each!([0 1 2 3], k => a[k].add(words[2 * k]).add(b[k]));
    d = each!([0 1 2 3], k => d[k].xor(a[k]).rotate::<32>());
    c = each!([0 1 2 3], k => c[k].add(d[k]));
    b = each!([0 1 2 3], k => b[k].xor(c[k]).rotate::<24>());
    a = each!([0 1 2 3], k => a[k].add(words[2 * k + 1]).add(b[k]));
    d = each!([0 1 2 3], k => d[k].xor(a[k]).rotate::<16>());
    c = each!([0 1 2 3], k => c[k].add(d[k]));
    b = each!([0 1 2 3], k => b[k].xor(c[k]).rotate::<63>());
    [a, b, c, d]
}
