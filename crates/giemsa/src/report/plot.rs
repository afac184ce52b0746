//! Rendering of charts as PNG images and SVG texts.

use super::ReportError;
use super::chart::Chart;
use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::sync::Once;

/// The area that a chart is drawn on.
pub(super) type Area<B> = DrawingArea<B, Shift>;

/// The font family of all text; SVG viewers use their own sans-serif font.
pub(super) const FONT: &str = "sans-serif";

/// The colours of series, in order. Readers with any type of colour vision can distinguish them (Okabe and Ito 2008, "Color
/// Universal Design").
pub const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The colours of text, reference lines, grid lines and the background, which pages replace in dark mode.
pub(super) const INK: RGBColor = RGBColor(40, 40, 48);
pub(super) const MUTED: RGBColor = RGBColor(150, 150, 158);
pub(super) const GRID: RGBColor = RGBColor(226, 226, 232);
pub(super) const PARASITIZED: RGBColor = RGBColor(170, 51, 119);
pub(super) const UNINFECTED: RGBColor = COLOURS[0];

/// Returns width and height of charts side by side, in SVG pixels.
fn size_px(charts: &[Chart]) -> (u32, u32) {
    charts.iter().map(|chart| chart.size_px).fold((0, 0), |(width, height), (w, h)| (width + w, height.max(h)))
}

/// Draws charts side by side as an image with `scale` pixels per SVG pixel.
///
/// # Errors
/// If they cannot be drawn.
pub fn to_image(charts: &[Chart], scale: u32) -> Result<RgbImage, ReportError> {
    register_font();
    let (width, height) = size_px(charts);
    let mut image = RgbImage::from_pixel(width * scale, height * scale, image::Rgb([255; 3]));
    let size = image.dimensions();
    {
        let area = BitMapBackend::with_buffer(&mut image, size).into_drawing_area();
        draw(charts, &area, f64::from(scale))?;
    }
    Ok(image)
}

/// Draws charts side by side as an SVG file with a white background.
///
/// # Errors
/// If they cannot be drawn.
pub fn to_svg(charts: &[Chart]) -> Result<String, ReportError> {
    svg(charts, true)
}

/// Draws a chart as an `<svg>` element of a page. Its colours are CSS variables of the style sheet, and its background is
/// transparent, so that it follows the colour scheme of the page.
///
/// # Errors
/// If it cannot be drawn.
pub(super) fn to_inline_svg(chart: &Chart, description: &str) -> Result<String, ReportError> {
    let mut text = svg(std::slice::from_ref(chart), false)?;
    let themed = [
        (INK, "currentColor"),
        (BLACK, "currentColor"),
        (MUTED, "var(--faint)"),
        (GRID, "var(--line)"),
        (WHITE, "var(--paper)"),
        (PARASITIZED, "var(--purple)"),
        (COLOURS[0], "var(--blue)"),
        (COLOURS[1], "var(--orange)"),
    ];
    for (RGBColor(red, green, blue), variable) in themed {
        text = text.replace(&format!("#{red:02X}{green:02X}{blue:02X}"), variable);
    }
    let label = minijinja::HtmlEscape(description);
    Ok(text.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1))
}

fn svg(charts: &[Chart], background: bool) -> Result<String, ReportError> {
    // The widths of glyphs determine the layout of an SVG, too.
    register_font();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size_px(charts)).into_drawing_area();
        if background {
            area.fill(&WHITE).map_err(|error| draw_error("the background", error.to_string()))?;
        }
        draw(charts, &area, 1.0)?;
    }
    Ok(text)
}

/// Draws charts from left to right; lengths are multiplied by `unit`.
fn draw<B: DrawingBackend>(charts: &[Chart], area: &Area<B>, unit: f64) -> Result<(), ReportError> {
    let mut rest = area.clone();
    for chart in charts {
        let (left, right) = rest.split_horizontally((f64::from(chart.size_px.0) * unit).round() as u32);
        chart.draw(&left, unit).map_err(|error| draw_error(&chart.title, error.to_string()))?;
        rest = right;
    }
    area.present().map_err(|error| draw_error("the charts", error.to_string()))
}

fn draw_error(title: &str, reason: String) -> ReportError {
    ReportError::Draw { title: title.to_owned(), reason }
}

/// Registers the embedded font, so that text has the same size on every machine.
pub(super) fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for style in [FontStyle::Normal, FontStyle::Bold] {
            // The only possible error is a broken font, and tests draw with this one.
            let _ = plotters::style::register_font(FONT, style, epaint_default_fonts::UBUNTU_LIGHT);
        }
    });
}
