//! What each happening does.

use super::job::{ANCHOR, Hazard, Read, in_bucket, reads, value};
use super::link::{Link, State, Way};
use super::open::Graph;
use super::process::{Process, Running, Session};
use super::settings::{HEARTBEAT_MS, MS, Size, TICK_US};
use super::world::{Happening, World, event};
use partita_core::{Event, Time};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId};
use partita_shared::message::{
    Exchange, FailureKind, FromWorker, Holder, Migration, Outcome, RunTask, Spent, TaskFigures,
    TaskReport,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a task gives its slot back while it runs.
const SECEDES_PER_MILLE: u64 = 30;

impl World {
    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Up { link, message } => self.arrived(link, message),
            Happening::Repeat { worker, message } => self.tell(event(worker, message)),
            Happening::Down { link, message } => {
                let process = self.links[link].process;
                let reaches = self.links[link].state == State::Open;
                if reaches && self.processes[process].link == Some(link) {
                    let Process { slots, gpu, .. } = self.processes[process];
                    self.processes[process].session.take(message, slots, gpu);
                    self.after_message(process);
                }
            }
            Happening::LinkLost { link, cause } => self.link_lost(link, cause),
            Happening::LinkMissed { process, epoch } => self.link_missed(process, epoch),
            Happening::Connect { process } => self.connect(process),
            Happening::Heartbeat { process, epoch } if self.is_epoch(process, epoch) => {
                let metrics = self.processes[process].metrics();
                self.send_up(process, FromWorker::Heartbeat { metrics, on_slots: Vec::new() });
                self.plan_in(HEARTBEAT_MS * MS, Happening::Heartbeat { process, epoch });
            }
            Happening::Fetched { process, epoch, task, attempt }
                if self.is_epoch(process, epoch) =>
            {
                self.fetched(process, task, attempt);
            }
            Happening::Ended { process, epoch, task, attempt } if self.is_epoch(process, epoch) => {
                self.ended(process, task, attempt);
            }
            Happening::Migrated { process, epoch, order } if self.is_epoch(process, epoch) => {
                self.migrated(process, order);
            }
            Happening::Flush { process, epoch } if self.is_epoch(process, epoch) => {
                self.flush(process);
            }
            Happening::Heartbeat { .. }
            | Happening::Fetched { .. }
            | Happening::Ended { .. }
            | Happening::Migrated { .. }
            | Happening::Flush { .. } => {}
            Happening::Expired { process } => self.kill(process, "its time was over"),
            Happening::Spawn { anchor } => self.spawn(anchor),
            Happening::Begin { number } => self.begin_planning(number),
            Happening::Submit { number } => self.submit(number),
            Happening::Upload { task } => self.upload(task),
            Happening::Act { job } => self.act(job),
            Happening::GiveUp { job } => self.give_up(job),
            Happening::Take { job, index, holder } => self.client_takes(job, index, holder),
            Happening::Tell(event) => self.tell(event),
            Happening::Place => self.place(),
            Happening::Tick => {
                self.tell(Event::Tick);
                self.plan_in(TICK_US, Happening::Tick);
            }
            Happening::Fault => self.fault(),
        }
    }

    fn is_epoch(&self, process: usize, epoch: u32) -> bool {
        self.processes[process].alive && self.processes[process].epoch == epoch
    }

    fn spawn(&mut self, anchor: bool) {
        let number = self.processes.len();
        let limited = !anchor && self.rng.chance(self.settings.limited);
        let marked = self.rng.chance(self.settings.limited);
        let process = Process {
            name: if anchor { ANCHOR.to_string() } else { format!("w{number}") },
            pid: number as u32 + 100,
            slots: self.rng.range(1, self.settings.slots_max) as u32,
            gpu: if anchor { 4000 } else { self.rng.below(3) * 1000 },
            slowness: if self.rng.chance(150) { 1000 } else { self.rng.range(70, 130) },
            mark: marked.then(|| self.rng.range(0, 5) as usize),
            ends: limited.then(|| self.now + self.rng.range(1000 * MS, 4000 * MS)),
            anchor,
            alive: true,
            leaving: false,
            link: None,
            epoch: 0,
            session: Session::default(),
        };
        if let Some(ends) = process.ends {
            self.plan(ends, Happening::Expired { process: number });
        }
        self.processes.push(process);
        if anchor {
            self.blocked.clear();
        }
        self.plan_in(0, Happening::Connect { process: number });
    }

    fn connect(&mut self, process: usize) {
        if !self.processes[process].alive || self.processes[process].link.is_some() {
            return;
        }
        let link = self.links.len();
        let latency = self.rng.scaled(10, self.settings.latency_max);
        self.links.push(Link::new(process, latency));
        self.processes[process].link = Some(link);
        let registration = self.processes[process].registration(self.now);
        self.send_up(process, FromWorker::Register(registration));
        let epoch = self.processes[process].epoch;
        self.plan_in(HEARTBEAT_MS * MS, Happening::Heartbeat { process, epoch });
        if self.processes[process].leaving {
            self.send_up(process, FromWorker::Leaving { reason: "still leaving".into() });
        }
    }

    /// A worker has found out that its link is gone: it forgets everything and comes back.
    fn link_missed(&mut self, process: usize, epoch: u32) {
        if self.is_epoch(process, epoch) {
            self.processes[process].forget();
            let after = self.rng.scaled(0, 100 * MS);
            self.plan_in(after, Happening::Connect { process });
        }
    }

    pub(crate) fn send_up(&mut self, process: usize, message: FromWorker) {
        let Some(link) = self.processes[process].link else { return };
        let worker = self.links[link].worker;
        let repeated = matches!(
            message,
            FromWorker::Reports(_) | FromWorker::Migrated { .. } | FromWorker::Stored { .. }
        );
        if let (true, Some(worker)) = (repeated, worker)
            && self.rng.chance(self.settings.repeat)
        {
            let after = self.rng.scaled(0, 2000 * MS);
            let message = message.clone();
            self.plan_in(after, Happening::Repeat { worker, message });
        }
        self.send(link, Way::Up, |link| Happening::Up { link, message });
    }

    /// Ends a process at once. What it sent before arrives.
    pub(crate) fn kill(&mut self, process: usize, cause: &str) {
        if !self.processes[process].alive {
            return;
        }
        self.processes[process].alive = false;
        let link = self.processes[process].link;
        self.processes[process].forget();
        if let Some(link) = link
            && self.links[link].state == State::Open
        {
            self.links[link].state = State::Closing;
            let cause = cause.to_string();
            self.send(link, Way::Up, |link| Happening::LinkLost { link, cause });
        }
    }

    fn after_message(&mut self, process: usize) {
        if self.processes[process].session.told_to_go {
            assert!(self.processes[process].leaving, "a worker that stays was told to go");

            self.kill(process, "it left");
            return;
        }
        let epoch = self.processes[process].epoch;
        let orders = std::mem::take(&mut self.processes[process].session.orders);
        for order in orders {
            self.processes[process].session.coming.push(order);
            let after = self.rng.scaled(0, 10 * self.settings.latency_max);
            self.plan_in(after, Happening::Migrated { process, epoch, order });
        }
        if let Some(given) = self.processes[process].session.recalled.take() {
            *self.incidents.faults.entry("recalled").or_default() += given.len() as u32;
            self.send_up(process, FromWorker::Recalled(given));
        }
        self.start_tasks(process);
    }

    /// A partition comes from a worker that leaves, if it is still there and wanted.
    fn migrated(&mut self, process: usize, order: Migration) {
        let coming = &mut self.processes[process].session.coming;
        let Some(at) = coming.iter().position(|found| *found == order) else { return };
        coming.remove(at);
        let (task, attempt) = (order.task, order.attempt);
        let from = self.workers[&order.from];
        let told = self.processes[process].session.peers.contains_key(&order.from);
        let reachable = told && !self.blocked.contains(&(process, from));
        let found = self.serve(task, Holder { worker: order.from, attempt });
        let error = match found.filter(|_| reachable) {
            Some(value) => {
                let session = &mut self.processes[process].session;
                if session.store.get(&task).is_none_or(|(newer, _)| *newer < attempt) {
                    session.store.insert(task, (attempt, value));
                    session.spoiled.remove(&task);
                }
                None
            }
            None => Some("it could not be read".to_string()),
        };
        *self.incidents.faults.entry("migrated").or_default() += u32::from(error.is_none());
        self.send_up(process, FromWorker::Migrated { task, attempt, error });
    }

    fn start_tasks(&mut self, process: usize) {
        let slots = self.processes[process].slots as usize;
        let epoch = self.processes[process].epoch;
        while self.processes[process].session.on_slots() < slots {
            let Some(run) = self.processes[process].session.queue.pop_front() else { break };
            let (task, attempt) = (run.task, run.attempt);
            let (value, fetched_bytes, started) = (None, 0, self.now);
            let running = Running { run, value, fetched_bytes, started, seceded: false };
            self.processes[process].session.running.insert(task, running);
            let after = self.rng.scaled(0, self.settings.latency_max);
            self.plan_in(after, Happening::Fetched { process, epoch, task, attempt });
        }
    }

    /// The inputs of a task are read at this moment, whoever holds them now.
    fn fetched(&mut self, process: usize, task: TaskId, attempt: Attempt) {
        let session = &self.processes[process].session;
        let Some(running) = session.running.get(&task).filter(|r| r.run.attempt == attempt) else {
            return;
        };
        let run = running.run.clone();
        let client = &self.clients[&task.stage.job];
        let number = client.number;
        match self.read_inputs(process, &run, number) {
            Ok((made, fetched_bytes)) => {
                let usual = self.jobs[number].task_us[task.stage.index as usize];
                let slowness = self.processes[process].slowness;
                let time = self.rng.range(usual / 2, usual * 2) * slowness / 100;
                let epoch = self.processes[process].epoch;
                let session = &mut self.processes[process].session;
                if let Some(running) = session.running.get_mut(&task) {
                    running.value = Some(made);
                    running.fetched_bytes = fetched_bytes;
                }
                self.plan_in(time, Happening::Ended { process, epoch, task, attempt });
                if self.rng.chance(SECEDES_PER_MILLE) {
                    self.secede(process, task, attempt);
                }
            }
            Err(holder) => {
                self.check_missing(process, &run, holder);
                let kind = FailureKind::Input(holder.worker);
                self.leave_slot(process, &run, failed(kind, "an input could not be read"));
            }
        }
    }

    /// A task gives its slot back while it runs; one in two takes a slot again at once.
    fn secede(&mut self, process: usize, task: TaskId, attempt: Attempt) {
        *self.incidents.faults.entry("seceded").or_default() += 1;
        let message = |has_slot| FromWorker::SlotChanged { task, attempt, has_slot };
        self.send_up(process, message(false));
        if self.rng.chance(500) {
            self.send_up(process, message(true));
            return;
        }
        if let Some(running) = self.processes[process].session.running.get_mut(&task) {
            running.seceded = true;
        }
        self.start_tasks(process);
    }

    /// The value of a task, of the inputs that its worker can read, and the bytes read from others.
    fn read_inputs(
        &self,
        process: usize,
        run: &RunTask,
        number: usize,
    ) -> Result<(u64, u64), Holder> {
        if self.jobs[number].graph.is_some() {
            return self.read_call_inputs(process, run, number);
        }
        let session = &self.processes[process].session;
        let stages = &self.jobs[number].spec.stages;
        let inputs = &stages[run.task.stage.index as usize].inputs;
        let told = session.fragments[&run.task.stage].inputs.iter().map(|input| input.stage);
        assert!(told.eq(inputs.iter().map(|input| input.stage)), "a wrong fragment");
        let persisted = &session.fragments[&run.task.stage].persisted;
        let mut own = run.own.iter().flat_map(|own| {
            own.partitions.iter().map(|(partition, holder)| (own.input, *partition, *holder))
        });
        let mut values = Vec::new();
        let mut fetched = 0;
        for read in reads(inputs, |stage| stages[stage as usize].tasks, run.task.index) {
            let holder = match &inputs[read.input].exchange {
                Exchange::OneToOne | Exchange::Explicit(_) | Exchange::Blocks(_) => {
                    let (input, partition, holder) = own.next().unwrap();
                    assert_eq!((input as usize, partition), (read.input, read.partition));
                    holder
                }
                Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => {
                    let key = (run.task.stage, read.input as u32);
                    let holders = &session.locations[&key];
                    assert_eq!(holders.len(), stages[read.stage as usize].tasks as usize);
                    holders[read.partition as usize]
                }
            };
            let place = persisted.iter().find(|(input, _)| *input as usize == read.input);
            let here = StageId { job: run.task.stage.job, index: read.stage };
            let stage = place.map_or(here, |(_, stage)| *stage);
            let found = self.read(process, stage, read, holder).ok_or(holder)?;
            fetched += if Some(holder.worker) == session.id { 0 } else { 8 };
            values.push(in_bucket(found, read.bucket));
        }
        assert_eq!(own.next(), None, "more holders than inputs");
        let salt = self.jobs[number].salt;
        Ok((value(salt, run.task.stage.index, run.task.index, &values), fetched))
    }

    /// The same for a task of an open job, whose stages get inputs as they grow.
    fn read_call_inputs(
        &self,
        process: usize,
        run: &RunTask,
        number: usize,
    ) -> Result<(u64, u64), Holder> {
        let session = &self.processes[process].session;
        let told = &session.fragments[&run.task.stage].inputs;
        let mut values = BTreeMap::new();
        let mut fetched = 0;
        for (stage, index, holder, given) in self.call_inputs(run, told, number) {
            let job = &self.jobs[number];
            let expected = |graph: &Graph| job.expected[graph.number(stage, index) as usize];
            let expected = job.graph.as_ref().map(expected);
            if let Some(given) = given {
                let found = expected.map(u64::to_le_bytes);
                assert_eq!(Some(&given[..]), found.as_ref().map(|bytes| &bytes[..]));
                values.extend(expected.map(|value| ((stage, index), value)));
                continue;
            }
            let place = StageId { job: run.task.stage.job, index: stage };
            let read = Read { input: 0, stage, partition: index, bucket: None };
            let found = self.read(process, place, read, holder).ok_or(holder)?;
            fetched += if Some(holder.worker) == session.id { 0 } else { 8 };
            values.insert((stage, index), found);
        }
        Ok((self.call_value(run.task, number, &values), fetched))
    }

    /// What a worker gets when it asks a holder for a partition.
    fn read(&self, process: usize, stage: StageId, read: Read, holder: Holder) -> Option<u64> {
        let session = &self.processes[process].session;
        let task = TaskId { stage, index: read.partition };
        if session.id != Some(holder.worker) {
            let from = self.workers[&holder.worker];
            let address = session.peers.get(&holder.worker);
            let lost = session.lost.contains(&holder.worker);
            assert!(address.is_some() || lost, "{} was never told of", holder.worker);
            if *address? != self.processes[from].address() {
                panic!("a wrong address for {}", holder.worker);
            }
            if self.blocked.contains(&(process, from)) {
                return None;
            }
        }
        self.serve(task, holder)
    }

    /// The content of a holder's store, if the registration is still the same.
    pub(crate) fn serve(&self, task: TaskId, holder: Holder) -> Option<u64> {
        let process = &self.processes[self.workers[&holder.worker]];
        if !process.alive || process.session.id != Some(holder.worker) {
            return None;
        }
        let (attempt, value) = process.session.store.get(&task)?;
        (*attempt == holder.attempt).then_some(*value)
    }

    /// The time of a task on its slot is over.
    fn ended(&mut self, process: usize, task: TaskId, attempt: Attempt) {
        let session = &self.processes[process].session;
        let Some(running) = session.running.get(&task).filter(|r| r.run.attempt == attempt) else {
            return;
        };
        let run = running.run.clone();
        let number = self.clients[&task.stage.job].number;
        let outcome = match self.hazards[number].get_mut(&(task.stage.index, task.index)) {
            Some(Hazard::Poison(left)) if *left > 0 => {
                *left -= 1;
                // The worker does not survive it, and someone starts another.
                self.died(process, "out of memory");
                let after = self.rng.range(1, 100 * MS);
                let anchor = self.processes[process].anchor;
                self.plan_in(after, Happening::Spawn { anchor });
                return;
            }
            Some(Hazard::Retry(left)) if *left > 0 => {
                *left -= 1;
                *self.incidents.retries.entry(task).or_default() += 1;
                failed(FailureKind::Retry, "the disk is full")
            }
            Some(Hazard::Fatal) => {
                self.incidents.fatal.insert(task.stage.job);
                failed(FailureKind::Fatal, "division by zero")
            }
            Some(Hazard::Memory) => {
                self.incidents.memory.insert(task.stage.job);
                failed(FailureKind::Memory, "too large")
            }
            Some(Hazard::Poison(_) | Hazard::Retry(_)) | None => self.store(process, task, attempt),
        };
        self.leave_slot(process, &run, outcome);
    }

    /// Stores what a task has made.
    fn store(&mut self, process: usize, task: TaskId, attempt: Attempt) -> Outcome {
        let session = &mut self.processes[process].session;
        let running = &session.running[&task];
        let made = running.value.unwrap();
        let number = self.clients[&task.stage.job].number;
        // Half of the outputs of graphs are small.
        let is_small = self.jobs[number].spec.open && made.is_multiple_of(2);
        let figures = TaskFigures {
            value: is_small.then(|| Arc::from(made.to_le_bytes())),
            rows: made % 100,
            bytes: made % 1000,
            fetched_bytes: running.fetched_bytes,
            operators: Vec::new(),
        };
        session.store.insert(task, (attempt, made));
        session.spoiled.remove(&task);
        Outcome::Finished(figures)
    }

    /// A task leaves its slot, and its report goes out.
    fn leave_slot(&mut self, process: usize, run: &RunTask, outcome: Outcome) {
        let epoch = self.processes[process].epoch;
        let session = &mut self.processes[process].session;
        let started = session.running.remove(&run.task).map(|running| running.started);
        let busy_us = started.map_or(0, |started| self.now - started);
        let spent = Spent { busy_us, ..Spent::default() };
        session.outbox.push(TaskReport { task: run.task, attempt: run.attempt, spent, outcome });
        match self.settings.report_batch {
            None => self.flush(process),
            Some(after) => {
                if self.processes[process].session.outbox.len() == 1 {
                    self.plan_in(after, Happening::Flush { process, epoch });
                }
            }
        }
        self.start_tasks(process);
    }

    fn flush(&mut self, process: usize) {
        let reports = std::mem::take(&mut self.processes[process].session.outbox);
        if !reports.is_empty() {
            self.send_up(process, FromWorker::Reports(reports));
        }
    }

    /// The client has read a result partition, if its holder could give it.
    fn client_takes(&mut self, job: JobId, index: u32, holder: Holder) {
        let client = &self.clients[&job];
        if client.ended.is_some() || index as usize != client.values.len() {
            return;
        }
        let number = client.number;
        let stage = self.jobs[number].spec.stages.len() as u32 - 1;
        let task = TaskId { stage: partita_shared::ids::StageId { job, index: stage }, index };
        let after = self.rng.scaled(0, self.settings.latency_max);
        if let Some(value) = self.serve(task, holder) {
            let rows = value % 100;
            if let Some(client) = self.clients.get_mut(&job) {
                client.values.push(value);
                client.rows += rows;
            }
            let delivered = Event::Delivered { job, index, rows };
            if self.rng.chance(self.settings.repeat) {
                self.plan_in(after + 10 * MS, Happening::Tell(delivered.clone()));
            }
            self.plan_in(after, Happening::Tell(delivered));
            return;
        }
        self.check_undelivered(task, holder);
        if self.rng.chance(self.settings.broken) {
            self.incidents.broken.insert(job);
            let error = "broken in the middle".into();
            self.plan_in(after, Happening::Tell(Event::DeliveryBroken { job, error }));
        } else if self.is_there(holder) || self.rng.chance(500) {
            let worker = holder.worker;
            self.plan_in(after, Happening::Tell(Event::Unreadable { task, worker }));
        }
    }

    /// Whether the registration of a holder is still that of its process.
    pub(crate) fn is_there(&self, holder: Holder) -> bool {
        let process = &self.processes[self.workers[&holder.worker]];
        process.alive && process.session.id == Some(holder.worker)
    }

    /// Steps that a run may take.
    pub(crate) fn steps_max(&self) -> u64 {
        match self.size {
            Size::Small => 200_000,
            Size::Large => 3_000_000,
        }
    }

    /// When every job must have ended.
    pub(crate) fn time_max(&self) -> Time {
        self.settings.horizon + 600_000 * MS
    }
}

fn failed(kind: FailureKind, error: &str) -> Outcome {
    Outcome::failed(kind, error)
}
