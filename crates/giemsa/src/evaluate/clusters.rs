//! Groups of images that a bootstrap draws together.

use super::LabelledPrediction;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The unit that a bootstrap resamples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampled {
    /// Patients, with all their images.
    Patients,
    /// Single images, because the patient of at least one is unknown; intervals are too narrow if patients have several
    /// images.
    Images,
}

/// The cluster of each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// The kind of cluster.
    pub resampled: Resampled,
    /// The cluster of each image, numbered from 0 in order of first appearance.
    pub of_image: Vec<u32>,
    /// The number of clusters.
    pub count: usize,
}

impl Clusters {
    /// Creates one cluster per patient, or one per image if the patient of any image is unknown.
    #[must_use]
    pub fn by_patient(predictions: &[LabelledPrediction]) -> Clusters {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let number = |image| {
            let LabelledPrediction { patient, .. }: &LabelledPrediction = image;
            let next = numbers.len() as u32;
            Some(*numbers.entry(patient.as_deref()?).or_insert(next))
        };
        match predictions.iter().map(number).collect::<Option<Vec<u32>>>() {
            Some(of_image) => Clusters { resampled: Resampled::Patients, of_image, count: numbers.len() },
            None => Clusters {
                resampled: Resampled::Images,
                of_image: (0..predictions.len() as u32).collect(),
                count: predictions.len(),
            },
        }
    }

    /// Returns a weight of 1 for every cluster: the weights of the original sample.
    #[must_use]
    pub fn unit_weights(&self) -> Vec<u32> {
        vec![1; self.count]
    }

    /// Returns the number of patients, or `None` if clusters are single images.
    #[must_use]
    pub fn patients(&self) -> Option<usize> {
        (self.resampled == Resampled::Patients).then_some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;

    fn image(patient: Option<&str>) -> LabelledPrediction {
        let patient = patient.map(str::to_owned);
        LabelledPrediction {
            probability_red_cell: None,
            path: "cell.png".into(),
            class: Class::Uninfected,
            patient,
            probability_parasitized: 0.5,
        }
    }

    #[test]
    fn groups_images_by_patient_unless_a_patient_is_unknown() {
        let mut predictions = vec![image(Some("C1")), image(Some("C7")), image(Some("C1"))];
        let clusters = Clusters::by_patient(&predictions);
        assert_eq!((clusters.resampled, clusters.of_image, clusters.count), (Resampled::Patients, vec![0, 1, 0], 2));
        predictions.push(image(None));
        let clusters = Clusters::by_patient(&predictions);
        assert_eq!((clusters.resampled, clusters.of_image, clusters.count), (Resampled::Images, vec![0, 1, 2, 3], 4));
    }
}
