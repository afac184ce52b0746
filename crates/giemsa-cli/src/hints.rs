//! Advice for errors of the library, which does not contain the names of commands and arguments.

use giemsa::dataset::DatasetError;
use giemsa::image::ImageError;
use giemsa::model::format::FormatError;
use giemsa::output::destination::DestinationError;
use giemsa::report::ReportError;
use giemsa::train::{Difference, RunFolder, TrainError};

/// Returns the remedy for an error, if an argument or command helps.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let data = cause
            .downcast_ref()
            .or_else(|| cause.downcast_ref::<Box<DatasetError>>().map(Box::as_ref))
            .and_then(hint_for_data)
            .map(ToOwned::to_owned);
        data.or_else(|| cause.downcast_ref().and_then(hint_for_training))
            .or_else(|| cause.downcast_ref().map(hint_for_destination).map(ToOwned::to_owned))
            .or_else(|| cause.downcast_ref().and_then(hint_for_report).map(ToOwned::to_owned))
            .or_else(|| cause.downcast_ref().and_then(hint_for_format).map(ToOwned::to_owned))
    })
}

/// Adds advice, if there is any, to the message of an image that cannot be used.
pub fn with_advice(message: String, error: &ImageError) -> String {
    match error {
        ImageError::SeveralCells { .. } => format!("{message}: use giemsa count"),
        _ => message,
    }
}

fn hint_for_data(error: &DatasetError) -> Option<&'static str> {
    match error {
        DatasetError::NotFound { .. } => Some("`giemsa fetch` downloads the NIH cell images to data/cell_images"),
        DatasetError::UnexpectedFolders { .. } | DatasetError::MissingClass { .. } => {
            Some("--positive NAME and --negative NAME set the names of the class folders")
        }
        DatasetError::UnknownPatient { .. } => Some(UNKNOWN_PATIENT),
        DatasetError::TooFewPatients { .. } | DatasetError::ClassMissingFromPart { .. } => {
            Some("`train` and `split` can ignore patients with --split-by image, which overestimates the accuracy")
        }
        _ => None,
    }
}

fn hint_for_destination(error: &DestinationError) -> &'static str {
    match error {
        DestinationError::Foreign { .. } => "choose another name, or replace the file with --force",
        _ => "choose another name",
    }
}

fn hint_for_report(error: &ReportError) -> Option<&'static str> {
    matches!(error, ReportError::FolderInUse { .. }).then_some("choose another folder for the report")
}

fn hint_for_format(error: &FormatError) -> Option<&'static str> {
    match error {
        FormatError::RecipeNeeded { .. } => {
            Some("--recipe RECIPE supplies the layers: keras-tutorial, compact, or the path of a .toml file")
        }
        FormatError::UnknownFormat { .. } => Some("--from FORMAT reads the file as one of a format"),
        _ => None,
    }
}

const UNKNOWN_PATIENT: &str = "--patients FILE.csv or --patient-pattern REGEX supplies the patients; `train` and `split` \
                               can ignore them with --split-by image";

fn hint_for_training(error: &TrainError) -> Option<String> {
    Some(match error {
        TrainError::MissingPatient { .. } => UNKNOWN_PATIENT.to_owned(),
        TrainError::TooManyUnreadable { .. } => "--max-unreadable PERCENT accepts more unreadable images".to_owned(),
        TrainError::SharedImages { .. } => "--allow-shared turns this error into a warning".to_owned(),
        TrainError::FolderInUse { path } if RunFolder::existing(path).last().exists() => {
            format!("`giemsa train --resume {}` continues the run in it; --out chooses another folder", path.display())
        }
        TrainError::FolderInUse { .. } => "choose another folder with --out".to_owned(),
        TrainError::Mismatch { difference: Difference::InstructionSet { began: Some(began), .. }, .. }
            if began.is_available() =>
        {
            format!("--instruction-set {} continues the run", began.name())
        }
        TrainError::Mismatch { .. } => {
            "to start again, choose another folder with --out, or delete the earlier run".to_owned()
        }
        TrainError::EpochsFixed { requested, .. } => {
            format!("start a new run with --epochs {requested}")
        }
        // A transparent variant hides its source from the chain.
        TrainError::Dataset(error) => return hint_for_data(error).map(ToOwned::to_owned),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn finds_the_hint_below_other_context() {
        let missing = Err::<(), _>(DatasetError::NotFound { path: "data".into() });
        let error = missing.context("cannot train").unwrap_err();
        assert!(hint(&error).unwrap().contains("giemsa fetch"));
        assert_eq!(hint(&anyhow::anyhow!("anything else")), None);
    }
}
