//! The number of steps of a run, and the learning rate of each step.

use super::Settings;
use crate::model::recipe::Schedule;

/// The number of steps of a run and their learning rates.
pub(super) struct Plan {
    pub epochs: u64,
    pub steps_per_epoch: u64,
    /// Batches per pass over the training images; the last one may be smaller.
    pub batches_per_pass: u64,
    schedule: Schedule,
    peak: f32,
}

/// The warm-up lasts for one in this many steps.
const WARMUP_PARTS: u64 = 20;

impl Plan {
    pub fn new(settings: &Settings, images: usize) -> Plan {
        let training = &settings.recipe.training;
        let batches_per_pass = images.div_ceil(training.batch_size) as u64;
        Plan {
            epochs: training.epochs,
            steps_per_epoch: settings.steps_per_epoch.unwrap_or(batches_per_pass).max(1),
            batches_per_pass,
            schedule: training.schedule,
            peak: training.learning_rate,
        }
    }

    pub fn total_steps(&self) -> u64 {
        self.epochs.saturating_mul(self.steps_per_epoch)
    }

    /// Returns the learning rate of a step, counted from 0 over the whole run.
    pub fn learning_rate(&self, step: u64) -> f32 {
        match self.schedule {
            Schedule::Constant => self.peak,
            Schedule::WarmupCosine => (f64::from(self.peak) * self.warmup_cosine(step)) as f32,
        }
    }

    /// Returns the fraction of the peak learning rate, in 0..=1: linear up to 1 during the warm-up, then half a cosine that
    /// would reach 0 after the last step (Loshchilov and Hutter 2017, "SGDR", equation 5, without restarts).
    fn warmup_cosine(&self, step: u64) -> f64 {
        let warmup = self.total_steps().div_ceil(WARMUP_PARTS);
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let falling = (self.total_steps() - warmup).max(1);
        0.5 * (1.0 + (std::f64::consts::PI * (step - warmup) as f64 / falling as f64).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Recipe;

    fn plan(schedule: Schedule, steps_per_epoch: Option<u64>) -> Plan {
        let mut recipe = Recipe::load("keras-tutorial").unwrap();
        recipe.training.schedule = schedule;
        Plan::new(&Settings { recipe, seed: 0, steps_per_epoch }, 1950)
    }

    #[test]
    fn counts_the_last_batch_of_a_pass() {
        let plan = plan(Schedule::Constant, None);
        assert_eq!((plan.batches_per_pass, plan.steps_per_epoch, plan.total_steps()), (20, 20, 200));
        assert_eq!(plan.learning_rate(0), plan.learning_rate(199));
    }

    #[test]
    fn steps_per_epoch_do_not_change_the_passes() {
        let plan = plan(Schedule::Constant, Some(7));
        assert_eq!((plan.batches_per_pass, plan.total_steps()), (20, 70));
    }

    #[test]
    fn the_warm_up_rises_to_the_peak_and_the_cosine_falls_to_zero() {
        // 200 steps with a warm-up of 10; halfway down the cosine, at step 10 + 95, the rate is half of the peak.
        let plan = plan(Schedule::WarmupCosine, None);
        for (step, expected) in [(0, 0.0001), (4, 0.0005), (9, 0.001), (10, 0.001), (105, 0.0005)] {
            assert!((plan.learning_rate(step) - expected).abs() < 1e-9, "{step}: {}", plan.learning_rate(step));
        }
        assert!(plan.learning_rate(199) < 1e-6);
    }
}
