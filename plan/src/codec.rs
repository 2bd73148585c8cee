//! The wire form of fragments: DataFusion's own, and that of nodes that are ours.

use crate::error::PlanError;
use crate::exchange::{ExchangeExec, Reading};
use crate::files::CompressedScan;
use crate::properties::{Reader, WireProperties, Writer};
use crate::ranged::Reach;
use crate::ranged::carry::{Carries, CarryExec, PrefixExec};
use crate::ranged::edge::{Edge, EdgeExec, HaloExec, TrimExec, children_of};
use crate::windows;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// A scan of compressed files, which is the node's one input; the name of the compression.
    Compressed(String),
    FirstRows(u64),
    LastRows(LastRows),
    /// The rows wanted before, and whether there are edges before.
    Halo(Option<u64>, bool),
    Trim,
    Prefix(Carries),
    Carry(Carries),
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

/// Encodes and decodes the nodes that are ours.
#[derive(Debug)]
struct Codec;

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
            Node::Compressed(name) => return CompressedScan::restore(&name, &only(inputs)?),
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
        };
        let schema = protobuf::Schema::decode(node.schema.as_slice()).map_err(external)?;
        let schema: Schema = (&schema).try_into()?;
        let schema = Arc::new(schema);
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
            let node = Node::Compressed(scan.compression().to_string());
            bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
            return Ok(());
        }
        if let Some(node) = Node::of_window(&node)? {
            bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
            return Ok(());
        }
        let exchange = node.downcast_ref::<ExchangeExec>().ok_or_else(|| {
            DataFusionError::NotImplemented(format!("{} has no wire form", node.name()))
        })?;
        let schema: protobuf::Schema = exchange.schema().as_ref().try_into()?;
        let node = Node::Exchange(ExchangeNode {
            input: exchange.input(),
            reading: exchange.reading(),
            partitions: exchange.partitions(),
            schema: schema.encode_to_vec(),
            properties: Writer { codec: self, converter }.write(exchange.properties())?,
        });
        bytes.extend(postcard::to_stdvec(&node).map_err(external)?);
        Ok(())
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
    physical_plan_to_bytes_with_extension_codec(plan, &Codec)
        .map(|bytes| bytes.to_vec())
        .map_err(PlanError::NotSendable)
}

/// The fragment that these bytes are.
///
/// # Errors
/// [`PlanError::Malformed`] if they are none.
pub fn decode(bytes: &[u8], context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>, PlanError> {
    physical_plan_from_bytes_with_extension_codec(bytes, context, &Codec)
        .map_err(PlanError::Malformed)
}
