//! A layer's weights with what the optimizer keeps of them.

use super::aligned_vec::AlignedVec;
use super::kernels::adam::{self, AdamStep};
use super::kernels::dense::PANEL_WIDTH;
use super::kernels::instruction_set;
use crate::random::Random;

/// How the engine lays a parameter out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As in the file, row-major.
    RowMajor,
    /// `[inputs][units]` in panels of 16 units, as `kernels::dense` says.
    Panels { inputs: usize, units: usize },
}

impl Layout {
    /// Calls back with each stretch that lies together both in the file and in the engine: (place in the file, place in
    /// the engine, length), for `len` values.
    fn for_each_stretch(self, len: usize, mut call: impl FnMut(usize, usize, usize)) {
        match self {
            Layout::RowMajor => call(0, 0, len),
            Layout::Panels { inputs, units } => {
                for input in 0..inputs {
                    for unit in (0..units).step_by(PANEL_WIDTH) {
                        let place = (unit / PANEL_WIDTH * inputs + input) * PANEL_WIDTH;
                        call(input * units + unit, place, PANEL_WIDTH.min(units - unit));
                    }
                }
            }
        }
    }
}

/// What a step does with a gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    /// Moves the weights.
    Adam(AdamStep),
    /// Keeps the gradient itself in place of the first moment, for tests and tools that want to see it.
    Record,
}

/// One weight array.
#[derive(Clone)]
pub(crate) struct Parameter {
    /// Its name in the file, after the layer's: `kernel`, `bias`, `gamma`, …
    pub name: &'static str,
    /// Its dimensions in the file.
    pub shape: Vec<usize>,
    pub layout: Layout,
    pub values: AlignedVec,
    /// First and second moment; empty until the first step, so that a network which only predicts has none.
    pub first: AlignedVec,
    pub second: AlignedVec,
    /// Whether training changes it by gradient.
    pub is_trainable: bool,
    /// Whether weight decay applies: to kernels alone.
    pub decays: bool,
}

impl Parameter {
    /// All values the same, row-major.
    pub fn filled(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        Parameter {
            name,
            shape: shape.to_vec(),
            layout: Layout::RowMajor,
            values: AlignedVec::filled(shape.iter().product(), value),
            first: AlignedVec::new(),
            second: AlignedVec::new(),
            is_trainable: true,
            decays: false,
        }
    }

    /// What is not trained by gradient.
    pub fn statistic(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        Parameter { is_trainable: false, ..Parameter::filled(name, shape, value) }
    }

    /// A kernel of zeros, which training moves and weight decay applies to.
    pub fn kernel(shape: &[usize], layout: Layout) -> Parameter {
        let values = match layout {
            Layout::RowMajor => shape.iter().product(),
            Layout::Panels { inputs, units } => units.div_ceil(PANEL_WIDTH) * PANEL_WIDTH * inputs,
        };
        Parameter {
            layout,
            values: AlignedVec::filled(values, 0.0),
            decays: true,
            ..Parameter::filled("kernel", shape, 0.0)
        }
    }

    /// Makes the moments where there are none yet.
    pub fn make_moments(&mut self) {
        self.first.resize_for_overwrite(self.values.len());
        self.second.resize_for_overwrite(self.values.len());
    }

    /// Fills a kernel with Glorot-uniform values: uniform in ± sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010,
    /// equation 16).
    pub fn fill_glorot(&mut self, fans: (usize, usize), random: &mut Random) {
        let limit = (6.0 / (fans.0 + fans.1) as f32).sqrt();
        let values: Vec<f32> = (0..self.len()).map(|_| random.range(-limit, limit)).collect();
        self.set(&values);
    }

    /// Values in the file.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Values of the engine's layout (weights, moments) in the file's; zeros for moments that are not made yet.
    pub fn in_file_order(&self, values: &[f32]) -> Vec<f32> {
        let mut ordered = vec![0.0; self.len()];
        if values.is_empty() {
            return ordered;
        }
        self.layout.for_each_stretch(self.len(), |file, engine, n| {
            ordered[file..file + n].copy_from_slice(&values[engine..engine + n]);
        });
        ordered
    }

    /// Takes values as the file has them.
    pub fn set(&mut self, values: &[f32]) {
        to_engine_order(self.layout, values, &mut self.values);
    }

    /// Takes moments as the file has them.
    pub fn set_moments(&mut self, first: &[f32], second: &[f32]) {
        self.make_moments();
        to_engine_order(self.layout, first, &mut self.first);
        to_engine_order(self.layout, second, &mut self.second);
    }

    /// Does with the gradient what the step says.
    pub fn apply(&mut self, update: Update, gradient: &[f32]) {
        self.make_moments();
        apply(update, self.decays, &mut self.values, &mut self.first, &mut self.second, gradient);
    }
}

/// Values of the file's layout in the engine's.
fn to_engine_order(layout: Layout, values: &[f32], ordered: &mut [f32]) {
    layout.for_each_stretch(values.len(), |file, engine, n| {
        ordered[engine..engine + n].copy_from_slice(&values[file..file + n]);
    });
}

/// [`Parameter::apply`] for a part of the values.
pub(crate) fn apply(
    update: Update,
    decays: bool,
    values: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
) {
    match update {
        Update::Adam(step) => adam::update(instruction_set(), step, decays, values, first, second, gradient),
        Update::Record => first.copy_from_slice(gradient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_give_back_what_they_were_given() {
        let layout = Layout::Panels { inputs: 3, units: 21 };
        let mut parameter = Parameter::kernel(&[3, 21], layout);
        assert_eq!(parameter.values.len(), 3 * 32);
        let values: Vec<f32> = (0..63).map(|i| i as f32).collect();
        parameter.set(&values);
        assert_eq!(parameter.in_file_order(&parameter.values), values);
        assert_eq!(
            parameter.values[PANEL_WIDTH], 21.0,
            "the second input's first unit follows the first input's panel"
        );
    }

    #[test]
    fn glorot_fills_its_interval() {
        let mut parameter = Parameter::kernel(&[50, 100], Layout::RowMajor);
        parameter.fill_glorot((50, 100), &mut Random::keyed(&[2]));
        let limit = 0.2_f32;
        let largest = parameter.values.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
        assert!(largest <= limit && largest > 0.199, "{largest}");
        let mean = parameter.values.iter().sum::<f32>() / 5000.0;
        assert!(mean.abs() < 0.006, "{mean}");
    }
}
