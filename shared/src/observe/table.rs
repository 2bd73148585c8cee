//! Rows with a revision: what changed since a page last had them is found without a queue for it.

use crate::observe::frame::Delta;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Rows that went and are remembered, so that a page that is behind is told of each. A page that is
/// further behind gets all rows anew.
pub const TOMBSTONES_MAX: usize = 1_000;

/// How far a page is with a table. The default is that of a page that has nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// It has every row that changed at this revision or before.
    rows: u64,
    /// It has no row that went at this revision or before. Beyond `rows` while the first rows are
    /// on their way: what went before they began never was at the page.
    gone: u64,
}

/// Rows by key. Each change of a row gets the next revision.
#[derive(Clone, Debug)]
pub struct Table<K, R> {
    rows: BTreeMap<K, (u64, R)>,
    /// What has which revision: a row that is there, or one that went.
    order: BTreeMap<u64, Change<K>>,
    revision: u64,
    tombstones: usize,
    tombstones_max: usize,
    /// Who has not reached this knows too little of the rows that went.
    floor: u64,
}

#[derive(Clone, Copy, Debug)]
enum Change<K> {
    Set(K),
    Gone(K),
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

    /// Has no rows, counts revisions from `revision` (at least 1) and remembers so many rows that
    /// went. A table that takes the place of another starts where that one cannot have been.
    pub fn starting_at(revision: u64, tombstones_max: usize) -> Self {
        let revision = revision.max(1);
        Table {
            rows: BTreeMap::new(),
            order: BTreeMap::new(),
            revision,
            tombstones: 0,
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

    /// Whether there is none.
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
        self.order.insert(self.revision, Change::Set(key));
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
        self.order.insert(self.revision, Change::Set(key));
        true
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: K) -> Option<R> {
        let (revision, row) = self.rows.remove(&key)?;
        self.order.remove(&revision);
        self.revision += 1;
        self.order.insert(self.revision, Change::Gone(key));
        self.tombstones += 1;
        if self.tombstones > self.tombstones_max {
            self.forget_tombstone();
        }
        Some(row)
    }

    fn forget_tombstone(&mut self) {
        let from = (Excluded(self.floor), Unbounded);
        let mut gone = self.order.range(from).filter(|(_, at)| matches!(at, Change::Gone(_)));
        if let Some(revision) = gone.next().map(|(revision, _)| *revision) {
            self.order.remove(&revision);
            self.floor = revision;
            self.tombstones -= 1;
        }
    }

    /// Takes all rows out; every page gets what comes then anew.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
        self.tombstones = 0;
        self.revision += 1;
        self.floor = self.revision;
    }

    /// Whether a page that is so far has something to come.
    pub fn has_changes(&self, since: Reached) -> bool {
        since.rows != self.revision || since.gone < self.floor
    }

    /// What changed since, at most `limit` rows and rows that went, in the order of the changes; and
    /// how far the page is with that.
    pub fn changes(&self, since: Reached, limit: usize) -> (Delta<K, R>, Reached)
    where
        R: Clone,
    {
        let reset = since.gone < self.floor || since.rows > self.revision;
        let mut reached = if reset { Reached { rows: 0, gone: self.revision } } else { since };
        let mut delta = Delta { reset, rows: Vec::new(), gone: Vec::new(), more: false };
        for (revision, change) in self.order.range((Excluded(reached.rows), Unbounded)) {
            match change {
                Change::Gone(_) if *revision <= reached.gone => continue,
                Change::Gone(_) | Change::Set(_)
                    if delta.rows.len() + delta.gone.len() >= limit =>
                {
                    delta.more = true;
                    break;
                }
                Change::Gone(key) => delta.gone.push(*key),
                Change::Set(key) => delta.rows.extend(self.get(*key).cloned()),
            }
            reached.rows = *revision;
        }
        if !delta.more {
            reached.rows = self.revision;
        }
        reached.gone = reached.gone.max(reached.rows);
        (delta, reached)
    }
}
