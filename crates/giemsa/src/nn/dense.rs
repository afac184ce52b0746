//! A fully connected layer with bias and, where asked for, ReLU.

use super::Shape;
use super::aligned_vec::AlignedVec;
use super::kernels::dense::{self as kernels, PANEL_WIDTH};
use super::kernels::instruction_set;
use super::layer::{Batch, Layer};
use super::parameter::{self, Layout, Parameter, Update};
use crate::random::Random;
use rayon::prelude::*;
use std::cell::RefCell;

/// Panels that one task of a parallel pass works on.
const PANELS_A_TASK: usize = 2;

/// The layer.
#[derive(Clone)]
pub(crate) struct Dense {
    inputs: usize,
    units: usize,
    relu: bool,
    kernel: Parameter,
    /// Padded to whole panels, as the kernel is.
    bias: Parameter,
    /// Outputs or their gradients in panels.
    panels: AlignedVec,
}

impl Dense {
    /// A layer with first weights from `random`, or all zero.
    pub fn new(inputs: usize, units: usize, relu: bool, random: Option<&mut Random>) -> Dense {
        let mut kernel = Parameter::kernel(&[inputs, units], Layout::Panels { inputs, units });
        if let Some(random) = random {
            kernel.init_glorot_uniform(inputs, units, random);
        }
        let padded = units.div_ceil(PANEL_WIDTH) * PANEL_WIDTH;
        let bias = Parameter { shape: vec![units], ..Parameter::filled("bias", &[padded], 0.0) };
        Dense { inputs, units, relu, kernel, bias, panels: AlignedVec::new() }
    }

    /// Panels in all.
    fn panel_count(&self) -> usize {
        self.units.div_ceil(PANEL_WIDTH)
    }
}

/// `[panels][rows][16]` to `[rows][units]`.
fn from_panels(panels: &[f32], units: usize, output: &mut [f32]) {
    let rows = output.len() / units;
    for (row, output) in output.chunks_exact_mut(units).enumerate() {
        for (panel, output) in output.chunks_mut(PANEL_WIDTH).enumerate() {
            let n = output.len();
            output.copy_from_slice(&panels[(panel * rows + row) * PANEL_WIDTH..][..n]);
        }
    }
}

/// `[rows][units]` to `[panels][rows][16]`, zeros after the last unit; with ReLU's gate where `output` is given.
fn to_panels(gradient: &[f32], output: Option<&[f32]>, units: usize, panels: &mut AlignedVec) {
    let rows = gradient.len() / units;
    panels.resize_zeroed(units.div_ceil(PANEL_WIDTH) * rows * PANEL_WIDTH);
    for row in 0..rows {
        for unit in (0..units).step_by(PANEL_WIDTH) {
            let n = PANEL_WIDTH.min(units - unit);
            let from = row * units + unit;
            let to = &mut panels[(unit / PANEL_WIDTH * rows + row) * PANEL_WIDTH..][..n];
            to.copy_from_slice(&gradient[from..from + n]);
            if let Some(output) = output {
                super::layer::relu_backward(to, &output[from..from + n]);
            }
        }
    }
}

impl Layer for Dense {
    fn output_shape(&self) -> Shape {
        Shape { height: 1, width: 1, channels: self.units }
    }

    fn prefers_batches(&self) -> bool {
        true
    }

    fn infer(&self, input: &[f32], output: &mut [f32]) {
        thread_local! {
            static PANELS: RefCell<AlignedVec> = const { RefCell::new(AlignedVec::new()) };
        }
        let rows = input.len() / self.inputs;
        PANELS.with_borrow_mut(|panels| {
            panels.resize_for_overwrite(self.panel_count() * rows * PANEL_WIDTH);
            let (kernel, bias) = (&self.kernel.values, &self.bias.values);
            kernels::forward(instruction_set(), input, self.inputs, kernel, bias, self.relu, panels);
            from_panels(panels, self.units, output);
        });
    }

    fn infer_one(&self, input: &[f32], output: &mut [f32]) {
        let at_once = self.panel_count().div_ceil(rayon::current_num_threads());
        output
            .par_chunks_mut(at_once * PANEL_WIDTH)
            .zip(self.kernel.values.par_chunks(at_once * self.inputs * PANEL_WIDTH))
            .zip(self.bias.values.par_chunks(at_once * PANEL_WIDTH))
            .for_each(|((output, kernel), bias)| {
                // The panels of one row lie in a row.
                let mut panels = AlignedVec::filled(bias.len(), 0.0);
                kernels::forward(instruction_set(), input, self.inputs, kernel, bias, self.relu, &mut panels);
                output.copy_from_slice(&panels[..output.len()]);
            });
    }

    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]) {
        let (rows, inputs, relu, set) = (batch.len(), self.inputs, self.relu, instruction_set());
        self.panels.resize_for_overwrite(self.panel_count() * rows * PANEL_WIDTH);
        self.panels
            .par_chunks_mut(PANELS_A_TASK * rows * PANEL_WIDTH)
            .zip(self.kernel.values.par_chunks(PANELS_A_TASK * inputs * PANEL_WIDTH))
            .zip(self.bias.values.par_chunks(PANELS_A_TASK * PANEL_WIDTH))
            .for_each(|((output, kernel), bias)| kernels::forward(set, input, inputs, kernel, bias, relu, output));
        from_panels(&self.panels, self.units, output);
    }

    fn backward(
        &mut self,
        input: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        input_gradient: Option<&mut [f32]>,
        update: Update,
    ) {
        let (inputs, set) = (self.inputs, instruction_set());
        let rows = input.len() / inputs;
        to_panels(gradient, self.relu.then_some(output), self.units, &mut self.panels);
        let panels = &self.panels;
        if let Some(input_gradient) = input_gradient {
            // Each thread goes through all weights, once.
            let (kernel, at_once) = (&self.kernel.values, rows.div_ceil(rayon::current_num_threads()));
            input_gradient.par_chunks_mut(at_once * inputs).enumerate().for_each(|(task, output)| {
                kernels::input_gradient(set, kernel, inputs, panels, rows, task * at_once, output);
            });
        }
        let bias_gradient: Vec<f32> = panels
            .chunks_exact(rows * PANEL_WIDTH)
            .flat_map(|panel| {
                let mut sums = [0.0; PANEL_WIDTH];
                super::kernels::conv_backward::add_channel_sums(panel, &mut sums);
                sums
            })
            .collect();
        self.bias.apply(update, &bias_gradient);
        self.kernel.allocate_moments();
        let Parameter { values, first_moment, second_moment, weight_decay, .. } = &mut self.kernel;
        // A panel's gradient is used up while it is in the cache.
        values
            .par_chunks_mut(inputs * PANEL_WIDTH)
            .zip(first_moment.par_chunks_mut(inputs * PANEL_WIDTH))
            .zip(second_moment.par_chunks_mut(inputs * PANEL_WIDTH))
            .zip(panels.par_chunks(rows * PANEL_WIDTH))
            .for_each_init(
                || AlignedVec::filled(inputs * PANEL_WIDTH, 0.0),
                |kernel_gradient, (((values, first_moment), second_moment), gradient)| {
                    kernels::weight_gradient(set, input, inputs, gradient, kernel_gradient);
                    parameter::apply(update, *weight_decay, values, first_moment, second_moment, kernel_gradient);
                },
            );
    }

    fn parameters(&self) -> Vec<&Parameter> {
        vec![&self.kernel, &self.bias]
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.kernel, &mut self.bias]
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_and_rows_turn_into_each_other() {
        let (rows, units) = (3, 21);
        let values: Vec<f32> = (0..rows * units).map(|i| i as f32 + 1.0).collect();
        let (mut panels, mut back) = (AlignedVec::new(), vec![0.0; values.len()]);
        to_panels(&values, None, units, &mut panels);
        assert_eq!(panels.len(), 2 * rows * PANEL_WIDTH);
        assert_eq!(panels.iter().filter(|&&v| v == 0.0).count(), rows * 11, "the last panel is filled up with zeros");
        from_panels(&panels, units, &mut back);
        assert_eq!(back, values);
    }
}
