//! Compression of scanned files, the dialect of CSV files, and whether Arrow is a stream, on the way to another
//! process.
//!
//! DataFusion's wire form of a scan has no place for them: a compressed file would be taken for
//! plain text at the other end, and a stream for a file. So every such scan is put under a [`CompressedScan`] before a
//! plan is encoded, and comes out as itself again when that is decoded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::{
    ArrowSource, CsvSource, FileScanConfig, FileScanConfigBuilder, FileSource, JsonSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use serde::{Deserialize, Serialize};

use super::csv::TextSource;
use super::json::{JsonForm, JsonLines};

/// What DataFusion calls the format of Arrow streams.
const ARROW_STREAM: &str = "arrow_stream";

/// What DataFusion's wire form does not tell of the files of a scan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileForm {
    /// The name of their compression.
    compression: String,
    /// As JSON, how they are written, if they are CSV.
    dialect: Option<String>,
    /// How they are read, if they are JSON.
    json: Option<JsonForm>,
    is_arrow_stream: bool,
}

/// Says what the form of the files of the scan below it is. It only exists on the wire.
#[derive(Debug)]
pub struct CompressedScan {
    scan: Arc<dyn ExecutionPlan>,
    form: FileForm,
}

impl CompressedScan {
    /// Puts every scan whose wire form would not tell all under a node of this kind.
    ///
    /// # Errors
    /// If DataFusion cannot rebuild a node above such a scan.
    pub fn mark(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let marked = plan.transform_up(|node| {
            let Some(scan) = files(&node) else { return Ok(Transformed::no(node)) };
            let compression = scan.file_compression_type;
            let text = scan.file_source().downcast_ref::<TextSource>();
            let lines = scan.file_source().downcast_ref::<JsonLines>();
            let is_arrow_stream = scan.file_source().file_type() == ARROW_STREAM;
            if text.is_none() && lines.is_none() && !is_arrow_stream && !compression.is_compressed()
            {
                return Ok(Transformed::no(node));
            }
            let dialect = text.map(|text| serde_json::to_string(text.dialect().as_ref()));
            let dialect = dialect.transpose().map_err(external)?;
            let compression = compression.get_variant().to_string();
            let json = lines.map(JsonLines::form);
            let form = FileForm { compression, dialect, json, is_arrow_stream };
            let scan = match (text, lines) {
                (Some(text), _) => with_source(scan, Arc::new(text.plain().clone())),
                (None, Some(lines)) => with_source(scan, Arc::new(lines.plain().clone())),
                (None, None) => Arc::clone(&node),
            };
            Ok(Transformed::yes(Arc::new(Self { scan, form }) as _))
        });
        marked.map(|marked| marked.data)
    }

    /// What is told of the files, for [`Self::restore`].
    pub fn form(&self) -> &FileForm {
        &self.form
    }

    /// The scan of files that `scan`, which came over the wire, was.
    ///
    /// # Errors
    /// If `scan` does not scan files of this form.
    pub fn restore(
        form: &FileForm,
        scan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let FileForm { compression, dialect, json, is_arrow_stream } = form;
        let variant = CompressionTypeVariant::from_str(compression)
            .map_err(|_| malformed(format!("unknown compression '{compression}'")))?;
        let files = files(scan)
            .ok_or_else(|| malformed(format!("{} does not read compressed files", scan.name())))?;
        let mut builder =
            FileScanConfigBuilder::from(files.clone()).with_file_compression_type(variant.into());
        if let Some(dialect) = dialect {
            let plain = files
                .file_source()
                .downcast_ref::<CsvSource>()
                .ok_or_else(|| malformed(format!("{} does not read CSV files", scan.name())))?;
            let dialect = serde_json::from_str(dialect).map_err(external)?;
            builder = builder.with_source(Arc::new(TextSource::restore(plain, Arc::new(dialect))));
        }
        if let Some(json) = json {
            let plain = files
                .file_source()
                .downcast_ref::<JsonSource>()
                .ok_or_else(|| malformed(format!("{} does not read JSON files", scan.name())))?;
            builder = builder.with_source(Arc::new(JsonLines::restore(plain, *json)));
        }
        if *is_arrow_stream {
            let source = files.file_source();
            let mut stream: Arc<dyn FileSource> =
                Arc::new(ArrowSource::new_stream_file_source(source.table_schema().clone()));
            if let Some(projection) = source.projection()
                && let Some(projected) = stream.try_pushdown_projection(projection)?
            {
                stream = projected;
            }
            builder = builder.with_source(stream);
        }
        Ok(DataSourceExec::from_data_source(builder.build()))
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [scan] = <[_; 1]>::try_from(children)
            .map_err(|_| malformed("CompressedScan has one child".to_owned()))?;
        Ok(Arc::new(Self { scan, form: self.form.clone() }))
    }
}

fn with_source(scan: &FileScanConfig, source: Arc<dyn FileSource>) -> Arc<dyn ExecutionPlan> {
    let scan = FileScanConfigBuilder::from(scan.clone()).with_source(source).build();
    DataSourceExec::from_data_source(scan)
}

fn external(error: serde_json::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
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
        write!(f, "CompressedScan: {}", self.form.compression)
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
