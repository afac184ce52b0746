//! Figures per site: how a model works on the images of other laboratories, microscopes and stains.

use super::LabelledPrediction;
use super::metric_values::MetricValues;
use crate::classes::Class;
use crate::dataset::Sample;
use crate::dataset::sites::site_of;
use crate::input::InputError;
use crate::model::Logits;
use crate::output::{csv_path, read_csv, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The prediction for an image of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SitePrediction {
    /// The image file.
    #[serde(with = "csv_path")]
    pub path: PathBuf,
    /// The site.
    pub site: String,
    /// The true class; `None` if the image is not a single red cell.
    pub class: Option<Class>,
    /// The predicted probability of Parasitized, in 0..=1.
    pub probability_parasitized: f64,
    /// The predicted probability of a single red cell, in 0..=1; `None` if the network has no output for it.
    pub probability_red_cell: Option<f64>,
}

/// Pairs an image of a site with the calibrated probabilities of its logits.
#[must_use]
pub fn site_prediction(sample: &Sample, class: Option<Class>, logits: &Logits, temperature: f32) -> SitePrediction {
    SitePrediction {
        path: sample.path.clone(),
        site: site_of(sample).to_owned(),
        class,
        probability_parasitized: Class::probability_parasitized(logits.class / temperature).into(),
        probability_red_cell: logits.probability_red_cell().map(f64::from),
    }
}

impl SitePrediction {
    /// Returns the prediction with its logit divided by a temperature.
    #[must_use]
    pub fn with_temperature(&self, temperature: f64) -> SitePrediction {
        let logit = Class::logit(self.probability_parasitized) / temperature;
        SitePrediction { probability_parasitized: Class::probability_of_logit(logit), ..self.clone() }
    }
}

/// The figures of one site; `None` where they are undefined.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SiteRow {
    /// The site.
    pub site: String,
    /// Images of class Parasitized.
    pub parasitized: usize,
    /// Images of class Uninfected.
    pub uninfected: usize,
    /// Fraction of the Parasitized images that are classified as Parasitized.
    pub sensitivity: Option<f64>,
    /// Fraction of the Uninfected images that are classified as Uninfected.
    pub specificity: Option<f64>,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Fraction of the red cells that are refused as not a red cell.
    pub red_cells_refused: Option<f64>,
    /// Images that are not a single red cell.
    pub not_cells: usize,
    /// Fraction of them that are refused.
    pub not_cells_refused: Option<f64>,
}

/// Stands for the labelled images among the sites.
const LABELLED: &str = "";
/// Sites with fewer red cells do not take part in the choice of a threshold.
const FEWEST_RED_CELLS: usize = 50;

/// Computes the figures of each site, in alphabetical order. The classes are those of any image, whether it is refused or
/// not.
#[must_use]
pub fn site_rows(predictions: &[SitePrediction], threshold: f64, red_cell_threshold: f64) -> Vec<SiteRow> {
    let mut sites: BTreeMap<&str, Vec<&SitePrediction>> = BTreeMap::new();
    predictions.iter().for_each(|image| sites.entry(&image.site).or_default().push(image));
    sites.into_iter().map(|(site, images)| row(site, &images, threshold, red_cell_threshold)).collect()
}

fn row(site: &str, images: &[&SitePrediction], threshold: f64, red_cell_threshold: f64) -> SiteRow {
    let of = |class: Option<Class>| -> Vec<&SitePrediction> {
        images.iter().filter(|image| image.class == class).copied().collect()
    };
    let [parasitized, uninfected] = Class::ALL.map(|class| of(Some(class)));
    let not_cells = of(None);
    let red_cells = [&parasitized[..], &uninfected[..]].concat();
    let is_positive = |image: &SitePrediction| image.probability_parasitized >= threshold;
    let is_refused = |image: &SitePrediction| image.probability_red_cell.is_some_and(|p| p < red_cell_threshold);
    let can_refuse = images.iter().any(|image| image.probability_red_cell.is_some());
    SiteRow {
        site: site.to_owned(),
        parasitized: parasitized.len(),
        uninfected: uninfected.len(),
        sensitivity: fraction(&parasitized, is_positive),
        specificity: fraction(&uninfected, |image| !is_positive(image)),
        roc_auc: roc_auc(&red_cells),
        red_cells_refused: fraction(&red_cells, is_refused).filter(|_| can_refuse),
        not_cells: not_cells.len(),
        not_cells_refused: fraction(&not_cells, is_refused).filter(|_| can_refuse),
    }
}

/// Computes the area under the ROC curve; `None` if a class has no images.
fn roc_auc(red_cells: &[&SitePrediction]) -> Option<f64> {
    let label = |image: &&SitePrediction| {
        Some(LabelledPrediction {
            path: image.path.clone(),
            class: image.class?,
            patient: None,
            probability_parasitized: image.probability_parasitized,
            probability_red_cell: image.probability_red_cell,
        })
    };
    let labelled: Vec<LabelledPrediction> = red_cells.iter().filter_map(label).collect();
    MetricValues::compute(&labelled, 0.5).roc_auc
}

fn fraction(images: &[&SitePrediction], holds: impl Fn(&SitePrediction) -> bool) -> Option<f64> {
    let count = images.iter().filter(|image| holds(image)).count();
    (!images.is_empty()).then(|| count as f64 / images.len() as f64)
}

/// Returns the largest threshold that refuses at most this fraction of the red cells of any site with at least 50 of them,
/// and of the labelled images together; 0 if no image has a probability of a red cell.
#[must_use]
pub fn fit_red_cell_threshold(labelled: &[LabelledPrediction], sites: &[SitePrediction], most_refused: f64) -> f64 {
    let mut probabilities: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let cells = sites.iter().filter(|image| image.class.is_some());
    let of_sites = cells.map(|image| (image.site.as_str(), image.probability_red_cell));
    let of_labelled = labelled.iter().map(|image| (LABELLED, image.probability_red_cell));
    for (site, probability) in of_sites.chain(of_labelled) {
        probabilities.entry(site).or_default().extend(probability);
    }
    let threshold = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[((values.len() as f64 * most_refused) as usize).min(values.len() - 1)]
    };
    let large = probabilities.into_values().filter(|values| values.len() >= FEWEST_RED_CELLS);
    large.map(threshold).reduce(f64::min).unwrap_or(0.0)
}

/// Writes one row per image, with the columns `path`, `site`, `class` (empty if the image is not a single red cell),
/// `probability_parasitized` and `probability_red_cell`.
///
/// # Errors
/// If the file cannot be written. The error message does not contain the path.
pub fn write_site_predictions(path: &Path, predictions: &[SitePrediction]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    predictions.iter().try_for_each(|image| csv.serialize(image)).map_err(io::Error::other)?;
    let bytes = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Reads a file written by [`write_site_predictions`].
///
/// # Errors
/// If the file cannot be read, or a column is missing.
pub fn read_site_predictions(path: &Path) -> Result<Vec<SitePrediction>, InputError> {
    read_csv(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(site: &str, class: Option<Class>, parasitized: f64, red_cell: f64) -> SitePrediction {
        SitePrediction {
            path: format!("{site}.png").into(),
            site: site.to_owned(),
            class,
            probability_parasitized: parasitized,
            probability_red_cell: Some(red_cell),
        }
    }

    #[test]
    fn computes_the_figures_of_each_site() {
        let [p, u] = Class::ALL.map(Some);
        let images = [
            image("b", p, 0.9, 0.9),
            image("b", p, 0.4, 0.2),
            image("b", u, 0.6, 0.9),
            image("b", u, 0.1, 0.9),
            image("b", None, 0.9, 0.4),
            image("a", u, 0.2, 0.9),
        ];
        let rows = site_rows(&images, 0.5, 0.5);
        assert_eq!(rows.iter().map(|row| row.site.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let (a, b) = (&rows[0], &rows[1]);
        assert_eq!((a.specificity, a.sensitivity, a.roc_auc, a.not_cells_refused), (Some(1.0), None, None, None));
        assert_eq!((b.parasitized, b.uninfected, b.not_cells), (2, 2, 1));
        assert_eq!((b.sensitivity, b.specificity), (Some(0.5), Some(0.5)));
        // Of the four pairs, 0.9 beats both and 0.4 beats one.
        assert_eq!(b.roc_auc, Some(0.75));
        assert_eq!((b.red_cells_refused, b.not_cells_refused), (Some(0.25), Some(1.0)));
    }

    #[test]
    fn the_red_cell_threshold_is_that_of_the_strictest_site() {
        let site = |name: &str, from: f64| -> Vec<SitePrediction> {
            (0..100).map(|i| image(name, Some(Class::Uninfected), 0.1, from + f64::from(i) / 1000.0)).collect()
        };
        let sites = [site("a", 0.5), site("b", 0.2), vec![image("few", Some(Class::Uninfected), 0.1, 0.01)]].concat();
        // 2 of 100 images of b are below 0.202; the site with a single cell is ignored.
        let threshold = fit_red_cell_threshold(&[], &sites, 0.02);
        assert!((threshold - 0.202).abs() < 1e-9, "{threshold}");
        assert_eq!(
            sites.iter().filter(|image| image.site == "b" && image.probability_red_cell < Some(threshold)).count(),
            2
        );
        assert_eq!(fit_red_cell_threshold(&[], &[], 0.01), 0.0);
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.csv");
        let images = [image("a", None, 0.25, 0.5), image("b", Some(Class::Parasitized), 0.75, 1.0)];
        write_site_predictions(&path, &images).unwrap();
        assert_eq!(read_site_predictions(&path).unwrap(), images);
    }
}
