//! A plot is drawn once, for any backend, and had as a PNG image or as SVG text.

use super::ReportError;
use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::sync::Once;

/// Where a plot draws.
pub type Area<B> = DrawingArea<B, Shift>;

/// The family that plots write in; SVG viewers take their own sans-serif font.
pub const FONT: &str = "sans-serif";

/// Colours that readers of every colour vision tell apart (Okabe and Ito 2008, *Color Universal Design*), in the order
/// in which series take them.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Something that can be drawn at any size.
pub trait Plot {
    /// What it shows, for errors and alternative texts.
    fn title(&self) -> String;
    /// Width and height in SVG pixels.
    fn size_px(&self) -> (u32, u32);
    /// Draws it; lengths are in multiples of `unit`, which is 1 in an SVG of [`Plot::size_px`].
    ///
    /// # Errors
    /// What the backend says, in words.
    fn draw<B: DrawingBackend>(&self, area: &Area<B>, unit: f64) -> Result<(), String>;
}

/// PNG images have so many pixels for one of the SVG, to be sharp in print and on fine screens.
const PNG_SCALE: u32 = 2;

/// The plot as an image, twice as wide and high as [`Plot::size_px`].
///
/// # Errors
/// When it cannot be drawn.
pub fn to_image(plot: &impl Plot) -> Result<RgbImage, ReportError> {
    register_font();
    let (width, height) = plot.size_px();
    let mut image = RgbImage::from_pixel(width * PNG_SCALE, height * PNG_SCALE, image::Rgb([255; 3]));
    let size = image.dimensions();
    {
        let area = BitMapBackend::with_buffer(&mut image, size).into_drawing_area();
        finish(plot, &area, f64::from(PNG_SCALE))?;
    }
    Ok(image)
}

/// The plot as the text of an SVG file.
///
/// # Errors
/// When it cannot be drawn.
pub fn to_svg(plot: &impl Plot) -> Result<String, ReportError> {
    // SVG, too, is laid out by the widths of the glyphs.
    register_font();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, plot.size_px()).into_drawing_area();
        area.fill(&WHITE).map_err(|error| draw_error(plot, error.to_string()))?;
        finish(plot, &area, 1.0)?;
    }
    Ok(text)
}

fn finish<B: DrawingBackend>(plot: &impl Plot, area: &Area<B>, unit: f64) -> Result<(), ReportError> {
    plot.draw(area, unit).map_err(|reason| draw_error(plot, reason))?;
    area.present().map_err(|error| draw_error(plot, error.to_string()))
}

fn draw_error(plot: &impl Plot, reason: String) -> ReportError {
    ReportError::Draw { title: plot.title(), reason }
}

/// Gives plotters the one font that all text is drawn in, so that it looks the same on every machine.
pub(super) fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for style in [FontStyle::Normal, FontStyle::Bold] {
            // The error is that of a broken font file, and this one is compiled in and drawn by the tests.
            let _ = plotters::style::register_font(FONT, style, epaint_default_fonts::UBUNTU_LIGHT);
        }
    });
}

/// Plots side by side, at the height of the highest.
pub struct Beside<P>(pub Vec<P>);

impl<P: Plot> Plot for Beside<P> {
    fn title(&self) -> String {
        self.0.iter().map(Plot::title).collect::<Vec<_>>().join(", ")
    }

    fn size_px(&self) -> (u32, u32) {
        let sizes = self.0.iter().map(Plot::size_px);
        sizes.fold((0, 0), |(width, height), (w, h)| (width + w, height.max(h)))
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>, unit: f64) -> Result<(), String> {
        let mut rest = area.clone();
        for plot in &self.0 {
            let (left, right) = rest.split_horizontally((f64::from(plot.size_px().0) * unit).round() as u32);
            plot.draw(&left, unit)?;
            rest = right;
        }
        Ok(())
    }
}
