//! Python functions in queries.
//!
//! A client registers a function with the types of its arguments and of its result. The planner sees a scalar function
//! that it cannot call; a worker decodes it together with what calls it.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use partita_shared::message::FunctionSpec;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Calls Python functions for the fragments that one worker runs.
pub trait PythonCalls: fmt::Debug + Send + Sync {
    /// The values of a function for the rows of its arguments. Waits for them.
    ///
    /// # Errors
    /// If the function raises an exception, its process ends, or the result is not one value of the type for each row.
    fn call(
        &self,
        function: &Arc<FunctionSpec>,
        arguments: &SchemaRef,
        columns: Vec<ArrayRef>,
        rows: usize,
        result: &DataType,
    ) -> Result<ArrayRef>;
}

/// A Python function that queries call.
#[derive(Clone, Debug)]
pub struct PythonFunction {
    spec: Arc<FunctionSpec>,
    /// The names of the columns that it gets have no meaning; their types are those of the arguments.
    arguments: SchemaRef,
    result: DataType,
    signature: Signature,
    /// None where queries are planned.
    calls: Option<Arc<dyn PythonCalls>>,
}

impl PythonFunction {
    /// A function of these types.
    pub fn new(spec: FunctionSpec, arguments: Vec<DataType>, result: DataType) -> Self {
        // A function of Python may give another value each time, and must not be called where a query is planned.
        let signature = match arguments.is_empty() {
            true => Signature::nullary(Volatility::Volatile),
            false => Signature::user_defined(Volatility::Volatile),
        };
        let field = |(at, kind)| Field::new(format!("{at}"), kind, true);
        let fields: Vec<Field> = arguments.into_iter().enumerate().map(field).collect();
        let arguments = Arc::new(Schema::new(fields));
        PythonFunction { spec: Arc::new(spec), arguments, result, signature, calls: None }
    }

    /// The function as queries call it.
    pub fn into_udf(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }

    /// The function with what calls it.
    #[must_use]
    pub(crate) fn called_by(self, calls: Option<Arc<dyn PythonCalls>>) -> Self {
        PythonFunction { calls, ..self }
    }

    /// The bytes of its pickle.
    pub fn bytes(&self) -> usize {
        self.spec.pickle.len()
    }

    /// The function, and where it runs.
    pub(crate) fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// The types of its arguments and, last, that of its result, as columns.
    pub(crate) fn types(&self) -> Schema {
        let result = Field::new("result", self.result.clone(), true);
        let fields = self.arguments.fields().iter().map(|field| field.as_ref().clone());
        Schema::new(fields.chain([result]).collect::<Vec<_>>())
    }

    /// A function from the types of its arguments and, last, that of its result, as columns. None without a result.
    pub fn of_types(spec: FunctionSpec, types: &Schema) -> Option<Self> {
        let mut kinds: Vec<DataType> =
            types.fields().iter().map(|field| field.data_type().clone()).collect();
        let result = kinds.pop()?;
        Some(PythonFunction::new(spec, kinds, result))
    }
}

/// Whether values of a type become those of another one as they are, as far as SQL itself does so. Timestamps may become
/// coarser: where SQL writes one, it has nanoseconds.
fn becomes(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Date64, Dictionary, Float16, Float32, Float64, Null, Timestamp};
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, values), _) => becomes(values, to),
        (Timestamp(_, one), Timestamp(_, other)) => one == other,
        (Date32, Date64 | Timestamp(_, None)) | (Float16 | Float32, Float64) => true,
        (_, Float64) if from.is_integer() => true,
        _ if from.is_string() && to.is_string() => true,
        _ if from.is_binary() && to.is_binary() => true,
        _ if from.is_integer() && to.is_integer() => {
            let wider = integer_bits(to).saturating_sub(integer_bits(from));
            match (from.is_signed_integer(), to.is_signed_integer()) {
                (true, false) => false,
                (false, true) => wider > 0,
                _ => from == to || wider > 0,
            }
        }
        _ => from == to,
    }
}

/// The bits of an integer type.
fn integer_bits(kind: &DataType) -> usize {
    kind.primitive_width().unwrap_or_default() * 8
}

impl PartialEq for PythonFunction {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec && self.types() == other.types()
    }
}

impl Eq for PythonFunction {}

impl Hash for PythonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl ScalarUDFImpl for PythonFunction {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    /// The declared types, if no value changes when it is cast to them.
    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let declared = self.arguments.fields().iter().map(|field| field.data_type().clone());
        let declared: Vec<DataType> = declared.collect();
        let fits = found.len() == declared.len()
            && found.iter().zip(&declared).all(|(found, declared)| becomes(found, declared));
        if fits {
            return Ok(declared);
        }
        let texts = |types: &[DataType]| {
            types.iter().map(DataType::to_string).collect::<Vec<_>>().join(", ")
        };
        Err(DataFusionError::Plan(format!(
            "the function {} takes ({}), not ({}); convert its arguments with CAST",
            self.spec.name,
            texts(&declared),
            texts(found)
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(calls) = &self.calls else {
            let text = format!("the Python function {} can only run on workers", self.spec.name);
            return Err(DataFusionError::Plan(text));
        };
        let rows = args.number_rows;
        let columns = args.args.iter().map(|value| value.to_array(rows));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let values = calls.call(&self.spec, &self.arguments, columns, rows, &self.result)?;
        Ok(ColumnarValue::Array(values))
    }
}
