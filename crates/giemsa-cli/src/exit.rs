//! The result of a command as an error message on standard error and as an exit code.

use crate::Outcome;
use crate::print::{escaped, print_note};
use giemsa::dataset::DatasetError;
use giemsa::evaluate::EvaluateError;
use giemsa::image::ImageError;
use giemsa::input::InputError;
use giemsa::model::format::FormatError;
use giemsa::model::{ModelError, PredictError, RecipeError};
use giemsa::train::TrainError;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const DATA_AT_FAULT: u8 = 3;
const MODEL_AT_FAULT: u8 = 4;
const SOME_SKIPPED: u8 = 5;
/// 128 plus the number of SIGINT, as shells report it.
pub const INTERRUPTED: u8 = 130;

/// An error of the program itself, with its exit code.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// An argument is wrong.
    Usage(String),
    /// The data cannot be used.
    Data(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Fault::Usage(message) | Fault::Data(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for Fault {}

/// Prints the error, if there is one, and returns the exit code.
pub fn code_after(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeSkipped) => SOME_SKIPPED.into(),
        Ok(Outcome::Interrupted) => INTERRUPTED.into(),
        // The reader has closed the pipe, as in `giemsa … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let (red, plain) =
                if crate::colour_wanted() && io::stderr().is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            print_note(format_args!("{red}error:{plain} {}", causes(&error).join("\n  because: ")));
            if let Some(hint) = crate::hints::hint(&error) {
                print_note(format_args!("hint: {}", escaped(hint)));
            }
            code_of(&error).into()
        }
    }
}

/// Returns one line per cause, without the causes that the line before already ends with. Control characters and line breaks,
/// as in a name, are escaped.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain().map(escaped) {
        if !lines.last().is_some_and(|line| line.ends_with(&cause)) {
            lines.push(cause);
        }
    }
    lines
}

/// Returns the exit code of the first cause that has one.
fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of_cause).unwrap_or(FAILED)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(fault) = cause.downcast_ref() {
        return Some(match fault {
            Fault::Usage(_) => USAGE,
            Fault::Data(_) => DATA_AT_FAULT,
        });
    }
    None.or_else(|| cause.downcast_ref().map(code_of_training))
        .or_else(|| cause.downcast_ref().map(code_of_data))
        .or_else(|| cause.downcast_ref().map(code_of_model))
        .or_else(|| cause.downcast_ref().map(code_of_format))
        .or_else(|| cause.downcast_ref().map(code_of_prediction))
        .or_else(|| cause.downcast_ref().map(code_of_evaluation))
        .or_else(|| cause.is::<RecipeError>().then_some(USAGE))
        .or_else(|| cause.is::<ImageError>().then_some(DATA_AT_FAULT))
}

fn code_of_training(error: &TrainError) -> u8 {
    match error {
        TrainError::NoImages { .. }
        | TrainError::MissingPatient { .. }
        | TrainError::TooManyUnreadable { .. }
        | TrainError::SharedImages { .. }
        | TrainError::Divide { .. }
        | TrainError::Image(_) => DATA_AT_FAULT,
        TrainError::Mismatch { difference, .. } if difference.is_of_images() => DATA_AT_FAULT,
        TrainError::NotACheckpoint { .. } | TrainError::InvalidCheckpoint { .. } => MODEL_AT_FAULT,
        TrainError::NotARun { .. } | TrainError::Recipe(_) | TrainError::Architecture(_) => USAGE,
        TrainError::Dataset(error) => code_of_data(error),
        TrainError::Model(error) => code_of_model(error),
        TrainError::Evaluate(error) => code_of_evaluation(error),
        _ => FAILED,
    }
}

fn code_of_data(error: &DatasetError) -> u8 {
    match error {
        DatasetError::Write { .. } | DatasetError::OutputNotEmpty { .. } => FAILED,
        DatasetError::NotFound { .. } | DatasetError::InvalidPattern { .. } => USAGE,
        DatasetError::Input(error) if is_missing(error) => USAGE,
        _ => DATA_AT_FAULT,
    }
}

fn code_of_model(error: &ModelError) -> u8 {
    match error {
        ModelError::Write { .. } => FAILED,
        ModelError::Input(error) if is_missing(error) => USAGE,
        _ => MODEL_AT_FAULT,
    }
}

fn code_of_format(error: &FormatError) -> u8 {
    match error {
        FormatError::Write { .. } => FAILED,
        FormatError::RecipeNeeded { .. } => USAGE,
        FormatError::Input(error) if is_missing(error) => USAGE,
        FormatError::Model(error) => code_of_model(error),
        _ => MODEL_AT_FAULT,
    }
}

fn code_of_prediction(error: &PredictError) -> u8 {
    match error {
        PredictError::Model(error) => code_of_model(error),
        _ => DATA_AT_FAULT,
    }
}

/// Returns the code of the model if it computed a probability outside 0..=1.
fn code_of_evaluation(error: &EvaluateError) -> u8 {
    if matches!(error, EvaluateError::Probability { .. }) { MODEL_AT_FAULT } else { DATA_AT_FAULT }
}

/// Returns whether a file does not exist, which is a mistake in the argument that names it.
fn is_missing(error: &InputError) -> bool {
    matches!(error, InputError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn broken_model() -> ModelError {
        InputError::Io { path: "m.safetensors".into(), source: io::Error::other("disk on fire") }.into()
    }

    #[test]
    fn prints_each_cause_once() {
        let error = Err::<(), _>(broken_model()).context("cannot predict").unwrap_err();
        assert_eq!(causes(&error), ["cannot predict", "m.safetensors: disk on fire"]);
    }

    #[test]
    fn the_exit_code_is_that_of_the_first_cause_with_one() {
        let data = DatasetError::NoImages { path: "d".into() };
        assert_eq!(code_of(&anyhow::Error::new(data).context("cannot train").context("outer")), 3);
        assert_eq!(code_of(&anyhow::Error::new(broken_model()).context("cannot predict")), 4);
        assert_eq!(code_of(&anyhow::Error::new(PredictError::from(broken_model()))), 4);
        assert_eq!(code_of(&Fault::Usage("no such file or folder".into()).into()), 2);
        assert_eq!(code_of(&Fault::Data("no images found".into()).into()), 3);
        assert_eq!(code_of(&anyhow::anyhow!("anything else")), 1);
        let full = || io::ErrorKind::StorageFull.into();
        assert_eq!(code_of(&ModelError::Write { path: "m".into(), source: full() }.into()), 1);
        assert_eq!(code_of(&TrainError::from(DatasetError::Write { path: "d".into(), source: full() }).into()), 1);
    }

    #[test]
    fn only_a_broken_pipe_ends_quietly() {
        assert!(is_broken_pipe(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        assert!(!is_broken_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
