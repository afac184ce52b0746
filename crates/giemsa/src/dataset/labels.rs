//! The class and the patient of each image: settings that a run stores.

use super::patients::PatientSource;
use super::scan::{self, ClassFolders, Layout};
use super::{DatasetError, Sample};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Settings from which the class and the patient of each image follow.
///
/// ```
/// use giemsa::dataset::labels::LabelSettings;
/// let mut labels = LabelSettings::default();
/// assert_eq!((labels.positive.as_str(), labels.negative.as_str()), ("Parasitized", "Uninfected"));
/// labels.positive = "infected".to_owned();
/// labels.negative = "healthy".to_owned();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LabelSettings {
    /// Name of the folder with the images of the class Parasitized.
    pub positive: String,
    /// Name of the folder with the images of the class Uninfected.
    pub negative: String,
    /// CSV file with the patient of each image. See [`PatientSource::from_table`].
    pub patients: Option<PathBuf>,
    /// Regular expression whose first group is the patient in a file name. Used if there is no CSV file.
    pub patient_pattern: Option<String>,
}

impl Default for LabelSettings {
    fn default() -> LabelSettings {
        let ClassFolders { positive, negative } = ClassFolders::default();
        LabelSettings { positive, negative, patients: None, patient_pattern: None }
    }
}

/// All labelled images of a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AllImages {
    /// The images, in the order of the scan.
    pub samples: Vec<Sample>,
    /// `true` if the images come from two parts, such as `Train` and `Test`.
    pub from_parts: bool,
}

impl LabelSettings {
    /// Returns the names of the class folders.
    #[must_use]
    pub fn class_folders(&self) -> ClassFolders {
        ClassFolders { positive: self.positive.clone(), negative: self.negative.clone() }
    }

    /// Reads the CSV file or compiles the pattern.
    ///
    /// # Errors
    /// See [`PatientSource::from_table`] and [`PatientSource::from_pattern`].
    pub fn patient_source(&self) -> Result<PatientSource, DatasetError> {
        match (&self.patients, &self.patient_pattern) {
            (Some(table), _) => PatientSource::from_table(table),
            (None, Some(pattern)) => PatientSource::from_pattern(pattern),
            (None, None) => Ok(PatientSource::FileName),
        }
    }

    /// Finds the labelled images of a folder of class folders.
    ///
    /// # Errors
    /// See [`scan::scan_classes`] and [`LabelSettings::patient_source`].
    pub fn scan_classes(&self, folder: &Path) -> Result<Vec<Sample>, DatasetError> {
        scan::scan_classes(folder, &self.class_folders(), &self.patient_source()?)
    }

    /// Finds the labelled images of a folder of class folders, or of two parts.
    ///
    /// # Errors
    /// See [`scan::scan_layout`] and [`LabelSettings::patient_source`].
    pub fn scan_layout(&self, folder: &Path) -> Result<Layout, DatasetError> {
        scan::scan_layout(folder, &self.class_folders(), &self.patient_source()?)
    }

    /// Finds all labelled images of a folder; if it has two parts, those of both.
    ///
    /// # Errors
    /// See [`LabelSettings::scan_layout`].
    pub fn scan_all(&self, folder: &Path) -> Result<AllImages, DatasetError> {
        Ok(match self.scan_layout(folder)? {
            Layout::Classes(samples) => AllImages { samples, from_parts: false },
            Layout::Parts { train, test } => AllImages { samples: [train, test].concat(), from_parts: true },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_the_images_of_both_parts() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["Train/infected/C1_a.png", "Train/healthy/C1_b.png", "Test/infected/C2.png", "Test/healthy/C3.png"]
        {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let labels =
            LabelSettings { positive: "infected".into(), negative: "healthy".into(), ..LabelSettings::default() };
        let all = labels.scan_all(folder.path()).unwrap();
        let patients: Vec<&str> = all.samples.iter().filter_map(|sample| sample.patient.as_deref()).collect();
        assert_eq!((patients, all.from_parts), (vec!["C1", "C1", "C2", "C3"], true));
        assert!(!labels.scan_all(&folder.path().join("Train")).unwrap().from_parts);
    }
}
