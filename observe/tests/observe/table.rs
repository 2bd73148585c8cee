//! Rows by revision.

use partita_observe::table::{Reached, Table};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

fn step(
    page: &mut BTreeMap<u8, u32>,
    table: &Table<u8, u32>,
    at: &mut Reached<u8>,
    limit: usize,
) -> bool {
    // The key of a row is its last byte.
    let (delta, reached) = table.changes(*at, limit);
    assert!(delta.rows.len() + delta.gone.len() <= limit);
    if delta.reset {
        page.clear();
    }
    page.retain(|key, _| !delta.gone.contains(key));
    page.extend(delta.rows.iter().map(|row| (*row as u8, *row)));
    *at = reached;
    delta.more
}

/// A page that takes changes a few at a time, while rows change, go and come back, has all rows when
/// it has taken all; more rows go than are remembered.
#[test]
fn pages_have_all_rows_when_they_have_taken_all() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut table: Table<u8, u32> = Table::starting_at(1, rng.random_range(0..20));
        let (mut page, mut at) = (BTreeMap::new(), Reached::default());
        for _ in 0..rng.random_range(1..2_000) {
            let key: u8 = rng.random_range(0..50);
            match rng.random_range(0..10) {
                0..4 => {
                    table.set(key, u32::from(key) + 256 * rng.random_range(0..4));
                }
                4 => {
                    table.edit(key, |row| {
                        *row += 256;
                        true
                    });
                }
                5 | 6 => {
                    table.remove(key);
                }
                7 => {
                    step(&mut page, &table, &mut at, rng.random_range(1..9));
                }
                8 if rng.random_range(0..100) == 0 => table.clear(),
                _ => {}
            }
        }
        let mut steps = 0;
        while table.has_changes(at) {
            step(&mut page, &table, &mut at, 7);
            steps += 1;
            assert!(steps < 200, "seed {seed} has no end");
        }
        let rows: BTreeMap<u8, u32> = table.iter().map(|(key, row)| (key, *row)).collect();
        assert_eq!(page, rows, "seed {seed}");
    }
}

/// A row that is set to what it is changes nothing, and a page that has all gets nothing.
#[test]
fn equal_rows_change_nothing() {
    let mut table: Table<u8, &str> = Table::new();
    assert!(table.set(1, "a"));
    let (_, at) = table.changes(Reached::default(), 10);
    assert!(!table.set(1, "a") && !table.edit(1, |_| false) && !table.edit(2, |_| true));
    assert!(table.remove(3).is_none() && !table.has_changes(at));
    let (delta, same) = table.changes(at, 10);
    assert_eq!((delta.reset, delta.rows.len(), delta.more, same), (false, 0, false, at));
}

/// Who has not been told of rows that were forgotten begins anew, in several steps, and the others
/// are told what went.
#[test]
fn a_page_far_behind_begins_anew() {
    let mut table: Table<u32, u32> = Table::starting_at(1, 10);
    for key in 0..100 {
        table.set(key, key);
    }
    let (_, at) = table.changes(Reached::default(), 1_000);
    for key in 0..10 {
        table.remove(key);
    }
    let (delta, near) = table.changes(at, 1_000);
    assert_eq!((delta.reset, delta.gone.len()), (false, 10));
    table.remove(10);
    assert!(!table.changes(near, 1_000).0.reset);
    let (first, mut reached) = table.changes(at, 50);
    assert_eq!((first.reset, first.rows.len(), first.gone.len(), first.more), (true, 50, 0, true));
    let mut rows = first.rows.len();
    loop {
        let (next, further) = table.changes(reached, 25);
        assert!(!next.reset);
        (rows, reached) = (rows + next.rows.len(), further);
        if !next.more {
            break;
        }
    }
    assert_eq!(rows, 89);
}

/// However fast rows change, in whatever order, a page that takes a few at a time gets each of them
/// again and again.
#[test]
fn no_row_is_starved() {
    let mut table: Table<u32, u64> = Table::new();
    let (mut at, mut given) = (Reached::default(), [0; 100]);
    for round in 0..1_000 {
        for key in 0..100 {
            table.set(key, u64::from(key) + round * 100);
        }
        let (delta, reached) = table.changes(at, 7);
        at = reached;
        delta.rows.iter().for_each(|row| given[(*row % 100) as usize] += 1);
    }
    assert!(given.iter().all(|times| (65..=70).contains(times)), "{given:?}");
}
