//! The parameters of a layer, with the optimizer's moments.

use super::aligned_vec::AlignedVec;
use super::kernels::adam::{self, AdamStep};
use super::kernels::dense::PANEL_WIDTH;
use super::kernels::instruction_set;
use crate::random::Random;

/// Memory layout of a parameter's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Row-major, as in model files.
    RowMajor,
    /// `[inputs][units]` packed in panels of 16 units, see [`kernels::dense`](super::kernels::dense).
    Panels { inputs: usize, units: usize },
}

impl Layout {
    /// Calls `call` with (row-major offset, offset in this layout, length) for each run of values that is contiguous in
    /// both layouts, for `len` values.
    fn for_each_contiguous_run(self, len: usize, mut call: impl FnMut(usize, usize, usize)) {
        match self {
            Layout::RowMajor => call(0, 0, len),
            Layout::Panels { inputs, units } => {
                for input in 0..inputs {
                    for unit in (0..units).step_by(PANEL_WIDTH) {
                        let packed = (unit / PANEL_WIDTH * inputs + input) * PANEL_WIDTH;
                        call(input * units + unit, packed, PANEL_WIDTH.min(units - unit));
                    }
                }
            }
        }
    }
}

/// How a backward pass uses the gradient of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    /// Updates the values by one step of Adam.
    Adam(AdamStep),
    /// Stores the gradient in place of the first moment, where [`Network::gradients`](super::Network::gradients) reads
    /// it.
    Record,
}

/// One weight array of a layer.
#[derive(Clone)]
pub(crate) struct Parameter {
    /// Name without the layer's: `kernel`, `bias`, `gamma`, …
    pub name: &'static str,
    /// Dimensions in model files.
    pub shape: Vec<usize>,
    pub layout: Layout,
    pub values: AlignedVec,
    /// First and second moment of the gradient; empty until the first step, so that inference needs no memory for them.
    pub first_moment: AlignedVec,
    pub second_moment: AlignedVec,
    /// Whether the optimizer updates it.
    pub is_trainable: bool,
    /// Whether weight decay applies; true only for kernels.
    pub weight_decay: bool,
}

impl Parameter {
    /// Creates a row-major parameter whose elements all equal `value`.
    pub fn filled(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        Parameter {
            name,
            shape: shape.to_vec(),
            layout: Layout::RowMajor,
            values: AlignedVec::filled(shape.iter().product(), value),
            first_moment: AlignedVec::new(),
            second_moment: AlignedVec::new(),
            is_trainable: true,
            weight_decay: false,
        }
    }

    /// Creates a parameter that the optimizer does not update, such as a moving average.
    pub fn non_trainable(name: &'static str, shape: &[usize], value: f32) -> Parameter {
        Parameter { is_trainable: false, ..Parameter::filled(name, shape, value) }
    }

    /// Creates a kernel of zeros, to which weight decay applies.
    pub fn kernel(shape: &[usize], layout: Layout) -> Parameter {
        let values = match layout {
            Layout::RowMajor => shape.iter().product(),
            Layout::Panels { inputs, units } => units.div_ceil(PANEL_WIDTH) * PANEL_WIDTH * inputs,
        };
        Parameter {
            layout,
            values: AlignedVec::filled(values, 0.0),
            weight_decay: true,
            ..Parameter::filled("kernel", shape, 0.0)
        }
    }

    /// Allocates the moments, as zeros, unless they exist.
    pub fn allocate_moments(&mut self) {
        self.first_moment.resize_for_overwrite(self.values.len());
        self.second_moment.resize_for_overwrite(self.values.len());
    }

    /// Initialises a kernel with Glorot-uniform values, uniform in ±sqrt(6 / (`fan_in` + `fan_out`)) (Glorot and Bengio
    /// 2010, *Understanding the difficulty of training deep feedforward neural networks*, equation 16).
    pub fn init_glorot_uniform(&mut self, fan_in: usize, fan_out: usize, random: &mut Random) {
        let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
        let values: Vec<f32> = (0..self.len()).map(|_| random.range(-limit, limit)).collect();
        self.set(&values);
    }

    /// Returns the number of elements, without the zeros of incomplete panels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Converts `values` (the values or moments of this parameter) to row-major order; zeros if `values` is empty.
    pub fn to_row_major(&self, values: &[f32]) -> Vec<f32> {
        let mut row_major = vec![0.0; self.len()];
        if values.is_empty() {
            return row_major;
        }
        self.layout.for_each_contiguous_run(self.len(), |from, packed, n| {
            row_major[from..from + n].copy_from_slice(&values[packed..packed + n]);
        });
        row_major
    }

    /// Replaces the values by row-major `values`.
    pub fn set(&mut self, values: &[f32]) {
        pack(self.layout, values, &mut self.values);
    }

    /// Replaces the moments by row-major ones.
    pub fn set_moments(&mut self, first_moment: &[f32], second_moment: &[f32]) {
        self.allocate_moments();
        pack(self.layout, first_moment, &mut self.first_moment);
        pack(self.layout, second_moment, &mut self.second_moment);
    }

    /// Applies `update` with the gradient of all values, in this parameter's layout.
    pub fn apply(&mut self, update: Update, gradient: &[f32]) {
        self.allocate_moments();
        apply(update, self.weight_decay, &mut self.values, &mut self.first_moment, &mut self.second_moment, gradient);
    }
}

/// Converts row-major values to `layout`.
fn pack(layout: Layout, values: &[f32], packed: &mut [f32]) {
    layout.for_each_contiguous_run(values.len(), |from, to, n| {
        packed[to..to + n].copy_from_slice(&values[from..from + n]);
    });
}

/// Applies `update` to some of a parameter's values, with their moments and gradient.
pub(crate) fn apply(
    update: Update,
    weight_decay: bool,
    values: &mut [f32],
    first_moment: &mut [f32],
    second_moment: &mut [f32],
    gradient: &[f32],
) {
    match update {
        Update::Adam(step) => {
            adam::update(instruction_set(), step, weight_decay, values, first_moment, second_moment, gradient)
        }
        Update::Record => first_moment.copy_from_slice(gradient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_in_panels_round_trips() {
        let layout = Layout::Panels { inputs: 3, units: 21 };
        let mut parameter = Parameter::kernel(&[3, 21], layout);
        assert_eq!(parameter.values.len(), 3 * 32);
        let values: Vec<f32> = (0..63).map(|i| i as f32).collect();
        parameter.set(&values);
        assert_eq!(parameter.to_row_major(&parameter.values), values);
        assert_eq!(
            parameter.values[PANEL_WIDTH], 21.0,
            "the weights of the second input follow the first 16 units of the first"
        );
    }

    #[test]
    fn glorot_values_are_uniform_within_the_limit() {
        let mut parameter = Parameter::kernel(&[50, 100], Layout::RowMajor);
        parameter.init_glorot_uniform(50, 100, &mut Random::keyed(&[2]));
        let limit = 0.2_f32;
        let largest = parameter.values.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
        assert!(largest <= limit && largest > 0.199, "{largest}");
        let mean = parameter.values.iter().sum::<f32>() / 5000.0;
        assert!(mean.abs() < 0.006, "{mean}");
    }
}
