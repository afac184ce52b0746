//! Pretraining: a model trained on all images, whose temperature, decision threshold and metrics come from the
//! out-of-fold predictions of a cross-validation with the same recipe.

use super::distillation::{Distillation, train_model};
use super::error::TrainError;
use super::settings::Settings;
use super::{Observer, TrainingSet};
use crate::classes::Class;
use crate::dataset::sites::OtherSites;
use crate::dataset::{Cache, Subset};
use crate::evaluate::cross_fit::{CrossFitted, cross_fit};
use crate::evaluate::healthy_cells::labelled_healthy_location;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::operating_point::{OperatingPoint, fit};
use crate::evaluate::paired::Comparison;
use crate::evaluate::sites::{SitePrediction, SiteRow, fit_red_cell_threshold, site_rows};
use crate::evaluate::threshold::Aim;
use crate::evaluate::{EvaluateError, LabelledPrediction, bootstrap, count_refused, predict_labelled};
use crate::model::{Model, PredictError, Tta};
use crate::preprocess::Images;
use crate::train::cross_validation::OutOfFold;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Interval of the training images that are evaluated after each epoch: every twentieth.
const VALIDATION_INTERVAL: usize = 20;

/// Trains on all images, with those of other sites if there are any. Returns `None` if the observer stopped it; another call continues from the
/// checkpoint, and those of the teachers beside it.
///
/// No image is held out, so the validation metrics in the history are those of a sample of the training images. The model
/// is that of the last epoch, and is not calibrated: see [`Assessment::calibrate`].
///
/// # Errors
/// [`TrainError::Mismatch`] if the checkpoint was trained with other settings or images; see also [`train`](super::train()).
pub fn train_on_all(
    settings: &Settings,
    images: &Cache,
    sites: Option<&OtherSites>,
    distillation: Option<Distillation>,
    checkpoint: &Path,
    observer: &mut dyn Observer,
) -> Result<Option<Model>, TrainError> {
    let all = Subset::new(images, (0..images.len()).collect());
    let sample = Subset::new(images, (0..images.len()).step_by(VALIDATION_INTERVAL).collect());
    let set = sites.map_or(TrainingSet::new(&all), |sites| TrainingSet::new(&all).with_sites(sites));
    train_model(checkpoint, settings, distillation, set, &sample, observer)
}

/// Sets the location of the healthy cells of a calibrated model to that of its training images, which are all its images.
///
/// # Errors
/// If an image cannot be read back, or an output of the network is not finite.
pub fn locate_healthy_cells(model: &mut Model, images: &Cache) -> Result<(), PredictError> {
    model.healthy_logit = labelled_healthy_location(&predict_labelled(model.predictor(Tta::None), images)?);
    Ok(())
}

/// The results of a recipe on patients that its networks have not seen, and the operating point of its model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assessment {
    /// Temperature and decision threshold, fitted on the predictions of all folds.
    pub point: OperatingPoint,
    /// Aim of the decision threshold.
    pub aim: Aim,
    /// Out-of-fold predictions; the temperature and threshold of each fold are fitted on the other folds.
    pub predictions: CrossFitted,
    /// Metrics of these predictions.
    pub metrics: Metrics,
    /// Comparison with the baseline recipe on the same folds.
    pub comparison: Comparison,
    /// An image is refused if its probability of a single red cell is below this; fitted on the predictions of all folds.
    pub red_cell_threshold: f64,
    /// Fraction of the held-out images that are refused; `None` if the network has no output for it.
    pub refused: Option<f64>,
    /// Figures of the other sites, on photographs that are held out.
    pub sites: Vec<SiteRow>,
}

/// The largest fraction of the red cells of a site of the training data that the threshold of refusal may refuse, before
/// [`UNSEEN_SITE_MARGIN`].
pub const MOST_REFUSED: f64 = 0.001;
/// The threshold of refusal is lowered by this many logits, because red cells of sites that are not in the training data look
/// a little less like red cells to the network (`docs/compact.md`).
pub const UNSEEN_SITE_MARGIN: f64 = 1.25;

impl Assessment {
    /// Fits the operating point to out-of-fold predictions, and computes metrics and the comparison with a baseline.
    ///
    /// # Errors
    /// If a class has no images outside a fold, or the baseline was evaluated on other images.
    pub fn of(
        recipe: &OutOfFold,
        baseline: &OutOfFold,
        aim: Aim,
        intervals: bootstrap::Settings,
    ) -> Result<Assessment, EvaluateError> {
        let point = fit(&recipe.predictions, aim)?;
        let predictions = cross_fit(&recipe.predictions, &recipe.fold_of, aim)?;
        let of_baseline = cross_fit(&baseline.predictions, &baseline.fold_of, aim)?;
        let metrics = predictions.metrics(point.threshold, intervals)?;
        let comparison = predictions.compare(&of_baseline, intervals)?;
        let seen = fit_red_cell_threshold(&recipe.predictions, &recipe.sites, MOST_REFUSED);
        let red_cell_threshold = 1.0 / (1.0 + (1.0 - seen) / seen * UNSEEN_SITE_MARGIN.exp());
        let refused = count_refused(&recipe.predictions, red_cell_threshold);
        let sites: Vec<SitePrediction> =
            recipe.sites.iter().map(|image| image.with_temperature(point.temperature)).collect();
        Ok(Assessment {
            red_cell_threshold,
            refused: refused.map(|refused| refused.total() as f64 / recipe.predictions.len() as f64),
            sites: site_rows(&sites, point.threshold, red_cell_threshold),
            point,
            aim,
            predictions,
            metrics,
            comparison,
        })
    }

    /// Sets the temperature, both thresholds and the error rates of a model. The error rates are those of the out-of-fold
    /// predictions.
    pub fn calibrate(&self, model: &mut Model) {
        model.temperature = self.point.temperature as f32;
        model.threshold = self.point.threshold as f32;
        model.red_cell_threshold = self.red_cell_threshold as f32;
        model.threshold_aim = Some(self.aim.to_string());
        model.error_rates = self.metrics.cell_errors();
    }

    /// Returns the reasons not to rely on the model.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let auc = weakness_of_auc(&self.metrics);
        auc.into_iter().chain(few_patients(&self.predictions.predictions)).collect()
    }
}

/// The lower end of the interval of the area under the ROC curve, below which a model is weak.
pub const LEAST_ROC_AUC: f64 = 0.9;
/// The number of patients per class below which metrics are unreliable.
pub const FEWEST_PATIENTS: usize = 10;

/// A reason not to rely on a model.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Weakness {
    /// The area under the ROC curve may be below [`LEAST_ROC_AUC`].
    LowRocAuc {
        /// Area under the ROC curve; `None` if it is undefined.
        roc_auc: Option<f64>,
        /// Lower end of its 95 % confidence interval; `None` if there is no interval.
        low: Option<f64>,
    },
    /// A class has images of fewer than [`FEWEST_PATIENTS`] patients.
    FewPatients {
        /// The class.
        class: Class,
        /// Patients with images of this class.
        patients: usize,
    },
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weakness::LowRocAuc { roc_auc, low } => {
                let auc = roc_auc.map_or("undefined".to_owned(), |auc| format!("{auc:.2}"));
                let low = low.map_or("without a confidence interval".to_owned(), |low| {
                    format!("95 % confidence interval from {low:.2}")
                });
                write!(
                    f,
                    "This model is not fit for use: on held-out patients the area under the ROC curve is {auc} ({low}), \
                     while at least {LEAST_ROC_AUC} is expected (0.5 is chance)."
                )
            }
            Weakness::FewPatients { class, patients } => write!(
                f,
                "Only {patients} {} images of the class {class}: too few for reliable metrics (at least \
                 {FEWEST_PATIENTS} are expected).",
                if *patients == 1 { "patient has" } else { "patients have" }
            ),
        }
    }
}

fn weakness_of_auc(metrics: &Metrics) -> Option<Weakness> {
    let roc_auc = metrics.values.roc_auc;
    let low = metrics.intervals.values.roc_auc.map(|interval| interval.low);
    let strong = low.or(roc_auc).is_some_and(|least| least >= LEAST_ROC_AUC);
    (!strong).then_some(Weakness::LowRocAuc { roc_auc, low })
}

fn few_patients(predictions: &[LabelledPrediction]) -> impl Iterator<Item = Weakness> {
    Class::ALL.into_iter().filter_map(|class| {
        let of_class = predictions.iter().filter(|image| image.class == class);
        let patients = of_class.filter_map(|image| image.patient.as_deref()).collect::<BTreeSet<_>>().len();
        (patients < FEWEST_PATIENTS).then_some(Weakness::FewPatients { class, patients })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images per class and patient; those of the last `wrong` patients have the probability of the other class.
    fn metrics(patients: usize, wrong: usize) -> (Vec<LabelledPrediction>, Metrics) {
        let image = |patient: usize, class: Class| {
            let correct = patient < patients - wrong;
            LabelledPrediction {
                probability_red_cell: None,
                path: "x.png".into(),
                class,
                patient: Some(format!("C{patient}")),
                probability_parasitized: if class.is_positive() == correct { 0.75 } else { 0.25 },
            }
        };
        let predictions: Vec<LabelledPrediction> =
            (0..patients).flat_map(|patient| Class::ALL.map(|class| image(patient, class))).collect();
        let metrics = Metrics::compute(&predictions, 0.5, bootstrap::Settings { draws: 200, seed: 0 }).unwrap();
        (predictions, metrics)
    }

    #[test]
    fn finds_no_weakness_in_a_good_model_of_many_patients() {
        let (predictions, metrics) = metrics(FEWEST_PATIENTS, 0);
        assert_eq!(weakness_of_auc(&metrics), None);
        assert_eq!(few_patients(&predictions).count(), 0);
    }

    #[test]
    fn warns_of_a_model_near_chance() {
        let (_, metrics) = metrics(20, 10);
        let Some(Weakness::LowRocAuc { roc_auc: Some(auc), low: Some(low) }) = weakness_of_auc(&metrics) else {
            panic!()
        };
        assert!(auc == 0.5 && low < 0.5);
    }

    #[test]
    fn warns_of_few_patients() {
        let (predictions, _) = metrics(2, 0);
        let expected = Class::ALL.map(|class| Weakness::FewPatients { class, patients: 2 });
        assert_eq!(few_patients(&predictions).collect::<Vec<_>>(), expected);
    }
}
