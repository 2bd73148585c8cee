//! How long a task takes, as a distribution that a few finished and running tasks suggest.
//!
//! The logarithm of a task's time follows a logistic distribution, which has closed forms and is not
//! upset by single values. A few tasks take several times as long: they are outliers, with a
//! distribution of their own. Running tasks count too: that a task has not ended after some time tells
//! as much as one that has, and how much it has read by then tells when it is likely to end.

use crate::spread::Spread;

/// The logistic spread of the logarithm of times, while little is known.
pub(super) const SPREAD_PRIOR: f64 = 0.15;
/// Its bounds.
const SPREAD_BOUNDS: (f64, f64) = (0.04, 0.6);
/// Tasks that the spread known before counts as.
const SPREAD_WEIGHT: f64 = 8.0;
/// A task that takes this many times the median is an outlier.
pub(super) const OUTLIER: f64 = 2.5;
/// The time of an outlier by the median, while none has ended.
pub(super) const OUTLIER_PRIOR: f64 = 8.0;
/// The share of outliers, and the tasks that it counts as, while little is known.
pub(super) const OUTLIERS_PRIOR: (f64, f64) = (0.01, 20.0);
/// Ended outliers that what was known before of their time counts as.
const OUTLIERS_ENDED_WEIGHT: f64 = 1.0;
/// Half a quartile's distance in logistic spreads: the logarithm of 3.
const QUARTILE: f64 = 1.098_612_288_668_11;
/// Steps of a bisection.
const STEPS: usize = 15;

/// What was known of like tasks before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    /// The logarithm of the median, and how far it may be off.
    pub(super) median: Option<(f64, f64)>,
    pub(super) spread: f64,
    /// The share of outliers.
    pub(super) outliers: f64,
    /// The time of an outlier by the median.
    pub(super) ratio: f64,
}

/// A running task, at the pace of an ordinary worker; `count` of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) elapsed_us: f64,
    pub(super) slowness: f64,
    pub(super) count: f64,
    /// The time that it takes in all, by what it has read.
    pub(super) told: Option<Told>,
}

/// The time of a task by how much of what it reads it has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The logarithm of its median, in microseconds.
    pub(super) median: f64,
    pub(super) spread: f64,
}

/// The time that a task takes by the time in which it reads everything: it may have to sort, and write what it made.
const AFTER_READING: f64 = 1.1;
/// How far the time of a task may be off that has read all, as a logistic spread of its logarithm.
const TOLD_SPREAD: f64 = 0.15;
/// What is added to that for one that has read next to nothing.
const TOLD_SPREAD_EARLY: f64 = 0.25;

impl Told {
    /// The time of a task that had read this part of its input after a time.
    pub(super) fn by_reading(elapsed_us: f64, part: f64) -> Self {
        let left = 1.0 - part.min(1.0);
        Told {
            median: (elapsed_us.max(1.0) / part * AFTER_READING).ln(),
            spread: TOLD_SPREAD + TOLD_SPREAD_EARLY * left * left,
        }
    }
}

/// The distribution of the time of a stage's tasks on an ordinary worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The logarithm of the median, in microseconds.
    pub(super) median: f64,
    pub(super) spread: f64,
    pub(super) outliers: f64,
    pub(super) ratio: f64,
    /// How far the median may be off, as a logarithm.
    pub(super) doubt: f64,
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

impl Shape {
    /// Fits the distribution to tasks that finished and those that run.
    pub(super) fn fit(finished: &Spread, running: &[Running], prior: &Prior) -> Option<Shape> {
        let done = finished.count() as f64;
        let runs: f64 = running.iter().map(|task| task.count).sum();
        if done == 0.0 && prior.median.is_none() && running.iter().all(|task| task.told.is_none()) {
            return None;
        }
        let quartiles = finished.quartiles();
        let seen =
            (quartiles.q3.max(1) as f64 / quartiles.q1.max(1) as f64).ln() / (2.0 * QUARTILE);
        // The first of a wave to end are alike, whatever the others are.
        let weight = if done > 0.0 { done * done / (done + runs) } else { 0.0 };
        let spread = ((weight * seen * seen + SPREAD_WEIGHT * prior.spread * prior.spread)
            / (weight + SPREAD_WEIGHT))
            .sqrt()
            .clamp(SPREAD_BOUNDS.0, SPREAD_BOUNDS.1);
        let mut shape =
            Shape { median: 0.0, spread, outliers: prior.outliers, ratio: prior.ratio, doubt: 0.0 };
        shape.fit_median(finished, running, prior);
        shape.fit_outliers(finished, running, prior);
        shape.fit_median(finished, running, prior);
        Some(shape)
    }

    /// Finds the median at which the score of the likelihood is zero: it falls as the median grows.
    fn fit_median(&mut self, finished: &Spread, running: &[Running], prior: &Prior) {
        let bins: Vec<(f64, f64)> =
            finished.bins().map(|(us, count)| ((us.max(1) as f64).ln(), count as f64)).collect();
        let score = |median: f64| {
            let z = |value: f64| (value - median) / self.spread;
            let ended: f64 =
                bins.iter().map(|(value, count)| count * (2.0 * logistic(z(*value)) - 1.0)).sum();
            let open: f64 = running
                .iter()
                .map(|task| match task.told {
                    Some(told) => {
                        task.count * self.weight(&told) * (2.0 * logistic(z(told.median)) - 1.0)
                    }
                    None => {
                        let ordinary = 1.0 - self.outlier_chance(median, task.elapsed_us);
                        task.count * ordinary * logistic(z(task.elapsed_us.max(1.0).ln()))
                    }
                })
                .sum();
            let before = prior
                .median
                .map_or(0.0, |(value, doubt)| (value - median) * self.spread / (doubt * doubt));
            ended + open + before
        };
        // From a millisecond to eleven days.
        let (mut low, mut high) = (7.0_f64, 27.5_f64);
        for _ in 0..STEPS {
            let middle = (low + high) / 2.0;
            if score(middle) > 0.0 { low = middle } else { high = middle }
        }
        self.median = (low + high) / 2.0;
        let z = |value: f64| (value - self.median) / self.spread;
        let told = |value: f64| logistic(z(value)) * (1.0 - logistic(z(value)));
        let ended: f64 = bins.iter().map(|(value, count)| 2.0 * count * told(*value)).sum();
        let open: f64 = running
            .iter()
            .map(|task| match task.told {
                Some(by_reading) => {
                    2.0 * task.count * self.weight(&by_reading) * told(by_reading.median)
                }
                None => task.count * told(task.elapsed_us.max(1.0).ln()),
            })
            .sum();
        let before =
            prior.median.map_or(0.0, |(_, doubt)| (self.spread / doubt) * (self.spread / doubt));
        self.doubt = self.spread / (ended + open + before).max(1e-6).sqrt();
    }

    /// What the time of a task that is likely counts, by that of one that has ended.
    fn weight(&self, told: &Told) -> f64 {
        let own = self.spread * self.spread;
        own / (own + told.spread * told.spread)
    }

    fn fit_outliers(&mut self, finished: &Spread, running: &[Running], prior: &Prior) {
        let limit = self.median.exp() * OUTLIER;
        let (mut count, mut sum) = (0.0, 0.0);
        for (us, times) in finished.bins().filter(|(us, _)| *us as f64 > limit) {
            count += times as f64;
            sum += times as f64 * (us as f64 / self.median.exp()).ln();
        }
        let is_late = |task: &&Running| match task.told {
            Some(told) => told.median > limit.ln(),
            None => task.elapsed_us > limit,
        };
        let late: f64 = running.iter().filter(is_late).map(|task| task.count).sum();
        let weight = OUTLIERS_PRIOR.1;
        self.outliers =
            (count + late + prior.outliers * weight) / (finished.count() as f64 + late + weight);
        self.outliers = self.outliers.min(0.5);
        let known = OUTLIERS_ENDED_WEIGHT;
        self.ratio = ((sum + known * prior.ratio.ln()) / (count + known)).exp().max(OUTLIER);
    }

    /// The chance that a task takes longer than this.
    fn longer(&self, us: f64) -> f64 {
        let value = us.max(1.0).ln() - self.median;
        let [ordinary, outlier] = self.parts(value);
        ordinary + outlier
    }

    fn parts(&self, value: f64) -> [f64; 2] {
        [
            (1.0 - self.outliers) * logistic(-value / self.spread),
            self.outliers * logistic((self.ratio.ln() - value) / self.spread),
        ]
    }

    fn outlier_chance(&self, median: f64, elapsed_us: f64) -> f64 {
        let [ordinary, outlier] = self.parts(elapsed_us.max(1.0).ln() - median);
        outlier / (ordinary + outlier).max(1e-12)
    }

    /// The chance that a task ends within this time.
    pub(super) fn ends(&self, us: f64) -> f64 {
        1.0 - self.longer(us)
    }

    /// The distribution of one running task, by what it has read and what others took.
    fn of_task(&self, told: &Told) -> Shape {
        let own = self.spread * self.spread + self.doubt * self.doubt;
        // An outlier has nothing in common with the others.
        let is_outlier = told.median - self.median > OUTLIER.ln();
        let others = if is_outlier { 0.0 } else { 1.0 / own };
        let read = 1.0 / (told.spread * told.spread);
        Shape {
            median: (self.median * others + told.median * read) / (others + read),
            spread: (1.0 / (others + read)).sqrt(),
            outliers: 0.0,
            ..*self
        }
    }

    /// The chance that a running task ends within a time.
    pub(super) fn ends_after(&self, task: &Running, us: f64) -> f64 {
        match &task.told {
            Some(told) => self.of_task(told).ends_between(task.elapsed_us, us),
            None => self.ends_between(task.elapsed_us, us),
        }
    }

    /// The chance that a task that has run for a time ends within another.
    fn ends_between(&self, elapsed_us: f64, us: f64) -> f64 {
        let before = self.longer(elapsed_us).max(1e-12);
        (1.0 - self.longer(elapsed_us + us) / before).max(0.0)
    }

    /// The mean time of a task.
    pub(super) fn mean_us(&self) -> f64 {
        let wide = 1.0 + 1.64 * self.spread * self.spread;
        self.median.exp() * wide * (1.0 + self.outliers * (self.ratio - 1.0))
    }

    /// About the mean of what a running task still takes.
    pub(super) fn rest_us(&self, task: &Running) -> f64 {
        match &task.told {
            Some(told) => self.of_task(told).rest_after_us(task.elapsed_us),
            None => self.rest_after_us(task.elapsed_us),
        }
    }

    /// About the mean of what a task that has run for a time still takes.
    fn rest_after_us(&self, elapsed_us: f64) -> f64 {
        let chance = self.outlier_chance(self.median, elapsed_us);
        let rest = |median_us: f64| {
            // The median of the rest, in closed form.
            let z = ((elapsed_us.max(1.0) / median_us).ln() / self.spread).min(60.0);
            let end = median_us * (2.0 * z.exp() + 1.0).powf(self.spread);
            (end - elapsed_us).max(0.0)
        };
        let median_us = self.median.exp();
        (1.0 - chance) * rest(median_us) + chance * rest(median_us * self.ratio)
    }
}

/// What is left of a stage.
#[derive(Clone, Debug, Default)]
pub(super) struct Remaining {
    pub(super) running: Vec<Running>,
    /// Tasks that have not started.
    pub(super) fresh: f64,
    /// Slots, by the slowness of their workers.
    pub(super) slots: Vec<(f64, f64)>,
}

/// Moments over which the starts of a stage's tasks are spread.
const STARTS: usize = 12;
/// The last task starts this part of a task's time before slots would be idle.
const LAST_START: f64 = 0.6;

impl Remaining {
    /// Time on ordinary slots, and the number of these.
    pub(super) fn work(&self, shape: &Shape) -> (f64, f64) {
        let rests = self.running.iter().map(|task| task.count * shape.rest_us(task));
        let speed = self.slots.iter().map(|(slowness, slots)| slots / slowness).sum();
        (rests.sum::<f64>() + self.fresh * shape.mean_us(), speed)
    }

    /// The times by which all have ended with these chances.
    pub(super) fn quantiles<const N: usize>(&self, shape: &Shape, chances: [f64; N]) -> [f64; N] {
        let (work_us, speed) = self.work(shape);
        let mean_us = shape.mean_us();
        let last_us = (work_us / speed.max(1e-6) - LAST_START * mean_us).max(0.0);
        let chance = |within_us: f64| {
            let mut log = 0.0;
            for task in &self.running {
                let ends = shape.ends_after(task, within_us / task.slowness);
                log += task.count * ends.max(1e-12).ln();
            }
            if self.fresh > 0.0 {
                for step in 0..STARTS {
                    let start_us = last_us * (step as f64 + 0.5) / STARTS as f64;
                    let ends: f64 = self
                        .slots
                        .iter()
                        .map(|(slowness, slots)| {
                            let share = slots / slowness / speed;
                            share * shape.ends((within_us - start_us).max(0.0) / slowness)
                        })
                        .sum();
                    log += self.fresh / STARTS as f64 * ends.max(1e-12).ln();
                }
            }
            log
        };
        chances.map(|wanted| {
            let (mut low, mut high) = (6.9_f64, 27.5_f64);
            for _ in 0..STEPS {
                let middle = (low + high) / 2.0;
                if chance(middle.exp()) < wanted.ln() { low = middle } else { high = middle }
            }
            ((low + high) / 2.0).exp()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior =
        Prior { median: None, spread: 0.15, outliers: OUTLIERS_PRIOR.0, ratio: OUTLIER_PRIOR };

    fn spread(times: &[u64]) -> Spread {
        let mut spread = Spread::default();
        times.iter().for_each(|us| spread.add(*us));
        spread
    }

    fn running(seconds: f64, count: f64) -> Running {
        Running { elapsed_us: seconds * 1e6, slowness: 1.0, count, told: None }
    }

    fn read(part: f64, seconds: f64) -> Running {
        let told = Some(Told::by_reading(seconds * 1e6, part));
        Running { told, ..running(seconds, 1.0) }
    }

    /// A wave of which no task has ended is estimated by what its tasks have read, each one for itself.
    #[test]
    fn a_wave_is_estimated_by_what_it_has_read() {
        let wave = [read(0.5, 10.0), read(0.25, 10.0)];
        let shape = Shape::fit(&Spread::default(), &wave, &PRIOR).expect("fits");
        assert!(shape.doubt < 0.5, "{shape:?}");
        let rests = wave.map(|task| shape.rest_us(&task) / 1e6);
        assert!((9.0..16.0).contains(&rests[0]), "{rests:?}");
        assert!((18.0..38.0).contains(&rests[1]), "{rests:?}");
        let late = [read(0.9, 10.0), read(0.8, 10.0)];
        let shape = Shape::fit(&Spread::default(), &late, &PRIOR).expect("fits");
        let rest = Remaining { running: late.to_vec(), fresh: 0.0, slots: vec![(1.0, 2.0)] };
        let [early, middle, end] = rest.quantiles(&shape, [0.16, 0.5, 0.84]);
        assert!((1.5e6..6e6).contains(&middle), "{middle}");
        assert!(end / early < 8.0, "{early} to {end}");
    }

    /// One that has read little when others have ended is late, and no other one is late because of it.
    #[test]
    fn a_task_that_has_read_little_is_late() {
        let others = spread(&[1_000_000; 40]);
        let slow = read(0.1, 1.0);
        let shape = Shape::fit(&others, &[slow], &PRIOR).expect("fits");
        assert!(shape.rest_us(&slow) > 6e6, "{}", shape.rest_us(&slow));
        assert!(shape.rest_us(&running(0.5, 1.0)) < 1e6);
    }

    /// The first of a wave to end is the fastest: the others, which run for as long, move the median up.
    #[test]
    fn running_tasks_raise_the_median() {
        let finished = spread(&[1_000_000]);
        let of = |others: &[Running]| Shape::fit(&finished, others, &PRIOR).expect("fits").median;
        assert!(of(&[running(1.0, 15.0)]) > of(&[running(0.1, 15.0)]) + 0.2);
    }

    /// Without any time, and without anything known before, nothing is said.
    #[test]
    fn nothing_comes_of_nothing() {
        assert!(Shape::fit(&Spread::default(), &[running(5.0, 1.0)], &PRIOR).is_none());
        let known = Prior { median: Some((1e6_f64.ln(), 1.0)), ..PRIOR };
        let shape = Shape::fit(&Spread::default(), &[running(60.0, 4.0)], &known).expect("fits");
        assert!(shape.median > 1e6_f64.ln() + 1.0, "it has run for a minute: {shape:?}");
    }

    /// Like tasks on like slots end when their work is done, and not all at once.
    #[test]
    fn like_tasks_end_when_their_work_is_done() {
        let shape = Shape::fit(&spread(&[1_000_000; 40]), &[], &PRIOR).expect("fits");
        let rest = Remaining { running: Vec::new(), fresh: 400.0, slots: vec![(1.0, 4.0)] };
        let [early, middle, late] = rest.quantiles(&shape, [0.2, 0.5, 0.8]);
        assert!((95e6..115e6).contains(&middle), "{middle}");
        assert!(early <= middle && middle <= late);
    }

    /// Where tasks were slow before, one that is late is likely to be as slow.
    #[test]
    fn a_late_task_is_likely_to_be_an_outlier() {
        let times: Vec<u64> = [vec![1_000_000; 38], vec![10_000_000; 2]].concat();
        let shape = Shape::fit(&spread(&times), &[running(3.0, 1.0)], &PRIOR).expect("fits");
        assert!(shape.rest_after_us(3e6) > 3e6, "{}", shape.rest_after_us(3e6));
        let even = Shape::fit(&spread(&[1_000_000; 40]), &[], &PRIOR).expect("fits");
        assert!(even.rest_after_us(1.1e6) < 0.5e6, "{}", even.rest_after_us(1.1e6));
    }
}
