//! Photographs of thin smears with known truth: every cell, its box and its class.

mod camera;
mod field;
mod placement;
mod slide;
mod stamp;

use crate::classes::Class;
use crate::random::Random;
use crate::smear::ObjectKind;
use field::{Field, Footprint, View};
use image::RgbImage;
use placement::Placement;
use slide::Slide;
use stamp::Stamp;

/// The diameters of red cells that can be drawn, in pixels.
const DIAMETER_PX: std::ops::RangeInclusive<f32> = 40.0..=200.0;

/// What a drawn photograph shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SmearSettings {
    /// Width of the photograph in pixels.
    pub width_px: u32,
    /// Height of the photograph in pixels.
    pub height_px: u32,
    /// Usual diameter of a red cell in pixels, from 40 to 200.
    pub diameter_px: f32,
    /// Red cells, also those that the border cuts. There are fewer if the photograph has no room for them.
    pub red_cells: usize,
    /// Probability that a red cell is infected.
    pub parasitaemia: f32,
    /// White cells.
    pub white_cells: usize,
    /// Platelets between the cells.
    pub platelets: usize,
    /// Pieces of debris.
    pub debris: usize,
    /// Fraction of the red cells that are placed against another cell or partly over it.
    pub crowding: f32,
    /// Relative difference of the light across the photograph, about.
    pub uneven_light: f32,
    /// Standard deviation of the noise of the camera in bright pixels, in grey levels.
    pub noise: f32,
    /// Whether the photograph shows a bright disc, black outside, as of a telephone at the eyepiece.
    pub round_field: bool,
}

impl Default for SmearSettings {
    fn default() -> SmearSettings {
        SmearSettings {
            width_px: 1280,
            height_px: 960,
            diameter_px: 72.0,
            red_cells: 120,
            parasitaemia: 0.05,
            white_cells: 1,
            platelets: 5,
            debris: 3,
            crowding: 0.3,
            uneven_light: 0.15,
            noise: 2.0,
            round_field: false,
        }
    }
}

/// A drawn photograph with its truth.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DrawnSmear {
    /// The photograph.
    pub image: RgbImage,
    /// The objects on it: white cells, red cells, platelets, then debris.
    pub objects: Vec<DrawnObject>,
}

/// An object on a drawn photograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrawnObject {
    /// Left edge of the visible part in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What it is; never a cluster, as every cell is an object of its own.
    pub kind: ObjectKind,
    /// The class of a red cell, of the whole cell also where the border cuts it.
    pub class: Option<Class>,
    /// Whether the border of the field cuts or touches it.
    pub touches_border: bool,
    /// Whether it touches or overlaps another object.
    pub touches_another: bool,
}

/// Draws a photograph of a thin smear. `seed` determines the slide: its stain and light; `number`, the photograph of it.
///
/// The boxes are those of the visible parts. Platelets and stain that lie on a red cell are a part of that cell.
///
/// ```
/// use giemsa::smear::ObjectKind;
/// use giemsa::synthetic::{SmearSettings, draw_smear};
/// let settings = SmearSettings { width_px: 400, height_px: 300, red_cells: 9, ..SmearSettings::default() };
/// let smear = draw_smear(1, 0, &settings);
/// assert_eq!(smear.image.dimensions(), (400, 300));
/// let red_cells = smear.objects.iter().filter(|object| object.kind == ObjectKind::RedCell);
/// assert_eq!(red_cells.count(), 9);
/// ```
///
/// # Panics
/// If the photograph has no pixels, the diameter is not from 40 to 200 pixels, or there are more than 60 000 objects.
#[must_use]
pub fn draw_smear(seed: u64, number: usize, settings: &SmearSettings) -> DrawnSmear {
    let count = settings.red_cells + settings.white_cells + settings.platelets + settings.debris;
    assert!(settings.width_px > 0 && settings.height_px > 0, "a photograph has pixels");
    assert!(DIAMETER_PX.contains(&settings.diameter_px), "a diameter of {} px", settings.diameter_px);
    assert!(count <= 60_000, "{count} objects");
    let mut random = Random::keyed(&[seed, u64::from_le_bytes(*b"smear\0\0\0"), number as u64]);
    let slide = Slide::draw(seed, settings.diameter_px);
    let view = view(settings, &mut random);
    let mut drawing = Drawing {
        slide: &slide,
        field: Field::new(view),
        placement: Placement::new(view, 3.0 + 0.05 * settings.diameter_px),
        objects: Vec::new(),
    };
    drawing.add_objects(settings, &mut random);
    let image = camera::photograph(&drawing.field.transmitted, &view, &slide, settings, &mut random);
    DrawnSmear { image, objects: drawing.objects }
}

/// Draws the part of the picture that shows the slide.
fn view(settings: &SmearSettings, random: &mut Random) -> View {
    let (width_px, height_px) = (settings.width_px as f32, settings.height_px as f32);
    let shorter = width_px.min(height_px);
    let disc = settings.round_field.then(|| {
        let mut middle = |length: f32| 0.5 * length + 0.04 * shorter * random.range(-1.0, 1.0);
        let centre = (middle(width_px), middle(height_px));
        (centre, 0.5 * shorter * random.range(0.94, 1.06))
    });
    View { width_px, height_px, disc }
}

/// A photograph in the making.
struct Drawing<'a> {
    slide: &'a Slide,
    field: Field,
    placement: Placement,
    objects: Vec<DrawnObject>,
}

impl Drawing<'_> {
    fn add_objects(&mut self, settings: &SmearSettings, random: &mut Random) {
        // Large objects come first: there is room for them.
        for _ in 0..settings.white_cells {
            let stamp = self.slide.white_cell(random);
            let corner = self.placement.add_other(&stamp.edge, random);
            self.add(&stamp, corner, ObjectKind::WhiteCell, None);
        }
        for _ in 0..settings.red_cells {
            let infected = random.chance(settings.parasitaemia);
            let class = if infected { Class::Parasitized } else { Class::Uninfected };
            let stamp = self.slide.red_cell(class, random);
            let corner = self.placement.add_cell(&stamp.edge, settings.crowding, random);
            self.add(&stamp, corner, ObjectKind::RedCell, Some(class));
        }
        for i in 0..settings.platelets + settings.debris {
            let is_platelet = i < settings.platelets;
            let kind = if is_platelet { ObjectKind::Platelet } else { ObjectKind::Artefact };
            let stamp = if is_platelet { self.slide.platelet(random) } else { self.slide.debris(random) };
            let corner = self.placement.add_other(&stamp.edge, random);
            self.add(&stamp, corner, kind, None);
        }
    }

    /// Puts an object on the slide, and keeps the truth about it.
    fn add(&mut self, stamp: &Stamp, corner: Option<(i32, i32)>, kind: ObjectKind, class: Option<Class>) {
        let Some(footprint) = corner.and_then(|corner| self.field.add(self.objects.len(), stamp, corner)) else {
            return;
        };
        let Footprint { columns, rows, touches_border, touched } = footprint;
        for &other in &touched {
            self.objects[other].touches_another = true;
        }
        self.objects.push(DrawnObject {
            x: columns.0 as u32,
            y: rows.0 as u32,
            width: (columns.1 + 1 - columns.0) as u32,
            height: (rows.1 + 1 - rows.0) as u32,
            kind,
            class,
            touches_border,
            touches_another: !touched.is_empty(),
        });
    }
}

#[cfg(test)]
mod tests;
