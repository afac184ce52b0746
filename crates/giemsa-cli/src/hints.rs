//! Advice for errors of the library, which does not contain the names of commands and arguments.

use giemsa::dataset::DatasetError;

/// Returns the remedy for an error, if an argument or command helps.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| cause.downcast_ref::<DatasetError>()).and_then(hint_for_data)
}

fn hint_for_data(error: &DatasetError) -> Option<&'static str> {
    match error {
        DatasetError::NotFound { .. } => Some("`giemsa fetch` downloads the NIH cell images to data/cell_images"),
        DatasetError::UnexpectedFolders { .. } | DatasetError::MissingClass { .. } => {
            Some("--positive NAME and --negative NAME set the names of the class folders")
        }
        DatasetError::UnknownPatient { .. } => Some(
            "--patients FILE.csv or --patient-pattern REGEX supplies the patients; `train` and `split` can ignore them \
             with --split-by image",
        ),
        DatasetError::TooFewPatients { .. } | DatasetError::ClassMissingFromPart { .. } => {
            Some("`train` and `split` can ignore patients with --split-by image, which overestimates the accuracy")
        }
        DatasetError::TooManyUnreadable { .. } => Some("--max-unreadable PERCENT accepts more unreadable images"),
        _ => None,
    }
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
