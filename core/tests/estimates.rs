//! The estimates of the time left, on generated clusters: the core drives virtual workers whose
//! tasks take times that nobody tells it, the observer's model estimates, and the truth comes later.
//!
//! `cargo test -p partita-core --test estimates -- --nocapture` prints the calibration of each kind
//! of cluster. `PARTITA_ESTIMATES_COUNT` sets the number of seeds for each kind, `PARTITA_ESTIMATES_FIRST` the
//! first of them. The seeds from 0 on are for this test only: choose parameters on others.

#[cfg(test)]
#[path = "simulation/rng.rs"]
#[expect(dead_code, reason = "the other simulation uses all of it")]
mod rng;

#[cfg(test)]
mod estimates {
    mod cluster;
    mod jobs;

    use cluster::Cluster;
    use jobs::Trouble;
    use partita_observe::calibration::{Calibration, measure};

    /// Seeds of each kind, if the environment does not say otherwise.
    const SEEDS: u64 = 12;

    fn seeds() -> u64 {
        let count = std::env::var("PARTITA_ESTIMATES_COUNT").ok();
        count.and_then(|count| count.parse().ok()).unwrap_or(SEEDS)
    }

    /// The first seed: parameters are chosen on others than those that are tested.
    fn first_seed() -> u64 {
        let first = std::env::var("PARTITA_ESTIMATES_FIRST").ok();
        first.and_then(|first| first.parse().ok()).unwrap_or(0)
    }

    fn calibration(trouble: Trouble, tells: bool) -> Calibration {
        let mut sum = Calibration::default();
        for seed in first_seed()..first_seed() + seeds() {
            let mut cluster = Cluster::new(seed, trouble, tells);
            sum.add(&measure(cluster.run()));
        }
        println!("{trouble:?}: {sum}");
        sum
    }

    /// The truth is in the range in four of five moments over all kinds of clusters, and in most for
    /// each of them; from a third of a job on the middle of the range is mostly right within a factor
    /// of 1.5, unless the cluster gives no sign of what is to come.
    #[test]
    fn the_truth_is_in_the_range() {
        let (mut all, mut kinds) = (Calibration::default(), Vec::new());
        for trouble in Trouble::ALL {
            let sum = calibration(trouble, false);
            all.add(&sum);
            kinds.push((trouble, sum));
        }
        println!("all: {all}");
        for (trouble, sum) in kinds {
            assert!(sum.inside_percent() >= 60, "{trouble:?}: {sum}");
        }
        assert!(all.jobs >= 5 * seeds(), "{all}");
        assert!(all.inside_percent() >= 80, "{all}");
        assert!(all.close_percent() >= 67, "{all}");
        assert!(all.late_known_percent() >= 72, "{all}");
    }

    /// Where tasks tell what they have read, as those of queries do, there is an estimate at more moments, and its middle is
    /// right more often.
    #[test]
    fn what_tasks_have_read_is_used() {
        let mut all = Calibration::default();
        for trouble in Trouble::ALL {
            let sum = calibration(trouble, true);
            assert!(sum.inside_percent() >= 60, "{trouble:?}: {sum}");
            all.add(&sum);
        }
        println!("all, with what was read: {all}");
        assert!(all.inside_percent() >= 82, "{all}");
        assert!(all.close_percent() >= 72, "{all}");
        assert!(all.late_known_percent() >= 78, "{all}");
    }
}
