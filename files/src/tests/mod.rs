//! Queries over files in a temporary directory.

mod errors;
mod places;
mod plans;
mod reading;
mod stores;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;

use super::{FileTables, enable, open};

/// A directory with files and a session whose client is in it.
struct Fixture {
    folder: TempDir,
    tables: Arc<FileTables>,
    context: SessionContext,
}

impl Fixture {
    fn new() -> Self {
        Self::with_config(SessionConfig::new().with_target_partitions(4))
    }

    fn with_config(config: SessionConfig) -> Self {
        let folder = TempDir::new().expect("temporary directory");
        let tables = Arc::new(FileTables::new());
        tables.set_directory(folder.path().to_owned());
        let context = enable(SessionContext::new_with_config(config), Arc::clone(&tables));
        Self { folder, tables, context }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file and the folders above it.
    fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("folder")).expect("create folder");
        fs::write(path, content).expect("write file");
    }

    /// Writes the rows of a query with DataFusion, which creates the folders above the file.
    async fn export(&self, query: &str, relative: &str, stored_as: &str, options: &str) {
        let target = self.path(relative);
        let options =
            if options.is_empty() { String::new() } else { format!("options({options})") };
        let sql =
            format!("copy ({query}) to '{}' stored as {stored_as} {options}", target.display());
        self.context.sql(&sql).await.expect("plan copy").collect().await.expect("run copy");
    }

    /// Writes the rows of a query as an Arrow stream.
    async fn write_stream(&self, query: &str, relative: &str) {
        let batches = self.context.sql(query).await.expect("plan").collect().await.expect("rows");
        let file = fs::File::create(self.path(relative)).expect("file");
        let mut writer = StreamWriter::try_new(file, &batches[0].schema()).expect("writer");
        for batch in &batches {
            writer.write(batch).expect("write");
        }
        writer.finish().expect("finish");
    }

    /// The rows of a query: values joined by commas, null as nothing.
    async fn try_rows(&self, sql: &str) -> Result<Vec<String>> {
        let batches = self.context.sql(sql).await?.collect().await?;
        lines(&batches)
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    /// The error of a query, with the temporary directory as `$DIR`.
    async fn error(&self, sql: &str) -> String {
        match self.try_rows(sql).await {
            Ok(rows) => panic!("{sql} gave {rows:?}"),
            Err(err) => self.shorten(&err.find_root().strip_backtrace()),
        }
    }

    fn shorten(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "$DIR")
    }

    /// The columns of a query as `name type`.
    async fn columns(&self, sql: &str) -> Vec<String> {
        let frame = self.context.sql(sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
        let fields = frame.schema().fields().iter();
        fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    }

    async fn open(&self, name: &str) -> Arc<dyn TableProvider> {
        open(&self.context.state(), self.folder.path(), name)
            .await
            .unwrap_or_else(|err| panic!("{name}: {err}"))
            .expect("a path")
    }
}

/// Whether this process may read anything, as root may: permissions cannot be tested then.
fn reads_anything(unreadable: &Path) -> bool {
    fs::File::open(unreadable).is_ok() || fs::read_dir(unreadable).is_ok()
}

/// The rows of batches: values joined by commas, null as nothing.
fn lines(batches: &[RecordBatch]) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|c| array_value_to_string(c, row));
            rows.push(values.collect::<Result<Vec<_>, _>>()?.join(","));
        }
    }
    Ok(rows)
}
