//! Loops over arrays, in tiles that stay in a core's cache.
//!
//! All operands of a loop have one shape; each has its own distances between items. Axes whose items lie one after the
//! other for all operands become one, so that most loops are over a line.

use crate::dtype::with_bytes;
use crate::{Dtype, Result};
use bytemuck::{Pod, cast_slice, cast_slice_mut};

/// Items of a tile at most: what an expression of a few operands needs fits the first cache.
pub(crate) const TILE_ITEMS: usize = 2_048;

/// Rows of a tile where an operand lies along the other axis: each line of the cache is used while it is there.
const TURNED_ROWS: usize = 32;

/// A loop over the items of operands, of which those that are next to each other lie together as far as possible.
#[derive(Debug)]
pub(crate) struct Nest {
    /// At least two axes.
    shape: Vec<usize>,
    /// For each operand, the distances along the axes.
    strides: Vec<Vec<isize>>,
    /// Rows and columns of a tile.
    tile: (usize, usize),
}

/// Where a tile is.
#[derive(Debug)]
pub(crate) struct Tile<'a> {
    nest: &'a Nest,
    /// The first item of each operand.
    offsets: &'a [isize],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The place of a tile in an operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) row: isize,
    pub(crate) column: isize,
}

impl Place {
    /// Where an item of the tile is.
    pub(crate) fn at(self, row: usize, column: usize) -> usize {
        (self.offset as isize + row as isize * self.row + column as isize * self.column) as usize
    }
}

impl Nest {
    /// The loop over a shape. `read`: how many of the operands are read, before those that are written.
    pub(crate) fn new(shape: &[usize], operands: &[Vec<isize>], read: usize) -> Self {
        let mut merged: Vec<usize> = Vec::new();
        let mut strides: Vec<Vec<isize>> = vec![Vec::new(); operands.len()];
        // From the innermost axis on; they are turned around at the end.
        for axis in (0..shape.len()).rev().filter(|axis| shape[*axis] != 1) {
            let continues = merged.last().is_some_and(|size| {
                operands.iter().zip(&strides).all(|(operand, known)| {
                    known.last().is_some_and(|inner| operand[axis] == inner * *size as isize)
                })
            });
            if continues && let Some(size) = merged.last_mut() {
                *size *= shape[axis];
                continue;
            }
            merged.push(shape[axis]);
            for (operand, known) in operands.iter().zip(&mut strides) {
                known.push(operand[axis]);
            }
        }
        while merged.len() < 2 {
            merged.push(1);
            strides.iter_mut().for_each(|known| known.push(0));
        }
        merged.reverse();
        strides.iter_mut().for_each(|known| known.reverse());
        let (rows, columns) = (merged[merged.len() - 2], merged[merged.len() - 1]);
        let is_turned = |known: &Vec<isize>| !matches!(known[merged.len() - 1], 0 | 1);
        let rows = match strides[..read].iter().any(is_turned) {
            true => rows.min(TURNED_ROWS),
            false => rows.min((TILE_ITEMS / columns.min(TILE_ITEMS)).max(1)),
        };
        let tile = (rows, columns.min(TILE_ITEMS / rows));
        Nest { shape: merged, strides, tile }
    }

    /// Whether an operand has one item for all.
    pub(crate) fn is_single(&self, operand: usize) -> bool {
        self.strides[operand]
            .iter()
            .zip(&self.shape)
            .all(|(stride, size)| *stride == 0 || *size == 1)
    }

    /// Calls a function for each tile. `first`: the first item of each operand.
    pub(crate) fn each(
        &self,
        first: &[usize],
        mut tile: impl FnMut(&Tile<'_>) -> Result<()>,
    ) -> Result<()> {
        let inner = self.shape.len() - 2;
        let mut index = vec![0; inner];
        let mut offsets = vec![0_isize; first.len()];
        loop {
            for row in (0..self.shape[inner]).step_by(self.tile.0) {
                for column in (0..self.shape[inner + 1]).step_by(self.tile.1) {
                    for (operand, offset) in offsets.iter_mut().enumerate() {
                        let strides = &self.strides[operand];
                        let outer =
                            index.iter().zip(strides).map(|(at, stride)| *at as isize * stride);
                        *offset = first[operand] as isize
                            + outer.sum::<isize>()
                            + row as isize * strides[inner]
                            + column as isize * strides[inner + 1];
                    }
                    tile(&Tile {
                        nest: self,
                        offsets: &offsets,
                        rows: self.tile.0.min(self.shape[inner] - row),
                        columns: self.tile.1.min(self.shape[inner + 1] - column),
                    })?;
                }
            }
            // The next index of the outer axes.
            let mut axis = inner;
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

impl Tile<'_> {
    /// Items of the tile.
    pub(crate) fn items(&self) -> usize {
        self.rows * self.columns
    }

    /// The place of it in an operand.
    pub(crate) fn place(&self, operand: usize) -> Place {
        let strides = &self.nest.strides[operand];
        let inner = strides.len() - 2;
        let offset = self.offsets[operand] as usize;
        Place { offset, row: strides[inner], column: strides[inner + 1] }
    }

    /// Copies the items of an operand to a tile, where they lie one after the other.
    pub(crate) fn load(&self, operand: usize, dtype: Dtype, from: &[u8], to: &mut [u8]) {
        let (place, rows, columns) = (self.place(operand), self.rows, self.columns);
        with_bytes!(dtype, T => load::<T>(cast_slice(from), cast_slice_mut(to), place, rows, columns));
    }

    /// Copies a tile to the items of an operand.
    pub(crate) fn store(&self, operand: usize, dtype: Dtype, from: &[u8], to: &mut [u8]) {
        let (place, rows, columns) = (self.place(operand), self.rows, self.columns);
        with_bytes!(dtype, T => store::<T>(cast_slice(from), cast_slice_mut(to), place, rows, columns));
    }

    /// The items of an operand, if they lie one after the other.
    pub(crate) fn line(&self, operand: usize) -> Option<std::ops::Range<usize>> {
        let Place { offset, row, column } = self.place(operand);
        let is_line = (column == 1 || self.columns == 1)
            && (self.rows == 1 || row == self.columns as isize)
            && (self.columns > 1 || self.rows == 1 || row == 1);
        is_line.then(|| offset..offset + self.items())
    }
}

fn load<T: Pod>(from: &[T], to: &mut [T], place: Place, rows: usize, columns: usize) {
    if place.row == 1 && !matches!(place.column, 0 | 1) {
        return turn(from, to, place, rows, columns);
    }
    for (row, to) in to.chunks_exact_mut(columns).enumerate() {
        let start = place.at(row, 0);
        match place.column {
            1 => to.copy_from_slice(&from[start..start + columns]),
            0 => to.fill(from[start]),
            _ => {
                for (at, to) in to.iter_mut().enumerate() {
                    *to = from[place.at(row, at)];
                }
            }
        }
    }
}

/// Items of a small square whose rows and columns are exchanged in registers.
const SQUARE: usize = 8;

/// Copies a tile whose rows lie together: square after square, so that each line of the cache is read and written once.
fn turn<T: Pod>(from: &[T], to: &mut [T], place: Place, rows: usize, columns: usize) {
    let whole = (rows - rows % SQUARE, columns - columns % SQUARE);
    for first in (0..whole.1).step_by(SQUARE) {
        for row in (0..whole.0).step_by(SQUARE) {
            let mut square = [[T::zeroed(); SQUARE]; SQUARE];
            for (at, line) in square.iter_mut().enumerate() {
                let start = place.at(row, first + at);
                line.copy_from_slice(&from[start..start + SQUARE]);
            }
            let lines = to[row * columns..].chunks_mut(columns).take(SQUARE);
            for (number, to) in lines.enumerate() {
                let turned: [T; SQUARE] = std::array::from_fn(|at| square[at][number]);
                to[first..first + SQUARE].copy_from_slice(&turned);
            }
        }
    }
    // What is left at both edges.
    for at in 0..columns {
        let first = if at < whole.1 { whole.0 } else { 0 };
        let start = place.at(0, at);
        for (number, item) in from[start..start + rows].iter().enumerate().skip(first) {
            to[number * columns + at] = *item;
        }
    }
}

fn store<T: Pod>(from: &[T], to: &mut [T], place: Place, rows: usize, columns: usize) {
    for (row, from) in from.chunks_exact(columns).take(rows).enumerate() {
        let start = place.at(row, 0);
        if place.column == 1 {
            to[start..start + columns].copy_from_slice(from);
            continue;
        }
        for (at, item) in from.iter().enumerate() {
            to[place.at(row, at)] = *item;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::strides_of;

    /// Axes that lie one after the other for all operands are one; others, and those of size 1, are not in the way.
    #[test]
    fn axes_are_merged() {
        let shape = [3, 1, 4, 5];
        let whole = strides_of(&shape);
        let nest = Nest::new(&shape, &[whole.clone(), whole.clone()], 1);
        assert_eq!((nest.shape, nest.tile), (vec![1, 60], (1, 60)));
        let nest = Nest::new(&shape, &[whole, vec![1, 0, 15, 3]], 1);
        assert_eq!(nest.shape, [3, 20]);
        assert_eq!(nest.strides, [[20, 1], [1, 3]]);
        assert!(Nest::new(&[1, 1], &[vec![1, 1]], 1).is_single(0));
    }

    /// Every item is in one tile, whatever the shape and the layout.
    #[test]
    fn tiles_cover_all_items() {
        for shape in [vec![], vec![1], vec![5_000], vec![70, 90], vec![3, 5, 7, 11], vec![2_100, 3]]
        {
            let strides = strides_of(&shape);
            let turned: Vec<isize> = {
                let backwards: Vec<usize> = shape.iter().rev().copied().collect();
                strides_of(&backwards).into_iter().rev().collect()
            };
            let items: usize = shape.iter().product();
            let from: Vec<u64> = (0..items as u64).collect();
            let mut to = vec![u64::MAX; items];
            let nest = Nest::new(&shape, &[turned, strides.clone()], 1);
            nest.each(&[0, 0], |tile| {
                assert!(tile.items() <= TILE_ITEMS);
                let mut loaded = vec![0_u64; tile.items()];
                tile.load(0, Dtype::U64, cast_slice(&from), cast_slice_mut(&mut loaded));
                tile.store(1, Dtype::U64, cast_slice(&loaded), cast_slice_mut(&mut to));
                Ok(())
            })
            .unwrap();
            // Item by item, by index.
            for (at, found) in to.iter().enumerate() {
                let (mut rest, mut place, mut step) = (at, 0, vec![1; shape.len()]);
                for axis in 1..shape.len() {
                    step[axis] = step[axis - 1] * shape[axis - 1];
                }
                for axis in (0..shape.len()).rev() {
                    place += rest % shape[axis] * step[axis];
                    rest /= shape[axis];
                }
                assert_eq!(*found, place as u64, "{shape:?} {at}");
            }
        }
    }
}
