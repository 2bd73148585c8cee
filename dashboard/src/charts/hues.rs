//! Which stage has which hue in a timeline.
//!
//! The stages that take the most time get one of seven hues that colour-blind eyes tell apart, and
//! keep it for as long as they are seen: a hue that jumped from one stage to another would tell a
//! lie. All others are grey.

use crate::order::sort_by_key;
use partita_observe::view::TimelineView;
use partita_shared::ids::StageId;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Okabe and Ito's hues, without black.
pub const HUES: [&str; 7] =
    ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

/// The same, darker: the edges, since three of them are faint on white.
pub const EDGES: [&str; 7] =
    ["#8a5f00", "#2b6e95", "#005c43", "#8f8700", "#00436a", "#7f3800", "#85466a"];

/// Which stage has which hue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hues {
    held: [Option<StageId>; HUES.len()],
}

thread_local! {
    /// The hues that were given last: the overview and the timeline show the same stage alike.
    static LAST: RefCell<Hues> = RefCell::default();
}

impl Hues {
    /// The hues that another drawing gave last.
    pub fn shared() -> Self {
        LAST.with_borrow(Clone::clone)
    }

    /// Another window shows other stages: none has a hue that it does not earn there.
    pub fn clear(&mut self) {
        *self = Hues::default();
    }

    /// Gives hues to the stages that take the most time of those that have none. A hue whose stage
    /// is not seen any more is given away only when another wants it.
    pub fn assign(&mut self, busy: &BTreeMap<StageId, u64>) {
        let mut wanting: Vec<(u64, StageId)> = busy
            .iter()
            .filter(|(stage, _)| self.index(**stage).is_none())
            .map(|(stage, busy)| (*busy, *stage))
            .collect();
        // The most time first; of equal ones the older first.
        sort_by_key(&mut wanting, |(busy, stage)| (u64::MAX - busy, *stage));
        let mut wanting = wanting.into_iter().map(|(_, stage)| stage);
        let is_unseen = |held: &Option<StageId>| held.is_some_and(|held| !busy.contains_key(&held));
        let mut free: Vec<usize> =
            (0..HUES.len()).filter(|hue| self.held[*hue].is_none()).collect();
        free.extend((0..HUES.len()).filter(|hue| is_unseen(&self.held[*hue])));
        for hue in free {
            match wanting.next() {
                Some(stage) => self.held[hue] = Some(stage),
                None => break,
            }
        }
        LAST.with_borrow_mut(|last| last.clone_from(self));
    }

    /// The hue of a stage; `None` is grey.
    pub fn index(&self, stage: StageId) -> Option<usize> {
        self.held.iter().position(|held| *held == Some(stage))
    }

    /// The stages that have a hue, with it.
    pub fn held(&self) -> impl Iterator<Item = (usize, StageId)> {
        self.held.iter().enumerate().filter_map(|(hue, stage)| stage.map(|stage| (hue, stage)))
    }
}

/// The time that each stage takes in a timeline, in microseconds.
pub fn busy_by_stage(view: &TimelineView) -> BTreeMap<StageId, u64> {
    let mut busy = BTreeMap::new();
    for bar in view.lanes.iter().flat_map(|lane| &lane.bars) {
        let time = bar.length_us.saturating_mul(bar.busy.into()) / 255;
        let sum: &mut u64 = busy.entry(bar.task.stage).or_default();
        *sum = sum.saturating_add(time);
    }
    busy
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::JobId;

    fn stage(index: u32) -> StageId {
        StageId { job: JobId(1), index }
    }

    /// The largest get hues, and keep them when others grow larger.
    #[test]
    fn hues_stick() {
        let mut hues = Hues::default();
        let mut busy: BTreeMap<StageId, u64> =
            (0..10).map(|index| (stage(index), 100 - u64::from(index))).collect();
        hues.assign(&busy);
        assert_eq!(hues.index(stage(0)), Some(0));
        assert_eq!(hues.index(stage(6)), Some(6));
        assert_eq!(hues.index(stage(7)), None);
        busy.insert(stage(7), 10_000);
        hues.assign(&busy);
        assert_eq!(hues.index(stage(7)), None);
    }

    /// The hue of a stage that is gone goes to the largest that has none; all others stay. Nobody
    /// loses a hue that nobody wants.
    #[test]
    fn a_free_hue_goes_to_the_largest() {
        let mut hues = Hues::default();
        let mut busy: BTreeMap<StageId, u64> =
            (0..9).map(|index| (stage(index), 100 - u64::from(index))).collect();
        hues.assign(&busy);
        busy.remove(&stage(3));
        busy.insert(stage(8), 500);
        hues.assign(&busy);
        assert_eq!(hues.index(stage(8)), Some(3));
        assert_eq!(hues.index(stage(4)), Some(4));
        assert_eq!(hues.held().count(), 7);
        hues.assign(&BTreeMap::new());
        assert_eq!(hues.index(stage(8)), Some(3));
    }
}
