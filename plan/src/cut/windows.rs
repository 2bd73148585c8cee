//! Windows over ranges, each partition with the edges of its neighbours.

use super::{Cutter, Sources, leaf};
use crate::exchange::Reading;
use crate::ranged::edge::{Edge, EdgeExec, HaloExec, TrimExec};
use crate::ranged::{Chain, Plan, RangedWindowExec, ranges};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use std::sync::Arc;

impl Cutter {
    pub(super) fn visit_windows(
        &mut self,
        top: &RangedWindowExec,
        sources: &mut Sources,
    ) -> Result<Plan> {
        let Chain { operators, input, reach } = Chain::of(top);
        let ranges = ranges(&input).ok_or_else(|| {
            DataFusionError::Internal("the rows of a window are no ranges any more".to_string())
        })?;
        let (key, options) = ranges.key;
        let earlier = reach.earlier(&ranges);
        let later = reach.later(&ranges);
        let mut children = vec![self.visit(&input, sources)?];
        let has_before = earlier.iter().any(|list| !list.is_empty());
        if has_before {
            let (reach, descending) = (reach.clone(), options.descending);
            let edge = Edge::Last { reach, key, descending };
            children.push(self.edges(&input, edge, earlier, sources)?);
        }
        if later.iter().any(|list| !list.is_empty()) {
            children.push(self.edges(&input, Edge::First(reach.after), later, sources)?);
        }
        let before = reach.distances.is_empty().then_some(reach.before);
        let halo: Plan = Arc::new(HaloExec::try_new(children, before, has_before)?);
        let windows = operators.into_iter().rev().try_fold(halo, |below, operator| {
            replace_children_if_necessary(operator, vec![below])
        })?;
        Ok(Arc::new(TrimExec { input: windows }))
    }

    /// A group that makes edges, and the leaf that reads those that each task needs.
    fn edges(
        &mut self,
        input: &Plan,
        edge: Edge,
        lists: Vec<Vec<u32>>,
        sources: &mut Sources,
    ) -> Result<Plan> {
        let edges: Plan = Arc::new(EdgeExec::new(Arc::clone(input), edge));
        let group = self.add_made_group(&edges)?;
        let read = leaf(sources, group, Reading::All, &edges);
        if let Some(source) = sources.last_mut() {
            source.lists = Some(lists);
        }
        Ok(read)
    }
}
