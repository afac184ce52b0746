//! A contact sheet: images in rows under a title a class, with a few lines of text below each.

use super::ReportError;
use super::plot::{FONT, register_font};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;

/// An image and what is written below it; lines that are too long lose their middle.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Fitted into the tile.
    pub image: RgbImage,
    /// From the top.
    pub lines: Vec<String>,
}

/// Tiles under a title.
#[derive(Clone, Debug)]
pub struct Group {
    /// For example a class.
    pub title: String,
    /// Row by row.
    pub tiles: Vec<Tile>,
}

/// How a sheet is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Tiles a row.
    pub columns: usize,
    /// Side of a tile, in pixels.
    pub tile_px: u32,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { columns: 8, tile_px: 128 }
    }
}

const GAP_PX: u32 = 12;
const TITLE_PX: u32 = 40;
const LINE_PX: u32 = 15;
const PAPER: Rgb<u8> = Rgb([250, 250, 252]);
const INK: RGBColor = RGBColor(40, 40, 48);
const FAINT_INK: RGBColor = RGBColor(96, 96, 108);

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

impl Group {
    fn rows(&self, columns: usize) -> u32 {
        self.tiles.len().div_ceil(columns) as u32
    }

    /// A tile with its text and the gap below it.
    fn row_px(&self, tile_px: u32) -> u32 {
        let lines = self.tiles.iter().map(|tile| tile.lines.len()).max().unwrap_or(0) as u32;
        tile_px + lines * LINE_PX + GAP_PX
    }

    fn height_px(&self, layout: Layout) -> u32 {
        TITLE_PX + self.rows(layout.columns) * self.row_px(layout.tile_px)
    }
}

/// Width and height of the sheet of these groups.
///
/// # Panics
/// When the layout has no columns.
pub fn size_px(groups: &[Group], layout: Layout) -> (u32, u32) {
    let width = GAP_PX + layout.columns as u32 * (layout.tile_px + GAP_PX);
    (width, GAP_PX + groups.iter().map(|group| group.height_px(layout)).sum::<u32>())
}

/// Draws the sheet.
///
/// # Errors
/// When the text cannot be drawn.
///
/// # Panics
/// When the layout has no columns.
pub fn sheet(groups: &[Group], layout: Layout) -> Result<RgbImage, ReportError> {
    register_font();
    let size = size_px(groups, layout);
    let mut paper = RgbImage::from_pixel(size.0, size.1, PAPER);
    for (group, top) in with_tops(groups, layout) {
        for (tile, (x, y)) in with_places(group, top, layout) {
            paste(&mut paper, &tile.image, (x, y), layout.tile_px);
        }
    }
    {
        let area = BitMapBackend::with_buffer(&mut paper, size).into_drawing_area();
        write_all(&area, groups, layout)
            .map_err(|reason| ReportError::Draw { title: "the contact sheet".to_owned(), reason })?;
    }
    Ok(paper)
}

/// Each group with where it begins.
fn with_tops(groups: &[Group], layout: Layout) -> impl Iterator<Item = (&Group, u32)> {
    groups.iter().scan(0, move |next, group| {
        let top = *next;
        *next += group.height_px(layout);
        Some((group, top))
    })
}

/// Each tile of a group with its upper left corner.
fn with_places(group: &Group, top: u32, layout: Layout) -> impl Iterator<Item = (&Tile, (u32, u32))> {
    let row_px = group.row_px(layout.tile_px);
    group.tiles.iter().enumerate().map(move |(i, tile)| {
        let (row, column) = ((i / layout.columns) as u32, (i % layout.columns) as u32);
        (tile, (GAP_PX + column * (layout.tile_px + GAP_PX), top + TITLE_PX + row * row_px))
    })
}

/// Fits an image into a black square.
fn paste(paper: &mut RgbImage, image: &RgbImage, (x, y): (u32, u32), side: u32) {
    let longer = image.width().max(image.height()).max(1);
    let fitted = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
    let image = imageops::resize(image, fitted(image.width()), fitted(image.height()), FilterType::CatmullRom);
    let mut square = RgbImage::new(side, side);
    let (left, top) = ((side - image.width()) / 2, (side - image.height()) / 2);
    imageops::replace(&mut square, &image, left.into(), top.into());
    imageops::replace(paper, &square, x.into(), y.into());
}

fn write_all(area: &Area<'_>, groups: &[Group], layout: Layout) -> Result<(), String> {
    for (group, top) in with_tops(groups, layout) {
        write(area, &group.title, 19.0, INK, (GAP_PX, top + 11), u32::MAX)?;
        for (tile, (x, y)) in with_places(group, top, layout) {
            for (i, line) in tile.lines.iter().enumerate() {
                let colour = if i == 0 { INK } else { FAINT_INK };
                let below = y + layout.tile_px + 4 + i as u32 * LINE_PX;
                write(area, line, 13.0, colour, (x, below), layout.tile_px)?;
            }
        }
    }
    area.present().map_err(|error| error.to_string())
}

fn write(
    area: &Area<'_>,
    text: &str,
    size_px: f64,
    colour: RGBColor,
    (x, y): (u32, u32),
    width: u32,
) -> Result<(), String> {
    let style = TextStyle::from((FONT, size_px).into_font()).color(&colour);
    let text = shortened(text, |text| {
        area.estimate_text_size(text, &style).map(|size| size.0 <= width).map_err(|error| error.to_string())
    })?;
    area.draw_text(&text, &style, (x as i32, y as i32)).map_err(|error| error.to_string())
}

/// The text itself, or its beginning and end around an ellipsis, whichever first fits.
fn shortened(text: &str, fits: impl Fn(&str) -> Result<bool, String>) -> Result<String, String> {
    if fits(text)? {
        return Ok(text.to_owned());
    }
    let letters: Vec<char> = text.chars().collect();
    for kept in (0..letters.len()).rev() {
        let (first, last) = letters.split_at(kept.div_ceil(2));
        let end = &last[last.len() - kept / 2..];
        let short: String = first.iter().chain(&['…']).chain(end).collect();
        if fits(&short)? {
            return Ok(short);
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_too_long_loses_its_middle() {
        let within = |most: usize| move |text: &str| Ok(text.chars().count() <= most);
        let cases = [
            ("cell_12", 7, "cell_12"),
            ("cell_12", 5, "ce…12"),
            ("cell_12", 4, "ce…2"),
            ("äöü", 1, "…"),
            ("ab", 0, ""),
        ];
        for (text, most, expected) in cases {
            assert_eq!(shortened(text, within(most)).unwrap(), expected, "{text} in {most}");
        }
    }
}
