//! What the scheduler shows of itself, and who watches the core.

use crate::SchedulerConfig;
use crate::clock::now_ms;
use crate::error::SchedulerError;
use crate::hub::Hub;
use crate::observer::Observer;
use partita_core::Options;
use partita_observe::event::SchedulerFacts;
use partita_shared::access::host_name;
use partita_shared::model::ClusterRow;
use partita_shared::units::format_duration;
use std::path::Path;
use std::time::Duration;

/// The facts of a scheduler, and its observer.
#[derive(Debug)]
pub(crate) struct Telemetry {
    facts: SchedulerFacts,
    /// None if neither pages nor a journal are wanted.
    observer: Option<Observer>,
}

impl Telemetry {
    /// Starts the observer, if pages or a journal are wanted. `address` is the one that others are told.
    pub(crate) fn start(
        config: &SchedulerConfig,
        options: &Options,
        address: String,
    ) -> Result<Self, SchedulerError> {
        let facts = facts(config, options, address);
        let observer = match config.dashboard || config.journal.is_some() {
            true => Some(Observer::start(facts.clone(), config.journal.clone())?),
            false => None,
        };
        Ok(Telemetry { facts, observer })
    }

    pub(crate) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// The cluster's name.
    pub(crate) fn cluster_name(&self) -> &str {
        &self.facts.cluster
    }

    /// Where others find the scheduler.
    pub(crate) fn address(&self) -> &str {
        &self.facts.address
    }

    /// The cluster's row, with what the core does not know.
    pub(crate) async fn cluster(&self, hub: &Hub) -> Option<ClusterRow> {
        let row = hub.query(|core| core.cluster()).await?;
        let (address, started_ms) = (self.facts.address.clone(), self.facts.started_ms);
        Some(ClusterRow { address, started_ms, ..row })
    }

    /// Hands on to the workers whose detail someone looks at.
    pub(crate) async fn pass_on_watched(&self, hub: &Hub) {
        let Some(observer) = &self.observer else { return };
        let mut watched = observer.watched();
        while watched.changed().await.is_ok() {
            let now = watched.borrow_and_update().clone();
            hub.watch(now).await;
        }
    }

    /// Ends the observer, and its journal properly.
    pub(crate) async fn end(&self) {
        if let Some(observer) = &self.observer {
            observer.end().await;
        }
    }
}

/// What pages show of the scheduler itself.
fn facts(config: &SchedulerConfig, options: &Options, address: String) -> SchedulerFacts {
    let seconds = |time: Option<Duration>| {
        time.map_or("never".to_string(), |time| format!("{} s", time.as_secs()))
    };
    let settings = [
        ("listen address", format!("{}:{}", config.host, config.port)),
        ("encryption", if config.security.plaintext { "none" } else { "TLS 1.3" }.to_string()),
        ("access file", shown(config.scheduler_file.as_deref())),
        ("journal", shown(config.journal.as_deref())),
        ("idle timeout", seconds(config.idle_timeout)),
        ("planning timeout", format!("{} s", config.planning_timeout.as_secs_f64())),
        ("heartbeat interval", format!("{} ms", options.heartbeat_ms)),
        ("heartbeat timeout", format!("{} s", options.silence_us_max / 1_000_000)),
        ("read-ahead per slot", format_duration(Duration::from_micros(options.read_ahead_us))),
    ];
    SchedulerFacts {
        cluster: config.name.clone(),
        version: partita_shared::VERSION.to_string(),
        address,
        started_ms: now_ms(),
        host: host_name(),
        pid: std::process::id(),
        settings: settings.map(|(name, value)| (name.to_string(), value)).to_vec(),
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map_or("none".to_string(), |path| path.display().to_string())
}
