//! A skewed choice in constant time.

use rand::RngExt;

/// Numbers below `u16::MAX`, each as often in a table as its weight says: a choice is one look-up.
#[derive(Debug, Clone)]
pub struct Slots(Vec<u16>);

impl Slots {
    /// A table of about `size` entries for choices with these weights; each gets at least one entry.
    pub fn new(weights: &[u64], size: u64) -> Self {
        let total: u64 = weights.iter().sum::<u64>().max(1);
        let entries = (0..).zip(weights).flat_map(|(choice, weight)| {
            let count = (weight * size / total).max(1);
            std::iter::repeat_n(choice, count as usize)
        });
        Self(entries.collect())
    }

    /// One of the choices.
    pub fn pick(&self, rng: &mut impl rand::Rng) -> usize {
        usize::from(self.0[rng.random_range(0..self.0.len())])
    }
}
