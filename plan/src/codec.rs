//! The wire form of fragments: DataFusion's own, and one node of ours.

use crate::error::PlanError;
use crate::exchange::{ExchangeExec, Reading};
use crate::files::CompressedScan;
use crate::properties::{Reader, WireProperties, Writer};
use crate::windows;
use datafusion::arrow::datatypes::Schema;
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
            Node::Compressed(name) => {
                let [input] = inputs else {
                    return Err(DataFusionError::Internal("a scan has one input".to_string()));
                };
                return CompressedScan::restore(&name, input);
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
