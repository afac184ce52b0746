//! Pictures of a photograph: with boxes for the folder, reduced for the page, and its cells.

use super::super::ReportError;
use super::super::jpeg::{jpeg_bytes, jpeg_source};
use super::boxes::draw_boxes;
use super::overlay::shown_part;
use crate::image::decode_file;
use crate::smear::{Object, Photograph};
use image::RgbImage;
use image::imageops::{self, FilterType};

/// The longer side of a photograph on the page, in pixels.
const ON_PAGE_PX: u32 = 1_200;
/// The side of a picture of a cell on the page, in pixels.
const CELL_PX: u32 = 120;
/// The side of the square around a cell, as a multiple of the longer side of its box.
const CELL_MARGIN: f32 = 1.5;
/// The qualities of JPEG files, in 1..=100.
const FOLDER_QUALITY: u8 = 88;
const PAGE_QUALITY: u8 = 74;
const CELL_QUALITY: u8 = 85;

/// The pictures of a photograph.
#[derive(Debug)]
pub(super) struct Pictures {
    /// The photograph at full size with boxes, as JPEG.
    pub annotated: Vec<u8>,
    /// Those on the page.
    pub on_page: OnPage,
}

/// The pictures of a photograph on the page.
#[derive(Debug)]
pub(super) struct OnPage {
    /// The field of the photograph without boxes, reduced, as the source of an image on a page; `None` if it is not shown.
    pub field: Option<String>,
    /// The cells, as sources of images on a page, in the order in which they were asked for.
    pub cells: Vec<String>,
}

/// Reads a photograph again and draws its pictures; the reason if it cannot be read any more or has changed.
pub(super) fn draw_pictures(
    photograph: &Photograph,
    is_on_page: bool,
    cells: &[usize],
) -> Result<Result<Pictures, String>, ReportError> {
    let mut pixels = match decode_file(&photograph.path) {
        Ok(decoded) => decoded.pixels,
        Err(error) => return Ok(Err(error.reason())),
    };
    let on_page = match draw_on_page(&pixels, photograph, is_on_page, cells)? {
        Ok(pictures) => pictures,
        Err(reason) => return Ok(Err(reason)),
    };
    draw_boxes(&mut pixels, photograph)?;
    Ok(Ok(Pictures { annotated: jpeg_bytes(&pixels, FOLDER_QUALITY)?, on_page }))
}

/// Draws the pictures of a photograph for the page; the reason if these are not the pixels in which its cells were found.
pub(super) fn draw_on_page(
    pixels: &RgbImage,
    photograph: &Photograph,
    is_on_page: bool,
    cells: &[usize],
) -> Result<Result<OnPage, String>, ReportError> {
    if pixels.dimensions() != (photograph.width_px, photograph.height_px) {
        return Ok(Err("its size has changed since its cells were counted".to_owned()));
    }
    let [x, y, width, height] = shown_part(photograph);
    let part = || imageops::crop_imm(pixels, x, y, width, height).to_image();
    let field = is_on_page.then(|| jpeg_source(&reduced(part()), PAGE_QUALITY)).transpose()?;
    let picture = |&cell: &usize| jpeg_source(&around(pixels, &photograph.cells[cell].object), CELL_QUALITY);
    Ok(Ok(OnPage { field, cells: cells.iter().map(picture).collect::<Result<_, _>>()? }))
}

fn reduced(pixels: RgbImage) -> RgbImage {
    let longer = pixels.width().max(pixels.height());
    if longer <= ON_PAGE_PX {
        return pixels;
    }
    let [width, height] = [pixels.width(), pixels.height()].map(|side| (side * ON_PAGE_PX / longer).max(1));
    imageops::resize(&pixels, width, height, FilterType::Triangle)
}

/// Cuts a square around an object, in which it is in the middle; black beyond the edges of the photograph.
fn around(pixels: &RgbImage, object: &Object) -> RgbImage {
    let side = (CELL_MARGIN * object.width.max(object.height) as f32).ceil().max(1.0) as i64;
    let corner = |from: u32, length: u32| i64::from(from) + (i64::from(length) - side) / 2;
    let (left, top) = (corner(object.x, object.width), corner(object.y, object.height));
    let mut square = RgbImage::new(side as u32, side as u32);
    // Places outside of an image are ignored.
    imageops::replace(&mut square, pixels, -left, -top);
    imageops::resize(&square, CELL_PX, CELL_PX, FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smear::ObjectKind;
    use image::Rgb;

    #[test]
    fn a_cell_is_in_the_middle_of_its_picture_also_at_the_edge() {
        let cell = Rgb([200, 20, 20]);
        for (x, y) in [(0, 0), (50, 30), (80, 60)] {
            let mut pixels = RgbImage::from_pixel(100, 80, Rgb([240; 3]));
            imageops::replace(&mut pixels, &RgbImage::from_pixel(20, 20, cell), x.into(), y.into());
            let picture = around(&pixels, &Object::new([x, y, 20, 20], ObjectKind::RedCell, 1));
            assert_eq!(picture.dimensions(), (CELL_PX, CELL_PX));
            assert_eq!(picture[(60, 60)], cell);
            let outside = if x == 0 { 0 } else { 240 };
            assert_eq!(picture[(3, 60)], Rgb([outside; 3]), "at {x}, {y}");
        }
    }

    #[test]
    fn large_photographs_are_reduced_and_small_ones_are_not() {
        assert_eq!(reduced(RgbImage::new(2400, 1600)).dimensions(), (1200, 800));
        assert_eq!(reduced(RgbImage::new(300, 200)).dimensions(), (300, 200));
        assert_eq!(reduced(RgbImage::new(8000, 2)).dimensions(), (1200, 1));
    }
}
