//! Small outputs of open jobs: the scheduler keeps them within a bound, so that the client and the tasks that read
//! them need no worker for them. A worker holds each of them too.

use crate::state::Core;
use partita_shared::ids::JobId;
use partita_shared::limits;
use std::sync::Arc;

impl Core {
    /// Keeps an output of an open job that is held, if it is a small one and there is room for it.
    pub(crate) fn keep_value(&mut self, id: JobId, task: (u32, u32), value: Arc<[u8]>) {
        let fits = value.len() <= limits::INLINE_VALUE_BYTES_MAX;
        if !fits || !self.jobs.get(&id).is_some_and(|job| job.spec.open) {
            return;
        }
        self.value_bytes += value.len();
        if self.value_bytes > limits::INLINE_VALUES_BYTES_MAX {
            // What was dropped since is not subtracted yet.
            let kept: usize = self.jobs.values().map(|job| job.values.bytes).sum();
            self.value_bytes = kept + value.len();
        }
        if self.value_bytes > limits::INLINE_VALUES_BYTES_MAX {
            self.value_bytes -= value.len();
            return;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.values.insert(task, value);
        }
    }

    /// Whether all values are of partitions that are held, and counted.
    pub(crate) fn check_values(&self) -> Result<(), String> {
        let mut all = 0;
        for (id, job) in &self.jobs {
            let bytes: usize = job.values.values.values().map(|value| value.len()).sum();
            all += bytes;
            let is_held = |(stage, index): &(u32, u32)| {
                job.stages[*stage as usize].tasks[*index as usize].holder().is_some()
            };
            if bytes != job.values.bytes || !job.values.values.keys().all(is_held) {
                return Err(format!("{id} has values that are not held: {:?}", job.values));
            }
        }
        match all > self.value_bytes {
            true => Err(format!("{all} bytes of values are kept, not {}", self.value_bytes)),
            false => Ok(()),
        }
    }
}
