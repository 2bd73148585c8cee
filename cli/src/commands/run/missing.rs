//! Who did not come.

use partita_shared::model::WorkerRow;
use partita_worker::environment::hostlist;
use partita_worker::environment::slurm::SlurmJob;
use std::collections::BTreeSet;

/// Names that a message lists at most.
const NAMES_MAX: usize = 20;

/// Says in words which tasks of a step have not all their workers, and from which nodes nothing
/// came. Which task is on which node Slurm tells no task but itself.
pub(super) fn told(job: &SlurmJob, workers_of_each: u32, there: &[WorkerRow]) -> String {
    let of_task = |task: u32| {
        let prefix = format!("task-{task}-");
        there.iter().filter(|row| row.name.starts_with(&prefix)).count()
    };
    let missing: Vec<String> = (0..job.tasks)
        .filter(|task| of_task(*task) < workers_of_each as usize)
        .map(|task| task.to_string())
        .collect();
    let hosts: BTreeSet<&str> = there.iter().map(|row| short(&row.host)).collect();
    let silent: Vec<String> = hostlist::expand(&job.nodes)
        .into_iter()
        .filter(|node| !hosts.contains(short(node)))
        .collect();
    let mut text = format!("missing: {} {}", plural("task", missing.len()), listed(&missing));
    if !silent.is_empty() {
        text += &format!(
            "; no workers connected from {} {}",
            plural("node", silent.len()),
            listed(&silent)
        );
    }
    text
}

fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_string() } else { format!("{word}s") }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
