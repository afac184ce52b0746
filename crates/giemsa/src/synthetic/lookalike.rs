//! Draws objects that resemble parasites: platelets, stain deposits, specks, dust, dimples, stippling.

use super::canvas::{Blob, Canvas, Colour, Point, at_polar, mix};
use super::outline::Outline;
use super::patient::Patient;
use crate::classes::Class;
use crate::random::Random;
use std::f32::consts::TAU;

/// Draws random objects on a cell; most cells have none. Platelets and deposits, which are easily confused with parasites,
/// occur only on uninfected cells, where they make difficult negatives.
pub fn draw(canvas: &mut Canvas, patient: &Patient, outline: &Outline, class: Class, random: &mut Random) {
    let place = |random: &mut Random, nearest: f32, farthest: f32| {
        let distance = outline.radius_px * random.range(nearest, farthest);
        at_polar(outline.cell.centre(), distance, random.range(0.0, TAU))
    };
    if random.chance(patient.stippling) {
        stipple(canvas, patient, outline, random);
    }
    if random.chance(0.14) {
        for _ in 0..1 + random.below(3) {
            let at = place(random, 0.1, 0.95);
            speck(canvas, patient, outline.radius_px, at, random);
        }
    }
    if random.chance(0.04) {
        let at = place(random, 0.0, 0.8);
        dimple(canvas, patient, outline.radius_px, at, random);
    }
    if random.chance(0.03) {
        let at = place(random, 0.0, 0.9);
        let dust: Colour = [96.0, 104.0, 128.0];
        let radii = (outline.radius_px * random.range(0.02, 0.06), outline.radius_px * 0.025);
        canvas.paint(
            &Blob::ellipse(at, radii, random.range(0.0, TAU)),
            patient.softness_px,
            dust,
            random.range(0.3, 0.8),
        );
    }
    if !class.is_positive() && random.chance(0.05) {
        let at = place(random, 0.3, 1.0);
        platelet(canvas, patient, outline.radius_px, at, random);
    }
    if !class.is_positive() && random.chance(0.03) {
        let at = place(random, 0.75, 1.0);
        deposit(canvas, patient, outline.radius_px, at, random);
    }
}

/// Draws fine dots all over the cell.
fn stipple(canvas: &mut Canvas, patient: &Patient, outline: &Outline, random: &mut Random) {
    let colour = mix(patient.body, patient.chromatin, 0.5);
    for _ in 0..6 + random.below(14) {
        let distance = outline.radius_px * 0.9 * random.uniform().sqrt();
        let at = at_polar(outline.cell.centre(), distance, random.range(0.0, TAU));
        let dot = Blob::disc(at, outline.radius_px * random.range(0.015, 0.035));
        canvas.paint(&dot, patient.softness_px, colour, random.range(0.3, 0.8));
    }
}

/// Draws a small dark grain of stain.
fn speck(canvas: &mut Canvas, patient: &Patient, size_px: f32, at: Point, random: &mut Random) {
    let colour = mix(patient.body, patient.chromatin.map(|value| value * 0.8), random.range(0.4, 0.9));
    let radius = size_px * random.range(0.015, 0.045);
    let grain = Blob::ellipse(at, (radius * random.range(1.0, 1.6), radius), random.range(0.0, TAU));
    canvas.paint(&grain, patient.softness_px * 0.8, colour, random.range(0.5, 0.9));
}

/// Draws a pale purple granular disc with a light halo.
fn platelet(canvas: &mut Canvas, patient: &Patient, size_px: f32, at: Point, random: &mut Random) {
    let radius = size_px * random.range(0.14, 0.26);
    paint_platelet(canvas, patient, radius, at, random);
}

/// Draws a platelet of this radius, and returns its edge.
pub fn paint_platelet(canvas: &mut Canvas, patient: &Patient, radius: f32, at: Point, random: &mut Random) -> Blob {
    let purple = mix(patient.cytoplasm, patient.glass, random.range(0.15, 0.45));
    let waves = [(0.1 * random.normal(), 0.0), (0.08 * random.normal(), random.range(0.0, TAU))];
    canvas.paint(&Blob::disc(at, radius * 1.35), 2.0 * patient.softness_px, patient.glass, 0.45);
    let disc = Blob::ellipse(at, (radius, radius * random.range(0.7, 1.0)), random.range(0.0, TAU)).with_waves(&waves);
    canvas.paint(&disc, 1.5 * patient.softness_px, purple, random.range(0.6, 0.9));
    for _ in 0..8 + random.below(14) {
        let grain = at_polar(at, radius * 0.8 * random.uniform().sqrt(), random.range(0.0, TAU));
        let dot = Blob::disc(grain, radius * random.range(0.08, 0.2));
        canvas.paint(&dot, patient.softness_px, patient.chromatin, random.range(0.1, 0.45));
    }
    disc
}

/// Draws a lump of stain, usually at the edge, which even experts may confuse with a nucleus.
fn deposit(canvas: &mut Canvas, patient: &Patient, size_px: f32, at: Point, random: &mut Random) {
    let waves: [(f32, f32); 3] = std::array::from_fn(|_| (0.16 * random.normal(), random.range(0.0, TAU)));
    let lump = Blob::disc(at, size_px * random.range(0.05, 0.13)).with_waves(&waves);
    let colour = patient.chromatin.map(|value| value * random.range(0.55, 0.9));
    canvas.paint(&lump, patient.softness_px * 0.7, colour, random.range(0.6, 1.0));
}

/// Draws a refractile hollow: bright, with a dark crescent.
fn dimple(canvas: &mut Canvas, patient: &Patient, size_px: f32, at: Point, random: &mut Random) {
    let radius = size_px * random.range(0.06, 0.16);
    let shade = patient.body.map(|value| value * 0.72);
    let shifted = at_polar(at, radius * 0.25, random.range(0.0, TAU));
    canvas.paint(&Blob::disc(shifted, radius * 1.1), patient.softness_px, shade, random.range(0.2, 0.5));
    canvas.paint(
        &Blob::disc(at, radius),
        patient.softness_px,
        mix(patient.glass, [255.0; 3], 0.2),
        random.range(0.25, 0.6),
    );
}
