//! Draws malaria parasites in a red blood cell: rings, trophozoites, schizonts, and nuclei at the very edge.

use super::canvas::{Blob, Canvas, Colour, Point, at_polar, mix};
use super::outline::Outline;
use super::patient::Patient;
use crate::random::Random;
use std::f32::consts::TAU;

/// The colour of grains of digested haemoglobin.
const PIGMENT: Colour = [88.0, 58.0, 52.0];

/// Draws the parasites of one cell, usually one.
pub fn draw(canvas: &mut Canvas, patient: &Patient, outline: &Outline, random: &mut Random) {
    let count = match random.uniform() {
        u if u < 0.78 => 1,
        u if u < 0.95 => 2,
        _ => 3,
    };
    // A few parasites are faint, most are distinct.
    let strength = patient.contrast * (1.0 - 0.55 * random.uniform().powi(4));
    for _ in 0..count {
        let brush = Brush { patient, size_px: outline.radius_px, strength };
        let angle = random.range(0.0, TAU);
        if random.chance(patient.late_stages) {
            let centre = at_polar(outline.cell.centre(), outline.radius_px * random.range(0.0, 0.5), angle);
            if random.chance(0.12) {
                brush.schizont(canvas, centre, random);
            } else {
                brush.trophozoite(canvas, centre, random);
            }
        } else if random.chance(0.2) {
            let centre = at_polar(outline.cell.centre(), outline.radius_px * random.range(0.82, 0.93), angle);
            brush.nucleus(canvas, centre, random.range(0.8, 1.25), angle + TAU / 4.0, random);
        } else {
            let centre = at_polar(outline.cell.centre(), outline.radius_px * random.uniform().sqrt() * 0.82, angle);
            brush.ring(canvas, centre, random);
        }
    }
}

/// The settings of all parasites of a cell.
struct Brush<'a> {
    patient: &'a Patient,
    /// The radius of the cell.
    size_px: f32,
    /// Opacity, up to 1.
    strength: f32,
}

impl Brush<'_> {
    fn paint(&self, canvas: &mut Canvas, blob: &Blob, colour: Colour, opacity: f32) {
        canvas.paint(blob, self.patient.softness_px, colour, opacity * self.strength);
    }

    /// Draws a lump of chromatin, darker in its middle.
    fn nucleus(&self, canvas: &mut Canvas, centre: Point, scale: f32, angle: f32, random: &mut Random) {
        let radius = self.size_px * random.range(0.1, 0.155) * scale;
        let radii = (radius * random.range(1.0, 1.6), radius * random.range(0.65, 1.0));
        let waves = [(0.08 * random.normal(), 0.0), (0.1 * random.normal(), random.range(0.0, TAU))];
        let lump = Blob::ellipse(centre, radii, angle).with_waves(&waves);
        self.paint(canvas, &lump, self.patient.chromatin, 0.95);
        let core = Blob::ellipse(centre, (radii.0 * 0.5, radii.1 * 0.5), angle);
        self.paint(canvas, &core, self.patient.chromatin.map(|value| value * 0.72), 0.7);
    }

    /// Draws a thin ring around a light vacuole, with one or two nuclei on it.
    fn ring(&self, canvas: &mut Canvas, centre: Point, random: &mut Random) {
        let patient = self.patient;
        let radius = self.size_px * random.range(0.13, 0.24);
        let angle = random.range(0.0, TAU);
        let waves =
            [(0.12 * random.normal(), random.range(0.0, TAU)), (0.06 * random.normal(), random.range(0.0, TAU))];
        let shape = Blob::ellipse(centre, (radius, radius * random.range(0.65, 1.0)), angle).with_waves(&waves);
        self.paint(canvas, &shape, mix(patient.body, patient.glass, 0.6), random.range(0.1, 0.6));
        let line_px = self.size_px * random.range(0.02, 0.05);
        let opacity = self.strength * random.range(0.15, 0.6);
        canvas.outline(&shape, line_px, patient.softness_px, patient.cytoplasm, opacity);
        let first = random.range(0.0, TAU);
        self.nucleus(canvas, at_polar(centre, radius * 0.95, first), 0.95, first + TAU / 4.0, random);
        if random.chance(0.25) {
            let second = first + random.range(0.6, 3.0);
            self.nucleus(canvas, at_polar(centre, radius * 0.95, second), 0.7, second, random);
        }
    }

    /// Draws a larger amoeboid body with one or two nuclei, and pigment.
    fn trophozoite(&self, canvas: &mut Canvas, centre: Point, random: &mut Random) {
        let radius = self.size_px * random.range(0.22, 0.4);
        let waves: [(f32, f32); 4] = std::array::from_fn(|_| (0.11 * random.normal(), random.range(0.0, TAU)));
        let body = Blob::ellipse(centre, (radius, radius * random.range(0.6, 1.0)), random.range(0.0, TAU));
        let (body, opacity) = (body.with_waves(&waves), random.range(0.3, 0.65));
        self.paint(canvas, &body, self.patient.cytoplasm, opacity);
        let vacuole = at_polar(centre, radius * random.range(0.1, 0.5), random.range(0.0, TAU));
        let hole = Blob::disc(vacuole, radius * random.range(0.2, 0.45));
        self.paint(canvas, &hole, mix(self.patient.body, self.patient.glass, 0.5), 0.7);
        for _ in 0..1 + random.below(2) {
            let place = at_polar(centre, radius * random.range(0.2, 0.8), random.range(0.0, TAU));
            self.nucleus(canvas, place, 1.15, random.range(0.0, TAU), random);
        }
        self.pigment(canvas, centre, radius, 3 + random.below(6), random);
    }

    /// Draws many small nuclei around a cluster of pigment.
    fn schizont(&self, canvas: &mut Canvas, centre: Point, random: &mut Random) {
        let radius = self.size_px * random.range(0.4, 0.6);
        self.paint(canvas, &Blob::disc(centre, radius), self.patient.cytoplasm, 0.3);
        for i in 0..8 + random.below(9) {
            // The golden angle distributes them evenly.
            let (distance, angle) = (radius * (0.25 + 0.7 * random.uniform()), 2.4 * i as f32 + 0.3 * random.normal());
            self.nucleus(canvas, at_polar(centre, distance, angle), 0.65, angle, random);
        }
        self.pigment(canvas, centre, radius * 0.3, 12, random);
    }

    fn pigment(&self, canvas: &mut Canvas, centre: Point, within_px: f32, grains: usize, random: &mut Random) {
        for _ in 0..grains {
            let place = at_polar(centre, within_px * random.uniform().sqrt(), random.range(0.0, TAU));
            self.paint(canvas, &Blob::disc(place, self.size_px * random.range(0.015, 0.03)), PIGMENT, 0.6);
        }
    }
}
