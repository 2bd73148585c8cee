//! The cluster and the files that tests share.

use crate::data;
use anyhow::Result;
use partita_tests::local::LocalCluster;
use partita_tests::oracle::{Oracle, Sameness};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// Workers: more than one, so that rows go over the network.
const WORKERS: u32 = 2;
/// Slots of each: more than one, so that tasks of one worker share plans and hand over rows.
const SLOTS_EACH: u32 = 2;
/// Memory of each worker.
const MEMORY_BYTES_EACH: u64 = 1 << 30;

/// A cluster and a folder of files.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) cluster: LocalCluster,
    folder: TempDir,
}

/// Those that are in use. They go with the last test that has them, so that nothing is left
/// behind; a static that holds them would never be dropped.
static SHARED: Mutex<Weak<Fixture>> = Mutex::new(Weak::new());

/// The cluster and the files, made if no other test has them now.
pub(crate) fn fixture() -> Result<Arc<Fixture>> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = shared.upgrade() {
        return Ok(there);
    }
    let cluster = LocalCluster::start(WORKERS, SLOTS_EACH, MEMORY_BYTES_EACH)?;
    let folder = TempDir::with_prefix("partita-oracle-")?;
    cluster.run(data::write(folder.path()))?;
    let made = Arc::new(Fixture { cluster, folder });
    *shared = Arc::downgrade(&made);
    Ok(made)
}

impl Fixture {
    /// The folder of the files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A session with a view of each table.
    pub(crate) async fn oracle(&self) -> Result<Oracle> {
        let oracle = Oracle::new(&self.cluster, self.folder()).await?;
        for (name, path) in data::TABLES {
            oracle.both(&format!("create view {name} as select * from '{{dir}}/{path}'")).await?;
        }
        Ok(oracle)
    }
}

/// Checks these queries in a new session in which `settings` hold on the cluster.
pub(crate) fn check_with(settings: &[&str], queries: &[&str]) -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for setting in settings {
            oracle.on_cluster_only(&format!("set {setting}")).await?;
        }
        oracle.check_all(queries, Sameness::Rows).await
    })
}

/// Checks these queries in a new session.
pub(crate) fn check(queries: &[&str]) -> Result<()> {
    check_with(&[], queries)
}

/// Checks the number of rows of these queries in a new session.
pub(crate) fn check_counts(queries: &[&str]) -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async { fixture.oracle().await?.check_all(queries, Sameness::Count).await })
}
