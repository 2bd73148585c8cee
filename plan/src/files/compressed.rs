//! Compression of scanned files, on the way to another process.
//!
//! DataFusion's wire form of a scan has no place for it: a compressed file would be taken for
//! plain text at the other end. So every such scan is put under a [`CompressedScan`] before a
//! plan is encoded, and comes out as itself again when that is decoded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};

/// Says how the files of the scan below it are compressed. It only exists on the wire.
#[derive(Debug)]
pub struct CompressedScan {
    scan: Arc<dyn ExecutionPlan>,
    compression: FileCompressionType,
}

impl CompressedScan {
    /// Puts every scan of compressed files in `plan` under a node of this kind.
    ///
    /// # Errors
    /// If DataFusion cannot rebuild a node above such a scan.
    pub fn mark(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let marked = plan.transform_up(|node| {
            let compression = files(&node).map(|scan| scan.file_compression_type);
            Ok(match compression {
                Some(compression) if compression.is_compressed() => {
                    Transformed::yes(Arc::new(Self { scan: node, compression }) as _)
                }
                _ => Transformed::no(node),
            })
        });
        marked.map(|marked| marked.data)
    }

    /// The name of the compression, for [`Self::restore`].
    #[must_use]
    pub fn compression(&self) -> String {
        self.compression.get_variant().to_string()
    }

    /// The scan of compressed files that `scan`, which came over the wire, was.
    ///
    /// # Errors
    /// If the compression has no such name or `scan` is no scan of files.
    pub fn restore(
        compression: &str,
        scan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let variant = CompressionTypeVariant::from_str(compression)
            .map_err(|_| malformed(format!("there is no compression '{compression}'")))?;
        let files = files(scan).ok_or_else(|| {
            malformed(format!("{} does not read files that are compressed", scan.name()))
        })?;
        let files = FileScanConfigBuilder::from(files.clone())
            .with_file_compression_type(variant.into())
            .build();
        Ok(DataSourceExec::from_data_source(files))
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [scan] = <[_; 1]>::try_from(children)
            .map_err(|_| malformed("CompressedScan has one child".to_owned()))?;
        Ok(Arc::new(Self { scan, compression: self.compression }))
    }
}

fn malformed(message: String) -> DataFusionError {
    DataFusionError::Internal(message)
}

/// The files that a node scans, if it is a scan of files.
fn files(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    node.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}

impl DisplayAs for CompressedScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompressedScan: {}", self.compression())
    }
}

impl ExecutionPlan for CompressedScan {
    fn name(&self) -> &'static str {
        "CompressedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.scan.execute(partition, context)
    }
}
