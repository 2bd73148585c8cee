//! Small outputs that the scheduler keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The small outputs of a job that are held, by stage and index.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) values: BTreeMap<(u32, u32), Arc<[u8]>>,
    pub(crate) bytes: usize,
}

impl Values {
    pub(crate) fn get(&self, task: (u32, u32)) -> Option<Arc<[u8]>> {
        // Most jobs have none, and are asked for every task.
        if self.values.is_empty() {
            return None;
        }
        self.values.get(&task).cloned()
    }

    pub(crate) fn remove(&mut self, task: (u32, u32)) {
        if let Some(value) = self.values.remove(&task) {
            self.bytes -= value.len();
        }
    }

    pub(crate) fn insert(&mut self, task: (u32, u32), value: Arc<[u8]>) {
        self.remove(task);
        self.bytes += value.len();
        self.values.insert(task, value);
    }
}
