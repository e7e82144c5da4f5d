//! The compression where four words lie side by side and a block is 32 vectors.

use super::{Vector, each, mix_two};
use crate::pow::cpu::memory::Block;

/// Four words, and how they change places.
pub(super) trait Quad: Vector {
    /// Word 1 takes the place of word 0.
    fn left(self) -> Self;
    /// Word 3 takes the place of word 0.
    fn right(self) -> Self;
    /// Word 2 takes the place of word 0.
    fn half_way(self) -> Self;
    /// In each half of two words: the second of this one, then the first of the next one.
    fn across(self, next: Self) -> Self;
}

/// `out` = G(`previous` ^ `reference`), words in their own order. `out` holds what comes between
/// rows and columns: there are not registers enough for a block.
#[inline(always)]
pub(super) fn compress<V: Quad>(previous: &Block, reference: &Block, out: &mut Block) {
    let input = |at: usize| V::load(&previous.0[at..]).xor(V::load(&reference.0[at..]));
    for rows in 0..4 {
        let at = |row, quarter| 16 * (2 * rows + row) + 4 * quarter;
        let state = each!([0 1 2 3], quarter => each!([0 1], row => input(at(row, quarter))));
        let state = mix_rows(state);
        each!([0 1 2 3], quarter => each!([0 1], row => {
            state[quarter][row].store(&mut out.0[at(row, quarter)..]);
        }));
    }
    for quarter in 0..4 {
        let at = |row| 16 * row + 4 * quarter;
        let state = each!([0 1 2 3], two => each!([0 1], row => V::load(&out.0[at(2 * two + row)..])));
        let state = mix_columns(state);
        each!([0 1 2 3], two => each!([0 1], row => {
            let at = at(2 * two + row);
            state[two][row].xor(input(at)).store(&mut out.0[at..]);
        }));
    }
}

/// a, b, c and d of BLAKE2b's page, each of two groups.
type Groups<V> = [[V; 2]; 4];

/// Columns, then diagonals; b, which is finished last, stays, and the others turn about it.
#[inline(always)]
fn mix_rows<V: Quad>(state: Groups<V>) -> Groups<V> {
    let [[a, e], b, [c, g], [d, h]] = mix_two(state);
    let turned = [[a.right(), e.right()], b, [c.left(), g.left()], [d.half_way(), h.half_way()]];
    let [[a, e], b, [c, g], [d, h]] = mix_two(turned);
    [[a.left(), e.left()], b, [c.right(), g.right()], [d.half_way(), h.half_way()]]
}

/// Two pairs of columns, one in each half. Their a is in rows 0 and 1, their b in 2 and 3, and so on.
#[inline(always)]
fn mix_columns<V: Quad>(state: Groups<V>) -> Groups<V> {
    let [[a, e], b, [c, g], [d, h]] = mix_two(state);
    let turned = [[e.across(a), a.across(e)], b, [c.across(g), g.across(c)], [h, d]];
    let [[a, e], b, [c, g], [d, h]] = mix_two(turned);
    [[a.across(e), e.across(a)], b, [g.across(c), c.across(g)], [h, d]]
}
