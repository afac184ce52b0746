//! A layer's weights with what the optimizer keeps of them.

use super::kernels::adam::{self, AdamStep};
use super::kernels::dense::PANEL;
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
    /// Where the engine keeps value `i` of the file.
    fn place(self, i: usize) -> usize {
        match self {
            Layout::RowMajor => i,
            Layout::Panels { inputs, units } => {
                let (input, unit) = (i / units, i % units);
                (unit / PANEL * inputs + input) * PANEL + unit % PANEL
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
    pub values: Vec<f32>,
    /// First and second moment; empty for what training does not change by gradient.
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    /// Whether weight decay applies: to kernels alone.
    pub decays: bool,
}

impl Parameter {
    /// All values the same, row-major.
    pub fn filled(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        let n = shape.iter().product();
        let zeros = vec![0.0; n];
        let shape = shape.to_vec();
        Parameter {
            name,
            shape,
            layout: Layout::RowMajor,
            values: vec![value; n],
            first: zeros.clone(),
            second: zeros,
            decays: false,
        }
    }

    /// What is not trained by gradient.
    pub fn statistic(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        Parameter { first: Vec::new(), second: Vec::new(), ..Parameter::filled(name, shape, value) }
    }

    /// A kernel with Glorot-uniform values: uniform in ± sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010, equation
    /// 16).
    pub fn glorot(shape: &[usize], layout: Layout, fans: (usize, usize), random: &mut Random) -> Parameter {
        let limit = (6.0 / (fans.0 + fans.1) as f32).sqrt();
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| random.range(-limit, limit)).collect();
        let places = match layout {
            Layout::RowMajor => n,
            Layout::Panels { inputs, units } => units.div_ceil(PANEL) * PANEL * inputs,
        };
        let zeros = vec![0.0; places];
        let mut kernel = Parameter {
            name: "kernel",
            shape: shape.to_vec(),
            layout,
            values: zeros.clone(),
            first: zeros.clone(),
            second: zeros,
            decays: true,
        };
        kernel.set(&values);
        kernel
    }

    /// Whether training changes it by gradient.
    pub fn is_trainable(&self) -> bool {
        !self.first.is_empty()
    }

    /// Values in the file.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values as the file has them.
    pub fn get(&self) -> Vec<f32> {
        self.in_file_order(&self.values)
    }

    /// Values of the engine's layout (weights, moments) in the file's.
    pub fn in_file_order(&self, values: &[f32]) -> Vec<f32> {
        (0..self.len()).map(|i| values[self.layout.place(i)]).collect()
    }

    /// Takes values as the file has them.
    pub fn set(&mut self, values: &[f32]) {
        let layout = self.layout;
        values.iter().enumerate().for_each(|(i, &value)| self.values[layout.place(i)] = value);
    }

    /// Takes moments as the file has them.
    pub fn set_moments(&mut self, first: &[f32], second: &[f32]) {
        let layout = self.layout;
        first.iter().enumerate().for_each(|(i, &value)| self.first[layout.place(i)] = value);
        second.iter().enumerate().for_each(|(i, &value)| self.second[layout.place(i)] = value);
    }

    /// Does with the gradient what the step says.
    pub fn apply(&mut self, update: Update, gradient: &[f32]) {
        apply(update, self.decays, &mut self.values, &mut self.first, &mut self.second, gradient);
    }
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
        let mut parameter = Parameter::glorot(&[3, 21], layout, (3, 21), &mut Random::keyed(&[1]));
        assert_eq!(parameter.values.len(), 3 * 32);
        let values: Vec<f32> = (0..63).map(|i| i as f32).collect();
        parameter.set(&values);
        assert_eq!(parameter.get(), values);
        assert_eq!(parameter.values[PANEL], 21.0, "the second input's first unit follows the first input's panel");
    }

    #[test]
    fn glorot_fills_its_interval() {
        let parameter = Parameter::glorot(&[50, 100], Layout::RowMajor, (50, 100), &mut Random::keyed(&[2]));
        let limit = 0.2_f32;
        let largest = parameter.values.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
        assert!(largest <= limit && largest > 0.199, "{largest}");
        let mean = parameter.values.iter().sum::<f32>() / 5000.0;
        assert!(mean.abs() < 0.006, "{mean}");
    }
}
