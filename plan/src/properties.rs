//! The wire form of what an exchange's rows are known to be: how they are partitioned, in which
//! orders they come, which columns are equal or constant.
//!
//! The optimiser left out sorts and exchanges because of these. Operators are made anew from their
//! wire form, and look at their input's properties again when they are: a window that needs no
//! sort must find the order that it relied on.

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::equivalence::{AcrossPartitions, ConstExpr};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::{Partitioning, PlanProperties};
use datafusion_proto::physical_plan::from_proto::{
    parse_physical_sort_exprs, parse_protobuf_partitioning,
};
use datafusion_proto::physical_plan::to_proto::{
    serialize_partitioning, serialize_physical_sort_exprs,
};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Properties, each in DataFusion's own protobuf.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireProperties {
    partitioning: Vec<u8>,
    orderings: Vec<Vec<u8>>,
    /// Expressions that are equal to each other.
    equal: Vec<Vec<Vec<u8>>>,
    /// Expressions that are constant.
    constant: Vec<(Vec<u8>, Constant)>,
}

/// What is known of a constant.
#[derive(Serialize, Deserialize)]
enum Constant {
    /// Each partition may have another value.
    OfPartition,
    /// All partitions have the same value, which is not known.
    Unknown,
    /// All partitions have this value.
    Known(Vec<u8>),
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Writes properties.
pub(crate) struct Writer<'a> {
    pub(crate) codec: &'a dyn PhysicalExtensionCodec,
    pub(crate) converter: &'a dyn PhysicalProtoConverterExtension,
}

impl Writer<'_> {
    /// # Errors
    /// If an expression has no wire form.
    pub(crate) fn write(&self, properties: &PlanProperties) -> Result<WireProperties> {
        let known = &properties.eq_properties;
        let partitioning =
            serialize_partitioning(&properties.partitioning, self.codec, self.converter)?;
        let mut wire = WireProperties {
            partitioning: partitioning.encode_to_vec(),
            orderings: Vec::new(),
            equal: Vec::new(),
            constant: Vec::new(),
        };
        for ordering in known.oeq_class().iter() {
            let nodes = ordering.iter().cloned();
            let physical_sort_expr_nodes =
                serialize_physical_sort_exprs(nodes, self.codec, self.converter)?;
            let node = protobuf::PhysicalSortExprNodeCollection { physical_sort_expr_nodes };
            wire.orderings.push(node.encode_to_vec());
        }
        for class in known.eq_group().iter().filter(|class| class.len() > 1) {
            let members = class.iter().map(|expr| self.expression(expr));
            wire.equal.push(members.collect::<Result<_>>()?);
        }
        for ConstExpr { expr, across_partitions } in known.constants() {
            wire.constant.push((self.expression(&expr)?, constant(&across_partitions)));
        }
        Ok(wire)
    }

    fn expression(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Vec<u8>> {
        Ok(self.converter.physical_expr_to_proto(expr, self.codec)?.encode_to_vec())
    }
}

fn constant(across: &AcrossPartitions) -> Constant {
    match across {
        AcrossPartitions::Heterogeneous => Constant::OfPartition,
        AcrossPartitions::Uniform(None) => Constant::Unknown,
        AcrossPartitions::Uniform(Some(value)) => match protobuf::ScalarValue::try_from(value) {
            Ok(value) => Constant::Known(value.encode_to_vec()),
            Err(_) => Constant::Unknown,
        },
    }
}

/// Reads properties.
pub(crate) struct Reader<'a> {
    pub(crate) schema: &'a SchemaRef,
    pub(crate) context: &'a TaskContext,
    pub(crate) codec: &'a dyn PhysicalExtensionCodec,
    pub(crate) converter: &'a dyn PhysicalProtoConverterExtension,
}

impl Reader<'_> {
    /// # Errors
    /// If a property is unsupported.
    pub(crate) fn read(&self, wire: &WireProperties) -> Result<PlanProperties> {
        let schema: &Schema = self.schema;
        let context = PhysicalPlanDecodeContext::new(self.context, self.codec);
        let partitioning =
            protobuf::Partitioning::decode(wire.partitioning.as_slice()).map_err(malformed)?;
        let partitioning =
            parse_protobuf_partitioning(Some(&partitioning), &context, schema, self.converter)?
                .unwrap_or(Partitioning::UnknownPartitioning(1));
        let mut known = EquivalenceProperties::new(Arc::clone(self.schema));
        for members in &wire.equal {
            let members: Vec<_> = members
                .iter()
                .map(|bytes| self.expression(bytes, &context))
                .collect::<Result<_>>()?;
            for pair in members.windows(2) {
                if let [left, right] = pair {
                    known.add_equal_conditions(Arc::clone(left), Arc::clone(right))?;
                }
            }
        }
        for (bytes, value) in &wire.constant {
            let across = match value {
                Constant::OfPartition => AcrossPartitions::Heterogeneous,
                Constant::Unknown => AcrossPartitions::Uniform(None),
                Constant::Known(bytes) => {
                    let value =
                        protobuf::ScalarValue::decode(bytes.as_slice()).map_err(malformed)?;
                    AcrossPartitions::Uniform(Some(ScalarValue::try_from(&value)?))
                }
            };
            known.add_constants([ConstExpr::new(self.expression(bytes, &context)?, across)])?;
        }
        for bytes in &wire.orderings {
            let nodes = protobuf::PhysicalSortExprNodeCollection::decode(bytes.as_slice())
                .map_err(malformed)?
                .physical_sort_expr_nodes;
            known.add_ordering(parse_physical_sort_exprs(
                &nodes,
                &context,
                schema,
                self.converter,
            )?);
        }
        Ok(PlanProperties::new(
            known,
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative))
    }

    fn expression(
        &self,
        bytes: &[u8],
        context: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let node = protobuf::PhysicalExprNode::decode(bytes).map_err(malformed)?;
        self.converter.proto_to_physical_expr(&node, self.schema, context)
    }
}
