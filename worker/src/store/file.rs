//! Spilled partitions: one file each, of Arrow IPC streams one after the other.

use crate::store::file_error;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use partita_shared::count::CountingWriter;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Bytes read ahead of one section. A merge reads many at once, and what is larger passes it by.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Bytes gathered for one write.
const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// One IPC stream in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    offset: u64,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// A file of sections, removed when nobody reads it any more.
#[derive(Debug)]
pub(crate) struct SpillFile {
    path: PathBuf,
    end: Mutex<(File, u64)>,
}

impl SpillFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| file_error(&path, error))?;
        Ok(SpillFile { path, end: Mutex::new((file, 0)) })
    }

    /// Writes batches as one section.
    pub(crate) fn append(
        &self,
        schema: &Schema,
        batches: impl Iterator<Item = RecordBatch>,
    ) -> Result<Section> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, offset) = &mut *end;
        let at = *offset;
        // After a failed write the next section starts where this one should have.
        file.seek(SeekFrom::Start(at)).map_err(|error| file_error(&self.path, error))?;
        match self.write(file, schema, batches) {
            Ok((bytes, rows)) => {
                *offset = at + bytes;
                Ok(Section { offset: at, bytes, rows })
            }
            Err(error) => {
                // What was written of it is given back to the disk, which may be full.
                if let Err(error) = file.set_len(at) {
                    tracing::warn!(file = %self.path.display(), cause = %error, "a part of a section stays");
                }
                Err(error)
            }
        }
    }

    /// Writes batches where the file is. Gives the bytes, and the rows.
    fn write(
        &self,
        file: &mut File,
        schema: &Schema,
        batches: impl Iterator<Item = RecordBatch>,
    ) -> Result<(u64, u64)> {
        let failed = |error: ArrowError| match error {
            ArrowError::IoError(_, error) => file_error(&self.path, error),
            other => DataFusionError::ArrowError(Box::new(other), None),
        };
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(failed)?;
        let counting = BufWriter::with_capacity(WRITE_BUFFER_BYTES, CountingWriter::new(file));
        let mut writer =
            StreamWriter::try_new_with_options(counting, schema, options).map_err(failed)?;
        let mut rows = 0;
        for batch in batches {
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let counting = writer.into_inner().map_err(failed)?;
        let counting =
            counting.into_inner().map_err(|error| file_error(&self.path, error.into_error()))?;
        Ok((counting.bytes(), rows))
    }

    /// A reader of one section, with a file handle of its own.
    pub(crate) fn read(
        &self,
        section: Section,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let path = self.path.clone();
        let mut file = File::open(&path).map_err(|error| file_error(&path, error))?;
        file.seek(SeekFrom::Start(section.offset)).map_err(|error| file_error(&path, error))?;
        let reader = BufReader::with_capacity(READ_BUFFER_BYTES, file.take(section.bytes));
        let stream = StreamReader::try_new(reader, None)?;
        Ok(stream.map(|batch| batch.map_err(DataFusionError::from)))
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            // At the end of a worker its scratch folder may go first.
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.path.display(), cause = %error, "cannot remove a spilled partition");
        }
    }
}
