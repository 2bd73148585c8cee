//! Pickles of arrays of NumPy, as pickle protocol 5 writes them with buffers of their own (PEP 574).
//!
//! They are read if they have what `numpy.ndarray` and `numpy.dtype` reduce to: other pickles are refused. Nothing is executed.

use crate::{Dtype, Result, Unsupported};

/// Parts of a pickle, values on its stack, and items of a tuple at most.
const ITEMS_MAX: usize = 64;
/// Axes at most, as in NumPy 2.
const AXES_MAX: usize = 64;
/// The name of the function that makes an array of a buffer.
const FROM_BUFFER: &str = "_frombuffer";
/// The name of the function that makes a single value of its bytes, in the module beside.
const SCALAR: &str = "scalar";

/// What the pickle of an array says of its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The module of NumPy that reads such pickles, which depends on its version.
    pub module: String,
    /// What its items are.
    pub dtype: Dtype,
    /// Items on each axis.
    pub shape: Vec<usize>,
    /// Whether the first axis is the one whose items lie together.
    pub is_fortran: bool,
}

/// A value on the stack.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Value>),
    Global(String, String),
    Buffer,
    Dtype(Dtype),
    Array(Array),
    Mark,
}

fn refused(what: impl std::fmt::Display) -> Unsupported {
    Unsupported::new(format!("a value that is not a plain array ({what})"))
}

/// Reads the pickle of an array with one buffer. Bytes after its end are ignored.
///
/// # Errors
/// If it is something else, or has items that are not plain numbers in the byte order of this machine.
pub fn read(pickle: &[u8]) -> Result<Array> {
    let mut machine = Machine { rest: pickle, ..Machine::default() };
    machine.run()
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    memo: Vec<Value>,
    buffers: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| refused("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn push(&mut self, value: Value) -> Result<()> {
        if self.stack.len() == ITEMS_MAX {
            return Err(refused("it is nested too deeply"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(|| refused("its stack is empty"))
    }

    fn run(&mut self) -> Result<Array> {
        loop {
            match self.byte()? {
                b'.' => break,
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                0x8c => {
                    let length = usize::from(self.byte()?);
                    let text = std::str::from_utf8(self.take(length)?).map_err(refused)?;
                    self.push(Value::Text(text.to_string()))?;
                }
                0x94 => {
                    let top = self.stack.last().ok_or_else(|| refused("its stack is empty"))?;
                    self.memo.push(top.clone());
                }
                b'h' => {
                    let at = usize::from(self.byte()?);
                    let known = self.memo.get(at).ok_or_else(|| refused("an unknown memo"))?;
                    self.push(known.clone())?;
                }
                0x93 => self.global()?,
                b'(' => self.push(Value::Mark)?,
                0x97 => {
                    self.buffers += 1;
                    self.push(Value::Buffer)?;
                }
                // The buffer is read-only.
                0x98 => {}
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'K' => {
                    let value = i64::from(self.byte()?);
                    self.push(Value::Int(value))?;
                }
                b'M' => self.int(2)?,
                b'J' => self.int(4)?,
                0x8a => {
                    let length = usize::from(self.byte()?);
                    self.int(length)?;
                }
                b')' => self.push(Value::Tuple(Vec::new()))?,
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let mark = self.stack.iter().rposition(|value| *value == Value::Mark);
                    let mark = mark.ok_or_else(|| refused("a mark is missing"))?;
                    let items = self.stack.split_off(mark + 1);
                    self.pop()?;
                    self.push(Value::Tuple(items))?;
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => return Err(refused(format_args!("the code {other:#x}"))),
            }
        }
        match (self.stack.as_mut_slice(), self.buffers) {
            ([Value::Array(array)], 1) => Ok(array.clone()),
            _ => Err(refused("it is not a single array")),
        }
    }

    fn int(&mut self, bytes: usize) -> Result<()> {
        let read = self.take(bytes)?;
        if bytes > 8 {
            return Err(refused("a large number"));
        }
        let is_negative = bytes != 2 && read.last().is_some_and(|last| *last >= 0x80);
        let mut all = [if is_negative { 0xff } else { 0 }; 8];
        all[..bytes].copy_from_slice(read);
        self.push(Value::Int(i64::from_le_bytes(all)))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let at = self.stack.len().checked_sub(count).ok_or_else(|| refused("a short tuple"))?;
        let items = self.stack.split_off(at);
        self.push(Value::Tuple(items))
    }

    fn global(&mut self) -> Result<()> {
        match (self.pop()?, self.pop()?) {
            (Value::Text(name), Value::Text(module)) => self.push(Value::Global(module, name)),
            _ => Err(refused("a name that is not a text")),
        }
    }

    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Global(module, name)) = (arguments, function) else {
            return Err(refused("a call of a value"));
        };
        let made = match (module.as_str(), name.as_str(), arguments.as_slice()) {
            ("numpy", "dtype", [Value::Text(code), ..]) => Value::Dtype(Dtype::of_code(code)?),
            (
                "numpy._core.numeric" | "numpy.core.numeric",
                FROM_BUFFER,
                [Value::Buffer, Value::Dtype(dtype), Value::Tuple(shape), Value::Text(order)],
            ) => Value::Array(Array {
                dtype: *dtype,
                shape: sizes(shape)?,
                is_fortran: order == "F",
                module,
            }),
            _ => return Err(refused(format_args!("a call of {module}.{name}"))),
        };
        self.push(made)
    }

    /// The state of a dtype: its version, its byte order, and what plain numbers do not have.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let plain = match &state {
            Value::Tuple(items) => match items.as_slice() {
                [Value::Int(3), Value::Text(order), Value::None, Value::None, Value::None, ..] => {
                    matches!(order.as_str(), "<" | "|" | "=")
                }
                _ => false,
            },
            _ => false,
        };
        if plain && matches!(self.stack.last(), Some(Value::Dtype(_))) {
            return Ok(());
        }
        Err(refused("a dtype with fields, or of another byte order"))
    }
}

fn sizes(shape: &[Value]) -> Result<Vec<usize>> {
    if shape.len() > AXES_MAX {
        return Err(refused("too many axes"));
    }
    let size = |value: &Value| match value {
        Value::Int(size) => usize::try_from(*size).map_err(refused),
        _ => Err(refused("a size that is not a number")),
    };
    shape.iter().map(size).collect()
}

/// An array that is to be written, with its name if it is an item of a dict.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// The key in the dict; none for a value that is the array itself.
    pub name: Option<&'a str>,
    /// What its items are.
    pub dtype: Dtype,
    /// Items on each axis. They lie in C order in a buffer of their own.
    pub shape: &'a [usize],
}

/// The pickle of a single value, as which operations of NumPy return arrays without axes.
pub fn write_scalar(module: &str, dtype: Dtype, bytes: &[u8]) -> Vec<u8> {
    let mut pickle = vec![0x80, 5];
    let beside = module.strip_suffix("numeric").unwrap_or(module);
    text(&mut pickle, &format!("{beside}multiarray"));
    text(&mut pickle, SCALAR);
    pickle.push(0x93);
    self::dtype(&mut pickle, dtype);
    pickle.extend([b'C', bytes.len() as u8]);
    pickle.extend(bytes);
    pickle.extend([0x86, b'R', b'.']);
    pickle
}

/// The pickle of an array, or of a dict of several, which the NumPy reads that has this module.
pub fn write(module: &str, arrays: &[Written<'_>]) -> Vec<u8> {
    let mut pickle = vec![0x80, 5];
    let is_dict = arrays.iter().all(|one| one.name.is_some());
    if is_dict {
        pickle.extend(b"}(");
    }
    for one in arrays {
        if let Some(name) = one.name {
            text(&mut pickle, name);
        }
        array(&mut pickle, module, one);
    }
    if is_dict {
        pickle.push(b'u');
    }
    pickle.push(b'.');
    pickle
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    // Names of modules, dtypes and results are short.
    pickle.extend([0x8c, text.len() as u8]);
    pickle.extend(text.as_bytes());
}

fn dtype(pickle: &mut Vec<u8>, dtype: Dtype) {
    text(pickle, "numpy");
    text(pickle, "dtype");
    pickle.push(0x93);
    text(pickle, dtype.code());
    // Not aligned, and a copy. Without a state its byte order is that of the machine that reads it: both are
    // little-endian.
    pickle.extend([0x89, 0x88, 0x87, b'R']);
}

fn array(pickle: &mut Vec<u8>, module: &str, written: &Written<'_>) {
    text(pickle, module);
    text(pickle, FROM_BUFFER);
    pickle.extend([0x93, b'(', 0x97]);
    dtype(pickle, written.dtype);
    pickle.push(b'(');
    for size in written.shape {
        pickle.extend([0x8a, 8]);
        pickle.extend((*size as u64).to_le_bytes());
    }
    pickle.push(b't');
    text(pickle, "C");
    pickle.extend(b"tR");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NumPy 2.4 pickles an array of 1,000 x 3 numbers in C order.
    const PICKLED: &[u8] = b"\x80\x05\x95n\x00\x00\x00\x00\x00\x00\x00\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\
        \x94\x93\x94(\x97\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02f8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94\
        NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bM\xe8\x03K\x03\x86\x94\x8c\x01C\x94t\x94R\x94.";

    fn array() -> Array {
        let module = "numpy._core.numeric".to_string();
        Array { module, dtype: Dtype::F64, shape: vec![1000, 3], is_fortran: false }
    }

    /// What NumPy writes is read, also with the zeros that align the buffer after it.
    #[test]
    fn pickles_of_numpy_are_read() {
        assert_eq!(read(PICKLED), Ok(array()));
        assert_eq!(read(&[PICKLED, &[0; 7]].concat()), Ok(array()));
    }

    /// Pickles that are written can be read again, and a dict is not an array.
    #[test]
    fn what_is_written_is_read() {
        let Array { module, dtype, shape, .. } = array();
        let written = [Written { name: None, dtype, shape: &shape }];
        assert_eq!(read(&write(&module, &written)), Ok(array()));
        let named = [Written { name: Some("n"), dtype, shape: &shape }];
        assert!(read(&write(&module, &named)).is_err());
    }

    /// Everything that is cut short, and everything with another byte in it, is an array, or is refused: nothing panics.
    #[test]
    fn damaged_pickles_are_refused() {
        for length in 0..PICKLED.len() {
            assert!(read(&PICKLED[..length]).is_err(), "{length}");
        }
        for at in 0..PICKLED.len() {
            for byte in 0..=255 {
                let mut damaged = PICKLED.to_vec();
                damaged[at] = byte;
                drop(read(&damaged));
            }
        }
    }

    /// Big-endian items, times and objects are not plain numbers of this machine.
    #[test]
    fn other_dtypes_are_refused() {
        let swapped = |from: &[u8], to: &[u8]| {
            let at = PICKLED.windows(from.len()).position(|part| part == from).unwrap();
            [&PICKLED[..at], to, &PICKLED[at + from.len()..]].concat()
        };
        assert!(read(&swapped(b"\x8c\x01<", b"\x8c\x01>")).is_err());
        assert!(read(&swapped(b"\x8c\x02f8", b"\x8c\x02M8")).is_err());
        assert!(read(&swapped(b"\x8c\x02f8", b"\x8c\x02O8")).is_err());
    }
}
