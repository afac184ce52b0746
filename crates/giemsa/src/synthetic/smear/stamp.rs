//! The objects on a slide, each on a small canvas of glass.

use super::slide::Slide;
use crate::classes::Class;
use crate::random::Random;
use crate::synthetic::body::Body;
use crate::synthetic::canvas::{Blob, Canvas, Colour, at_polar, mix};
use crate::synthetic::outline::{self, Outline};
use crate::synthetic::{lookalike, parasite};
use std::f32::consts::TAU;

/// A drawn object.
pub struct Stamp {
    /// The object on glass.
    pub canvas: Canvas,
    /// The edge of the object on the canvas.
    pub edge: Blob,
    /// The colour of the glass.
    pub glass: Colour,
}

impl Slide {
    /// Draws a red cell.
    pub fn red_cell(&self, class: Class, random: &mut Random) -> Stamp {
        let patient = &self.patient;
        let outline = self.outline(random);
        let mut body = Body::draw(patient, outline.side_px(), random).evened(patient);
        if random.chance(self.pale) {
            body = body.with_pallor(self.hole * random.range(0.7, 1.2), self.pallor * random.range(0.5, 1.3));
        }
        let mut canvas = body.paint(patient, &outline);
        lookalike::draw(&mut canvas, patient, &outline, class, random);
        if class.is_positive() {
            parasite::draw(&mut canvas, patient, &outline, random);
        }
        Stamp { canvas, edge: outline.cell, glass: patient.glass }
    }

    /// Draws the outline of a red cell: round, oval or crenated.
    fn outline(&self, random: &mut Random) -> Outline {
        let unusual = if random.chance(0.02) { random.range(0.6, 0.8) } else { 1.0 };
        let radius_px = 0.5 * self.patient.diameter_px * unusual * (1.0 + 0.06 * random.normal()).clamp(0.8, 1.25);
        let stretch = if random.chance(self.oval) { 0.4 } else { 0.06 };
        let cell = outline::cell(radius_px, stretch, random);
        if !random.chance(self.crenated) {
            return Outline::whole(cell, radius_px);
        }
        let spikes = cell.with_spikes(9 + random.below(7), random.range(0.03, 0.08), random.range(0.0, TAU));
        Outline::whole(spikes, radius_px)
    }

    /// Draws a white cell: a dark nucleus of one to five lobes in a pale, sometimes granular body.
    pub fn white_cell(&self, random: &mut Random) -> Stamp {
        let patient = &self.patient;
        let radius = self.patient.diameter_px * random.range(0.65, 0.95);
        let waves: [(f32, f32); 4] = std::array::from_fn(|_| (0.025 * random.normal(), random.range(0.0, TAU)));
        let (mut canvas, middle) = self.glass(1.3 * radius);
        let edge = Blob::ellipse(middle, (radius, radius * random.range(0.85, 1.0)), random.range(0.0, TAU));
        let edge = edge.with_waves(&waves);
        let body = mix(patient.glass, mix(patient.cytoplasm, [150.0, 140.0, 205.0], 0.5), random.range(0.3, 0.6));
        canvas.paint(&edge, 2.0 * patient.softness_px, body, 0.95);
        if random.chance(0.6) {
            let grain = mix(body, patient.chromatin, random.range(0.3, 0.7));
            self.paint_grains(&mut canvas, (&edge, radius * 0.92), 200, (radius * 0.03, grain), random);
        }
        self.paint_nucleus(&mut canvas, (&edge, radius), random);
        Stamp { canvas, edge, glass: patient.glass }
    }

    /// Paints the nucleus of a white cell of this edge and radius.
    fn paint_nucleus(&self, canvas: &mut Canvas, (edge, radius): (&Blob, f32), random: &mut Random) {
        let purple = mix(self.patient.chromatin, [86.0, 50.0, 150.0], 0.6);
        // A lymphocyte has one large round nucleus, a granulocyte several small lobes.
        let lobes = if random.chance(0.3) { 1 } else { 2 + random.below(4) };
        let (size, bend) = if lobes == 1 { (0.75, 0.0) } else { (0.27 + 0.3 / lobes as f32, 0.45) };
        let (first, turn) = (random.range(0.0, TAU), random.range(0.9, 1.3));
        for lobe in 0..lobes {
            let place = at_polar(edge.centre(), radius * bend, first + turn * lobe as f32);
            let radii = (radius * size * random.range(0.9, 1.1), radius * size * random.range(0.75, 1.0));
            let waves = [(0.08 * random.normal(), random.range(0.0, TAU)), (0.05 * random.normal(), 0.0)];
            let blob = Blob::ellipse(place, radii, random.range(0.0, TAU)).with_waves(&waves);
            canvas.paint(&blob, 2.0 * self.patient.softness_px, purple, 0.92);
            let clump = purple.map(|value| value * 0.75);
            self.paint_grains(canvas, (&blob, radii.1 * 0.85), 14, (radii.1 * 0.2, clump), random);
        }
    }

    /// Draws a platelet: small, purple and granular.
    pub fn platelet(&self, random: &mut Random) -> Stamp {
        let radius = self.patient.diameter_px * random.range(0.12, 0.2);
        let (mut canvas, middle) = self.glass(2.0 * radius);
        let edge = lookalike::paint_platelet(&mut canvas, &self.patient, radius, middle, random);
        Stamp { canvas, edge, glass: self.patient.glass }
    }

    /// Draws a piece of debris: a dark grain of stain or dust, or a faint spot far out of focus.
    pub fn debris(&self, random: &mut Random) -> Stamp {
        let dark = random.chance(0.6);
        let size = if dark { random.range(0.06, 0.16) } else { random.range(0.2, 0.45) };
        let radius = self.patient.diameter_px * size;
        let (softness, opacity, wave) = if dark { (self.patient.softness_px, 0.9, 0.13) } else { (radius, 0.3, 0.05) };
        let colour = [mix(self.patient.chromatin, [40.0; 3], 0.5), [90.0, 88.0, 84.0]][random.below(2)];
        let waves: [(f32, f32); 4] = std::array::from_fn(|_| (wave * random.normal(), random.range(0.0, TAU)));
        let (mut canvas, middle) = self.glass(2.5 * radius + softness);
        let radii = (radius * random.range(1.0, 1.5), radius * random.range(0.6, 1.0));
        let edge = Blob::ellipse(middle, radii, random.range(0.0, TAU)).with_waves(&waves);
        canvas.paint(&edge, softness, colour, opacity * random.range(0.6, 1.0));
        Stamp { canvas, edge, glass: self.patient.glass }
    }

    /// Creates a square of glass with this distance from the middle to the sides, and returns its middle.
    fn glass(&self, reach_px: f32) -> (Canvas, (f32, f32)) {
        let half = reach_px.ceil();
        let side = 2 * half as usize + 1;
        (Canvas::new(side, side, self.patient.glass), (half, half))
    }

    /// Paints grains of about this size and colour within a distance of the middle of a blob.
    fn paint_grains(
        &self,
        canvas: &mut Canvas,
        (blob, within_px): (&Blob, f32),
        count: usize,
        (size_px, colour): (f32, Colour),
        random: &mut Random,
    ) {
        for _ in 0..count {
            let place = at_polar(blob.centre(), within_px * random.uniform().sqrt(), random.range(0.0, TAU));
            if blob.depth(place) > size_px {
                let grain = Blob::disc(place, size_px * random.range(0.6, 1.3));
                canvas.paint(&grain, self.patient.softness_px, colour, random.range(0.15, 0.6));
            }
        }
    }
}
