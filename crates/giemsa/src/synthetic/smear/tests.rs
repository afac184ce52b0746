use super::*;
use std::collections::HashSet;

/// A photograph of few cells, without noise and with even light.
fn plain() -> SmearSettings {
    SmearSettings {
        width_px: 640,
        height_px: 480,
        red_cells: 16,
        white_cells: 0,
        platelets: 0,
        debris: 0,
        crowding: 0.0,
        uneven_light: 0.0,
        noise: 0.0,
        ..SmearSettings::default()
    }
}

fn count(smear: &DrawnSmear, kind: ObjectKind) -> usize {
    smear.objects.iter().filter(|object| object.kind == kind).count()
}

#[test]
fn depends_on_seed_and_number_only() {
    let settings = SmearSettings { width_px: 320, height_px: 240, red_cells: 8, ..SmearSettings::default() };
    let mut seen = HashSet::new();
    for (seed, number) in [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (4, 0)] {
        let smear = draw_smear(seed, number, &settings);
        assert_eq!(smear, draw_smear(seed, number, &settings));
        assert!(seen.insert(smear.image.into_raw()), "seed {seed}, number {number}");
    }
}

#[test]
fn draws_the_number_of_objects_that_is_asked_for() {
    let smear = draw_smear(3, 1, &SmearSettings { white_cells: 2, ..SmearSettings::default() });
    let found = ObjectKind::ALL.map(|kind| count(&smear, kind));
    assert_eq!(found, [120, 2, 5, 0, 3]);
    for object in &smear.objects {
        assert!(object.x + object.width <= 1280 && object.y + object.height <= 960, "{object:?}");
        assert_eq!(object.class.is_some(), object.kind == ObjectKind::RedCell);
    }
    assert!(smear.objects.iter().any(|object| object.touches_border));
}

/// Returns the box of the pixels around an object that are darker than halfway between the glass and its edge.
fn dark_box(image: &RgbImage, object: &DrawnObject) -> [u32; 4] {
    let glass = image.pixels().map(|pixel| pixel.0[1]).max().unwrap();
    let (left, top) = (object.x - 4, object.y - 4);
    let around =
        || (top..object.y + object.height + 4).flat_map(|y| (left..object.x + object.width + 4).map(move |x| (x, y)));
    let mut greens: Vec<u8> = around().map(|(x, y)| image.get_pixel(x, y).0[1]).collect();
    greens.sort_unstable();
    let limit = u8::midpoint(glass, greens[greens.len() / 3]);
    let dark: Vec<_> = around().filter(|&(x, y)| image.get_pixel(x, y).0[1] < limit).collect();
    let bounds = |along: fn(&(u32, u32)) -> u32| {
        let (low, high) = (dark.iter().map(along).min().unwrap(), dark.iter().map(along).max().unwrap());
        (low, high + 1 - low)
    };
    let ((x, width), (y, height)) = (bounds(|place| place.0), bounds(|place| place.1));
    [x, y, width, height]
}

#[test]
fn boxes_are_those_of_the_dark_pixels() {
    let mut compared = 0;
    for seed in 0..8 {
        let smear = draw_smear(seed, 0, &SmearSettings { parasitaemia: 0.0, ..plain() });
        let (width, height) = smear.image.dimensions();
        let near = |one: u32, length: u32, other: u32, other_length: u32| {
            one < other + other_length + 6 && other < one + length + 6
        };
        for object in &smear.objects {
            let away = |low: u32, length: u32, end: u32| low >= 6 && low + length + 6 <= end;
            let beside = |other: &&DrawnObject| {
                near(object.x, object.width, other.x, other.width)
                    && near(object.y, object.height, other.y, other.height)
            };
            let alone = smear.objects.iter().filter(beside).count() == 1;
            if alone && away(object.x, object.width, width) && away(object.y, object.height, height) {
                let (found, drawn) =
                    (dark_box(&smear.image, object), [object.x, object.y, object.width, object.height]);
                assert!(found.iter().zip(drawn).all(|(a, b)| a.abs_diff(b) <= 2), "{seed}: {found:?} {drawn:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn cells_are_infected_as_often_as_asked() {
    let fraction = |parasitaemia: f32| {
        let settings = SmearSettings { parasitaemia, ..plain() };
        let cells: Vec<_> = (0..12).flat_map(|number| draw_smear(1, number, &settings).objects).collect();
        let infected = cells.iter().filter(|cell| cell.class == Some(Class::Parasitized)).count();
        infected as f64 / cells.len() as f64
    };
    assert_eq!((fraction(0.0), fraction(1.0)), (0.0, 1.0));
    let quarter = fraction(0.25);
    assert!((0.15..0.35).contains(&quarter), "{quarter}");
}

#[test]
fn cells_touch_only_where_they_are_crowded() {
    let touching = |crowding: f32| {
        let smear = draw_smear(2, 0, &SmearSettings { crowding, ..plain() });
        smear.objects.iter().filter(|object| object.touches_another).count()
    };
    assert_eq!(touching(0.0), 0);
    assert!(touching(0.8) >= 8, "{}", touching(0.8));
}

#[test]
fn a_round_field_is_black_outside_and_bright_inside() {
    let settings =
        SmearSettings { width_px: 800, height_px: 450, diameter_px: 40.0, red_cells: 60, ..SmearSettings::default() };
    for seed in 0..4 {
        let smear = draw_smear(seed, 0, &SmearSettings { round_field: true, ..settings.clone() });
        let brightness = |x: u32, y: u32| smear.image.get_pixel(x, y).0.into_iter().max().unwrap();
        for corner in [(0, 0), (799, 0), (0, 449), (799, 449), (60, 225), (740, 225)] {
            assert!(brightness(corner.0, corner.1) < 8, "{seed}");
        }
        assert!((340..460).all(|x| brightness(x, 225) > 40), "{seed}");
        assert!(smear.objects.iter().all(|object| object.x > 120 && object.x + object.width < 680));
        assert_eq!(count(&smear, ObjectKind::RedCell), 60);
    }
}

#[test]
fn slides_differ_in_colour() {
    let glass: HashSet<[u8; 3]> =
        (0..6).map(|seed| draw_smear(seed, 0, &plain()).image.pixels().map(|pixel| pixel.0).max().unwrap()).collect();
    assert_eq!(glass.len(), 6);
}
