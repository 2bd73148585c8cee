//! Reductions: one item for all along some axes.

use crate::dtype::with_type;
use crate::operate::Number;
use crate::program::Reduction;
use crate::tile::Tile;
use crate::{Dtype, Result, Unsupported};
use bytemuck::{cast_slice, cast_slice_mut};

/// Numbers that are added with a few sums at once, without a division of the range; as in NumPy.
const LINE: usize = 128;
/// Sums at once.
const LANES: usize = 8;

/// The sum of numbers, pairwise: its error grows with the logarithm of their number (Higham, Accuracy and Stability of
/// Numerical Algorithms, 4.2).
fn pairwise<T: Number>(numbers: &[T]) -> T {
    if numbers.len() > LINE {
        let half = numbers.len() / 2;
        let (one, other) = numbers.split_at(half - half % LANES);
        return pairwise(one).add(pairwise(other));
    }
    let mut lanes = [T::ZERO; LANES];
    let chunks = numbers.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane = lane.add(*number);
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let sum = a.add(b).add(c.add(d)).add(e.add(f).add(g.add(h)));
    rest.iter().fold(sum, |sum, number| sum.add(*number))
}

/// Sums that are added pairwise as they come.
#[derive(Debug)]
struct Cascade<T> {
    /// Sums, and the logarithm of how many tiles each has: falling.
    sums: Vec<(T, u32)>,
}

impl<T: Number> Cascade<T> {
    fn push(&mut self, mut sum: T) {
        let mut level = 0;
        while let Some((known, other)) = self.sums.last().copied()
            && other == level
        {
            self.sums.pop();
            sum = known.add(sum);
            level += 1;
        }
        self.sums.push((sum, level));
    }

    fn sum(&self) -> T {
        self.sums.iter().rev().fold(T::ZERO, |sum, (known, _)| sum.add(*known))
    }
}

/// The least and the largest number of a type.
trait Bounds: Number {
    const LEAST: Self;
    const LARGEST: Self;
}

macro_rules! bounds {
    ($($name:ty: $least:expr, $largest:expr);*) => {$(
        impl Bounds for $name {
            const LEAST: Self = $least;
            const LARGEST: Self = $largest;
        }
    )*};
}

bounds!(
    i8: i8::MIN, i8::MAX; i16: i16::MIN, i16::MAX; i32: i32::MIN, i32::MAX; i64: i64::MIN, i64::MAX;
    u8: 0, u8::MAX; u16: 0, u16::MAX; u32: 0, u32::MAX; u64: 0, u64::MAX;
    f32: f32::NEG_INFINITY, f32::INFINITY; f64: f64::NEG_INFINITY, f64::INFINITY
);

/// What is known of tiles that were taken, beside what is in the result.
pub(crate) struct Reducer {
    operation: Reduction,
    dtype: Dtype,
    /// Whether the result is a single item.
    is_single: bool,
    sums: Sums,
}

enum Sums {
    F32(Cascade<f32>),
    F64(Cascade<f64>),
    /// Integers need no care.
    Plain,
}

impl Reducer {
    /// Prepares the result.
    pub(crate) fn new(
        operation: Reduction,
        dtype: Dtype,
        is_single: bool,
        to: &mut [u8],
    ) -> Result<Self> {
        match operation {
            Reduction::Any => to.fill(0),
            Reduction::All => to.fill(1),
            Reduction::Sum | Reduction::Count => to.fill(0),
            Reduction::Min => with_type!(dtype, T => {
                cast_slice_mut::<u8, T>(to).fill(T::LARGEST);
                Ok::<(), Unsupported>(())
            })?,
            Reduction::Max => with_type!(dtype, T => {
                cast_slice_mut::<u8, T>(to).fill(T::LEAST);
                Ok::<(), Unsupported>(())
            })?,
        }
        let sums = match dtype {
            Dtype::F32 => Sums::F32(Cascade { sums: Vec::new() }),
            Dtype::F64 => Sums::F64(Cascade { sums: Vec::new() }),
            _ => Sums::Plain,
        };
        Ok(Reducer { operation, dtype, is_single, sums })
    }

    /// Takes the items of a tile, which belong to the operand with this number.
    pub(crate) fn take(
        &mut self,
        tile: &Tile<'_>,
        operand: usize,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<()> {
        match self.operation {
            Reduction::Count => return Ok(()),
            Reduction::Any => fold(tile, operand, from, to, |known, item| known | item),
            Reduction::All => fold(tile, operand, from, to, |known, item| known & item),
            Reduction::Sum | Reduction::Min | Reduction::Max => {
                return self.numbers(tile, operand, from, to);
            }
        }
        Ok(())
    }

    fn numbers(
        &mut self,
        tile: &Tile<'_>,
        operand: usize,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<()> {
        if self.is_single && self.operation == Reduction::Sum {
            match &mut self.sums {
                Sums::F32(sums) => sums.push(pairwise(cast_slice(from))),
                Sums::F64(sums) => sums.push(pairwise(cast_slice(from))),
                Sums::Plain => return self.plain_numbers(tile, operand, from, to),
            }
            return Ok(());
        }
        self.plain_numbers(tile, operand, from, to)
    }

    fn plain_numbers(
        &self,
        tile: &Tile<'_>,
        operand: usize,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<()> {
        with_type!(self.dtype, T => {
            let (from, to): (&[T], &mut [T]) = (cast_slice(from), cast_slice_mut(to));
            match self.operation {
                Reduction::Min => fold::<T>(tile, operand, from, to, Number::minimum),
                Reduction::Max => fold::<T>(tile, operand, from, to, Number::maximum),
                _ => sum(tile, operand, from, to),
            }
            Ok(())
        })
    }

    /// Writes what is known only now.
    pub(crate) fn finish(self, to: &mut [u8]) -> Result<()> {
        match (self.operation, &self.sums) {
            (Reduction::Sum, Sums::F32(sums)) if self.is_single => {
                cast_slice_mut::<u8, f32>(to)[0] = sums.sum();
            }
            (Reduction::Sum, Sums::F64(sums)) if self.is_single => {
                cast_slice_mut::<u8, f64>(to)[0] = sums.sum();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Adds the items of a tile to those of the result that they belong to.
fn sum<T: Number>(tile: &Tile<'_>, operand: usize, from: &[T], to: &mut [T]) {
    let place = tile.place(operand);
    if place.column == 0 && place.row == 0 {
        to[place.offset] = to[place.offset].add(pairwise(from));
        return;
    }
    for (number, row) in from.chunks_exact(tile.columns).enumerate() {
        let start = (place.offset as isize + number as isize * place.row) as usize;
        match place.column {
            0 => to[start] = to[start].add(pairwise(row)),
            1 => {
                for (to, item) in to[start..start + tile.columns].iter_mut().zip(row) {
                    *to = to.add(*item);
                }
            }
            step => {
                for (at, item) in row.iter().enumerate() {
                    let to = &mut to[(start as isize + at as isize * step) as usize];
                    *to = to.add(*item);
                }
            }
        }
    }
}

/// Combines the items of a tile with those of the result that they belong to.
fn fold<T: Copy>(
    tile: &Tile<'_>,
    operand: usize,
    from: &[T],
    to: &mut [T],
    combine: impl Fn(T, T) -> T,
) {
    let place = tile.place(operand);
    for (number, row) in from.chunks_exact(tile.columns).enumerate() {
        let start = (place.offset as isize + number as isize * place.row) as usize;
        if place.column == 0 {
            // Several at once do not wait for each other.
            let mut lanes = [to[start]; LANES];
            let chunks = row.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, item) in lanes.iter_mut().zip(chunk) {
                    *lane = combine(*lane, *item);
                }
            }
            let all = lanes.iter().chain(rest);
            to[start] = all.fold(to[start], |known, item| combine(known, *item));
            continue;
        }
        for (at, item) in row.iter().enumerate() {
            let to = &mut to[(start as isize + at as isize * place.column) as usize];
            *to = combine(*to, *item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum of many tenths is right to the last digits, where adding one after the other is not.
    #[test]
    fn sums_are_pairwise() {
        let numbers = vec![0.1_f32; 1 << 20];
        let exact = 0.1_f32 as f64 * (1 << 20) as f64;
        let plain: f32 = numbers.iter().sum();
        assert!((f64::from(plain) - exact).abs() / exact > 1e-4);
        assert!((f64::from(pairwise(&numbers)) - exact).abs() / exact < 1e-6);
        let mut sums = Cascade { sums: Vec::new() };
        numbers.chunks(999).for_each(|tile| sums.push(pairwise(tile)));
        assert!((f64::from(sums.sum()) - exact).abs() / exact < 1e-6);
    }
}
