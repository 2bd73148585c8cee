//! How a figure is spread over the tasks of a stage, in little room.

use crate::view::Quartiles;
use serde::{Deserialize, Serialize};

/// A histogram whose bins are an eighth of a doubling wide, so that a quartile taken from it is
/// right within 9 %. The smallest and the largest are exact. Only bins that hold something cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    min: u64,
    max: u64,
    count: u64,
    /// Bins that hold something, in order, and how many.
    bins: Vec<(u16, u32)>,
}

/// Bins of one doubling.
const STEPS: u16 = 8;

/// 2^(k/8) for k = 1..8, as a fraction of 2^32 above one: where the bins of a doubling begin.
const EDGES: [u32; 7] =
    [0x172B_83C8, 0x306F_E0A3, 0x4BFD_AD53, 0x6A09_E668, 0x8ACE_5423, 0xAE89_F996, 0xD582_36B8];

/// The bin of a value. Zero has its own.
fn bin_of(value: u64) -> u16 {
    let Some(doublings) = value.checked_ilog2() else { return 0 };
    // What follows the leading one, as a fraction of 2^32.
    let fraction = ((u128::from(value) << (64 - doublings)) as u64 >> 32) as u32;
    let step = EDGES.iter().take_while(|edge| fraction >= **edge).count();
    1 + doublings as u16 * STEPS + step as u16
}

/// The middle of a bin.
fn middle_of(bin: u16) -> u64 {
    match bin.checked_sub(1) {
        None => 0,
        Some(bin) => f64::from(bin).mul_add(0.125, 0.0625).exp2().round() as u64,
    }
}

impl Spread {
    /// Takes a value.
    pub fn add(&mut self, value: u64) {
        self.add_many(value, 1);
    }

    /// Adds a value `times` times.
    pub fn add_many(&mut self, value: u64, times: u32) {
        if times > 0 {
            self.count_in(bin_of(value), times);
            self.extend_to(value, value, u64::from(times));
        }
    }

    /// Takes all values of another.
    pub fn merge(&mut self, other: &Spread) {
        if other.count > 0 {
            other.bins.iter().for_each(|(bin, times)| self.count_in(*bin, *times));
            self.extend_to(other.min, other.max, other.count);
        }
    }

    fn count_in(&mut self, bin: u16, times: u32) {
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(times),
            Err(at) => self.bins.insert(at, (bin, times)),
        }
    }

    fn extend_to(&mut self, min: u64, max: u64, count: u64) {
        self.min = if self.count == 0 { min } else { self.min.min(min) };
        self.max = self.max.max(max);
        self.count += count;
    }

    /// How many values it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The middle of each bin that holds something, in order, and how many values it holds.
    pub(crate) fn bins(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let middle = |bin: u16| middle_of(bin).clamp(self.min, self.max);
        self.bins.iter().map(move |(bin, count)| (middle(*bin), u64::from(*count)))
    }

    /// Smallest, quartiles, largest; all 0 if it has no value.
    pub fn quartiles(&self) -> Quartiles {
        if self.count == 0 {
            return Quartiles::default();
        }
        let [q1, median, q3] = [1, 2, 3].map(|quarter| self.quantile(quarter, 4));
        Quartiles { min: self.min, q1, median, q3, max: self.max }
    }

    /// The quantile `parts / of`: the smallest value that at least this share of the values does
    /// not exceed; 0 if there are no values.
    pub fn quantile(&self, parts: u64, of: u64) -> u64 {
        let rank = (self.count * parts).div_ceil(of.max(1)).max(1);
        let mut seen = 0;
        for (bin, count) in &self.bins {
            seen += u64::from(*count);
            if seen >= rank {
                return middle_of(*bin).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    /// The quartile that the histogram stands for, from all values.
    fn exact(sorted: &[u64], quarters: usize) -> u64 {
        sorted[(sorted.len() * quarters).div_ceil(4).max(1) - 1]
    }

    /// Quartiles of many kinds of values are within 9 % of the exact ones, and the ends are exact.
    #[test]
    fn quartiles_are_right_within_nine_per_cent() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let (count, bits) = (rng.random_range(1..400), rng.random_range(1..64));
            let mut values: Vec<u64> =
                (0..count).map(|_| rng.random::<u64>() >> rng.random_range(0..=bits)).collect();
            let mut spread = Spread::default();
            values.iter().for_each(|value| spread.add(*value));
            values.sort_unstable();
            let found = spread.quartiles();
            assert_eq!((found.min, found.max), (values[0], values[count - 1]), "seed {seed}");
            for (quarters, found) in [(1, found.q1), (2, found.median), (3, found.q3)] {
                let exact = exact(&values, quarters);
                let off = exact.abs_diff(found) as f64;
                assert!(off <= exact as f64 * 0.09, "seed {seed}: {found} for {exact}");
            }
        }
    }

    /// Small counts, which people check by eye, are exact.
    #[test]
    fn small_values_are_exact() {
        for value in 0..6 {
            let mut spread = Spread::default();
            (0..3).for_each(|_| spread.add(value));
            spread.add(100);
            assert_eq!(spread.quartiles().median, value);
        }
        assert_eq!(Spread::default().quartiles(), Quartiles::default());
    }

    /// However many values there are, there are at most eight bins for each doubling.
    #[test]
    fn bins_are_few_and_in_order() {
        let edges: Vec<u16> = (0..64).map(|shift| bin_of(1 << shift)).collect();
        assert!(edges.windows(2).all(|pair| pair[1] - pair[0] == STEPS));
        assert_eq!((bin_of(0), bin_of(1), bin_of(u64::MAX)), (0, 1, 64 * STEPS));
    }

    /// Values that are taken at once, or by way of another, count as those that are taken one by one.
    #[test]
    fn parts_make_the_whole() {
        let (mut whole, mut first, mut second) =
            (Spread::default(), Spread::default(), Spread::default());
        for value in [0, 3, 3, 3, 900, 70_000] {
            whole.add(value);
        }
        first.add_many(3, 3);
        first.add_many(5, 0);
        first.add(70_000);
        second.add(0);
        second.add(900);
        second.merge(&first);
        second.merge(&Spread::default());
        assert_eq!(second, whole);
        assert!(second.quantile(99, 100).abs_diff(70_000) <= 70_000 * 9 / 100);
        assert_eq!(Spread::default().quantile(1, 2), 0);
    }
}
