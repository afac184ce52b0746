//! The state dict of a PyTorch module as safetensors. [`python_module`] returns the module.

mod module;

use super::arrays::{Role, WeightArray, weight_arrays};
use super::assemble::{needed_recipe, own_metadata};
use super::source::Source;
use super::{Contents, FormatError, layout};
use crate::model::container::{self, Metadata};
use crate::model::{Model, Recipe};
use crate::nn::Tensor;
pub use module::python_module;
use std::io;

/// The ending of the counters in PyTorch's batch normalisation, which nothing here needs.
const COUNTER: &str = "num_batches_tracked";

/// Returns whether the content looks like a safetensors file: the length of a JSON object, and its first byte.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Returns the content of a safetensors file with the state dict.
pub(super) fn write(model: &Model, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let arrays = weight_arrays(model.recipe.input_shape(), &model.recipe.layers).map_err(io::Error::other)?;
    let tensors: Vec<Tensor> =
        arrays.iter().zip(model.network.weights()).map(|(array, tensor)| to_pytorch(array, &tensor.values)).collect();
    let norms = arrays.iter().filter(|array| array.role == Role::Gamma);
    let counters: Vec<String> = norms.map(|array| format!("{}.{COUNTER}", layer_name(array))).collect();
    let mut metadata = metadata.clone();
    // `transformers` and others read the kind of framework from this key, which in a model file has another meaning.
    metadata.insert("giemsa_format".to_owned(), metadata.get("format").cloned().unwrap_or_default());
    metadata.insert("format".to_owned(), "pt".to_owned());
    Ok(container::to_bytes(&metadata, &counters, &tensors)?)
}

/// Reads the state dict of the module that [`python_module`] returns.
pub(super) fn read(bytes: &[u8], source: Source, recipe: Option<&Recipe>) -> Result<Contents, FormatError> {
    let (mut metadata, tensors) = container::parse_any(bytes, source.path, |name| !name.ends_with(COUNTER))?;
    if let Some(format) = metadata.remove("giemsa_format") {
        metadata.insert("format".to_owned(), format);
    }
    let metadata = own_metadata(metadata);
    let recipe = needed_recipe(recipe, metadata.as_ref(), source)?;
    let arrays = weight_arrays(recipe.input_shape(), &recipe.layers).map_err(|e| source.architecture(e))?;
    let weights = arrays.iter().map(|array| from_pytorch(array, &tensors, source)).collect::<Result<Vec<_>, _>>()?;
    if let Some(unknown) = tensors.iter().find(|tensor| !arrays.iter().any(|array| name(array) == tensor.name)) {
        return Err(source.weight_mismatch("the arrays of the recipe only", format!("`{}`", unknown.name)));
    }
    Ok(Contents { layers: None, weights, metadata, logit_scale: 1.0 })
}

/// Returns the name of the layer of an array, which is that in Keras.
fn layer_name(array: &WeightArray) -> &str {
    array.name.split('.').next().unwrap_or_default()
}

/// Returns the name of an array in a state dict, such as `batch_normalization.running_mean`.
fn name(array: &WeightArray) -> String {
    let role = match array.role {
        Role::Kernel | Role::Gamma => "weight",
        Role::Bias | Role::Beta => "bias",
        Role::MovingMean => "running_mean",
        Role::MovingVariance => "running_var",
    };
    format!("{}.{role}", layer_name(array))
}

/// Returns the dimensions of an array in a state dict.
fn shape(array: &WeightArray) -> Vec<usize> {
    match array.shape[..] {
        [height, width, inputs, outputs] => vec![outputs, inputs, height, width],
        [inputs, units] => vec![units, inputs],
        _ => array.shape.clone(),
    }
}

fn to_pytorch(array: &WeightArray, values: &[f32]) -> Tensor {
    let values = match array.shape[..] {
        [height, width, inputs, outputs] => layout::hwio_to_oihw(values, [height, width, inputs, outputs]),
        [inputs, units] => {
            let rows = array.flattened.map(|image| layout::rows_hwc_to_chw(values, image, units));
            layout::transpose(rows.as_deref().unwrap_or(values), inputs, units)
        }
        _ => values.to_vec(),
    };
    Tensor { name: name(array), shape: shape(array), values }
}

fn from_pytorch(array: &WeightArray, tensors: &[Tensor], source: Source) -> Result<Tensor, FormatError> {
    let (name, shape) = (name(array), shape(array));
    let expected = || format!("an array `{name}` of the shape {shape:?}");
    let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) else {
        let names: Vec<&str> = tensors.iter().map(|tensor| &tensor.name[..]).collect();
        return Err(source.weight_mismatch(expected(), format!("none; the arrays are {}", names.join(", "))));
    };
    if tensor.shape != shape {
        return Err(source.weight_mismatch(expected(), format!("{:?}", tensor.shape)));
    }
    let values = match shape[..] {
        [outputs, inputs, height, width] => layout::oihw_to_hwio(&tensor.values, [outputs, inputs, height, width]),
        [units, inputs] => {
            let rows = layout::transpose(&tensor.values, units, inputs);
            array.flattened.map_or_else(|| rows.clone(), |image| layout::rows_chw_to_hwc(&rows, image, units))
        }
        _ => tensor.values.clone(),
    };
    Ok(Tensor { name: array.name.clone(), shape: array.shape.clone(), values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::format::{Format, ImportSettings, import_bytes};
    use crate::nn::Network;
    use std::path::Path;

    /// A model whose weights are all different.
    fn model(recipe: &str) -> Model {
        let recipe = Recipe::load(recipe).unwrap();
        let mut network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
        let mut weights = network.weights();
        let values = weights.iter_mut().flat_map(|tensor| &mut tensor.values);
        values.enumerate().for_each(|(i, value)| *value = i as f32 / 4096.0);
        network.set_weights(&weights).unwrap();
        Model { temperature: 1.5, threshold: 0.25, ..Model::new(recipe, network) }
    }

    fn read_back(bytes: &[u8], recipe: Option<Recipe>) -> Result<Model, FormatError> {
        let settings = ImportSettings { recipe, ..ImportSettings::default() };
        import_bytes(bytes, Path::new("m.safetensors"), Some(Format::SafetensorsPytorch), &settings)
    }

    fn exported(model: &Model) -> Vec<u8> {
        write(model, &model.metadata(Path::new("m")).unwrap()).unwrap()
    }

    #[test]
    fn a_round_trip_changes_nothing() {
        for name in Recipe::built_in_names() {
            let model = model(name);
            let imported = read_back(&exported(&model), None).unwrap();
            assert_eq!(imported.network.weights(), model.network.weights());
            assert_eq!((imported.temperature, imported.threshold), (1.5, 0.25));
            assert_eq!(imported.recipe, model.recipe);
        }
        let builtin = Model::embedded().unwrap();
        let imported = read_back(&exported(&builtin), None).unwrap();
        assert_eq!(imported.metadata(Path::new("m")).unwrap(), builtin.metadata(Path::new("m")).unwrap());
    }

    #[test]
    fn arrays_have_the_names_and_shapes_of_pytorch() {
        let bytes = exported(&model("keras-tutorial"));
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut arrays: Vec<_> = file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect();
        arrays.sort();
        let expected: [(&str, &[usize]); 10] = [
            ("conv2d.bias", &[16]),
            ("conv2d.weight", &[16, 3, 2, 2]),
            ("conv2d_1.bias", &[32]),
            ("conv2d_1.weight", &[32, 16, 2, 2]),
            ("conv2d_2.bias", &[64]),
            ("conv2d_2.weight", &[64, 32, 2, 2]),
            ("dense.bias", &[500]),
            ("dense.weight", &[500, 2304]),
            ("dense_1.bias", &[1]),
            ("dense_1.weight", &[1, 500]),
        ];
        assert_eq!(arrays, expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
        // Height 5, width 3, channel 7 of 6x6x64, unit 11: row 64 (6 * 5 + 3) + 7 here, column 36 * 7 + 6 * 5 + 3 there.
        let weights = model("keras-tutorial").network.weights();
        let kernel = weights.iter().find(|tensor| tensor.name == "dense.kernel").unwrap();
        let values = file.tensor("dense.weight").unwrap().data().as_chunks::<4>().0;
        let found = f32::from_le_bytes(values[2304 * 11 + 36 * 7 + 6 * 5 + 3]);
        assert_eq!(found, kernel.values[500 * (64 * (6 * 5 + 3) + 7) + 11]);
    }

    #[test]
    fn a_file_without_metadata_needs_a_recipe_and_its_names() {
        let tensors = [Tensor { name: "features.0.weight".to_owned(), shape: vec![2], values: vec![0.0; 2] }];
        let bytes = container::to_bytes(&Metadata::new(), &[], &tensors).unwrap();
        let error = read_back(&bytes, None).unwrap_err();
        assert!(matches!(error, FormatError::RecipeNeeded { .. }), "{error}");
        let error = read_back(&bytes, Some(Recipe::load("keras-tutorial").unwrap())).unwrap_err();
        let expected = "m.safetensors: expected an array `conv2d.weight` of the shape [16, 3, 2, 2], found none; the arrays \
                        are features.0.weight";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn arrays_of_another_recipe_are_errors() {
        let compact = Recipe::load("compact").unwrap();
        let error = read_back(&exported(&model("keras-tutorial")), Some(compact)).unwrap_err();
        assert!(
            error.to_string().contains("`conv2d.weight` of the shape [16, 3, 3, 3], found [16, 3, 2, 2]"),
            "{error}"
        );
    }

    #[test]
    fn a_module_has_the_lines_of_its_network() {
        let text = python_module(&model("keras-tutorial"));
        for line in [
            "        self.conv2d_1 = nn.Conv2d(16, 32, 2, padding=\"same\")\n",
            "        x = F.relu(self.conv2d_1(x))\n        x = F.max_pool2d(x, 2)\n",
            "        x = x.flatten(1)\n",
            "        self.dense = nn.Linear(2304, 500)\n",
            "        x = self.dense_1(x)\n        return x\n",
            "TEMPERATURE = 1.5\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        let text = python_module(&model("compact"));
        for line in [
            "        self.conv2d = nn.Conv2d(3, 16, 3, padding=\"same\", bias=False)\n",
            "        self.batch_normalization = nn.BatchNorm2d(16, eps=0.001, momentum=0.01)\n",
            "        x = F.relu(self.batch_normalization(self.conv2d(x)))\n",
            "        x = x.mean(dim=(2, 3))\n",
            "def probability_red_cell(logits):",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
