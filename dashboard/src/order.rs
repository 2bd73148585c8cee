//! Sorting that is compiled once: the page travels, and the library's sort is some kilobytes for each
//! kind of thing that is sorted.

use std::cmp::Ordering;

/// Sorts by a key; equals stay in their order.
pub fn sort_by_key<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// Sorts; equals stay in their order.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = {
        let items = &items[..];
        order(items.len(), &|one, other| compare(&items[one], &items[other]))
    };
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|at| taken[at].take()));
}

#[inline(never)]
fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It sorts like the library does, equals included.
    #[test]
    fn it_sorts_and_keeps_equals() {
        let mut pairs: Vec<(u32, u32)> = (0..200).map(|n| (n * 7 % 10, n)).collect();
        let mut wanted = pairs.clone();
        wanted.sort_by_key(|pair| pair.0);
        sort_by_key(&mut pairs, |pair| pair.0);
        assert_eq!(pairs, wanted);
        sort_by(&mut pairs, |one, other| other.1.cmp(&one.1));
        assert_eq!(pairs[0].1, 199);
        sort_by_key(&mut Vec::<u32>::new(), |n| *n);
    }
}
