//! `partita profile`.

use crate::args::{ListFormat, ProfileArgs};
use crate::commands::listing::{ask, json};
use anyhow::{Result, bail};
use partita_shared::message::{Reply, Request};
use partita_shared::model::{Profile, StageProfile};
use partita_shared::units::format_duration;
use std::time::Duration;

/// Shows where the calls of a job spend their time.
pub(crate) async fn profile(args: ProfileArgs) -> Result<u8> {
    let ProfileArgs { job, stage, min_percent, target, output } = args;
    let Reply::Profiles(profiles) = ask(&target, Request::Profiles { job, stage }).await? else {
        bail!("unexpected reply from the scheduler");
    };
    if output == ListFormat::Json {
        return json(&profiles);
    }
    if profiles.is_empty() {
        say!(
            "no samples of {job}: calls of Python functions are sampled once they have run for 0.1 s"
        );
    }
    for (at, profile) in profiles.iter().enumerate() {
        if at > 0 {
            say!("");
        }
        lines(profile, min_percent).iter().for_each(|line| say!("{line}"));
    }
    Ok(0)
}

/// A profile as lines: a heading, then each frame below the one that called it, the longest first.
fn lines(found: &StageProfile, min_percent: f64) -> Vec<String> {
    let StageProfile { stage, name, interval_ms, profile } = found;
    let samples = profile.samples();
    let time = format_duration(Duration::from_millis(samples.saturating_mul(*interval_ms)));
    let mut lines = vec![format!("{name} (stage {stage}): {time} in {samples} samples")];
    let totals = profile.totals();
    let mut open = children(profile, None, &totals);
    open.reverse();
    let mut depths = vec![0_usize; profile.nodes.len()];
    while let Some(at) = open.pop() {
        let percent = totals[at] as f64 * 100.0 / samples.max(1) as f64;
        if percent < min_percent {
            continue;
        }
        let node = profile.nodes[at];
        depths[at] = node.parent.map_or(0, |parent| depths[parent as usize] + 1);
        if let Some(frame) = profile.frames.get(node.frame as usize) {
            let indent = "  ".repeat(depths[at]);
            lines.push(format!(
                "{percent:6.1} %  {indent}{}, {}:{}",
                frame.function, frame.file, frame.line
            ));
        }
        open.extend(children(profile, Some(at as u32), &totals).into_iter().rev());
    }
    lines
}

/// The nodes below another, the one with the most samples first.
fn children(profile: &Profile, parent: Option<u32>, totals: &[u64]) -> Vec<usize> {
    let nodes = profile.nodes.iter().enumerate();
    let mut found: Vec<usize> =
        nodes.filter(|(_, node)| node.parent == parent).map(|(at, _)| at).collect();
    found.sort_by_key(|at| std::cmp::Reverse(totals[*at]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::{JobId, StageId};
    use partita_shared::model::StackFrame;
    use partita_shared::profile::ProfileTree;

    /// Frames stand below those that called them, the longest first; short ones are left out.
    #[test]
    fn profiles_are_shown_as_trees() {
        let frame = |name: &str, line| StackFrame {
            function: name.to_string(),
            file: "a.py".to_string(),
            line,
        };
        let mut tree = ProfileTree::default();
        tree.add(&[frame("f", 3), frame("g", 9)], 1);
        tree.add(&[frame("f", 3)], 29);
        tree.add(&[frame("f", 3), frame("h", 5)], 70);
        let stage = StageId { job: JobId(2), index: 0 };
        let profile = tree.into_profile();
        let found = StageProfile { stage, name: "f".to_string(), interval_ms: 10, profile };
        let expected = [
            "f (stage job-2.0): 1.0 s in 100 samples",
            " 100.0 %  f, a.py:3",
            "  70.0 %    h, a.py:5",
        ];
        assert_eq!(lines(&found, 2.0), expected);
    }
}
