//! Dtypes of NumPy whose items are plain numbers.

use crate::{Result, Unsupported};
use serde::de::{Deserialize, Deserializer, Error as _};
use std::fmt;

/// What the items of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// `bool`.
    Bool,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
    /// `float32`.
    F32,
    /// `float64`.
    F64,
    /// `complex64`: items are moved, not computed with.
    C64,
    /// `complex128`: items are moved, not computed with.
    C128,
}

/// The codes of NumPy, without the byte order, in the order of the variants.
const CODES: [(&str, Dtype, usize); 13] = [
    ("b1", Dtype::Bool, 1),
    ("i1", Dtype::I8, 1),
    ("i2", Dtype::I16, 2),
    ("i4", Dtype::I32, 4),
    ("i8", Dtype::I64, 8),
    ("u1", Dtype::U8, 1),
    ("u2", Dtype::U16, 2),
    ("u4", Dtype::U32, 4),
    ("u8", Dtype::U64, 8),
    ("f4", Dtype::F32, 4),
    ("f8", Dtype::F64, 8),
    ("c8", Dtype::C64, 8),
    ("c16", Dtype::C128, 16),
];

impl Dtype {
    /// The dtype with a code, such as `f8`.
    ///
    /// # Errors
    /// If it is another one.
    pub fn of_code(code: &str) -> Result<Self> {
        let found = CODES.iter().find(|(known, ..)| *known == code).map(|(_, dtype, _)| *dtype);
        found.ok_or_else(|| Unsupported::new(format!("items of the dtype {code}")))
    }

    /// The code, such as `f8`.
    pub fn code(self) -> &'static str {
        CODES[self as usize].0
    }

    /// Bytes of an item.
    pub fn item_bytes(self) -> usize {
        CODES[self as usize].2
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Dtype::F32 | Dtype::F64)
    }

    pub(crate) fn is_complex(self) -> bool {
        matches!(self, Dtype::C64 | Dtype::C128)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Dtype {
    /// From NumPy's text, such as `<f8` or `|b1`. Items of another byte order are not supported.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let code = text.strip_prefix(['<', '|']);
        let code = code.ok_or_else(|| D::Error::custom(format!("the dtype {text}")))?;
        Dtype::of_code(code).map_err(D::Error::custom)
    }
}

/// Runs code with a name for the type of the items of a dtype that kernels compute with.
macro_rules! with_type {
    ($dtype:expr, $name:ident => $code:expr) => {
        match $dtype {
            $crate::Dtype::Bool => Err($crate::Unsupported::new("arithmetic of bool")),
            $crate::Dtype::I8 => {
                type $name = i8;
                $code
            }
            $crate::Dtype::I16 => {
                type $name = i16;
                $code
            }
            $crate::Dtype::I32 => {
                type $name = i32;
                $code
            }
            $crate::Dtype::I64 => {
                type $name = i64;
                $code
            }
            $crate::Dtype::U8 => {
                type $name = u8;
                $code
            }
            $crate::Dtype::U16 => {
                type $name = u16;
                $code
            }
            $crate::Dtype::U32 => {
                type $name = u32;
                $code
            }
            $crate::Dtype::U64 => {
                type $name = u64;
                $code
            }
            $crate::Dtype::F32 => {
                type $name = f32;
                $code
            }
            $crate::Dtype::F64 => {
                type $name = f64;
                $code
            }
            $crate::Dtype::C64 | $crate::Dtype::C128 => {
                Err($crate::Unsupported::new("arithmetic of complex numbers"))
            }
        }
    };
}

/// Runs code with a name for the type of plain bytes as large as the items of a dtype.
macro_rules! with_bytes {
    ($dtype:expr, $name:ident => $code:expr) => {
        match $dtype.item_bytes() {
            1 => {
                type $name = u8;
                $code
            }
            2 => {
                type $name = u16;
                $code
            }
            4 => {
                type $name = u32;
                $code
            }
            8 => {
                type $name = u64;
                $code
            }
            _ => {
                type $name = [u64; 2];
                $code
            }
        }
    };
}

pub(crate) use {with_bytes, with_type};

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes are NumPy's, with the native byte order only.
    #[test]
    fn codes_are_those_of_numpy() {
        let read = |text: &str| serde_json::from_str::<Dtype>(text).ok();
        assert_eq!(read("\"<f8\""), Some(Dtype::F64));
        assert_eq!(read("\"|b1\""), Some(Dtype::Bool));
        assert_eq!(read("\">f8\""), None);
        assert_eq!(read("\"<M8[ns]\""), None);
        assert_eq!((Dtype::C128.code(), Dtype::C128.item_bytes()), ("c16", 16));
        assert!(CODES.iter().enumerate().all(|(at, (_, dtype, _))| *dtype as usize == at));
    }
}
