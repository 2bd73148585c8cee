//! Invariants that hold after every event: tests and the simulation check them in full.

use crate::event::Origin;
use crate::exchange::{is_whole, visit_own};
use crate::graph::count_of;
use crate::state::ready_stages::ReadyStage;
use crate::state::{Core, Job, NOBODY, Precedence};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::model::{TaskCounts, TaskState};
use std::collections::{BTreeMap, BTreeSet};

impl Core {
    /// Walks every structure and compares each counter with what it counts.
    ///
    /// # Errors
    /// The first invariant that is violated, as text.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_numbers()?;
        let mut assigned: BTreeMap<u32, u32> = BTreeMap::new();
        let mut held: BTreeMap<u32, u32> = BTreeMap::new();
        let mut taken: BTreeMap<u32, BTreeMap<String, u64>> = BTreeMap::new();
        for (id, job) in &self.jobs {
            job.check(*id)?;
            let made = job.stages.iter().filter(|stage| !stage.is_mirror());
            for (stage, task) in made.flat_map(|stage| stage.tasks.iter().map(move |t| (stage, t)))
            {
                if task.worker == NOBODY {
                    continue;
                }
                if !self.workers.contains_key(&WorkerId(task.worker)) {
                    return Err(format!(
                        "{id} has a task at worker-{}, which is gone",
                        task.worker
                    ));
                }
                match task.state {
                    TaskState::Running => {
                        *assigned.entry(task.worker).or_default() += 1;
                        for (name, amount) in &stage.fragment.resources {
                            let taken = taken.entry(task.worker).or_default();
                            *taken.entry(name.clone()).or_default() += amount;
                        }
                    }
                    TaskState::Done => *held.entry(task.worker).or_default() += 1,
                    TaskState::Waiting | TaskState::Ready | TaskState::Failed => {
                        return Err(format!(
                            "{id} has a task at worker-{} in {:?}",
                            task.worker, task.state
                        ));
                    }
                }
            }
        }
        for worker in self.check_replicas()? {
            *held.entry(worker.0).or_default() += 1;
        }
        self.check_requirements(&taken)?;
        self.check_values()?;
        self.check_moves()?;
        self.check_persisted()?;
        for (id, worker) in &self.workers {
            let expect =
                (assigned.get(&id.0).copied().unwrap_or(0), held.get(&id.0).copied().unwrap_or(0));
            if (worker.assigned, worker.held) != expect {
                return Err(format!(
                    "{id} counts {} assigned and {} held, but has {expect:?}",
                    worker.assigned, worker.held
                ));
            }
            let runs = |task: &TaskId| {
                let job = self.jobs.get(&task.stage.job);
                let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
                let found = stage.and_then(|stage| stage.tasks.get(task.index as usize));
                found.is_some_and(|t| t.state == TaskState::Running && t.worker == id.0)
            };
            if let Some(task) = worker.seceded.iter().find(|task| !runs(task)) {
                return Err(format!("{task} gave back a slot of {id} and does not run there"));
            }
            if self.by_load.contains(&(worker.load(), *id)) == worker.leaving.is_some() {
                return Err(format!("{id} is listed by load and leaving, or neither"));
            }
        }
        if self.by_load.iter().any(|(_, id)| !self.workers.contains_key(id)) {
            return Err("a worker that is gone is listed by load".to_string());
        }
        let mut sizes = BTreeMap::new();
        self.workers.values().for_each(|worker| *sizes.entry(worker.slots()).or_default() += 1);
        let listed = self.jobs.iter().filter_map(|(id, job)| {
            job.share.map(|(share, turn)| ((share, turn, *id), u64::from(job.spec.priority)))
        });
        let (shares, priorities): (BTreeSet<_>, Vec<u64>) = listed.unzip();
        if shares != self.by_share || priorities.iter().sum::<u64>() != self.ready_priorities {
            return Err(format!(
                "{:?} are listed by share, but {shares:?} have one",
                self.by_share
            ));
        }
        if sizes != self.sizes {
            return Err(format!("{:?} are the sizes counted, but they are {sizes:?}", self.sizes));
        }
        Ok(())
    }

    /// Each number is that of one statement or job, and a job reads results of jobs that were submitted
    /// before it.
    fn check_numbers(&self) -> Result<(), String> {
        let mut numbers = BTreeSet::new();
        let ended = self.ended.iter().map(|ended| ended.row.id);
        for id in self.planning.keys().chain(self.jobs.keys()).copied().chain(ended) {
            if !numbers.insert(id) || id.0 >= self.next_job {
                return Err(format!("{id} is there twice, or was never given"));
            }
        }
        for (id, job) in &self.jobs {
            for (_, source) in job.sources() {
                if self.jobs.get(&source).is_none_or(|source| source.order >= job.order) {
                    return Err(format!("{id} reads {source}, which is not before it"));
                }
            }
        }
        Ok(())
    }
}

impl Job {
    fn check(&self, id: JobId) -> Result<(), String> {
        let mut running = 0;
        for (number, stage) in self.stages.iter().enumerate() {
            let mut counts = TaskCounts::default();
            for task in &stage.tasks {
                *count_of(&mut counts, task.state) += 1;
            }
            if counts != stage.counts {
                return Err(format!("{id}.{number} counts {:?}, but has {counts:?}", stage.counts));
            }
            running += counts.running;
            let available = stage.tasks.iter().filter(|task| task.holder().is_some()).count();
            if available != stage.available as usize {
                return Err(format!(
                    "{id}.{number} says {} held, but {available} are",
                    stage.available
                ));
            }
            let held = stage.tasks.iter().filter(|task| task.holder().is_some());
            let held_bytes: u64 = held.map(|task| task.bytes).sum();
            if held_bytes != stage.held_bytes {
                return Err(format!(
                    "{id}.{number} says {} bytes held, but {held_bytes} are",
                    stage.held_bytes
                ));
            }
            let whole = stage.inputs().iter().filter(|input| is_whole(&input.exchange));
            let blocked = whole.filter(|i| !self.stages[i.stage as usize].is_held()).count();
            if blocked != stage.blocked as usize {
                return Err(format!(
                    "{id}.{number} says {} block it, but {blocked} do",
                    stage.blocked
                ));
            }
            self.check_tasks(id, number)?;
        }
        self.check_unread(id)?;
        if running != u64::from(self.running) {
            return Err(format!("{id} says {} run, but {running} do", self.running));
        }
        Ok(())
    }

    /// Compares the numbers of reads that are still to come with the tasks that are not done.
    fn check_unread(&self, id: JobId) -> Result<(), String> {
        let mut unread: Vec<Vec<u32>> =
            self.stages.iter().map(|stage| vec![0; stage.tasks.len()]).collect();
        let mut open = vec![0; self.stages.len()];
        for stage in &self.stages {
            for input in stage.inputs() {
                let from = input.stage as usize;
                open[from] += u32::from(is_whole(&input.exchange) && !stage.is_done());
                for (index, _) in (0..).zip(&stage.tasks).filter(|(_, task)| !task.is_settled()) {
                    visit_own(input, index, |partition| unread[from][partition as usize] += 1);
                }
            }
        }
        for (number, stage) in self.stages.iter().enumerate() {
            let counted: Vec<u32> = stage.tasks.iter().map(|task| task.unread).collect();
            let tasks = unread[number].iter().filter(|unread| **unread > 0).count();
            if (stage.open_readers, stage.unread_tasks as usize) != (open[number], tasks)
                || counted != unread[number]
            {
                return Err(format!(
                    "{id}.{number} counts {} open readers and {counted:?} reads to come, but there are {} and {:?}",
                    stage.open_readers, open[number], unread[number]
                ));
            }
            for (index, task) in (0..).zip(&stage.tasks) {
                let is_own = stage.origin == Origin::Tasks && !self.is_persisted_result(number);
                if is_own && task.holder().is_some() && !self.is_wanted(number, index) {
                    return Err(format!("{id}.{number}.{index} is held, but nothing reads it"));
                }
            }
        }
        Ok(())
    }

    fn check_tasks(&self, id: JobId, number: usize) -> Result<(), String> {
        let stage = &self.stages[number];
        if !stage.ready.is_sound() {
            return Err(format!("{id}.{number} has queues that are not sound: {:?}", stage.ready));
        }
        let of_it = |(_, stage): &ReadyStage| *stage as usize == number;
        let listed: Vec<ReadyStage> = self.ready.all().filter(of_it).collect();
        let first =
            self.ready.first(usize::MAX, |needed| needed == stage.requirement).filter(of_it);
        let key = stage.ready_key.map(|key| (key, number as u32));
        if !first.eq(key)
            || !listed.iter().copied().eq(key)
            || key.is_some() != (stage.counts.ready > 0)
        {
            return Err(format!(
                "{id}.{number} is listed as {listed:?}, not {key:?}, with {} ready",
                stage.counts.ready
            ));
        }
        let near: BTreeSet<(WorkerId, Precedence, u32)> =
            stage.near_keys.iter().map(|(worker, key)| (*worker, *key, number as u32)).collect();
        let listed = self
            .ready_near
            .iter()
            .flat_map(|(worker, stages)| stages.all().map(|(key, stage)| (*worker, key, stage)));
        let listed = listed.filter(|(.., stage)| *stage as usize == number);
        let fronts =
            near.iter().all(|(w, key, _)| stage.ready.lowest_rank_near(*w) == Some(key.rank));
        if !fronts || !listed.eq(near.iter().copied()) {
            return Err(format!(
                "{id}.{number} is listed near {near:?}, but has {:?}",
                stage.ready
            ));
        }
        let mut queued = vec![false; stage.tasks.len()];
        stage.ready.entries().for_each(|(_, index)| queued[index as usize] = true);
        for (index, task) in stage.tasks.iter().enumerate() {
            let (mut pending, mut failed) = (0, 0);
            for input in stage.inputs() {
                let upstream = &self.stages[input.stage as usize].tasks;
                visit_own(input, index as u32, |partition| {
                    let read = &upstream[partition as usize];
                    pending += u32::from(read.holder().is_none());
                    failed += u32::from(read.state == TaskState::Failed);
                });
            }
            if pending != task.pending {
                return Err(format!(
                    "{id}.{number}.{index} says {} pending, but {pending} are",
                    task.pending
                ));
            }
            let makes = stage.origin == Origin::Tasks;
            let can_run = makes && pending == 0 && stage.blocked == 0;
            match task.state {
                TaskState::Waiting if can_run => {
                    return Err(format!("{id}.{number}.{index} waits for nothing"));
                }
                TaskState::Waiting if failed > 0 && self.spec.open => {
                    return Err(format!("{id}.{number}.{index} waits for a task that failed"));
                }
                TaskState::Ready if !can_run || !queued[index] => {
                    return Err(format!(
                        "{id}.{number}.{index} is ready, but cannot run or is in no queue"
                    ));
                }
                TaskState::Waiting
                | TaskState::Ready
                | TaskState::Running
                | TaskState::Done
                | TaskState::Failed => {}
            }
        }
        Ok(())
    }
}
