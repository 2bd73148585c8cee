//! Persisted results that are made of each other, one after the other.

use super::fixture::{Cluster, job, one_to_one};
use partita_shared::limits::PERSISTED_JOBS_MAX;

/// Results one client may persist, if nobody else persists any.
const OWN_MAX: u32 = PERSISTED_JOBS_MAX as u32 / 2;

/// Makes results, each of the one before, which is let go then; the jobs have the numbers from `first` on.
#[track_caller]
fn chain(t: &mut Cluster, first: u32, last: u32) {
    for number in first..=last {
        t.walks = number % 100 == 1;
        let result = match number {
            1 => job().persisted().source(1),
            _ => job().persisted().reads(number - 1, 1).stage(1, [one_to_one(0)]),
        };
        t.submit_quietly(result);
        t.finish_quietly(&[&format!("{number}.{}.0", u32::from(number > 1))]);
        if number > 1 {
            t.release(number - 1);
            t.take();
        }
    }
    t.walks = true;
}

/// A client that goes on for ever with what it made of what it had is never at its limit: what came long
/// before is forgotten, but for one result that stands for it.
#[test]
fn a_chain_of_results_goes_on() {
    let mut t = Cluster::with_workers(&["a"]);
    chain(&mut t, 1, OWN_MAX);
    assert_eq!(t.core.cluster().jobs_live, OWN_MAX);
    chain(&mut t, OWN_MAX + 1, OWN_MAX + 1);
    assert_eq!(t.core.cluster().jobs_live, 2);
    chain(&mut t, OWN_MAX + 2, 2 * OWN_MAX + 1);
    assert!(t.core.cluster().jobs_live <= OWN_MAX);
    t.release(2 * OWN_MAX + 1);
    t.take();
    assert_eq!(t.core.cluster().jobs_live, 0);
}

/// Lost partitions of a result are recomputed from the placeholder of the result before it. If that
/// is lost too, readers fail and are told why.
#[test]
fn a_chain_is_made_again_as_far_as_it_is_remembered() {
    let mut t = Cluster::with_workers(&["a"]);
    chain(&mut t, 1, OWN_MAX);
    let (busy, next, reader) = (OWN_MAX + 1, OWN_MAX + 2, OWN_MAX + 3);
    t.submit_quietly(job().source(1));
    t.join("b", 1);
    t.submit_quietly(job().persisted().reads(OWN_MAX, 1).stage(1, [one_to_one(0)]));
    t.finish_quietly(&[&format!("{next}.1.0")]);
    t.release(OWN_MAX);
    assert_eq!(t.core.cluster().jobs_live, 3);
    t.lose("b", "gone");
    t.submit(job().reads(next, 1).stage(1, [one_to_one(0)]));
    t.finish_quietly(&[&format!("{busy}.0.0")]);
    assert_eq!(t.running(next), [format!("{next}.1.0")]);
    t.finish_quietly(&[&format!("{next}.1.0")]);
    assert_eq!(t.running(reader), [format!("{reader}.1.0")]);
    t.lose("a", "gone too");
    let effects = t.take().join("\n");
    assert!(effects.contains(&format!("job-{reader} failed")), "{effects}");
    assert!(
        effects.contains("job-1000 (`test`) is lost")
            && effects.contains("its lineage was too long to keep"),
        "{effects}"
    );
}

/// The end of a long chain ends all that was remembered for it, however long it is.
#[test]
fn a_long_chain_ends() {
    let mut t = Cluster::with_workers(&["a"]);
    chain(&mut t, 1, OWN_MAX);
    t.release(OWN_MAX);
    t.take();
    assert_eq!(t.core.cluster().jobs_live, 0);
}
