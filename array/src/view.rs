//! Where the items of a value lie.

use crate::program::Part;
use crate::{Result, Unsupported};

/// What has the bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An input, by its place.
    Input(usize),
    /// A value that is stored, by its number.
    Stored(usize),
}

/// Items of a source: the first one, and the distances along each axis, in items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) source: Source,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
}

/// The number of items of a shape.
///
/// # Errors
/// If it is more than can be counted, or none.
pub(crate) fn items(shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    match count {
        Some(0) => Err(Unsupported::new("an empty array")),
        Some(count) if count <= isize::MAX as usize / 16 => Ok(count),
        _ => Err(Unsupported::new("an array of more items than can be counted")),
    }
}

/// The distances of items in C order.
pub(crate) fn strides_of(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

impl View {
    /// All items of a source, in C order or in Fortran's.
    pub(crate) fn of(source: Source, shape: &[usize], is_fortran: bool) -> Self {
        let strides = if is_fortran {
            let backwards: Vec<usize> = shape.iter().rev().copied().collect();
            strides_of(&backwards).into_iter().rev().collect()
        } else {
            strides_of(shape)
        };
        View { source, offset: 0, shape: shape.to_vec(), strides }
    }

    /// A part of it.
    ///
    /// # Errors
    /// If the part is empty, or not one of it.
    pub(crate) fn cut(&self, parts: &[Part]) -> Result<Self> {
        let outside = || Unsupported::new("a part beyond a block");
        if parts.len() > self.shape.len() {
            return Err(outside());
        }
        let all = std::iter::repeat(&Part::All(()));
        let axes = self.shape.iter().zip(&self.strides).zip(parts.iter().chain(all));
        let mut found = View { shape: Vec::new(), strides: Vec::new(), ..*self };
        for ((size, stride), part) in axes {
            let (start, count, step) = match *part {
                Part::All(()) => (0, *size as u64, 1),
                Part::Item(item) => (item, 1, 1),
                Part::Range(start, stop, step) if step > 0 => {
                    let stop = stop.min(*size as u64);
                    (start, stop.saturating_sub(start).div_ceil(step), step)
                }
                Part::Range(..) => return Err(outside()),
            };
            if count == 0 || start >= *size as u64 {
                return Err(outside());
            }
            found.offset =
                found.offset.checked_add_signed(start as isize * stride).ok_or_else(outside)?;
            if !matches!(part, Part::Item(_)) {
                found.shape.push(count as usize);
                found.strides.push(stride * step as isize);
            }
        }
        Ok(found)
    }

    /// With permuted axes.
    ///
    /// # Errors
    /// If these are not its axes.
    pub(crate) fn transposed(&self, axes: &[u32]) -> Result<Self> {
        let mut seen = vec![false; self.shape.len()];
        let mut found = View { shape: Vec::new(), strides: Vec::new(), ..*self };
        for axis in axes {
            let is_new = seen.get_mut(*axis as usize).map(|seen| !std::mem::replace(seen, true));
            if is_new != Some(true) {
                return Err(Unsupported::new("axes that are not those of an array"));
            }
            found.shape.push(self.shape[*axis as usize]);
            found.strides.push(self.strides[*axis as usize]);
        }
        if found.shape.len() < self.shape.len() {
            return Err(Unsupported::new("axes that are not those of an array"));
        }
        Ok(found)
    }

    /// Without axes whose size is 1.
    ///
    /// # Errors
    /// If their size is another one.
    pub(crate) fn squeezed(&self, axes: &[u32]) -> Result<Self> {
        let is_one = |axis: &u32| self.shape.get(*axis as usize) == Some(&1);
        if !axes.iter().all(is_one) {
            return Err(Unsupported::new("an axis that has not one item"));
        }
        let kept = (0..self.shape.len()).filter(|axis| !axes.contains(&(*axis as u32)));
        let (shape, strides) = kept.map(|axis| (self.shape[axis], self.strides[axis])).unzip();
        Ok(View { shape, strides, ..*self })
    }

    /// The distances along the axes of a shape with which it is broadcast.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Vec<isize> {
        let added = shape.len() - self.shape.len();
        let own = self.shape.iter().zip(&self.strides);
        let own = own.zip(&shape[added..]).map(
            |((size, stride), wanted)| {
                if size == wanted { *stride } else { 0 }
            },
        );
        std::iter::repeat_n(0, added).chain(own).collect()
    }
}

/// The shape of what shapes are broadcast to.
///
/// # Errors
/// If they do not fit.
pub(crate) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let axes = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut found = vec![1; axes];
    for shape in shapes {
        let added = axes - shape.len();
        for (wanted, size) in found[added..].iter_mut().zip(*shape) {
            if *wanted == 1 {
                *wanted = *size;
            } else if *size != 1 && size != wanted {
                return Err(Unsupported::new("arrays whose shapes do not fit"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View::of(Source::Input(0), &[4, 6], false)
    }

    /// Ranges, single items and whole axes are found; empty ones and those outside are refused.
    #[test]
    fn parts_are_cut() {
        let cut = view().cut(&[Part::Range(1, 4, 2), Part::Item(5)]).unwrap();
        assert_eq!((cut.offset, cut.shape, cut.strides), (11, vec![2], vec![12]));
        let cut = view().cut(&[Part::Item(0)]).unwrap();
        assert_eq!((cut.offset, cut.shape, cut.strides), (0, vec![6], vec![1]));
        // As a slice of Python, a range may end beyond the last item.
        assert_eq!(view().cut(&[Part::Range(2, 99, 1)]).unwrap().shape, [2, 6]);
        for part in
            [Part::Range(2, 2, 1), Part::Range(4, 9, 1), Part::Range(0, 4, 0), Part::Item(4)]
        {
            assert!(view().cut(&[part]).is_err(), "{part:?}");
        }
        assert!(view().cut(&[Part::All(()); 3]).is_err());
    }

    /// Axes are permuted, each once.
    #[test]
    fn axes_are_permuted() {
        let turned = view().transposed(&[1, 0]).unwrap();
        assert_eq!((turned.shape, turned.strides), (vec![6, 4], vec![1, 6]));
        assert_eq!(View::of(Source::Input(0), &[6, 4], true).strides, [1, 6]);
        for axes in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 1]] {
            assert!(view().transposed(axes).is_err(), "{axes:?}");
        }
    }

    /// Only axes with one item are left out.
    #[test]
    fn axes_are_left_out() {
        let view = View::of(Source::Input(0), &[1, 4, 1], false);
        assert_eq!(view.squeezed(&[0, 2]).unwrap().shape, [4]);
        assert_eq!(view.squeezed(&[]).unwrap(), view);
        assert!(view.squeezed(&[1]).is_err() && view.squeezed(&[3]).is_err());
    }

    /// Axes of size 1, and those that lack, are repeated.
    #[test]
    fn shapes_are_broadcast() {
        assert_eq!(broadcast(&[&[4, 1], &[6], &[]]).unwrap(), [4, 6]);
        assert!(broadcast(&[&[4], &[6]]).is_err());
        let column = View::of(Source::Input(0), &[4, 1], false);
        assert_eq!(column.broadcast(&[5, 4, 6]), [0, 1, 0]);
    }
}
