//! Metrics compared with scikit-learn, scipy and NumPy; `tests/reference/evaluation_golden.py` computes the numbers.

use giemsa::classes::Class;
use giemsa::evaluate::bootstrap::{Interval, Settings};
use giemsa::evaluate::calibration::fit_temperature;
use giemsa::evaluate::clusters::Resampled;
use giemsa::evaluate::curves::points;
use giemsa::evaluate::limit_of_detection::{CellErrors, detection_limit};
use giemsa::evaluate::loss::mean_cross_entropy;
use giemsa::evaluate::metric_values::MetricValues;
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::paired::{Comparison, Side, compare, p_values};
use giemsa::evaluate::provenance::Provenance;
use giemsa::evaluate::{EvaluateError, LabelledPrediction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../tests/reference/evaluation_golden.json")).unwrap()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

#[derive(Deserialize)]
struct Image {
    patient: String,
    class: Class,
    probability: f64,
    other_probability: f64,
    logit: f32,
}

fn images() -> Vec<Image> {
    read(&golden()["images"])
}

fn predictions(probability: impl Fn(&Image) -> f64) -> Vec<LabelledPrediction> {
    let prediction = |(index, image): (usize, &Image)| LabelledPrediction {
        probability_red_cell: None,
        path: format!("{index}.png").into(),
        class: image.class,
        patient: Some(image.patient.clone()),
        probability_parasitized: probability(image),
    };
    images().iter().enumerate().map(prediction).collect()
}

fn settings() -> Settings {
    Settings { draws: read(&golden()["draws"]), seed: read(&golden()["seed"]) }
}

fn metrics() -> Metrics {
    Metrics::compute(&predictions(|image| image.probability), read(&golden()["threshold"]), settings()).unwrap()
}

fn comparison() -> Comparison {
    let (a, b) = (predictions(|image| image.probability), predictions(|image| image.other_probability));
    let a = Side { predictions: &a, threshold: read(&golden()["threshold"]) };
    let b = Side { predictions: &b, threshold: read(&golden()["other_threshold"]) };
    compare(a, b, settings()).unwrap()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found}, expected {expected}");
}

/// Compares the values of JSON keys, so that a value under a wrong name is detected.
#[track_caller]
fn assert_same_values(found: impl Serialize, expected: &Value) {
    let found = serde_json::to_value(found).unwrap();
    let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, value) in found {
        assert_close(value.as_f64().unwrap(), expected[key].as_f64().unwrap(), key);
    }
}

#[track_caller]
fn assert_same_intervals(found: MetricValues<Option<Interval>>, expected: &Value) {
    let ends = |end: fn(Interval) -> f64| MetricValues::from_array(found.to_array().map(|interval| interval.map(end)));
    let expected_end = |end: usize| -> Value {
        expected.as_object().unwrap().iter().map(|(key, ends)| (key.clone(), ends[end].clone())).collect()
    };
    assert_same_values(ends(|interval| interval.low), &expected_end(0));
    assert_same_values(ends(|interval| interval.high), &expected_end(1));
}

#[test]
fn metrics_match_scikit_learn() {
    let metrics = metrics();
    assert_same_values(metrics.values, &golden()["figures"]);
    assert_close(metrics.loss, read(&golden()["loss"]), "loss");
    assert_eq!(metrics.patients, Some(14));
}

#[test]
fn curves_match_scikit_learn() {
    let points = points(&predictions(|image| image.probability));
    let expected: Vec<(f64, f64, f64)> = read(&golden()["roc"]);
    assert_eq!(points.len() - 1, expected.len());
    for (point, (threshold, sensitivity, false_positive_rate)) in points[1..].iter().zip(expected) {
        assert_close(point.threshold, threshold, "threshold");
        assert_close(point.sensitivity, sensitivity, "sensitivity");
        assert_close(point.false_positive_rate, false_positive_rate, "false positive rate");
    }
    // scikit-learn orders points by ascending threshold.
    let expected: Vec<(f64, f64)> = read(&golden()["precision_at_recall"]);
    assert_eq!(points.len() - 1, expected.len());
    for (point, (recall, precision)) in points[1..].iter().rev().zip(expected) {
        assert_close(point.sensitivity, recall, "recall");
        assert_close(point.precision, precision, "precision");
    }
}

#[test]
fn intervals_match_percentiles_of_resamples_evaluated_by_scikit_learn() {
    let metrics = metrics();
    assert_eq!(metrics.intervals.resampled, Resampled::Patients);
    assert_same_intervals(metrics.intervals.values, &golden()["intervals"]);
}

#[test]
fn calibration_bins_and_the_distribution_over_patients_match_numpy() {
    let metrics = metrics();
    let expected: Vec<(u64, f64, u64)> = read(&golden()["bins"]);
    assert_eq!(metrics.calibration_bins.len(), expected.len());
    for (bin, (images, probability_sum, parasitized)) in metrics.calibration_bins.iter().zip(expected) {
        assert_eq!(bin.images, images);
        assert_close(bin.mean_probability.unwrap_or(0.0) * images as f64, probability_sum, "mean");
        assert_close(bin.parasitized.unwrap_or(0.0) * images as f64, parasitized as f64, "fraction");
    }
    assert_same_values(metrics.by_patient.unwrap().false_positive_rate, &golden()["false_positive_rate"]);
}

#[test]
fn the_temperature_matches_scipy() {
    let images = images();
    let logits: Vec<f32> = images.iter().map(|image| image.logit).collect();
    let classes: Vec<Class> = images.iter().map(|image| image.class).collect();
    let temperature = fit_temperature(&logits, &classes);
    let expected: f64 = read(&golden()["temperature"]);
    assert!((temperature / expected - 1.0).abs() < 1e-5, "{temperature}, expected {expected}");
    let loss = mean_cross_entropy(&logits, &classes, temperature);
    let expected: f64 = read(&golden()["temperature_loss"]);
    assert!((loss - expected).abs() < 1e-7, "{loss}, expected {expected}");
}

#[test]
fn paired_differences_and_their_intervals_match_scikit_learn() {
    let comparison = comparison();
    assert_same_values(comparison.difference, &golden()["difference"]);
    assert_same_intervals(comparison.intervals, &golden()["difference_intervals"]);
    assert_eq!(comparison.mcnemar.only_a_right, read::<u64>(&golden()["only_a_right"]));
    assert_eq!(comparison.mcnemar.only_b_right, read::<u64>(&golden()["only_b_right"]));
}

#[test]
fn p_values_match_scipy() {
    for case in golden()["mcnemar"].as_array().unwrap() {
        let (exact_p, mid_p) = p_values(read(&case["a"]), read(&case["b"]));
        assert_close(exact_p, read(&case["exact_p"]), "exact p");
        assert_close(mid_p, read(&case["mid_p"]), "mid-p");
    }
}

#[test]
fn limits_of_detection_match_scipy() {
    for case in golden()["detection"].as_array().unwrap() {
        let errors = CellErrors {
            sensitivity: read(&case["sensitivity"]),
            false_positive_rate: read(&case["false_positive_rate"]),
            between_patients: Some(read(&case["between_patients"])),
        };
        let row = detection_limit(errors, read(&case["cells"]));
        assert_eq!(row.critical_count, read::<u64>(&case["critical_count"]), "{case}");
        let (found, expected): (f64, f64) = (row.limit_of_detection.unwrap(), read(&case["limit_of_detection"]));
        assert!((found - expected).abs() < 1e-8, "{case}: {found}");
    }
}

#[test]
fn rejects_probabilities_outside_the_unit_interval() {
    for probability in [f64::NAN, f64::INFINITY, -0.01, 1.01] {
        let mut predictions = predictions(|image| image.probability);
        predictions[7].probability_parasitized = probability;
        let error = Metrics::compute(&predictions, 0.5, settings()).unwrap_err();
        assert!(matches!(&error, EvaluateError::Probability { path, .. } if path == Path::new("7.png")), "{error}");
    }
    let error = Metrics::compute(&[], 0.5, settings()).unwrap_err().to_string();
    assert_eq!(error, "no images to evaluate");
}

#[test]
fn resamples_images_if_a_patient_is_unknown() {
    let mut predictions = predictions(|image| image.probability);
    predictions[3].patient = None;
    let settings = Settings { draws: 200, seed: 1 };
    let json = serde_json::to_value(Metrics::compute(&predictions, 0.5, settings).unwrap()).unwrap();
    assert_eq!(json["intervals"]["resampled"], "images");
    assert_eq!([&json["patients"], &json["by_patient"], &json["macro_sensitivity"]], [&Value::Null; 3]);
    assert_eq!(json["intervals"]["macro_sensitivity"], Value::Null);
    assert!(json["intervals"]["accuracy"]["low"].as_f64() < json["accuracy"].as_f64(), "{}", json["intervals"]);
    assert_eq!(json["detection_limits"].as_array().unwrap().len(), 2);
}

#[test]
fn one_patient_has_metrics_but_no_intervals() {
    let predictions: Vec<LabelledPrediction> = predictions(|image| image.probability)
        .into_iter()
        .filter(|image| image.patient.as_deref() == Some("C9"))
        .collect();
    let metrics = Metrics::compute(&predictions, 0.5, settings()).unwrap();
    assert!(metrics.values.accuracy.is_some());
    assert_eq!(metrics.intervals.values, MetricValues::default());
}

#[test]
fn intervals_do_not_depend_on_the_number_of_threads() {
    let with_threads =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| metrics().intervals);
    assert_eq!(with_threads(1), with_threads(3));
}

#[test]
fn json_keys_are_documented() {
    let json = serde_json::to_value(metrics()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let page = include_str!("../../../../docs/evaluation.md");
    let bins = &json["calibration_bins"][0];
    let patient = &json["by_patient"]["table"][0];
    let model = giemsa::model::Model::embedded().unwrap();
    let provenance = serde_json::to_value(Provenance::of_model(&model, None, Path::new("data")).unwrap()).unwrap();
    let parts =
        [&json, &json["intervals"], &json["by_patient"], bins, patient, &json["detection_limits"][0], &provenance];
    for value in parts {
        for key in keys(value) {
            assert!(page.contains(&format!("`{key}`")), "docs/evaluation.md does not document `{key}`");
        }
    }
    assert_eq!(json["research_only"], json!(giemsa::RESEARCH_ONLY));
}
