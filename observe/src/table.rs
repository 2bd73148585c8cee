//! Rows with a revision: what changed since a page last had them is found without a queue for it.

use crate::frame::Delta;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Rows that went and are remembered, so that a page that is behind is told of each. A page that is
/// further behind gets all rows anew.
pub const TOMBSTONES_MAX: usize = 1_000;

/// How far a page is with a table. The default is that of a page that has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached<K> {
    /// It has every row that changed at this revision or before.
    rows: u64,
    /// It has no row that went at this revision or before.
    gone: u64,
    /// It is being given more than goes into one step.
    sweep: Option<Sweep<K>>,
}

/// A walk over the rows in the order of their keys, in steps. Were rows given in the order of their
/// changes, then in a table that changes faster than a page takes it some would never be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sweep<K> {
    /// The revision when it began: at its end the page has every row that changed before that.
    begun_at: u64,
    /// Rows up to this key were given.
    done: K,
}

impl<K> Default for Reached<K> {
    fn default() -> Self {
        Reached { rows: 0, gone: 0, sweep: None }
    }
}

/// Rows by key. Each change of a row gets the next revision.
#[derive(Clone, Debug)]
pub struct Table<K, R> {
    rows: BTreeMap<K, (u64, R)>,
    /// Which row changed last at which revision.
    order: BTreeMap<u64, K>,
    /// Rows that went, by the revision of that.
    gone: BTreeMap<u64, K>,
    revision: u64,
    tombstones_max: usize,
    /// Who has not reached this knows too little of the rows that went.
    floor: u64,
}

impl<K: Ord + Copy, R: PartialEq> Default for Table<K, R> {
    fn default() -> Self {
        Table::new()
    }
}

impl<K: Ord + Copy, R: PartialEq> Table<K, R> {
    /// Has no rows.
    pub fn new() -> Self {
        Table::starting_at(1, TOMBSTONES_MAX)
    }

    /// Creates an empty table that counts revisions from `revision` (at least 1) and remembers up
    /// to `tombstones_max` removed rows. A table that replaces another starts at a revision that
    /// the other cannot have reached.
    pub fn starting_at(revision: u64, tombstones_max: usize) -> Self {
        let revision = revision.max(1);
        Table {
            rows: BTreeMap::new(),
            order: BTreeMap::new(),
            gone: BTreeMap::new(),
            revision,
            tombstones_max,
            floor: revision,
        }
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row.
    pub fn get(&self, key: K) -> Option<&R> {
        self.rows.get(&key).map(|(_, row)| row)
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &R)> {
        self.rows.iter().map(|(key, (_, row))| (*key, row))
    }

    /// Puts a row in. Says whether that changed anything: an equal row does not.
    pub fn set(&mut self, key: K, row: R) -> bool {
        match self.rows.get_mut(&key) {
            Some((_, old)) if *old == row => return false,
            Some((revision, old)) => {
                *old = row;
                self.order.remove(revision);
                self.revision += 1;
                *revision = self.revision;
            }
            None => {
                self.revision += 1;
                self.rows.insert(key, (self.revision, row));
            }
        }
        self.order.insert(self.revision, key);
        true
    }

    /// Changes a row in its place; `edit` says whether it did. Says so too.
    pub fn edit(&mut self, key: K, edit: impl FnOnce(&mut R) -> bool) -> bool {
        let Some((revision, row)) = self.rows.get_mut(&key) else { return false };
        if !edit(row) {
            return false;
        }
        self.order.remove(revision);
        self.revision += 1;
        *revision = self.revision;
        self.order.insert(self.revision, key);
        true
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: K) -> Option<R> {
        let (revision, row) = self.rows.remove(&key)?;
        self.order.remove(&revision);
        self.revision += 1;
        self.gone.insert(self.revision, key);
        if self.gone.len() > self.tombstones_max
            && let Some((revision, _)) = self.gone.pop_first()
        {
            self.floor = revision;
        }
        Some(row)
    }

    /// Takes all rows out; every page gets what comes then anew.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
        self.gone.clear();
        self.revision += 1;
        self.floor = self.revision;
    }

    /// Whether a page that is so far has something to come.
    pub fn has_changes(&self, since: Reached<K>) -> bool {
        since.rows != self.revision || since.gone < self.floor || since.sweep.is_some()
    }

    /// What changed since, at most `limit` rows and rows that went; and how far the page is with
    /// that. What does not go into one step comes in several, in the order of the keys: a row that
    /// changes in the meantime is given as it is then, and none twice before all were given once.
    pub fn changes(&self, since: Reached<K>, limit: usize) -> (Delta<K, R>, Reached<K>)
    where
        R: Clone,
    {
        let reset = since.gone < self.floor || since.rows > self.revision;
        let mut reached =
            if reset { Reached { rows: 0, gone: self.revision, sweep: None } } else { since };
        let mut delta = Delta { reset, rows: Vec::new(), gone: Vec::new(), more: false };
        // A row may have gone and come back, so all that went is told before any row is.
        for (revision, key) in self.gone.range((Excluded(reached.gone), Unbounded)) {
            if delta.gone.len() >= limit {
                delta.more = true;
                return (delta, reached);
            }
            delta.gone.push(*key);
            reached.gone = *revision;
        }
        reached.gone = self.revision;
        let room = limit - delta.gone.len();
        if reached.sweep.is_none() {
            let changed = self.order.range((Excluded(reached.rows), Unbounded));
            let keys: Vec<K> = changed.map(|(_, key)| *key).take(room + 1).collect();
            if keys.len() <= room {
                delta.rows.extend(keys.iter().filter_map(|key| self.get(*key)).cloned());
                reached.rows = self.revision;
                return (delta, reached);
            }
        }
        delta.more = self.sweep(&mut reached, room, &mut delta.rows);
        (delta, reached)
    }

    /// The next step of a sweep. Says whether there are more.
    fn sweep(&self, reached: &mut Reached<K>, room: usize, rows: &mut Vec<R>) -> bool
    where
        R: Clone,
    {
        let begun_at = reached.sweep.map_or(self.revision, |sweep| sweep.begun_at);
        let from = reached.sweep.map_or(Unbounded, |sweep| Excluded(sweep.done));
        let since = reached.rows;
        let changed = self.rows.range((from, Unbounded)).filter(|(_, (at, _))| *at > since);
        for (key, (_, row)) in changed {
            if rows.len() == room {
                return true;
            }
            rows.push(row.clone());
            reached.sweep = Some(Sweep { begun_at, done: *key });
        }
        (reached.rows, reached.sweep) = (begun_at, None);
        false
    }
}
