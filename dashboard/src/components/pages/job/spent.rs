//! Where the time of a job's tasks goes: computing, waiting for other workers, waiting for disks.

use crate::components::parts::{Bar, Panel, Part, Status};
use crate::format::{counted, duration_us, percent};
use crate::live::Live;
use crate::order;
use partita_observe::frame::Topic;
use partita_observe::view::StageView;
use partita_shared::ids::JobId;
use std::cmp::Reverse;
use yew::prelude::*;

/// Stages that are listed: those that took the most.
const STAGES_LISTED_MAX: usize = 6;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// Time on slots, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Time {
    compute_us: u64,
    transfer_us: u64,
    disk_us: u64,
}

impl Time {
    fn of(stage: &StageView) -> Self {
        let waited_us = stage.transfer_us.saturating_add(stage.disk_us);
        Time {
            compute_us: stage.busy_us.saturating_sub(waited_us),
            transfer_us: stage.transfer_us,
            disk_us: stage.disk_us,
        }
    }

    fn add(self, other: Time) -> Self {
        Time {
            compute_us: self.compute_us + other.compute_us,
            transfer_us: self.transfer_us + other.transfer_us,
            disk_us: self.disk_us + other.disk_us,
        }
    }

    fn total_us(self) -> u64 {
        self.compute_us + self.transfer_us + self.disk_us
    }

    fn parts(self) -> Vec<Part> {
        vec![
            Part { class: "compute", size: self.compute_us },
            Part { class: "transfer", size: self.transfer_us },
            Part { class: "disk", size: self.disk_us },
        ]
    }

    fn in_words(self) -> String {
        let share = |us| percent(us, self.total_us());
        format!(
            "computing {} %, waiting for other workers {} %, waiting for disks {} %",
            share(self.compute_us),
            share(self.transfer_us),
            share(self.disk_us)
        )
    }
}

/// A stage is skewed when its slowest task takes this many times the median.
const SKEWED: u64 = 4;

/// A share of the time that is worth a sentence, in percent.
const SHARE_MIN: u64 = 15;

/// Why the job takes its time, in at most three sentences: the stage that takes the most, what its
/// tasks wait for, and the slowest task or what was lost.
fn why(times: &[(&StageView, Time)], all: Time) -> String {
    let Some((first, time)) = times.first() else { return String::new() };
    let share = |us: u64| percent(us, all.total_us());
    let mut sentences =
        vec![format!("{} % of the time is in “{}”.", share(time.total_us()), first.name)];
    let (network, disk) = (share(all.transfer_us), share(all.disk_us));
    if network.max(disk) >= SHARE_MIN {
        sentences.push(if network >= disk {
            format!("{network} % is waiting for partitions of other workers.")
        } else {
            format!("{disk} % is waiting for disks, because data was spilled.")
        });
    }
    let skewed = times.iter().map(|(stage, _)| stage).find(|stage| {
        let tasks = &stage.time_us;
        tasks.median > 0 && tasks.max >= tasks.median.saturating_mul(SKEWED)
    });
    let failures: u64 = times.iter().map(|(stage, _)| stage.failures).sum();
    if let Some(stage) = skewed {
        sentences.push(format!(
            "The slowest task of “{}” took {}, the median task {}.",
            stage.name,
            duration_us(stage.time_us.max),
            duration_us(stage.time_us.median)
        ));
    } else if failures > 0 {
        sentences.push(format!(
            "{} failed or were lost with a worker, and their work was repeated.",
            counted(failures, "attempt", "attempts")
        ));
    }
    sentences.join(" ")
}

/// Where the time of a job's tasks goes, in all and for the stages that took the most.
#[component]
pub fn Spent(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let stages = live.stages.get(&id);
    let mut times: Vec<(&StageView, Time)> = stages
        .iter()
        .flat_map(|stages| stages.values())
        .map(|stage| (&**stage, Time::of(stage)))
        .filter(|(_, time)| time.total_us() > 0)
        .collect();
    let all = times.iter().fold(Time::default(), |sum, (_, time)| sum.add(*time));
    order::sort_by_key(&mut times, |(stage, time)| (Reverse(time.total_us()), stage.id.index));
    let largest = times.first().map_or(0, |(_, time)| time.total_us());
    let has_come = live.has(Topic::Stages(id));
    let status = Status::of(has_come, times.is_empty(), "No task has finished.");
    let running: u64 =
        stages.iter().flat_map(|stages| stages.values()).map(|stage| stage.tasks.running).sum();
    let mut note = format!("{} on slots", duration_us(all.total_us()));
    if running > 0 {
        let tasks = counted(running, "running task", "running tasks");
        note.push_str(&format!(", without {tasks}"));
    }
    let note = if times.is_empty() { String::new() } else { note };
    html! {
        <Panel title="Where the time goes" id="spent" {status} {note}>
            <div class="memory">
                <p>{ why(&times, all) }</p>
                <Bar parts={all.parts()} whole={all.total_us()} label={all.in_words()} />
                <dl class="legend">
                    { entry("compute", "computing", all.compute_us, all) }
                    { entry("transfer", "waiting for other workers", all.transfer_us, all) }
                    { entry("disk", "waiting for disks", all.disk_us, all) }
                </dl>
                <h3>{ "Stages that took the most" }</h3>
                <ul class="stages">
                    { for times.into_iter().take(STAGES_LISTED_MAX).map(|(stage, time)| html! {
                        <li class="stage spent" key={stage.id.index}>
                            <span class="name" title={stage.name.clone()}>{ stage.name.clone() }</span>
                            <Bar parts={time.parts()} whole={largest} label={time.in_words()} />
                            <span class="number">{ duration_us(time.total_us()) }</span>
                        </li>
                    }) }
                </ul>
            </div>
        </Panel>
    }
}

fn entry(class: &'static str, name: &'static str, us: u64, all: Time) -> Html {
    let pattern = match class {
        "transfer" => Some("url(#hatch-transfer)"),
        "disk" => Some("url(#hatch-spilled)"),
        _ => None,
    };
    html! {
        <div key={name}>
            <dt>
                <svg aria-hidden="true">
                    <rect {class} width="100%" height="100%" />
                    if let Some(fill) = pattern {
                        <rect {fill} width="100%" height="100%" />
                    }
                </svg>
                { name }
            </dt>
            <dd>{ format!("{} · {}\u{202f}%", duration_us(us), percent(us, all.total_us())) }</dd>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::work::stages;

    /// At most three sentences say why a job takes its time, from what was measured.
    #[test]
    fn why_a_job_is_slow() {
        let mut stages = stages(JobId(7));
        (stages[1].busy_us, stages[1].transfer_us, stages[1].disk_us) = (600, 0, 0);
        (stages[3].busy_us, stages[3].transfer_us, stages[3].disk_us) = (400, 210, 0);
        let stages: Vec<&StageView> = vec![&stages[1], &stages[3]];
        let times: Vec<(&StageView, Time)> =
            stages.into_iter().map(|stage| (stage, Time::of(stage))).collect();
        let all = times.iter().fold(Time::default(), |sum, (_, time)| sum.add(*time));
        let text = why(&times, all);
        assert!(
            text.starts_with(
                "60 % of the time is in “scan orders”. 21 % is waiting for partitions"
            ),
            "{text}"
        );
        assert!(text.contains("The slowest task of “join orders” took"), "{text}");
        assert_eq!(why(&[], Time::default()), "");
    }

    /// The three parts are the whole, even where figures that come at different times disagree.
    #[test]
    fn the_parts_are_the_whole() {
        let mut stage = stages(JobId(7)).remove(3);
        (stage.busy_us, stage.transfer_us, stage.disk_us) = (100, 30, 20);
        assert_eq!(Time::of(&stage), Time { compute_us: 50, transfer_us: 30, disk_us: 20 });
        stage.busy_us = 10;
        assert_eq!(Time::of(&stage).compute_us, 0);
        assert_eq!(Time::default().in_words().matches("0 %").count(), 3);
    }
}
