//! The report of a count as one JSON object: the slides, and how they were counted.

use super::CountSettings;
use super::agreement::{Agreement, PhotographAgreement};
use super::rows::{SlideRow, serialize_photo};
use crate::RESEARCH_ONLY;
use crate::evaluate::provenance::Provenance;
use crate::model::Tta;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The slides of a count, with everything that is needed to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CountReport {
    /// The slides.
    pub slides: Vec<SlideRow>,
    /// Program, model and data.
    pub provenance: Provenance,
    /// The settings.
    pub settings: SettingsRow,
    /// The agreement with boxes drawn by people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementRow>,
    /// The notice that accompanies every result.
    pub research_only: &'static str,
}

/// The settings of a count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SettingsRow {
    /// The diameter of a red cell in pixels; `None` if it was estimated for each photograph.
    pub cell_diameter_px: Option<f32>,
    /// Red cells per microlitre of blood.
    pub red_cells_per_microlitre: f64,
    /// What makes photographs one slide: `folder`, `patient` or `none`.
    pub slide_by: String,
    /// Whether the cells were classified with test-time augmentation.
    pub test_time_augmentation: bool,
}

/// The agreement of all photographs, and of each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AgreementRow {
    /// The file with the boxes.
    pub truth: String,
    /// The agreement of all photographs with boxes.
    #[serde(flatten)]
    pub agreement: Agreement,
    /// The agreement of each photograph with boxes.
    pub per_photograph: Vec<PhotographAgreementRow>,
    /// Photographs without boxes.
    pub photographs_without_truth: usize,
}

/// The agreement of a photograph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PhotographAgreementRow {
    /// The file.
    #[serde(flatten, serialize_with = "serialize_photo")]
    pub photo: PathBuf,
    /// The agreement.
    #[serde(flatten)]
    pub agreement: PhotographAgreement,
    /// |found - marked| / marked cells; `None` without marked cells.
    pub count_error: Option<f64>,
}

impl AgreementRow {
    /// Returns the agreement of photographs with the boxes of the file `truth`.
    ///
    /// ```
    /// use giemsa::smear::count_report::AgreementRow;
    /// let row = AgreementRow::new("boxes.json".as_ref(), vec![("a.png".into(), Default::default())], 2);
    /// assert_eq!((row.agreement.photographs, row.photographs_without_truth), (1, 2));
    /// ```
    #[must_use]
    pub fn new(truth: &Path, photographs: Vec<(PathBuf, PhotographAgreement)>, without_truth: usize) -> AgreementRow {
        let agreements: Vec<_> = photographs.iter().map(|(_, agreement)| *agreement).collect();
        let row = |(photo, agreement): (PathBuf, PhotographAgreement)| PhotographAgreementRow {
            photo,
            agreement,
            count_error: agreement.count_error(),
        };
        AgreementRow {
            truth: truth.to_string_lossy().into_owned(),
            agreement: Agreement::of(&agreements),
            per_photograph: photographs.into_iter().map(row).collect(),
            photographs_without_truth: without_truth,
        }
    }
}

impl SettingsRow {
    /// Returns the settings of a count.
    ///
    /// ```
    /// use giemsa::smear::count_report::SettingsRow;
    /// let settings = SettingsRow::new(Default::default(), "folder", Default::default());
    /// assert_eq!(serde_json::to_value(&settings)?["cell_diameter_px"], serde_json::Value::Null);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(settings: CountSettings, slide_by: &str, tta: Tta) -> SettingsRow {
        SettingsRow {
            cell_diameter_px: settings.cell_diameter_px,
            red_cells_per_microlitre: settings.red_cells_per_microlitre,
            slide_by: slide_by.to_owned(),
            test_time_augmentation: tta != Tta::None,
        }
    }
}

impl CountReport {
    /// Returns the report of slides.
    #[must_use]
    pub fn new(
        slides: Vec<SlideRow>,
        provenance: Provenance,
        settings: SettingsRow,
        agreement: Option<AgreementRow>,
    ) -> CountReport {
        CountReport { slides, provenance, settings, agreement, research_only: RESEARCH_ONLY }
    }
}
