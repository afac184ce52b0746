//! The Python text of the module whose state dict is exported.

use crate::RESEARCH_ONLY;
use crate::model::Model;
use crate::nn::batch_norm::EPSILON;
use crate::nn::{Activation, LayerSpec, architecture};
use std::fmt::Write;

/// Returns the Python text of the `torch.nn.Module` that loads the state dict of [`Format::SafetensorsPytorch`].
///
/// ```
/// use giemsa::model::{Model, format};
/// let text = format::python_module(&Model::embedded()?);
/// assert!(text.contains("class Network(nn.Module):"));
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
///
/// [`Format::SafetensorsPytorch`]: crate::model::format::Format::SafetensorsPytorch
#[must_use]
pub fn python_module(model: &Model) -> String {
    let (mut layers, mut forward) = (String::new(), String::new());
    let names: Vec<String> = model.network.summary().into_iter().map(|row| row.name).collect();
    let mut names = names.iter().map(String::as_str);
    let mut next = || names.next().unwrap_or_default();
    let input = model.network.input();
    let shapes = architecture::shapes(input, model.network.layers()).unwrap_or_default();
    for (layer, before) in model.network.layers().iter().zip(std::iter::once(input).chain(shapes)) {
        let name = next();
        // Writing to a string cannot fail.
        let _ = match *layer {
            LayerSpec::Conv2d { filters, kernel, batch_norm, activation } => {
                let norm = if batch_norm { next() } else { "" };
                let input = before.channels;
                convolution(&mut layers, name, norm, [input, filters, kernel])
                    .and_then(|()| convolve(&mut forward, name, norm, activation))
            }
            LayerSpec::MaxPooling2d {} => writeln!(forward, "        x = F.max_pool2d(x, 2)"),
            LayerSpec::GlobalAveragePooling2d {} => writeln!(forward, "        x = x.mean(dim=(2, 3))"),
            LayerSpec::Flatten {} => writeln!(forward, "        x = x.flatten(1)"),
            LayerSpec::Dropout { rate } => {
                writeln!(forward, "        x = F.dropout(x, {rate}, training=self.training)")
            }
            LayerSpec::Dense { units, activation } => {
                writeln!(layers, "        self.{name} = nn.Linear({}, {units})", before.channels)
                    .and_then(|()| apply(&mut forward, &format!("self.{name}(x)"), activation))
            }
        };
    }
    text(model, &layers, &forward)
}

fn convolution(layers: &mut String, name: &str, norm: &str, [input, filters, kernel]: [usize; 3]) -> std::fmt::Result {
    let bias = if norm.is_empty() { "" } else { ", bias=False" };
    writeln!(layers, "        self.{name} = nn.Conv2d({input}, {filters}, {kernel}, padding=\"same\"{bias})")?;
    if !norm.is_empty() {
        writeln!(layers, "        self.{norm} = nn.BatchNorm2d({filters}, eps={EPSILON}, momentum=0.01)")?;
    }
    Ok(())
}

fn convolve(forward: &mut String, name: &str, norm: &str, activation: Activation) -> std::fmt::Result {
    let convolved = format!("self.{name}(x)");
    apply(forward, &if norm.is_empty() { convolved } else { format!("self.{norm}({convolved})") }, activation)
}

/// Writes the line that computes a layer. The sigmoid of the last layer is not part of it: it returns logits.
fn apply(forward: &mut String, value: &str, activation: Activation) -> std::fmt::Result {
    match activation {
        Activation::Relu => writeln!(forward, "        x = F.relu({value})"),
        Activation::Linear | Activation::Sigmoid => writeln!(forward, "        x = {value}"),
    }
}

fn text(model: &Model, layers: &str, forward: &str) -> String {
    let Model { recipe, temperature, threshold, .. } = model;
    let side = recipe.input.side_px;
    let outputs = model.network.outputs();
    let red_cell = if outputs > 1 { RED_CELL } else { "" };
    format!(
        r#""""The network `{name}`, exported by giemsa. {RESEARCH_ONLY}"""

import torch
from torch import nn
from torch.nn import functional as F

TEMPERATURE = {temperature}
THRESHOLD = {threshold}


class Network(nn.Module):
    """Takes float images [N, 3, {side}, {side}], RGB in 0..1, and returns logits [N, {outputs}].

    The first logit is that of Uninfected.
    """

    def __init__(self):
        super().__init__()
{layers}
    def forward(self, x):
{forward}        return x


def probability_parasitized(logits):
    """Returns P(Parasitized) [N]. A cell is Parasitized if it is at least THRESHOLD."""
    return torch.sigmoid(-logits[:, 0] / TEMPERATURE)
{red_cell}"#,
        name = recipe.name.escape_default(),
    )
}

const RED_CELL: &str = r#"

def probability_red_cell(logits):
    """Returns the probability [N] that an image shows a single red cell."""
    return torch.sigmoid(logits[:, 1])
"#;
