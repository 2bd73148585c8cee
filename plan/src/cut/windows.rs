//! Windows over ranges, each partition with what it needs of the others.

use super::{Cutter, Sources, leaf};
use crate::exchange::Reading;
use crate::ranged::{Chain, Needs, Plan, RangedWindowExec, has_windows, ranges};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use partita_operators::ranged::Reach;
use partita_operators::ranged::carry::{Carry, CarryExec, PrefixExec};
use partita_operators::ranged::edge::{Edge, EdgeExec, HaloExec, TrimExec};
use std::sync::Arc;

/// Rows that several fragments read.
struct Rows {
    plan: Plan,
    /// The stage that makes them; none if each fragment makes them itself.
    stage: Option<u32>,
}

impl Cutter {
    pub(super) fn visit_windows(
        &mut self,
        top: &RangedWindowExec,
        sources: &mut Sources,
    ) -> Result<Plan> {
        match &top.needs {
            Needs::Rows(reach) => self.visit_seeing(Chain::of(top, reach), sources),
            Needs::Found(carries) => self.visit_carried(&top.window, carries, sources),
        }
    }

    /// Windows that see rows of neighbours.
    fn visit_seeing(&mut self, chain: Chain, sources: &mut Sources) -> Result<Plan> {
        let Chain { operators, input, reach } = chain;
        let ranges = ranges(&input).ok_or_else(|| {
            DataFusionError::Internal(
                "the rows of a window are no longer partitioned by range".to_string(),
            )
        })?;
        let (key, options) = ranges.key;
        let earlier = reach.earlier(&ranges);
        let later = reach.later(&ranges);
        // Windows below would be done again for each edge.
        let stage = if has_windows(&input) { Some(self.add_made_stage(&input)?) } else { None };
        let rows = Rows { plan: input, stage };
        let mut children = vec![self.read(&rows, sources)?];
        let has_before = earlier.iter().any(|list| !list.is_empty());
        if has_before {
            let (reach, descending) = (reach.clone(), options.descending);
            let stage = self.edges(&rows, Edge::Last { reach, key, descending })?;
            children.push(self.neighbours(stage, earlier, sources)?);
        }
        if later.iter().any(|list| !list.is_empty()) {
            let stage = self.edges(&rows, Edge::First(reach.after))?;
            children.push(self.neighbours(stage, later, sources)?);
        }
        let before = reach.distances.is_empty().then_some(reach.before);
        let halo: Plan = Arc::new(HaloExec::try_new(children, before, has_before)?);
        let windows = operators.into_iter().rev().try_fold(halo, |below, operator| {
            replace_children_if_necessary(operator, vec![below])
        })?;
        Ok(Arc::new(TrimExec { input: windows }))
    }

    /// Windows to which is joined what they found in all partitions before.
    fn visit_carried(
        &mut self,
        window: &Plan,
        carries: &[(usize, Carry)],
        sources: &mut Sources,
    ) -> Result<Plan> {
        let stage = self.add_made_stage(window)?;
        let rows = Rows { plan: Arc::clone(window), stage: Some(stage) };
        let reach = Reach { before: 1, ..Reach::default() };
        let edges = self.edges(&rows, Edge::Last { reach, key: 0, descending: false })?;
        let made = self.made_by(edges)?;
        let mut below = Sources::new();
        let input = leaf(&mut below, edges, Reading::All, &made);
        let prefixes: Plan = Arc::new(PrefixExec { input, carries: carries.to_vec() });
        let prefixes_stage = self.push(Arc::clone(&prefixes), &below)?;
        let rows = self.read(&rows, sources)?;
        let prefixes = leaf(sources, prefixes_stage, Reading::All, &prefixes);
        Ok(Arc::new(CarryExec { children: [rows, prefixes], carries: carries.to_vec() }))
    }

    fn read(&mut self, rows: &Rows, sources: &mut Sources) -> Result<Plan> {
        match rows.stage {
            Some(stage) => Ok(leaf(sources, stage, Reading::Own, &rows.plan)),
            None => self.visit(&rows.plan, sources),
        }
    }

    /// A stage that makes edges of rows.
    fn edges(&mut self, rows: &Rows, edge: Edge) -> Result<u32> {
        let mut sources = Sources::new();
        let input = self.read(rows, &mut sources)?;
        self.push(Arc::new(EdgeExec::new(input, edge)), &sources)
    }

    /// The leaf that reads those edges that each task needs.
    fn neighbours(
        &mut self,
        edges: u32,
        lists: Vec<Vec<u32>>,
        sources: &mut Sources,
    ) -> Result<Plan> {
        let made = self.made_by(edges)?;
        let read = leaf(sources, edges, Reading::All, &made);
        if let Some(source) = sources.last_mut() {
            source.lists = Some(lists);
        }
        Ok(read)
    }

    /// What the tasks of a stage run.
    fn made_by(&self, stage: u32) -> Result<Plan> {
        let made = self.stages.get(stage as usize).map(|stage| Arc::clone(&stage.plan));
        made.ok_or_else(|| DataFusionError::Internal(format!("unknown stage {stage}")))
    }
}
