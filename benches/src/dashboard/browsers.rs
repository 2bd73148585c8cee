//! Browsers without a screen: links that follow what pages follow, and take every frame.

use super::fleet::{Socket, connect};
use anyhow::{Context, Result};
use futures::{SinkExt, StreamExt};
use partita_observe::frame::{FromPage, ToPage, Topic};
use partita_observe::view::TimelineWindow;
use partita_shared::access::Access;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::wire;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

/// How long a slow browser takes for one step.
const SLOW_STEP: Duration = Duration::from_secs(4);
/// How many steps it takes. Those of its first third fill it.
const SLOW_STEPS: usize = 12;
/// What does not come for so long is not on its way.
const QUIET: Duration = Duration::from_millis(300);

fn window(span_ms: u64, lanes: u32) -> Topic {
    Topic::Timeline(TimelineWindow {
        end_ms: None,
        span_ms,
        width_px: 1_200,
        first_lane: 0,
        lanes,
        job: None,
    })
}

/// What five people look at: the overview, workers, a timeline of many lanes, a job, a worker.
fn pages() -> [Vec<Topic>; 5] {
    let (cluster, notices, workers) = (Topic::Cluster, Topic::Notices, Topic::Workers);
    let (job, stages) = (Topic::Job(JobId(1)), Topic::Stages(JobId(1)));
    let (worker, curves) = (Topic::Worker(WorkerId(7)), Topic::WorkerHistory(WorkerId(7)));
    [
        vec![cluster, notices, Topic::Jobs, stages, workers, Topic::History, window(60_000, 64)],
        vec![cluster, notices, workers, Topic::History],
        vec![cluster, notices, workers, Topic::Jobs, window(10_000, 512)],
        vec![cluster, notices, job, stages, Topic::Jobs, workers],
        vec![cluster, notices, worker, curves, workers, Topic::Scheduler, Topic::Data],
    ]
}

/// Five browsers. They are gone when this is dropped.
pub(super) struct Browsers(Option<Runtime>);

impl Browsers {
    /// Opens them.
    pub(super) fn open(access: &Access) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        for topics in pages() {
            let mut socket = runtime.block_on(follow(access, topics))?;
            runtime.spawn(async move {
                while let Some(Ok(message)) = socket.next().await {
                    if take(&mut socket, &message).await.is_none() {
                        return;
                    }
                }
            });
        }
        Ok(Browsers(Some(runtime)))
    }
}

impl Drop for Browsers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn follow(access: &Access, topics: Vec<Topic>) -> Result<Socket> {
    let mut socket = connect(access, "ws/dashboard").await?;
    socket.send(Message::Text(access.page_token().into())).await?;
    say(&mut socket, &FromPage::Follow(topics)).await?;
    Ok(socket)
}

async fn say(socket: &mut Socket, message: &FromPage) -> Result<()> {
    socket.send(Message::Binary(wire::encode(message)?.into())).await.context("the link is gone")
}

/// Says of a frame that it was taken.
async fn take(socket: &mut Socket, message: &Message) -> Option<()> {
    let Message::Binary(bytes) = message else { return Some(()) };
    if let ToPage::Frame { number, .. } = wire::decode(bytes).ok()? {
        say(socket, &FromPage::Taken(number)).await.ok()?;
    }
    Some(())
}

/// What waits for a browser that looks every few seconds: the most bytes in the steps of the second
/// third, and in those of the last.
pub(super) fn waiting_for_a_slow_one(access: &Access) -> Result<[f64; 2]> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let [overview, ..] = pages();
        let mut socket = follow(access, overview).await?;
        let mut waited = Vec::new();
        for _ in 0..SLOW_STEPS {
            tokio::time::sleep(SLOW_STEP).await;
            let (mut bytes, mut last) = (0, None);
            while let Ok(message) = timeout_at(Instant::now() + QUIET, socket.next()).await {
                let message = message.context("the scheduler closed the link")??;
                if let Message::Binary(frame) = &message {
                    bytes += frame.len();
                    last = Some(message);
                }
            }
            waited.push(bytes as f64);
            if let Some(last) = last {
                take(&mut socket, &last).await.context("the link is gone")?;
            }
        }
        let most = |steps: &[f64]| steps.iter().copied().fold(0.0, f64::max);
        let third = SLOW_STEPS / 3;
        Ok([most(&waited[third..2 * third]), most(&waited[2 * third..])])
    })
}
