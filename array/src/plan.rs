//! What a program computes of these inputs: dtypes, shapes, and what must be stored.

use crate::program::{Argument, Binary, Part, Program, Reduction, Step, Unary};
use crate::view::{Source, View, broadcast, items};
use crate::{Dtype, Result, Unsupported, pickle};

/// Steps of a program at most.
const STEPS_MAX: usize = 2_000;

/// An input: what its pickle says, and its bytes.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// What its pickle says.
    pub array: pickle::Array,
    /// Its buffer.
    pub bytes: &'a [u8],
}

/// Blocks that are joined: where each begins, and its items.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) start: Vec<usize>,
    pub(crate) view: View,
}

/// How a value is made.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    View(View),
    Scalar([u8; 16]),
    Unary(Unary, usize),
    Binary(Binary, [usize; 2]),
    Where([usize; 3]),
    Cast(usize),
    Join(Vec<Piece>),
    Reduce { operation: Reduction, of: usize, axes: Vec<bool> },
}

/// The result of a step.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: Kind,
    /// Whether it is kept as a whole for the steps after it.
    pub(crate) is_stored: bool,
}

impl Value {
    pub(crate) fn bytes(&self) -> Result<usize> {
        Ok(items(&self.shape)? * self.dtype.item_bytes())
    }
}

/// What is to be computed.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) inputs: Vec<Input<'a>>,
    pub(crate) values: Vec<Value>,
    pub(crate) results: Vec<(Option<String>, usize)>,
    module: String,
}

impl<'a> Plan<'a> {
    /// Checks a program against its inputs.
    ///
    /// # Errors
    /// If something in it has no kernel, or the inputs are not what it expects.
    pub fn new(program: &Program, inputs: Vec<Input<'a>>) -> Result<Self> {
        if program.steps.len() > STEPS_MAX {
            return Err(Unsupported::new("too many operations"));
        }
        let module = inputs.first().map(|input| input.array.module.clone());
        let module = module.ok_or_else(|| Unsupported::new("no inputs"))?;
        if inputs.iter().any(|input| input.array.module != module) {
            return Err(Unsupported::new("inputs of different versions of NumPy"));
        }
        for input in &inputs {
            let bytes = items(&input.array.shape)? * input.array.dtype.item_bytes();
            if bytes != input.bytes.len() {
                return Err(Unsupported::new("a buffer of another size than its array"));
            }
        }
        let mut plan = Plan { inputs, values: Vec::new(), results: Vec::new(), module };
        for step in &program.steps {
            let value = plan.value(program, step)?;
            items(&value.shape)?;
            plan.values.push(value);
        }
        for (name, at) in &program.results {
            plan.results.push((name.clone(), plan.number(*at)?));
        }
        let is_named = |(name, _): &(Option<String>, usize)| name.is_some();
        let all_named = plan.results.iter().all(is_named);
        if plan.results.is_empty() || (!all_named && plan.results.len() > 1) {
            return Err(Unsupported::new("results without names"));
        }
        Ok(plan)
    }

    /// The pickle of a single value, if that is the result; `bytes` are those of the result.
    pub fn scalar_pickle(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let [(None, at)] = self.results.as_slice() else { return None };
        let value = &self.values[*at];
        let is_scalar = value.shape.is_empty();
        is_scalar.then(|| pickle::write_scalar(&self.module, value.dtype, bytes))
    }

    /// The pickle of the results, whose bytes are in buffers of their own.
    pub fn pickle(&self) -> Vec<u8> {
        let written = |(name, at): &'_ (Option<String>, usize)| {
            let value = &self.values[*at];
            (name.clone(), value.dtype, value.shape.clone())
        };
        let all: Vec<_> = self.results.iter().map(written).collect();
        let arrays = all.iter().map(|(name, dtype, shape)| pickle::Written {
            name: name.as_deref(),
            dtype: *dtype,
            shape,
        });
        pickle::write(&self.module, &arrays.collect::<Vec<_>>())
    }

    /// Bytes of each result.
    pub fn result_bytes(&self) -> Vec<usize> {
        self.results.iter().map(|(_, at)| self.values[*at].bytes().unwrap_or(0)).collect()
    }

    /// Bytes that are used beside the inputs and results.
    pub fn temporary_bytes(&self) -> usize {
        let stored = self.values.iter().filter(|value| value.is_stored);
        stored.map(|value| value.bytes().unwrap_or(0)).sum()
    }

    fn number(&self, at: u32) -> Result<usize> {
        let known = (at as usize) < self.values.len();
        known.then_some(at as usize).ok_or_else(|| Unsupported::new("a step that comes later"))
    }

    fn value(&mut self, program: &Program, step: &Step) -> Result<Value> {
        let argument = |at: u32| {
            let found = program.arguments.get(at as usize);
            found.ok_or_else(|| Unsupported::new("an argument that was not sent"))
        };
        match step {
            Step::Load { argument: at, dtype } => match argument(*at)? {
                Argument::Block(place) => Ok(of_view(self.input(*place, *dtype)?, *dtype)),
                _ => Err(Unsupported::new("an argument that is not a block")),
            },
            Step::Join { argument: at, dtype, axes } => match argument(*at)? {
                Argument::Nested { grid, blocks } => self.join(grid, blocks, *dtype, axes),
                _ => Err(Unsupported::new("an argument that has no lists of blocks")),
            },
            Step::Scalar { dtype, bytes } => scalar(*dtype, bytes),
            Step::Cut { of, argument: at } => match argument(*at)? {
                Argument::Box(parts) => {
                    let of = self.number(*of)?;
                    Ok(of_view(self.view(of)?.cut(parts)?, self.values[of].dtype))
                }
                _ => Err(Unsupported::new("an argument that names no part")),
            },
            Step::Transpose { of, axes } => {
                let of = self.number(*of)?;
                Ok(of_view(self.view(of)?.transposed(axes)?, self.values[of].dtype))
            }
            Step::Squeeze { of, axes } => {
                let of = self.number(*of)?;
                Ok(of_view(self.view(of)?.squeezed(axes)?, self.values[of].dtype))
            }
            Step::Unary { operation, of } => self.unary(*operation, *of),
            Step::Binary { operation, of } => self.binary(*operation, *of),
            Step::Where { of } => self.choice(*of),
            Step::Cast { of, dtype } => self.cast(*of, *dtype),
            Step::Reduce { operation, of, axes } => self.reduce(*operation, *of, axes),
        }
    }

    fn input(&self, place: u32, dtype: Dtype) -> Result<View> {
        let place = place as usize;
        let input = self.inputs.get(place);
        let array = &input.ok_or_else(|| Unsupported::new("an input that was not sent"))?.array;
        if array.dtype != dtype {
            let (found, wanted) = (array.dtype, dtype);
            return Err(Unsupported(format!("a block of {found} where {wanted} is expected")));
        }
        Ok(View::of(Source::Input(place), &array.shape, array.is_fortran))
    }

    /// A value as a view, for which others are stored.
    fn view(&mut self, at: usize) -> Result<View> {
        let value = &mut self.values[at];
        match &value.kind {
            Kind::View(view) => Ok(view.clone()),
            Kind::Scalar(_) => Err(Unsupported::new("a part of a single value")),
            _ => {
                value.is_stored = true;
                Ok(View::of(Source::Stored(at), &value.shape, false))
            }
        }
    }

    /// The number of an operand of an operation on items, which is stored if it is a reduction or joined blocks.
    fn operand(&mut self, at: u32) -> Result<usize> {
        let at = self.number(at)?;
        if matches!(self.values[at].kind, Kind::Join(_) | Kind::Reduce { .. }) {
            self.values[at].is_stored = true;
        }
        Ok(at)
    }

    fn join(
        &self,
        grid: &[u32],
        blocks: &[(u32, Option<Vec<Part>>)],
        dtype: Dtype,
        axes: &[u32],
    ) -> Result<Value> {
        let misfit = || Unsupported::new("blocks that do not fit together");
        let count = grid.iter().try_fold(1_usize, |count, size| count.checked_mul(*size as usize));
        if count != Some(blocks.len()) || blocks.is_empty() || grid.len() != axes.len() {
            return Err(misfit());
        }
        let view = |(place, parts): &(u32, Option<Vec<Part>>)| {
            let view = self.input(*place, dtype)?;
            parts.as_ref().map_or(Ok(view.clone()), |parts| view.cut(parts))
        };
        let views = blocks.iter().map(view).collect::<Result<Vec<View>>>()?;
        let first = views[0].shape.clone();
        // The sizes along each level, as the blocks have them that are first on all other levels.
        let mut starts: Vec<Vec<usize>> = Vec::new();
        let mut shape = first.clone();
        for (level, axis) in axes.iter().enumerate() {
            let step: usize = grid[level + 1..].iter().map(|size| *size as usize).product();
            let axis = *axis as usize;
            let mut ends = vec![0];
            for at in 0..grid[level] as usize {
                let size = views[at * step].shape.get(axis).copied().ok_or_else(misfit)?;
                ends.push(ends[at] + size);
            }
            shape[axis] = ends[ends.len() - 1];
            starts.push(ends);
        }
        let mut pieces = Vec::with_capacity(views.len());
        for (at, view) in views.into_iter().enumerate() {
            let (mut start, mut wanted) = (vec![0; first.len()], first.clone());
            let mut rest = at;
            for level in (0..grid.len()).rev() {
                let index = rest % grid[level] as usize;
                rest /= grid[level] as usize;
                let axis = axes[level] as usize;
                start[axis] = starts[level][index];
                wanted[axis] = starts[level][index + 1] - starts[level][index];
            }
            if view.shape != wanted {
                return Err(misfit());
            }
            pieces.push(Piece { start, view });
        }
        if pieces.len() == 1 {
            return Ok(of_view(pieces.swap_remove(0).view, dtype));
        }
        Ok(Value { dtype, shape, kind: Kind::Join(pieces), is_stored: false })
    }

    fn unary(&mut self, operation: Unary, of: u32) -> Result<Value> {
        let of = self.operand(of)?;
        let (dtype, shape) = (self.values[of].dtype, self.values[of].shape.clone());
        let made = match operation {
            Unary::LogicalNot if dtype == Dtype::Bool => Some(Dtype::Bool),
            Unary::Negative | Unary::Absolute | Unary::Square
                if dtype != Dtype::Bool && !dtype.is_complex() =>
            {
                Some(dtype)
            }
            Unary::Sqrt if dtype.is_float() => Some(dtype),
            Unary::Isnan | Unary::Isinf | Unary::Isfinite if dtype.is_float() => Some(Dtype::Bool),
            _ => None,
        };
        let made = made.ok_or_else(|| Unsupported(format!("{operation:?} of {dtype}")))?;
        Ok(Value { dtype: made, shape, kind: Kind::Unary(operation, of), is_stored: false })
    }

    fn binary(&mut self, operation: Binary, of: [u32; 2]) -> Result<Value> {
        let of = [self.operand(of[0])?, self.operand(of[1])?];
        let dtype = self.same_dtype(of)?;
        let is_number = dtype != Dtype::Bool && !dtype.is_complex();
        let made = match operation {
            Binary::LogicalAnd | Binary::LogicalOr | Binary::LogicalXor => {
                (dtype == Dtype::Bool).then_some(Dtype::Bool)
            }
            Binary::TrueDivide => dtype.is_float().then_some(dtype),
            Binary::Add | Binary::Subtract | Binary::Multiply => is_number.then_some(dtype),
            Binary::Minimum | Binary::Maximum => is_number.then_some(dtype),
            Binary::Equal | Binary::NotEqual | Binary::Less | Binary::LessEqual => {
                is_number.then_some(Dtype::Bool)
            }
            Binary::Greater | Binary::GreaterEqual => is_number.then_some(Dtype::Bool),
        };
        let made = made.ok_or_else(|| Unsupported(format!("{operation:?} of {dtype}")))?;
        let shape = broadcast(&of.map(|at| self.values[at].shape.as_slice()))?;
        Ok(Value { dtype: made, shape, kind: Kind::Binary(operation, of), is_stored: false })
    }

    fn choice(&mut self, of: [u32; 3]) -> Result<Value> {
        let of = [self.operand(of[0])?, self.operand(of[1])?, self.operand(of[2])?];
        if self.values[of[0]].dtype != Dtype::Bool {
            return Err(Unsupported::new("a condition that is not bool"));
        }
        let dtype = self.same_dtype([of[1], of[2]])?;
        let shape = broadcast(&of.map(|at| self.values[at].shape.as_slice()))?;
        Ok(Value { dtype, shape, kind: Kind::Where(of), is_stored: false })
    }

    fn same_dtype(&self, of: [usize; 2]) -> Result<Dtype> {
        let [one, other] = of.map(|at| self.values[at].dtype);
        if one == other {
            return Ok(one);
        }
        Err(Unsupported(format!("an operation of {one} and {other}")))
    }

    /// Floats do not become integers here: what does not fit has no meaning in C, and NumPy's is that of C.
    fn cast(&mut self, of: u32, dtype: Dtype) -> Result<Value> {
        let of = self.operand(of)?;
        let from = self.values[of].dtype;
        let loses = from.is_float() && !dtype.is_float() && dtype != Dtype::Bool;
        if loses || ((from.is_complex() || dtype.is_complex()) && from != dtype) {
            return Err(Unsupported(format!("{from} as {dtype}")));
        }
        let shape = self.values[of].shape.clone();
        Ok(Value { dtype, shape, kind: Kind::Cast(of), is_stored: false })
    }

    fn reduce(&mut self, operation: Reduction, of: u32, axes: &[u32]) -> Result<Value> {
        let of = self.operand(of)?;
        let dtype = self.values[of].dtype;
        let mut shape = self.values[of].shape.clone();
        let mut reduced = vec![false; shape.len()];
        for axis in axes {
            let axis = *axis as usize;
            let known = reduced.get_mut(axis);
            *known.ok_or_else(|| Unsupported::new("an axis that is not one of an array"))? = true;
            shape[axis] = 1;
        }
        let is_number = dtype != Dtype::Bool && !dtype.is_complex();
        let made = match operation {
            Reduction::Sum | Reduction::Min | Reduction::Max => is_number.then_some(dtype),
            Reduction::Any | Reduction::All => (dtype == Dtype::Bool).then_some(Dtype::Bool),
            Reduction::Count => Some(Dtype::I64),
        };
        let made = made.ok_or_else(|| Unsupported(format!("{operation:?} of {dtype}")))?;
        let kind = Kind::Reduce { operation, of, axes: reduced };
        Ok(Value { dtype: made, shape, kind, is_stored: false })
    }
}

fn of_view(view: View, dtype: Dtype) -> Value {
    Value { dtype, shape: view.shape.clone(), kind: Kind::View(view), is_stored: false }
}

fn scalar(dtype: Dtype, text: &str) -> Result<Value> {
    let bad = || Unsupported::new("a single value of another size");
    let mut bytes = [0; 16];
    if !text.is_ascii() || text.len() != 2 * dtype.item_bytes() {
        return Err(bad());
    }
    for (at, byte) in bytes[..dtype.item_bytes()].iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
    }
    Ok(Value { dtype, shape: Vec::new(), kind: Kind::Scalar(bytes), is_stored: false })
}
