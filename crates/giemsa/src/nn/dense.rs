//! Fully connected layer with bias and optional ReLU.

use super::Shape;
use super::aligned_vec::AlignedVec;
use super::kernels::dense::{self as kernels, PANEL_WIDTH};
use super::kernels::instruction_set;
use super::layer::{Batch, Layer};
use super::parameter::{self, Layout, Parameter, Update};
use crate::random::Random;
use rayon::prelude::*;
use std::cell::RefCell;

/// Panels per task of a parallel pass.
const TASK_PANELS: usize = 2;

/// A fully connected layer, output = input * kernel + bias, with optional ReLU.
///
/// # Shapes
/// - input: `[samples][inputs]`
/// - kernel: `[inputs][units]`
/// - output: `[samples][units]`
#[derive(Clone)]
pub(crate) struct Dense {
    inputs: usize,
    units: usize,
    relu: bool,
    kernel: Parameter,
    /// Zero-padded to whole panels, like the kernel.
    bias: Parameter,
    /// The output, or the gradient at it, in panels.
    panels: AlignedVec,
}

impl Dense {
    /// Creates a layer with a Glorot-uniform kernel from `random`, or with zeros if `random` is `None`.
    pub fn new(inputs: usize, units: usize, relu: bool, random: Option<&mut Random>) -> Dense {
        let mut kernel = Parameter::kernel(&[inputs, units], Layout::Panels { inputs, units });
        if let Some(random) = random {
            kernel.init_glorot_uniform(inputs, units, random);
        }
        let padded = units.div_ceil(PANEL_WIDTH) * PANEL_WIDTH;
        let bias = Parameter { shape: vec![units], ..Parameter::filled("bias", &[padded], 0.0) };
        Dense { inputs, units, relu, kernel, bias, panels: AlignedVec::new() }
    }

    /// Returns the number of panels.
    fn panel_count(&self) -> usize {
        self.units.div_ceil(PANEL_WIDTH)
    }
}

/// Converts `[panels][rows][16]` to `[rows][units]`.
fn unpack_panels(panels: &[f32], units: usize, output: &mut [f32]) {
    let rows = output.len() / units;
    for (row, output) in output.chunks_exact_mut(units).enumerate() {
        for (panel, output) in output.chunks_mut(PANEL_WIDTH).enumerate() {
            let n = output.len();
            output.copy_from_slice(&panels[(panel * rows + row) * PANEL_WIDTH..][..n]);
        }
    }
}

/// Converts the gradient at the output from `[rows][units]` to `[panels][rows][16]`, zero-padded, after a backward pass
/// through ReLU if `output` is given.
fn pack_gradient(gradient: &[f32], output: Option<&[f32]>, units: usize, panels: &mut AlignedVec) {
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
            unpack_panels(panels, self.units, output);
        });
    }

    fn infer_one(&self, input: &[f32], output: &mut [f32]) {
        let task_panels = self.panel_count().div_ceil(rayon::current_num_threads());
        output
            .par_chunks_mut(task_panels * PANEL_WIDTH)
            .zip(self.kernel.values.par_chunks(task_panels * self.inputs * PANEL_WIDTH))
            .zip(self.bias.values.par_chunks(task_panels * PANEL_WIDTH))
            .for_each(|((output, kernel), bias)| {
                // With one row, panels are in the order of the output.
                let mut panels = AlignedVec::filled(bias.len(), 0.0);
                kernels::forward(instruction_set(), input, self.inputs, kernel, bias, self.relu, &mut panels);
                output.copy_from_slice(&panels[..output.len()]);
            });
    }

    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]) {
        let (rows, inputs, relu, set) = (batch.len(), self.inputs, self.relu, instruction_set());
        self.panels.resize_for_overwrite(self.panel_count() * rows * PANEL_WIDTH);
        self.panels
            .par_chunks_mut(TASK_PANELS * rows * PANEL_WIDTH)
            .zip(self.kernel.values.par_chunks(TASK_PANELS * inputs * PANEL_WIDTH))
            .zip(self.bias.values.par_chunks(TASK_PANELS * PANEL_WIDTH))
            .for_each(|((output, kernel), bias)| kernels::forward(set, input, inputs, kernel, bias, relu, output));
        unpack_panels(&self.panels, self.units, output);
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
        pack_gradient(gradient, self.relu.then_some(output), self.units, &mut self.panels);
        let panels = &self.panels;
        if let Some(input_gradient) = input_gradient {
            // One task per thread, so that each thread reads all weights once.
            let (kernel, task_rows) = (&self.kernel.values, rows.div_ceil(rayon::current_num_threads()));
            input_gradient.par_chunks_mut(task_rows * inputs).enumerate().for_each(|(task, output)| {
                kernels::input_gradient(set, kernel, inputs, panels, rows, task * task_rows, output);
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
        // The update of a panel follows its gradient while both are in the cache.
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
    fn packing_in_panels_round_trips() {
        let (rows, units) = (3, 21);
        let values: Vec<f32> = (0..rows * units).map(|i| i as f32 + 1.0).collect();
        let (mut panels, mut back) = (AlignedVec::new(), vec![0.0; values.len()]);
        pack_gradient(&values, None, units, &mut panels);
        assert_eq!(panels.len(), 2 * rows * PANEL_WIDTH);
        assert_eq!(panels.iter().filter(|&&v| v == 0.0).count(), rows * 11, "the last panel is zero-padded");
        unpack_panels(&panels, units, &mut back);
        assert_eq!(back, values);
    }
}
