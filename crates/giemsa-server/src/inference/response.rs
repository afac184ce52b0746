//! The answer to a request for an inference.

use super::binary::{JSON_LENGTH, push_element};
use super::version_of;
use crate::engine::{CellError, Predictions};
use crate::models::ServedModel;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use giemsa::RESEARCH_ONLY;
use giemsa::model::{Prediction, rows};
use serde_json::{Value, json};

/// The probabilities of an image that could not be read. JSON has no NaN, and a probability is never negative.
pub const NO_VALUE: f32 = -1.0;

/// An output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The probability of *Parasitized*.
    ProbabilityParasitized,
    /// The class; empty if there is none.
    Class,
    /// The probability of a single red cell.
    Cell,
    /// Why there is no class; empty if there is one.
    Error,
}

/// An output that the client wants.
#[derive(Clone, Copy, Debug)]
pub struct RequestedOutput {
    /// The output.
    pub output: Output,
    /// Whether its values follow the JSON as binary data.
    pub is_binary: bool,
}

/// The values of an output, one per image.
enum Values {
    Numbers(Vec<f32>),
    Texts(Vec<String>),
}

impl Output {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Output::ProbabilityParasitized => "probability_parasitized",
            Output::Class => "class",
            Output::Cell => "cell",
            Output::Error => "error",
        }
    }

    /// Returns the type of its values.
    pub fn datatype(self) -> &'static str {
        match self {
            Output::ProbabilityParasitized | Output::Cell => "FP32",
            Output::Class | Output::Error => "BYTES",
        }
    }

    fn values(self, predictions: &Predictions) -> Values {
        let numbers = |number: fn(&Prediction) -> Option<f32>| {
            let number = |result: &Result<Prediction, CellError>| result.as_ref().ok().and_then(number);
            Values::Numbers(predictions.iter().map(|result| number(result).unwrap_or(NO_VALUE)).collect())
        };
        match self {
            Output::ProbabilityParasitized => numbers(|prediction| Some(prediction.probability_parasitized)),
            Output::Cell => numbers(|prediction| prediction.probability_red_cell),
            Output::Class => Values::Texts(predictions.iter().map(class).collect()),
            Output::Error => Values::Texts(predictions.iter().map(error).collect()),
        }
    }
}

fn class(result: &Result<Prediction, CellError>) -> String {
    let class = result.as_ref().ok().and_then(|prediction| prediction.class);
    class.map(|class| class.name().to_owned()).unwrap_or_default()
}

fn error(result: &Result<Prediction, CellError>) -> String {
    match result {
        Ok(prediction) => rows::reason(prediction).unwrap_or_default().to_owned(),
        Err(error) => error.reason(),
    }
}

/// Returns the outputs of a model. `cell` exists only if its network computes it.
pub fn outputs_of(model: &ServedModel) -> impl Iterator<Item = Output> + use<> {
    let has_cell = model.model.network.outputs() > 1;
    let outputs = [Output::ProbabilityParasitized, Output::Class, Output::Cell, Output::Error];
    outputs.into_iter().filter(move |&output| output != Output::Cell || has_cell)
}

/// Writes an answer: JSON, and after it the values of the outputs that the client wants as binary data.
pub fn write_response(
    model: &ServedModel,
    id: Option<&str>,
    outputs: &[RequestedOutput],
    predictions: &Predictions,
) -> Response {
    let mut binary = Vec::new();
    let outputs = outputs.iter().map(|requested| {
        let values = requested.output.values(predictions);
        let mut tensor = json!({
            "name": requested.output.name(),
            "datatype": requested.output.datatype(),
            "shape": [predictions.len()],
        });
        if requested.is_binary {
            let start = binary.len();
            push_values(&mut binary, &values);
            tensor["parameters"] = json!({"binary_data_size": binary.len() - start});
        } else {
            tensor["data"] = json_of(values);
        }
        tensor
    });
    let mut answer = json!({
        "model_name": model.name,
        "model_version": version_of(model),
        "parameters": {"notice": RESEARCH_ONLY},
        "outputs": outputs.collect::<Vec<_>>(),
    });
    if let Some(id) = id {
        answer["id"] = id.into();
    }
    let mut body = answer.to_string().into_bytes();
    if binary.is_empty() {
        return ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()), (JSON_LENGTH, body.len().to_string())];
    body.extend_from_slice(&binary);
    (headers, body).into_response()
}

fn push_values(binary: &mut Vec<u8>, values: &Values) {
    match values {
        Values::Numbers(numbers) => numbers.iter().for_each(|number| binary.extend(number.to_le_bytes())),
        Values::Texts(texts) => texts.iter().for_each(|text| push_element(binary, text.as_bytes())),
    }
}

fn json_of(values: Values) -> Value {
    match values {
        Values::Numbers(numbers) => numbers.into(),
        Values::Texts(texts) => texts.into(),
    }
}
