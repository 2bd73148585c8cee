//! The wire form of fragments: DataFusion's own, and that of nodes that are ours.

#[cfg(test)]
mod tests;

use crate::error::PlanError;
use crate::exchange::{ExchangeExec, Reading};
use crate::properties::{Reader, WireProperties, Writer};
use crate::python::{PythonCalls, PythonFunction};
use crate::windows;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr_common::physical_expr::proto_decode::PhysicalExprDecodeCtx;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr_with_converter;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalPlanNodeExt,
    PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf;
use datafusion_proto::protobuf::physical_expr_node::ExprType;
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use partita_files::{CompressedScan, FileForm};
use partita_operators::ranged::Reach;
use partita_operators::ranged::carry::{Carries, CarryExec, PrefixExec};
use partita_operators::ranged::edge::{Edge, EdgeExec, HaloExec, TrimExec, children_of};
use partita_shared::message::FunctionSpec;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

/// Levels of operators and expressions that are encoded in one piece.
const PIECE_LEVELS: usize = 16;

/// The wire form of an [`ExchangeExec`]. The schema is DataFusion's protobuf of it.
#[derive(Serialize, Deserialize)]
struct ExchangeNode {
    input: u32,
    reading: Reading,
    partitions: u32,
    schema: Vec<u8>,
    properties: WireProperties,
}

/// A node that DataFusion has no wire form for.
#[derive(Serialize, Deserialize)]
enum Node {
    Exchange(ExchangeNode),
    /// A scan of files, which is the node's one input.
    Files(FileForm),
    FirstRows(u64),
    LastRows(LastRows),
    /// The rows wanted before, and whether there are edges before.
    Halo(Option<u64>, bool),
    Trim,
    Prefix(Carries),
    Carry(Carries),
    Recursive(RecursiveNode),
    /// The name and the columns of the table that the recursive part of a recursive query reads.
    WorkTable(String, Vec<u8>),
    /// A part of the plan, as DataFusion's protobuf of it: see [`Pieces`].
    Piece(Vec<u8>),
}

/// The wire form of a recursive query, whose inputs are what it begins with and what it does again. The
/// schema is DataFusion's protobuf of it.
#[derive(Serialize, Deserialize)]
struct RecursiveNode {
    name: String,
    schema: Vec<u8>,
    is_distinct: bool,
}

impl RecursiveNode {
    fn restore(&self, inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(schema_of(&self.schema)?);
        let [first, again] = children_of(inputs.to_vec())?;
        let again = again.transform_up(|node| self.with_all_columns(node, &schema))?.data;
        let name = self.name.clone();
        Ok(Arc::new(RecursiveQueryExec::try_new(name, schema, first, again, self.is_distinct)?))
    }

    /// The table that the recursive part reads, if the node is one: it has all columns of the query, and
    /// picks those that it gave when it was sent.
    fn with_all_columns(
        &self,
        node: Arc<dyn ExecutionPlan>,
        schema: &SchemaRef,
    ) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
        let Some(table) = node.downcast_ref::<WorkTableExec>() else {
            return Ok(Transformed::no(node));
        };
        if table.name() != self.name {
            return Ok(Transformed::no(node));
        }
        let fields = table.schema().fields().clone();
        let places = fields.iter().map(|field| schema.index_of(field.name()));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let (name, all) = (self.name.clone(), Arc::clone(schema));
        Ok(Transformed::yes(Arc::new(WorkTableExec::new(name, all, Some(places))?)))
    }

    /// The wire form of a node of a recursive query.
    fn of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Node>> {
        if let Some(query) = node.downcast_ref::<RecursiveQueryExec>() {
            let columns = query.schema();
            let mut names = HashSet::new();
            if !columns.fields().iter().all(|field| names.insert(field.name().clone())) {
                return Err(DataFusionError::NotImplemented(
                    "cannot serialize a recursive query with two columns of the same name"
                        .to_string(),
                ));
            }
            return Ok(Some(Node::Recursive(RecursiveNode {
                name: query.name().to_string(),
                schema: schema_bytes(&columns)?,
                is_distinct: query.is_distinct(),
            })));
        }
        let Some(table) = node.downcast_ref::<WorkTableExec>() else { return Ok(None) };
        Ok(Some(Node::WorkTable(table.name().to_string(), schema_bytes(&table.schema())?)))
    }
}

fn schema_bytes(schema: &Schema) -> Result<Vec<u8>> {
    let schema: protobuf::Schema = schema.try_into()?;
    Ok(schema.encode_to_vec())
}

fn schema_of(bytes: &[u8]) -> Result<Schema> {
    let schema = protobuf::Schema::decode(bytes).map_err(external)?;
    Ok((&schema).try_into()?)
}

/// The wire form of an edge's last rows. The distances are DataFusion's protobuf of them.
#[derive(Serialize, Deserialize)]
struct LastRows {
    before: u64,
    after: u64,
    distances: Vec<Vec<u8>>,
    key: u32,
    descending: bool,
}

impl LastRows {
    fn edge(&self) -> Result<Edge> {
        let distance = |bytes: &Vec<u8>| -> Result<ScalarValue> {
            let value = protobuf::ScalarValue::decode(bytes.as_slice()).map_err(external)?;
            Ok((&value).try_into()?)
        };
        let distances = self.distances.iter().map(distance).collect::<Result<_>>()?;
        let reach = Reach { before: self.before as usize, after: self.after as usize, distances };
        Ok(Edge::Last { reach, key: self.key as usize, descending: self.descending })
    }
}

impl Node {
    /// The wire form of a node of a window over ranges.
    fn of_window(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Node>> {
        if let Some(halo) = node.downcast_ref::<HaloExec>() {
            let before = halo.before.map(|rows| rows as u64);
            return Ok(Some(Node::Halo(before, halo.has_before)));
        }
        if node.is::<TrimExec>() {
            return Ok(Some(Node::Trim));
        }
        if let Some(prefix) = node.downcast_ref::<PrefixExec>() {
            return Ok(Some(Node::Prefix(prefix.carries.clone())));
        }
        if let Some(carry) = node.downcast_ref::<CarryExec>() {
            return Ok(Some(Node::Carry(carry.carries.clone())));
        }
        let Some(exec) = node.downcast_ref::<EdgeExec>() else { return Ok(None) };
        Ok(Some(match &exec.edge {
            Edge::First(rows) => Node::FirstRows(*rows as u64),
            Edge::Last { reach, key, descending } => {
                let distance = |value: &ScalarValue| -> Result<Vec<u8>> {
                    Ok(protobuf::ScalarValue::try_from(value)?.encode_to_vec())
                };
                Node::LastRows(LastRows {
                    before: reach.before as u64,
                    after: reach.after as u64,
                    distances: reach.distances.iter().map(distance).collect::<Result<_>>()?,
                    key: *key as u32,
                    descending: *descending,
                })
            }
        }))
    }
}

/// The one input of a node.
fn only(inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    let [input] = children_of(inputs.to_vec())?;
    Ok(input)
}

/// The wire form of a Python function. The types are DataFusion's protobuf of them, as columns.
#[derive(Serialize, Deserialize)]
struct PythonNode {
    spec: FunctionSpec,
    types: Vec<u8>,
}

/// Encodes and decodes the nodes that are ours.
#[derive(Debug, Default)]
struct Codec {
    /// What calls Python functions, where fragments run.
    python: Option<Arc<dyn PythonCalls>>,
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node = match postcard::from_bytes(bytes).map_err(external)? {
            Node::Exchange(node) => node,
            Node::Files(form) => return CompressedScan::restore(&form, &only(inputs)?),
            Node::FirstRows(rows) => {
                return Ok(Arc::new(EdgeExec::new(only(inputs)?, Edge::First(rows as usize))));
            }
            Node::LastRows(last) => {
                return Ok(Arc::new(EdgeExec::new(only(inputs)?, last.edge()?)));
            }
            Node::Halo(before, has_before) => {
                let before = before.map(|rows| rows as usize);
                return Ok(Arc::new(HaloExec::try_new(inputs.to_vec(), before, has_before)?));
            }
            Node::Trim => return Ok(Arc::new(TrimExec { input: only(inputs)? })),
            Node::Prefix(carries) => {
                return Ok(Arc::new(PrefixExec { input: only(inputs)?, carries }));
            }
            Node::Carry(carries) => {
                let children = children_of(inputs.to_vec())?;
                return Ok(Arc::new(CarryExec { children, carries }));
            }
            Node::Recursive(node) => return node.restore(inputs),
            Node::WorkTable(name, schema) => {
                let schema = Arc::new(schema_of(&schema)?);
                return Ok(Arc::new(WorkTableExec::new(name, schema, None)?));
            }
            Node::Piece(bytes) => {
                let piece = protobuf::PhysicalPlanNode::decode(bytes.as_slice());
                let outer = PhysicalPlanDecodeContext::new(context, self);
                return converter.proto_to_execution_plan(&piece.map_err(external)?, &outer);
            }
        };
        let schema = Arc::new(schema_of(&node.schema)?);
        let reader = Reader { schema: &schema, context, codec: self, converter };
        let properties = Arc::new(reader.read(&node.properties)?);
        let leaf = ExchangeExec::new(node.input, node.reading, node.partitions, schema);
        Ok(Arc::new(leaf.with_properties(properties)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(scan) = node.downcast_ref::<CompressedScan>() {
            let node = Node::Files(scan.form().clone());
            bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
            return Ok(());
        }
        let ours = Node::of_window(&node)?;
        let ours = if ours.is_none() { RecursiveNode::of(&node)? } else { ours };
        if let Some(node) = ours {
            bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
            return Ok(());
        }
        let exchange = node.downcast_ref::<ExchangeExec>().ok_or_else(|| {
            DataFusionError::NotImplemented(format!("cannot serialize {}", node.name()))
        })?;
        let node = Node::Exchange(ExchangeNode {
            input: exchange.input(),
            reading: exchange.reading(),
            partitions: exchange.partitions(),
            schema: schema_bytes(&exchange.schema())?,
            properties: Writer { codec: self, converter }.write(exchange.properties())?,
        });
        bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
        Ok(())
    }

    fn try_encode_udf(&self, node: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(function) = node.inner().downcast_ref::<PythonFunction>() else {
            return Ok(());
        };
        let types = schema_bytes(&function.types())?;
        let node = PythonNode { spec: function.spec().clone(), types };
        bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
        let unknown = || DataFusionError::Plan(format!("the function {name} is unknown"));
        if bytes.is_empty() {
            return Err(unknown());
        }
        let PythonNode { spec, types } = postcard::from_bytes(bytes).map_err(external)?;
        let function = PythonFunction::of_types(spec, &schema_of(&types)?).ok_or_else(unknown)?;
        Ok(Arc::new(function.called_by(self.python.clone()).into_udf()))
    }

    /// The only expressions of ours are pieces.
    fn try_decode_expr(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn PhysicalExpr>],
        context: &PhysicalExprDecodeCtx<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        context.decode(&protobuf::PhysicalExprNode::decode(bytes).map_err(external)?)
    }
}

/// Encodes what is nested deep in pieces. Protobuf refuses to decode messages that are nested more than a
/// hundred levels deep, of which an operator or an expression takes up to four. A piece is a field of bytes
/// to it, in which it counts anew.
#[derive(Default)]
struct Pieces {
    /// Operators and expressions around what is encoded.
    depth: Cell<usize>,
}

impl Pieces {
    /// Encodes something one level deeper. True if a piece ends there.
    fn deeper<T>(&self, encode: impl FnOnce() -> Result<T>) -> Result<(T, bool)> {
        let depth = self.depth.get() + 1;
        self.depth.set(depth);
        let encoded = encode();
        self.depth.set(depth - 1);
        Ok((encoded?, depth.is_multiple_of(PIECE_LEVELS)))
    }
}

impl PhysicalProtoConverterExtension for Pieces {
    fn execution_plan_to_proto(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<protobuf::PhysicalPlanNode> {
        let encode = || {
            let plan = Arc::clone(plan);
            protobuf::PhysicalPlanNode::try_from_physical_plan_with_converter(plan, codec, self)
        };
        let (node, is_piece) = self.deeper(encode)?;
        if !is_piece {
            return Ok(node);
        }
        let node = postcard::to_stdvec(&Node::Piece(node.encode_to_vec())).map_err(external)?;
        let piece = protobuf::PhysicalExtensionNode { node, inputs: Vec::new() };
        Ok(protobuf::PhysicalPlanNode {
            physical_plan_type: Some(PhysicalPlanType::Extension(piece)),
        })
    }

    fn proto_to_execution_plan(
        &self,
        node: &protobuf::PhysicalPlanNode,
        context: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.default_proto_to_execution_plan(node, context)
    }

    fn proto_to_physical_expr(
        &self,
        node: &protobuf::PhysicalExprNode,
        schema: &Schema,
        context: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        self.default_proto_to_physical_expr(node, schema, context)
    }

    fn physical_expr_to_proto(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<protobuf::PhysicalExprNode> {
        let encode = || serialize_physical_expr_with_converter(expr, codec, self);
        let (node, is_piece) = self.deeper(encode)?;
        if !is_piece {
            return Ok(node);
        }
        let piece =
            protobuf::PhysicalExtensionExprNode { expr: node.encode_to_vec(), inputs: Vec::new() };
        Ok(protobuf::PhysicalExprNode {
            expr_id: None,
            expr_type: Some(ExprType::Extension(piece)),
        })
    }
}

/// The wire form of a fragment.
///
/// # Errors
/// [`PlanError::NotSendable`] if some operator has none.
pub fn encode(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<u8>, PlanError> {
    let plan = windows::straight(plan).map_err(PlanError::NotSendable)?;
    windows::check(&plan).map_err(PlanError::NotSendable)?;
    let plan = CompressedScan::mark(plan).map_err(PlanError::NotSendable)?;
    physical_plan_to_bytes_with_proto_converter(plan, &Codec::default(), &Pieces::default())
        .map(|bytes| bytes.to_vec())
        .map_err(PlanError::NotSendable)
}

/// The fragment that these bytes are. `python` calls the Python functions in it.
///
/// # Errors
/// [`PlanError::Malformed`] if they are none.
pub fn decode(
    bytes: &[u8],
    context: &TaskContext,
    python: Option<Arc<dyn PythonCalls>>,
) -> Result<Arc<dyn ExecutionPlan>, PlanError> {
    let codec = Codec { python };
    physical_plan_from_bytes_with_proto_converter(bytes, context, &codec, &Pieces::default())
        .map_err(PlanError::Malformed)
}
