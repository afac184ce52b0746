//! Sheets, charts and pages.

use crate::page::assert_self_contained;
use giemsa::evaluate::counts::Counts;
use giemsa::report::axis::Axis;
use giemsa::report::chart::{Chart, Mark, Series};
use giemsa::report::curves::{curves, write_png};
use giemsa::report::page::{Gallery, Page, Picture, Size, page};
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

/// Counts the pixels of a rectangle that differ from its upper left pixel.
fn marked(image: &RgbImage, (x, y): (u32, u32), (width, height): (u32, u32)) -> usize {
    let pixels = || (0..width * height).map(|i| image.get_pixel(x + i % width, y + i / width));
    let paper = image.get_pixel(x, y);
    pixels().filter(|&pixel| pixel != paper).count()
}

#[test]
fn a_sheet_contains_images_and_captions() {
    let red = Tile { image: square([200, 10, 10], 5), lines: vec!["left".into(), "0.98".into()] };
    let blue = Tile { image: square([10, 10, 200], 50), lines: vec!["a".repeat(300)] };
    let groups = [Group { title: "Things".into(), tiles: vec![red.clone(), blue.clone(), red] }];
    let layout = Layout { columns: 2, tile_px: 60 };
    let drawn = sheet(&groups, layout).unwrap();
    // Gaps of 12, a title of 40, and two rows of 60 + 2 * 15 + 12.
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
fn images_of_any_shape_fit_their_tile() {
    for (width, height) in [(1, 1), (1, 400), (400, 1), (300, 200)] {
        let tile = Tile { image: RgbImage::from_pixel(width, height, Rgb([9, 200, 9])), lines: vec![] };
        let drawn = sheet(&[Group { title: String::new(), tiles: vec![tile] }], Layout::default()).unwrap();
        assert_eq!(drawn.get_pixel(12 + 63, 40 + 63).0, [9, 200, 9], "{width} x {height}");
    }
}

#[test]
fn draws_learning_curves_as_png_and_svg() {
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
fn charts_skip_points_that_are_not_finite() {
    let axis = |label: &str| Axis::new(label, 0.0..1.0);
    let chart = |points: Vec<(f64, f64)>, mark| {
        to_image(&[Chart::new("t", axis("x"), axis("y"), vec![Series::new("", points, mark)])], 2).unwrap()
    };
    let blank = chart(vec![], Mark::Line);
    let marks = [Mark::Line, Mark::ThinLine, Mark::LineAndDots, Mark::Dashed, Mark::DashedAndDots, Mark::Dots];
    for mark in marks.into_iter().chain([Mark::Circles(9.0), Mark::Bars(0.1)]) {
        assert_ne!(chart(vec![(0.1, 0.2), (0.8, 0.9)], mark), blank, "{mark:?}");
        assert_eq!(chart(vec![(f64::NAN, 0.2), (0.5, f64::INFINITY)], mark), blank, "{mark:?}");
    }
}

#[test]
fn a_legend_covers_no_data() {
    // Dots all over the plot, so that a legend inside of it would cover some.
    let dots = (0..121).map(|i| (f64::from(i % 11) / 10.0, f64::from(i / 11) / 10.0)).collect();
    let names = ["a line", "another line", "a third line with a long name", "a fourth line with a long name"];
    let lines = names.map(|name| Series::new(name, vec![(0.0, 0.0)], Mark::Line));
    let series = lines.into_iter().chain([Series::new("", dots, Mark::Dots)]).collect();
    let axis = || Axis::new("", 0.0..1.0);
    let svg = to_svg(&[Chart::new("title", axis(), axis(), series)]).unwrap();
    let tops = |element: &str, attribute: &str| -> Vec<i32> {
        let after = |text: &str| text.split(&format!(" {attribute}=\"")).nth(1)?.split('"').next()?.parse().ok();
        svg.split('<').filter(|text| text.starts_with(element)).filter_map(after).collect()
    };
    let highest_dot = *tops("circle", "cy").iter().min().unwrap();
    for name in names {
        let end = svg.find(name).unwrap();
        let start = svg[..end].rfind("<text").unwrap();
        let text = svg[start..end].split(" y=\"").nth(1).unwrap();
        let y: i32 = text.split('"').next().unwrap().parse().unwrap();
        assert!(y + 10 < highest_dot, "{name} at {y}, a dot at {highest_dot}");
    }
}

#[test]
fn a_page_is_self_contained_and_has_all_metrics() {
    let picture =
        |alt: &str| Picture { image: square([1, 2, 3], 4), alt: alt.into(), lines: vec!["<b>0.5</b>".into()] };
    let gallery = Gallery {
        title: "Mistakes".into(),
        text: "Two.".into(),
        size: Size::Cell,
        pictures: vec![picture("x"), picture("y")],
    };
    // By hand: sensitivity 8/10, specificity 85/90, accuracy 93/100.
    let counts = Counts { true_positives: 8, false_negatives: 2, false_positives: 5, true_negatives: 85 };
    let text = page(&Page {
        title: "A & B",
        notice: "Drawn.",
        about: &["About it.".to_owned()],
        counts,
        patients: 7,
        history: &history(4),
        example: &picture("one \"quoted\""),
        galleries: &[gallery],
        commands: &[("giemsa fetch".to_owned(), "downloads".to_owned())],
    })
    .unwrap();
    assert_self_contained(&text);
    let expected = [
        "A &amp; B",
        "100 cells of 7 held-out patients",
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
    assert_eq!(text.matches("<svg role=\"img\" aria-label=").count(), 2);
}

#[test]
fn charts_of_pages_follow_the_colour_scheme() {
    let picture = Picture { image: square([1, 2, 3], 4), alt: "cell".into(), lines: vec![] };
    let counts = Counts { true_positives: 1, false_negatives: 0, false_positives: 0, true_negatives: 1 };
    let text = page(&Page {
        title: "Run",
        notice: "Drawn.",
        about: &[],
        counts,
        patients: 1,
        history: &history(4),
        example: &picture,
        galleries: &[],
        commands: &[],
    })
    .unwrap();
    assert!(text.contains("prefers-color-scheme: dark"));
    let charts: String = text.split("<svg ").skip(1).map(|part| part.split("</svg>").next().unwrap()).collect();
    assert!(charts.contains("currentColor") && charts.contains("var(--line)") && charts.contains("var(--blue)"));
    // A colour that is not a variable of the style sheet would stay the same in dark mode.
    for attribute in ["fill=\"#", "stroke=\"#"] {
        let fixed = charts.find(attribute).map(|at| &charts[at..at + 16]);
        assert_eq!(fixed, None);
    }
}

#[test]
fn a_legend_contains_every_named_series() {
    let axis = |label: &str| Axis::new(label, 0.0..1.0);
    let marks = [Mark::Line, Mark::Dashed, Mark::Dots, Mark::Circles(5.0), Mark::Bars(0.1), Mark::Band];
    let series = marks
        .iter()
        .enumerate()
        .map(|(i, &mark)| Series::new(format!("series {i}"), vec![(0.1, 0.2), (0.5, 0.9), (0.7, 0.1)], mark));
    let svg = to_svg(&[Chart::new("t", axis("x"), axis("y"), series.collect())]).unwrap();
    for i in 0..marks.len() {
        assert!(svg.contains(&format!("series {i}")), "{i}");
    }
}
