//! Computes what is planned.

use crate::dtype::with_bytes;
use crate::operate;
use crate::plan::{Kind, Plan, Value};
use crate::program::{Binary, Reduction, Unary};
use crate::reduce::Reducer;
use crate::tile::{Nest, TILE_ITEMS, Tile};
use crate::view::{Source, View, strides_of};
use crate::{Dtype, Result, Unsupported};
use bytemuck::{cast_slice, cast_slice_mut};

/// Bytes of the largest item.
const ITEM_BYTES_MAX: usize = 16;

/// Memory that any item may lie in.
type Aligned = Vec<u128>;

fn aligned(bytes: usize) -> Aligned {
    vec![0; bytes.div_ceil(size_of::<u128>())]
}

fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(align_of::<u128>())
}

/// An operation of a loop over tiles. Operands are slots: the tiles of earlier operations.
#[derive(Debug)]
enum Operation {
    Load(View),
    Scalar([u8; 16]),
    Unary(Unary, Dtype, usize),
    Binary(Binary, Dtype, [usize; 2]),
    Where([usize; 3]),
    Cast(Dtype, usize),
}

/// The operations that make a value of views, in order.
#[derive(Debug)]
struct Code {
    shape: Vec<usize>,
    /// With what each makes, and the slot for it.
    operations: Vec<(Operation, Dtype, usize)>,
    slots: usize,
}

impl Code {
    /// The operations for a value, which is computed for another one or for itself: then it is not stored yet.
    fn new(plan: &Plan<'_>, root: usize, reader: usize) -> Self {
        let values = &plan.values;
        let is_leaf = |at: usize| at != reader && values[at].is_stored;
        let mut needed = vec![false; root + 1];
        let mut last_use = vec![0; root + 1];
        needed[root] = true;
        for at in (0..=root).rev() {
            if needed[at] && !is_leaf(at) {
                for of in operands(&values[at].kind) {
                    needed[of] = true;
                    last_use[of] = last_use[of].max(at);
                }
            }
        }
        let mut code = Code { shape: values[root].shape.clone(), operations: Vec::new(), slots: 0 };
        let mut slot_of = vec![0; root + 1];
        let mut free: Vec<usize> = Vec::new();
        for at in (0..=root).filter(|at| needed[*at]) {
            let value = &values[at];
            let operation = code.operation(values, at, is_leaf(at), &slot_of);
            let is_scalar = matches!(operation, Operation::Scalar(_));
            // The slot of a single value is filled once, and kept.
            let slot = if is_scalar { None } else { free.pop() };
            let slot = slot.unwrap_or_else(|| {
                code.slots += 1;
                code.slots - 1
            });
            slot_of[at] = slot;
            code.operations.push((operation, value.dtype, slot));
            if !is_leaf(at) {
                for of in operands(&value.kind) {
                    let is_scalar = matches!(values[of].kind, Kind::Scalar(_));
                    if last_use[of] == at && !is_scalar && !free.contains(&slot_of[of]) {
                        free.push(slot_of[of]);
                    }
                }
            }
        }
        code
    }

    fn operation(
        &self,
        values: &[Value],
        at: usize,
        is_leaf: bool,
        slot_of: &[usize],
    ) -> Operation {
        let value = &values[at];
        let stored = || Operation::Load(View::of(Source::Stored(at), &value.shape, false));
        match &value.kind {
            _ if is_leaf => stored(),
            Kind::View(view) => Operation::Load(view.clone()),
            Kind::Scalar(bytes) => Operation::Scalar(*bytes),
            Kind::Unary(operation, of) => {
                Operation::Unary(*operation, values[*of].dtype, slot_of[*of])
            }
            Kind::Binary(operation, of) => {
                Operation::Binary(*operation, values[of[0]].dtype, of.map(|of| slot_of[of]))
            }
            Kind::Where(of) => Operation::Where(of.map(|of| slot_of[of])),
            Kind::Cast(of) => Operation::Cast(values[*of].dtype, slot_of[*of]),
            // They are stored before another step reads them.
            Kind::Join(_) | Kind::Reduce { .. } => stored(),
        }
    }

    /// The distances between the items of the views, and the first item of each.
    fn reads(&self) -> (Vec<Vec<isize>>, Vec<usize>) {
        let views = self.operations.iter().filter_map(|(operation, ..)| match operation {
            Operation::Load(view) => Some((view.broadcast(&self.shape), view.offset)),
            _ => None,
        });
        views.unzip()
    }
}

fn operands(kind: &Kind) -> Vec<usize> {
    match kind {
        Kind::View(_) | Kind::Scalar(_) | Kind::Join(_) | Kind::Reduce { .. } => Vec::new(),
        Kind::Unary(_, of) | Kind::Cast(of) => vec![*of],
        Kind::Binary(_, of) => of.to_vec(),
        Kind::Where(of) => of.to_vec(),
    }
}

/// The bytes of inputs and of what is stored.
struct Memory<'a> {
    plan: &'a Plan<'a>,
    /// Copies of inputs whose items lie at odd addresses.
    copies: Vec<Option<Aligned>>,
    stored: Vec<Option<Aligned>>,
}

impl Memory<'_> {
    fn bytes(&self, source: Source) -> Result<&[u8]> {
        match source {
            Source::Input(at) => {
                let bytes = self.plan.inputs[at].bytes;
                Ok(self.copies[at].as_ref().map_or(bytes, |copy| &cast_slice(copy)[..bytes.len()]))
            }
            Source::Stored(at) => {
                let missing = || Unsupported::new("a value that is not stored");
                let stored = self.stored[at].as_ref().ok_or_else(missing)?;
                Ok(&cast_slice(stored)[..self.plan.values[at].bytes()?])
            }
        }
    }
}

/// The slots of a loop.
struct Slots(Vec<Aligned>);

impl Slots {
    fn new(code: &Code) -> Self {
        let mut slots = Slots(vec![aligned(TILE_ITEMS * ITEM_BYTES_MAX); code.slots]);
        for (operation, dtype, slot) in &code.operations {
            if let Operation::Scalar(bytes) = operation {
                let item = &bytes[..dtype.item_bytes()];
                let all = &mut cast_slice_mut::<u128, u8>(&mut slots.0[*slot]);
                all.chunks_exact_mut(item.len()).for_each(|to| to.copy_from_slice(item));
            }
        }
        slots
    }

    fn tile(&self, slot: usize, bytes: usize) -> &[u8] {
        &cast_slice(&self.0[slot])[..bytes]
    }

    /// Computes a tile. The slot of the last operation has the result.
    fn compute(&mut self, code: &Code, tile: &Tile<'_>, memory: &Memory<'_>) -> Result<()> {
        let (items, mut loaded) = (tile.items(), 0);
        for (operation, dtype, slot) in &code.operations {
            let mut made = std::mem::take(&mut self.0[*slot]);
            let to = &mut cast_slice_mut::<u128, u8>(&mut made)[..items * dtype.item_bytes()];
            let of = |slot: usize, dtype: Dtype| self.tile(slot, items * dtype.item_bytes());
            match operation {
                Operation::Load(view) => {
                    tile.load(loaded, *dtype, memory.bytes(view.source)?, to);
                    loaded += 1;
                }
                Operation::Scalar(_) => {}
                Operation::Unary(operation, from, slot) => {
                    operate::unary(*operation, *from, of(*slot, *from), to)?;
                }
                Operation::Binary(operation, from, slots) => {
                    operate::binary(*operation, *from, slots.map(|slot| of(slot, *from)), to)?;
                }
                Operation::Where([condition, one, other]) => {
                    let from = [of(*condition, Dtype::Bool), of(*one, *dtype), of(*other, *dtype)];
                    with_bytes!(dtype, T => operate::choose::<T>(from, to));
                }
                Operation::Cast(from, slot) => {
                    operate::cast(*from, *dtype, of(*slot, *from), to)?;
                }
            }
            self.0[*slot] = made;
        }
        Ok(())
    }
}

impl Plan<'_> {
    /// Computes the results: each into the memory that is given for it.
    ///
    /// # Errors
    /// If an operation has no kernel, or the memory does not fit.
    pub fn run(&self, results: &mut [&mut [u8]]) -> Result<()> {
        let copied = self.inputs.iter().map(|input| {
            (!is_aligned(input.bytes)).then(|| {
                let mut copy = aligned(input.bytes.len());
                cast_slice_mut(&mut copy)[..input.bytes.len()].copy_from_slice(input.bytes);
                copy
            })
        });
        let stored = vec![None; self.values.len()];
        let mut memory = Memory { plan: self, copies: copied.collect(), stored };
        for (at, value) in self.values.iter().enumerate().filter(|(_, value)| value.is_stored) {
            let bytes = value.bytes()?;
            let mut made = aligned(bytes);
            self.compute(at, &memory, &mut cast_slice_mut(&mut made)[..bytes])?;
            memory.stored[at] = Some(made);
        }
        if results.len() != self.results.len() {
            return Err(Unsupported::new("memory for another number of results"));
        }
        for ((_, at), to) in self.results.iter().zip(results) {
            self.result(*at, &memory, to)?;
        }
        Ok(())
    }

    fn result(&self, at: usize, memory: &Memory<'_>, to: &mut [u8]) -> Result<()> {
        let value = &self.values[at];
        if to.len() != value.bytes()? {
            return Err(Unsupported::new("memory of another size than the result"));
        }
        if value.is_stored {
            to.copy_from_slice(memory.bytes(Source::Stored(at))?);
        } else if is_aligned(to) {
            self.compute(at, memory, to)?;
        } else {
            let mut made = aligned(to.len());
            let bytes = &mut cast_slice_mut(&mut made)[..to.len()];
            self.compute(at, memory, bytes)?;
            to.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn compute(&self, at: usize, memory: &Memory<'_>, to: &mut [u8]) -> Result<()> {
        let value = &self.values[at];
        match &value.kind {
            Kind::View(view) => copy(view, &value.shape, &[], value.dtype, memory, to),
            Kind::Join(pieces) => pieces.iter().try_for_each(|piece| {
                copy(&piece.view, &value.shape, &piece.start, value.dtype, memory, to)
            }),
            Kind::Reduce { operation, of, axes } => {
                self.compute_reduction((*operation, *of, axes), at, memory, to)
            }
            Kind::Scalar(bytes) => {
                to.copy_from_slice(&bytes[..to.len()]);
                Ok(())
            }
            Kind::Unary(..) | Kind::Binary(..) | Kind::Where(_) | Kind::Cast(_) => {
                let code = Code::new(self, at, at);
                let (mut strides, mut first) = code.reads();
                let (read, slot) = (strides.len(), code.operations.last().map_or(0, |last| last.2));
                strides.push(strides_of(&value.shape));
                first.push(0);
                let mut slots = Slots::new(&code);
                let bytes = value.dtype.item_bytes();
                Nest::new(&code.shape, &strides, read).each(&first, |tile| {
                    slots.compute(&code, tile, memory)?;
                    tile.store(read, value.dtype, slots.tile(slot, tile.items() * bytes), to);
                    Ok(())
                })
            }
        }
    }

    fn compute_reduction(
        &self,
        (operation, of, axes): (Reduction, usize, &[bool]),
        at: usize,
        memory: &Memory<'_>,
        to: &mut [u8],
    ) -> Result<()> {
        let (source, value) = (&self.values[of], &self.values[at]);
        if operation == Reduction::Count {
            let along = axes.iter().zip(&source.shape).filter(|(reduced, _)| **reduced);
            let count: usize = along.map(|(_, size)| *size).product();
            cast_slice_mut::<u8, i64>(to).fill(count as i64);
            return Ok(());
        }
        let code = Code::new(self, of, at);
        let (mut strides, mut first) = code.reads();
        let (read, slot) = (strides.len(), code.operations.last().map_or(0, |last| last.2));
        let own = strides_of(&value.shape);
        let own = own.iter().zip(axes).map(|(stride, reduced)| if *reduced { 0 } else { *stride });
        strides.push(own.collect());
        first.push(0);
        let nest = Nest::new(&code.shape, &strides, read);
        let mut reducer = Reducer::new(operation, source.dtype, nest.is_single(read), to)?;
        let bytes = source.dtype.item_bytes();
        // A single view is read where it is.
        let plain = match code.operations.as_slice() {
            [(Operation::Load(view), ..)] => Some(memory.bytes(view.source)?),
            _ => None,
        };
        let mut slots = Slots::new(&code);
        nest.each(&first, |tile| {
            if let (Some(plain), Some(line)) = (plain, tile.line(0)) {
                let items = &plain[line.start * bytes..line.end * bytes];
                return reducer.take(tile, read, items, to);
            }
            slots.compute(&code, tile, memory)?;
            reducer.take(tile, read, slots.tile(slot, tile.items() * bytes), to)
        })?;
        reducer.finish(to);
        Ok(())
    }
}

/// Copies the items of a view into an array of a shape, from an index on.
fn copy(
    view: &View,
    shape: &[usize],
    start: &[usize],
    dtype: Dtype,
    memory: &Memory<'_>,
    to: &mut [u8],
) -> Result<()> {
    let own = strides_of(shape);
    let offset: usize = start.iter().zip(&own).map(|(at, stride)| at * *stride as usize).sum();
    let strides = [view.strides.clone(), own];
    let from = memory.bytes(view.source)?;
    let bytes = dtype.item_bytes();
    let mut tiles = aligned(TILE_ITEMS * ITEM_BYTES_MAX);
    Nest::new(&view.shape, &strides, 1).each(&[view.offset, offset], |tile| {
        match tile.line(0) {
            Some(line) => {
                tile.store(1, dtype, &from[line.start * bytes..line.end * bytes], to);
            }
            None => {
                let tiles = &mut cast_slice_mut(&mut tiles)[..tile.items() * bytes];
                tile.load(0, dtype, from, tiles);
                tile.store(1, dtype, tiles, to);
            }
        }
        Ok(())
    })
}
