//! The body of a request for an inference.

use super::InferenceError;
use super::binary::{JSON_LENGTH, split_body};
use super::response::{Output, RequestedOutput, outputs_of};
use super::tensors::{Data, INPUT, Tensor, read_images};
use crate::engine::CellImage;
use crate::models::ServedModel;
use crate::settings::Limits;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// The longest list of requested outputs, and the longest shape, in bytes of JSON. Parsed lists are larger than their JSON, so
/// they must not be long.
const LONGEST_LIST: usize = 10_000;

/// A request that has been read.
#[derive(Debug)]
pub struct InferenceRequest {
    /// The client's name of the request.
    pub id: Option<String>,
    /// The images.
    pub images: Vec<CellImage>,
    /// What to answer.
    pub outputs: Vec<RequestedOutput>,
}

/// Pixels and files stay text here: they are parsed when the shape is known.
#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    parameters: Option<BodyParameters>,
    #[serde(borrow, deserialize_with = "one_input")]
    inputs: Input<'a>,
    #[serde(borrow)]
    outputs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BodyParameters {
    binary_data_output: Option<bool>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    #[serde(borrow)]
    shape: &'a RawValue,
    parameters: Option<InputParameters>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct InputParameters {
    binary_data_size: Option<u64>,
}

#[derive(Deserialize)]
struct OutputRequest {
    name: String,
    parameters: Option<OutputParameters>,
}

#[derive(Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
}

/// Reads a request.
///
/// # Errors
/// If it is not a request for the outputs of the model, or above a limit.
pub fn read_request(
    headers: &HeaderMap,
    body: &Bytes,
    model: &ServedModel,
    limits: &Limits,
) -> Result<InferenceRequest, InferenceError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(InferenceError::bad_request("compressed bodies are not supported"));
    }
    let (json, binary) = split_body(headers, body)?;
    let body: Body<'_> = serde_json::from_slice(&json)
        .map_err(|error| InferenceError::bad_request(format!("the body is no inference request: {error}")))?;
    let all_binary = body.parameters.and_then(|parameters| parameters.binary_data_output).unwrap_or(false);
    let outputs = match body.outputs.map(|outputs| read_list::<OutputRequest>("outputs", outputs)).transpose()? {
        Some(outputs) if !outputs.is_empty() => {
            outputs.into_iter().map(|output| read_output(output, model, all_binary)).collect::<Result<_, _>>()?
        }
        _ => outputs_of(model).map(|output| RequestedOutput { output, is_binary: all_binary }).collect(),
    };
    let images = read_input(&body.inputs, binary, limits)?;
    Ok(InferenceRequest { id: body.id, images, outputs })
}

fn read_input(input: &Input<'_>, binary: Option<Bytes>, limits: &Limits) -> Result<Vec<CellImage>, InferenceError> {
    if input.name != INPUT {
        let message = format!("the model has no input '{}'; its input is '{INPUT}'", input.name);
        return Err(InferenceError::bad_request(message));
    }
    let size = input.parameters.as_ref().and_then(|parameters| parameters.binary_data_size);
    let data = match (size, binary, input.data) {
        (Some(size), Some(bytes), None) if size == bytes.len() as u64 => Data::Binary(bytes),
        (Some(size), Some(bytes), None) => {
            let message = format!("binary_data_size is {size}, but {} bytes follow the JSON", bytes.len());
            return Err(InferenceError::bad_request(message));
        }
        (Some(_), None, _) => {
            return Err(InferenceError::bad_request(format!("binary data needs the header {JSON_LENGTH}")));
        }
        (None, binary, Some(data)) if binary.as_ref().is_none_or(Bytes::is_empty) => Data::Json(data.get()),
        _ => return Err(InferenceError::bad_request("expected either data or binary_data_size with binary data")),
    };
    let shape = read_list("shape", input.shape)?;
    read_images(&Tensor { datatype: &input.datatype, shape: &shape, data }, limits)
}

fn read_output(
    request: OutputRequest,
    model: &ServedModel,
    all_binary: bool,
) -> Result<RequestedOutput, InferenceError> {
    let is_binary = request.parameters.and_then(|parameters| parameters.binary_data).unwrap_or(all_binary);
    let found = outputs_of(model).find(|output: &Output| output.name() == request.name);
    let output = found.ok_or_else(|| {
        let names: Vec<&str> = outputs_of(model).map(Output::name).collect();
        let message = format!("the model has no output '{}'; its outputs are {}", request.name, names.join(", "));
        InferenceError::bad_request(message)
    })?;
    Ok(RequestedOutput { output, is_binary })
}

fn read_list<'a, T: Deserialize<'a>>(what: &str, list: &'a RawValue) -> Result<Vec<T>, InferenceError> {
    if list.get().len() > LONGEST_LIST {
        return Err(InferenceError::bad_request(format!("{what}: the list is too long")));
    }
    serde_json::from_str(list.get()).map_err(|error| InferenceError::bad_request(format!("{what}: {error}")))
}

/// Reads a list with one input, without room for more.
fn one_input<'de, D: Deserializer<'de>>(inputs: D) -> Result<Input<'de>, D::Error> {
    struct OneInput;

    impl<'de> Visitor<'de> for OneInput {
        type Value = Input<'de>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "a list with one input, '{INPUT}'")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut inputs: A) -> Result<Input<'de>, A::Error> {
            let input = inputs.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
            match inputs.next_element::<IgnoredAny>()? {
                None => Ok(input),
                Some(_) => Err(A::Error::invalid_length(2, &self)),
            }
        }
    }

    inputs.deserialize_seq(OneInput)
}
