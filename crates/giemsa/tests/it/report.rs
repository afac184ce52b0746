//! Sheets, charts and pages.

use crate::page::assert_self_contained;
use giemsa::evaluate::counts::Counts;
use giemsa::report::chart::{Axis, Chart, Mark, Series};
use giemsa::report::curves::{curves, write_png};
use giemsa::report::page::{Gallery, Page, Picture, page};
use giemsa::report::plot::{to_image, to_svg};
use giemsa::report::sheet::{Group, Layout, Tile, sheet, size_px};
use giemsa::train::EpochRow;
use image::{Rgb, RgbImage};

fn history(epochs: u64) -> Vec<EpochRow> {
    let row = |epoch: u64| {
        let loss = 1.0 / epoch as f64;
        let (acc, val_loss, val_acc) = (1.0 - loss / 2.0, 1.1 * loss, 0.9 - loss / 2.0);
        EpochRow { epoch, loss, acc, val_loss, val_acc, learning_rate: 0.001, elapsed_s: loss }
    };
    (1..=epochs).map(row).collect()
}

fn square(colour: [u8; 3], side: u32) -> RgbImage {
    RgbImage::from_pixel(side, side, Rgb(colour))
}

/// Pixels of a rectangle that are not its most frequent colour.
fn marked(image: &RgbImage, (x, y): (u32, u32), (width, height): (u32, u32)) -> usize {
    let pixels = || (0..width * height).map(|i| image.get_pixel(x + i % width, y + i / width));
    let paper = image.get_pixel(x, y);
    pixels().filter(|&pixel| pixel != paper).count()
}

#[test]
fn a_sheet_has_its_images_in_their_places_and_text_at_each() {
    let red = Tile { image: square([200, 10, 10], 5), lines: vec!["left".into(), "0.98".into()] };
    let blue = Tile { image: square([10, 10, 200], 50), lines: vec!["a".repeat(300)] };
    let groups = [Group { title: "Things".into(), tiles: vec![red.clone(), blue.clone(), red] }];
    let layout = Layout { columns: 2, tile_px: 60 };
    let drawn = sheet(&groups, layout).unwrap();
    // By hand: gaps of 12, a title of 40, and two rows of 60 + 2 * 15 + 12.
    assert_eq!(size_px(&groups, layout), (12 + 2 * 72, 12 + 40 + 2 * 102));
    assert_eq!(drawn.dimensions(), (156, 256));
    assert_eq!(drawn.get_pixel(12 + 30, 40 + 30).0, [200, 10, 10]);
    assert_eq!(drawn.get_pixel(84 + 30, 40 + 30).0, [10, 10, 200]);
    assert_eq!(drawn.get_pixel(12 + 30, 142 + 30).0, [200, 10, 10]);
    assert!(marked(&drawn, (0, 0), (156, 40)) > 50, "no title");
    assert!(marked(&drawn, (12, 101), (60, 14)) > 20, "no name below the first tile");
    assert!(marked(&drawn, (12, 116), (60, 14)) > 20, "no second line below it");
    assert!(marked(&drawn, (84, 101), (60, 14)) > 20, "no name below the second tile");
    assert_eq!(marked(&drawn, (145, 40), (11, 216)), 0, "a long name runs over the edge");
}

#[test]
fn images_of_any_shape_are_fitted_into_their_tile() {
    for (width, height) in [(1, 1), (1, 400), (400, 1), (300, 200)] {
        let tile = Tile { image: RgbImage::from_pixel(width, height, Rgb([9, 200, 9])), lines: vec![] };
        let drawn = sheet(&[Group { title: String::new(), tiles: vec![tile] }], Layout::default()).unwrap();
        assert_eq!(drawn.get_pixel(12 + 63, 40 + 63).0, [9, 200, 9], "{width} x {height}");
    }
}

#[test]
fn curves_come_as_png_and_svg_with_both_series_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.png");
    for epochs in [0, 1, 2, 50] {
        write_png(&history(epochs), &path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8().dimensions(), (1840, 680), "{epochs} epochs");
    }
    let svg = to_svg(&curves(&history(3))).unwrap();
    for word in ["Loss", "Accuracy", "training", "validation", "epoch", "mean binary cross-entropy"] {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn a_chart_draws_its_points_and_passes_over_those_that_are_no_numbers() {
    let axis = |label: &str| Axis { label: label.into(), range: 0.0..1.0, decimals: 1 };
    let chart = |points: Vec<(f64, f64)>, mark| {
        to_image(&Chart::new("t", axis("x"), axis("y"), vec![Series { name: String::new(), points, mark }])).unwrap()
    };
    let blank = chart(vec![], Mark::Line);
    for mark in [Mark::Line, Mark::LineAndDots, Mark::Dashed, Mark::DashedAndDots, Mark::Dots] {
        assert_ne!(chart(vec![(0.1, 0.2), (0.8, 0.9)], mark), blank, "{mark:?}");
        assert_eq!(chart(vec![(f64::NAN, 0.2), (0.5, f64::INFINITY)], mark), blank, "{mark:?}");
    }
}

#[test]
fn a_page_needs_nothing_else_and_has_all_figures() {
    let picture =
        |alt: &str| Picture { image: square([1, 2, 3], 4), alt: alt.into(), lines: vec!["<b>0.5</b>".into()] };
    let gallery = Gallery { title: "Mistakes".into(), text: "Two.".into(), pictures: vec![picture("x"), picture("y")] };
    // By hand: 8 of 10 found, 85 of 90 left alone, 93 of 100 right.
    let counts = Counts { true_positives: 8, false_negatives: 2, false_positives: 5, true_negatives: 85 };
    let text = page(&Page {
        title: "A & B",
        notice: "Drawn.",
        about: &["About it.".to_owned()],
        counts,
        patients: 7,
        history: &history(4),
        named: &picture("one \"quoted\""),
        galleries: &[gallery],
        commands: &[("giemsa fetch".to_owned(), "downloads".to_owned())],
    })
    .unwrap();
    assert_self_contained(&text);
    let expected = [
        "A &amp; B",
        "100 cells of\n7 patients",
        "93.0 %",
        "80.0 %",
        "94.4 %",
        "<b>8</b>true positives",
        "<b>2</b>false negatives",
        "<b>5</b>false positives",
        "<b>85</b>true negatives",
        "Mistakes",
        "giemsa fetch",
        "over 4 epochs",
        "&lt;b&gt;0.5",
    ];
    for words in expected {
        assert!(text.contains(words), "{words}");
    }
    assert_eq!(text.matches("data:image/png;base64,").count(), 3);
    assert_eq!(text.matches("data:image/svg+xml;base64,").count(), 2);
}
