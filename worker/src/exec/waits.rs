//! How long a task waited for what it reads, so that people see where the time goes.

use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

/// Time that a task waited, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    /// For other workers' partitions.
    pub(crate) transfer_us: Arc<AtomicU64>,
    /// For partitions on disk.
    pub(crate) disk_us: Arc<AtomicU64>,
}

impl Waits {
    /// What was waited for others and for the disk. A task may wait for both at once: together they
    /// are never more than `busy_us`.
    pub(crate) fn within(&self, busy_us: u64) -> (u64, u64) {
        let transfer_us = self.transfer_us.load(Ordering::Relaxed).min(busy_us);
        let disk_us = self.disk_us.load(Ordering::Relaxed).min(busy_us - transfer_us);
        (transfer_us, disk_us)
    }
}

/// A stream whose pauses are counted: from a poll that gives nothing to the next that does.
pub(crate) struct Waited<S> {
    stream: S,
    total_us: Arc<AtomicU64>,
    since: Option<Instant>,
}

/// Counts the pauses of a stream into `total_us`.
pub(crate) fn waited<S>(stream: S, total_us: &Arc<AtomicU64>) -> Waited<S> {
    Waited { stream, total_us: Arc::clone(total_us), since: None }
}

impl<S: Stream + Unpin> Stream for Waited<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let polled = Pin::new(&mut self.stream).poll_next(context);
        match (&polled, self.since) {
            (Poll::Pending, None) => self.since = Some(Instant::now()),
            (Poll::Ready(_), Some(since)) => {
                self.since = None;
                self.total_us.fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
            }
            (Poll::Pending, Some(_)) | (Poll::Ready(_), None) => {}
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::time::Duration;

    /// What a reader waits for is counted, and a stream that has everything at hand counts nothing.
    #[tokio::test]
    async fn pauses_are_counted() {
        let waits = Waits::default();
        let ready = waited(futures::stream::iter([1, 2, 3]), &waits.disk_us);
        assert_eq!(ready.count().await, 3);
        let mut polls = 0;
        let late = futures::stream::poll_fn(move |context| {
            polls += 1;
            if polls == 1 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let start = Instant::now();
            while polls == 2 && start.elapsed() < Duration::from_millis(3) {}
            Poll::Ready((polls == 2).then_some(()))
        });
        assert_eq!(waited(late, &waits.transfer_us).count().await, 1);
        let (transfer_us, disk_us) = waits.within(u64::MAX);
        assert!(transfer_us >= 3_000, "{transfer_us}");
        assert_eq!(disk_us, 0);
        assert_eq!(waits.within(500), (500, 0));
    }
}
