//! Random numbers that depend on their purpose, not on the order of calls.
//!
//! A stream is keyed by (seed, purpose, epoch, sample, …), so that any thread can generate the numbers of any sample and
//! a resumed run generates the same numbers. The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable
//! pseudorandom number generators", OOPSLA 2014, figure 16).

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// Returns the stream of a key, such as `[seed, purpose, epoch, sample]`.
    pub fn keyed(key: &[u64]) -> Random {
        let fold =
            |state: u64, &part: &u64| mix(state.wrapping_add(GOLDEN_GAMMA) ^ mix(part.wrapping_add(GOLDEN_GAMMA)));
        Random { state: key.iter().fold(0, fold) }
    }

    /// Returns 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Draws a uniform number in 0..1 with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Draws a uniform number in low..high.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Returns true with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Draws a uniform integer in 0..n.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "the range is empty");
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Draws a normal number with mean 0 and standard deviation 1 (Box and Muller, 1958).
    #[cfg(any(test, feature = "synthetic"))]
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles items (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_a_stream_for_the_same_key() {
        let (mut a, mut b) = (Random::keyed(&[7, 1, 2]), Random::keyed(&[7, 1, 2]));
        assert_eq!(a.next_u64(), b.next_u64());
        assert!((0.0..1.0).contains(&a.uniform()));
    }

    #[test]
    fn returns_different_streams_for_keys_that_differ_anywhere() {
        let mut first: Vec<u64> = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
            .iter()
            .map(|key| Random::keyed(key).next_u64())
            .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }

    #[test]
    fn has_the_moments_of_uniform_and_normal_numbers() {
        let mut random = Random::keyed(&[3]);
        let n = 100_000;
        let mean = (0..n).map(|_| f64::from(random.uniform())).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let square = (0..n).map(|_| f64::from(random.normal()).powi(2)).sum::<f64>() / f64::from(n);
        assert!((square - 1.0).abs() < 0.03, "{square}");
    }

    #[test]
    fn shuffles_without_losing_items() {
        let mut items: Vec<usize> = (0..100).collect();
        Random::keyed(&[9]).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
