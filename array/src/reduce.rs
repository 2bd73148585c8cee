//! Reductions: one item for all along some axes.

use crate::dtype::with_type;
use crate::operate::Number;
use crate::program::Reduction;
use crate::tile::{Place, Tile};
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
#[derive(Debug, Default)]
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

/// A reduction that takes one tile after the other.
pub(crate) struct Reducer {
    operation: Reduction,
    dtype: Dtype,
    sums: Sums,
}

/// Sums of tiles that are not in the result yet: those of floats, where the result is a single item.
enum Sums {
    F32(Cascade<f32>),
    F64(Cascade<f64>),
    None,
}

impl Reducer {
    /// Prepares the result, which may be a single item.
    pub(crate) fn new(
        operation: Reduction,
        dtype: Dtype,
        is_single: bool,
        to: &mut [u8],
    ) -> Result<Self> {
        match operation {
            Reduction::Any | Reduction::Sum | Reduction::Count => to.fill(0),
            Reduction::All => to.fill(1),
            Reduction::Min | Reduction::Max => with_type!(dtype, T => {
                let first = if operation == Reduction::Min { T::LARGEST } else { T::LEAST };
                cast_slice_mut::<u8, T>(to).fill(first);
                Ok::<(), Unsupported>(())
            })?,
        }
        let sums = match dtype {
            Dtype::F32 if is_single && operation == Reduction::Sum => Sums::F32(Cascade::default()),
            Dtype::F64 if is_single && operation == Reduction::Sum => Sums::F64(Cascade::default()),
            _ => Sums::None,
        };
        Ok(Reducer { operation, dtype, sums })
    }

    /// Takes the items of a tile, which belong to the operand with this number.
    pub(crate) fn take(
        &mut self,
        tile: &Tile<'_>,
        operand: usize,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<()> {
        match &mut self.sums {
            Sums::F32(sums) => sums.push(pairwise(cast_slice(from))),
            Sums::F64(sums) => sums.push(pairwise(cast_slice(from))),
            Sums::None => {
                let target = Target { place: tile.place(operand), columns: tile.columns };
                return reduce(self.operation, self.dtype, &target, from, to);
            }
        }
        Ok(())
    }

    /// Completes the result.
    pub(crate) fn finish(self, to: &mut [u8]) {
        match self.sums {
            Sums::F32(sums) => cast_slice_mut::<u8, f32>(to)[0] = sums.sum(),
            Sums::F64(sums) => cast_slice_mut::<u8, f64>(to)[0] = sums.sum(),
            Sums::None => {}
        }
    }
}

/// Where the items of a tile go.
struct Target {
    place: Place,
    columns: usize,
}

fn reduce(
    operation: Reduction,
    dtype: Dtype,
    target: &Target,
    from: &[u8],
    to: &mut [u8],
) -> Result<()> {
    match operation {
        Reduction::Count => return Ok(()),
        Reduction::Any => target.fold(from, to, |known, item| known | item),
        Reduction::All => target.fold(from, to, |known, item| known & item),
        Reduction::Sum | Reduction::Min | Reduction::Max => {
            return with_type!(dtype, T => {
                let (from, to): (&[T], &mut [T]) = (cast_slice(from), cast_slice_mut(to));
                match operation {
                    Reduction::Min => target.fold(from, to, Number::minimum),
                    Reduction::Max => target.fold(from, to, Number::maximum),
                    _ => target.sum(from, to),
                }
                Ok(())
            });
        }
    }
    Ok(())
}

impl Target {
    /// Adds the items of a tile to those of the result.
    fn sum<T: Number>(&self, from: &[T], to: &mut [T]) {
        let place = self.place;
        if place.column == 0 && place.row == 0 {
            to[place.offset] = to[place.offset].add(pairwise(from));
            return;
        }
        for (number, row) in from.chunks_exact(self.columns).enumerate() {
            let start = place.at(number, 0);
            match place.column {
                0 => to[start] = to[start].add(pairwise(row)),
                1 => {
                    for (to, item) in to[start..start + self.columns].iter_mut().zip(row) {
                        *to = to.add(*item);
                    }
                }
                _ => self.each(number, row, to, Number::add),
            }
        }
    }

    /// Combines the items of a tile with those of the result.
    fn fold<T: Copy>(&self, from: &[T], to: &mut [T], combine: impl Fn(T, T) -> T) {
        for (number, row) in from.chunks_exact(self.columns).enumerate() {
            if self.place.column != 0 {
                self.each(number, row, to, &combine);
                continue;
            }
            // Several at once do not wait for each other.
            let to = &mut to[self.place.at(number, 0)];
            let mut lanes = [*to; LANES];
            let chunks = row.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, item) in lanes.iter_mut().zip(chunk) {
                    *lane = combine(*lane, *item);
                }
            }
            *to = lanes.iter().chain(rest).fold(*to, |known, item| combine(known, *item));
        }
    }

    /// Combines each item of a row with an item of the result of its own.
    fn each<T: Copy>(&self, number: usize, row: &[T], to: &mut [T], combine: impl Fn(T, T) -> T) {
        for (at, item) in row.iter().enumerate() {
            let to = &mut to[self.place.at(number, at)];
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
