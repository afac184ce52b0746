//! From what a command returned to what the user reads on standard error, and the exit code.

use crate::Outcome;
use giemsa::dataset::DatasetError;
use giemsa::evaluate::EvaluateError;
use giemsa::image::ImageError;
use giemsa::model::ModelError;
use giemsa::train::TrainError;
use std::fmt;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

const FAILED: u8 = 1;
const DATA_AT_FAULT: u8 = 3;
const MODEL_AT_FAULT: u8 = 4;
const SOME_SKIPPED: u8 = 5;
/// 128 and the number of SIGINT, as shells say it.
pub const INTERRUPTED: u8 = 130;

/// Advice on an error, as its outermost context: printed below the causes.
#[derive(Debug)]
pub struct Hint(pub String);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hint: {}", self.0)
    }
}

/// Prints the error, if there is one, and gives the exit code.
pub fn code_after(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeSkipped) => SOME_SKIPPED.into(),
        Ok(Outcome::Interrupted) => INTERRUPTED.into(),
        // The reader has seen enough, as in `giemsa … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let (red, plain) =
                if crate::colour_wanted() && io::stderr().is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            eprintln!("{red}error:{plain} {}", causes(&error).join("\n  because: "));
            if let Some(hint) = crate::hints::hint(&error) {
                eprintln!("hint: {hint}");
            }
            code_of(&error).into()
        }
    }
}

/// One line a cause. A cause whose text the line before already ends with is left out.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let hint = error.downcast_ref::<Hint>().map(ToString::to_string);
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| hint.as_ref() != Some(cause)) {
        if !lines.last().is_some_and(|line| line.ends_with(&cause)) {
            lines.push(cause);
        }
    }
    lines
}

/// The exit code that the first telling cause asks for.
fn code_of(error: &anyhow::Error) -> u8 {
    error
        .chain()
        .find_map(|cause| {
            if cause.is::<ModelError>() || is_improbable(cause) {
                Some(MODEL_AT_FAULT)
            } else if cause.is::<DatasetError>() || cause.is::<ImageError>() || cause.is::<EvaluateError>() {
                Some(DATA_AT_FAULT)
            } else {
                cause.downcast_ref().and_then(code_of_training)
            }
        })
        .unwrap_or(FAILED)
}

/// Returns the exit code of an error of training if the data or a model file is at fault.
fn code_of_training(error: &TrainError) -> Option<u8> {
    match error {
        TrainError::NoImages { .. }
        | TrainError::MissingPatient { .. }
        | TrainError::TooManyUnreadable { .. }
        | TrainError::SharedImages { .. }
        | TrainError::Divide { .. }
        | TrainError::Image(_)
        | TrainError::Dataset(_) => Some(DATA_AT_FAULT),
        TrainError::Evaluate(error) => Some(if is_improbable(error) { MODEL_AT_FAULT } else { DATA_AT_FAULT }),
        TrainError::Mismatch { difference, .. } if difference.is_of_images() => Some(DATA_AT_FAULT),
        TrainError::Model(_) | TrainError::NotACheckpoint { .. } | TrainError::InvalidCheckpoint { .. } => {
            Some(MODEL_AT_FAULT)
        }
        _ => None,
    }
}

/// A model whose probabilities are none.
fn is_improbable(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(EvaluateError::Probability { .. }))
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
        ModelError::Io { path: "m.safetensors".into(), source: io::Error::other("disk on fire") }
    }

    #[test]
    fn a_cause_that_is_already_said_is_not_said_twice() {
        let error = Err::<(), _>(broken_model()).context("cannot predict").unwrap_err();
        assert_eq!(causes(&error), ["cannot predict", "m.safetensors: disk on fire"]);
    }

    #[test]
    fn what_is_at_fault_decides_the_exit_code_however_deep_it_lies() {
        let data = DatasetError::NoImages { path: "d".into() };
        assert_eq!(code_of(&anyhow::Error::new(data).context("cannot train").context("outer")), 3);
        assert_eq!(code_of(&anyhow::Error::new(broken_model()).context("cannot predict")), 4);
        assert_eq!(code_of(&anyhow::anyhow!("anything else")), 1);
    }

    #[test]
    fn only_a_broken_pipe_ends_quietly() {
        assert!(is_broken_pipe(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        assert!(!is_broken_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
