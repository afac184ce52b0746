//! A contact sheet: groups of images with captions.

use super::ReportError;
use super::plot::{FONT, INK, register_font};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;

/// An image with its caption; lines that are too long are shortened in the middle.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The image, which is scaled to fit the tile.
    pub image: RgbImage,
    /// The lines of the caption.
    pub lines: Vec<String>,
}

/// A group of tiles with a title.
#[derive(Clone, Debug)]
pub struct Group {
    /// The title, such as the name of a class.
    pub title: String,
    /// The tiles, in reading order.
    pub tiles: Vec<Tile>,
}

/// The layout of a sheet.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Tiles per row.
    pub columns: usize,
    /// Side length of a tile, in pixels.
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
const FAINT_INK: RGBColor = RGBColor(96, 96, 108);

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

impl Group {
    fn rows(&self, columns: usize) -> u32 {
        self.tiles.len().div_ceil(columns) as u32
    }

    /// Returns the height of a row: tile, caption and gap.
    fn row_px(&self, tile_px: u32) -> u32 {
        let lines = self.tiles.iter().map(|tile| tile.lines.len()).max().unwrap_or(0) as u32;
        tile_px + lines * LINE_PX + GAP_PX
    }

    fn height_px(&self, layout: Layout) -> u32 {
        TITLE_PX + self.rows(layout.columns) * self.row_px(layout.tile_px)
    }
}

/// Returns width and height of a sheet.
///
/// # Panics
/// If the layout has no columns.
#[must_use]
pub fn size_px(groups: &[Group], layout: Layout) -> (u32, u32) {
    let width = GAP_PX + layout.columns as u32 * (layout.tile_px + GAP_PX);
    (width, GAP_PX + groups.iter().map(|group| group.height_px(layout)).sum::<u32>())
}

/// Draws a contact sheet.
///
/// # Errors
/// If the text cannot be drawn.
///
/// # Panics
/// If the layout has no columns.
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

/// Iterates over the groups with their upper edges.
fn with_tops(groups: &[Group], layout: Layout) -> impl Iterator<Item = (&Group, u32)> {
    groups.iter().scan(0, move |next, group| {
        let top = *next;
        *next += group.height_px(layout);
        Some((group, top))
    })
}

/// Iterates over the tiles of a group with their upper left corners.
fn with_places(group: &Group, top: u32, layout: Layout) -> impl Iterator<Item = (&Tile, (u32, u32))> {
    let row_px = group.row_px(layout.tile_px);
    group.tiles.iter().enumerate().map(move |(i, tile)| {
        let (row, column) = ((i / layout.columns) as u32, (i % layout.columns) as u32);
        (tile, (GAP_PX + column * (layout.tile_px + GAP_PX), top + TITLE_PX + row * row_px))
    })
}

/// Draws an image, scaled to fit, on a black square.
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

/// Returns the text, or the longest beginning and end of it around an ellipsis that fits.
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
    fn shortens_long_text_in_the_middle() {
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
