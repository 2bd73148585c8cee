//! The leaf of a fragment that stands for what another stage made.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use partita_operators::plain_operator;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The error of a plan's leaf that finds no worker around it.
pub(crate) const NOT_HERE: &str = "a fragment was run outside of a worker";

/// What partition `i` of an [`ExchangeExec`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reading {
    /// Bucket `i` of every partition.
    Bucket,
    /// Partition `i`, whole.
    Partition,
    /// The partition that is the task's own, whole.
    Own,
    /// Every partition, whole, in any order: there is only partition 0.
    All,
}

/// What is read through one partition of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// This bucket of every partition.
    Bucket(u32),
    /// This partition.
    Partition(u32),
    /// Every partition.
    All,
}

/// Gives the tasks of a stage their inputs. The worker implements it; a fragment finds it among
/// the extensions of the session configuration in its task context.
#[async_trait]
pub trait Inputs: Send + Sync + fmt::Debug {
    /// The rows that `selection` of input `input` means.
    ///
    /// # Errors
    /// If no such input is known. That a holder is gone comes as an error of the stream.
    fn read(
        &self,
        input: u32,
        selection: Selection,
        schema: SchemaRef,
    ) -> Result<SendableRecordBatchStream>;
}

/// The extension that carries the [`Inputs`] of a stage.
#[derive(Debug)]
pub struct InputsExtension(pub Arc<dyn Inputs>);

/// Reads what another stage made.
#[derive(Debug)]
pub struct ExchangeExec {
    input: u32,
    reading: Reading,
    partitions: u32,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ExchangeExec {
    /// A leaf with `partitions` partitions that reads input number `input` of the fragment.
    pub fn new(input: u32, reading: Reading, partitions: u32, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions as usize),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        ExchangeExec { input, reading, partitions, schema, properties: Arc::new(properties) }
    }

    /// The same, with the properties of the plan that it takes the place of, so that the
    /// operators above it are rebuilt as the optimiser left them.
    pub fn with_properties(mut self, properties: Arc<PlanProperties>) -> Self {
        self.properties = properties;
        self
    }

    /// The number of the input.
    pub fn input(&self) -> u32 {
        self.input
    }

    /// What a partition of it is.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }
}

impl DisplayAs for ExchangeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reading {
            Reading::Bucket => "one bucket of every partition",
            Reading::Partition => "one partition",
            Reading::Own => "its own partition",
            Reading::All => "every partition",
        };
        write!(f, "ExchangeExec: input={}, reads {what}", self.input)
    }
}

impl ExecutionPlan for ExchangeExec {
    fn name(&self) -> &'static str {
        "ExchangeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    plain_operator!(|this: &Arc<Self>, _| { Ok(Arc::clone(this) as Arc<dyn ExecutionPlan>) });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inputs = context
            .session_config()
            .get_extension::<InputsExtension>()
            .ok_or_else(|| DataFusionError::Internal(NOT_HERE.to_string()))?;
        let partition = partition as u32;
        let selection = match self.reading {
            Reading::Bucket => Selection::Bucket(partition),
            Reading::Partition | Reading::Own => Selection::Partition(partition),
            Reading::All => Selection::All,
        };
        inputs.0.read(self.input, selection, Arc::clone(&self.schema))
    }
}
