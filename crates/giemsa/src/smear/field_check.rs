//! Whether an image shows a field of a smear instead of one cell.

use super::ObjectKind;
use super::segment::segment;
use image::RgbImage;

/// Shorter sides than this are those of single cells: those of the NIH images are at most 394 pixels long.
const LEAST_LONGER_SIDE_PX: u32 = 420;
/// A shorter side than this has no room for several rows of cells.
const LEAST_SHORTER_SIDE_PX: u32 = 100;
/// Fewer red cells are not plainly a field: stain and debris in a picture of one cell may look like some.
const LEAST_RED_CELLS: usize = 10;
/// The least fraction of the objects, by number, that are single red cells. Stripes and gradients are clusters or debris.
const LEAST_SINGLE: f32 = 0.4;
/// The least fraction of the image that cells cover. The specks of an enlarged image of one cell cover less, those of
/// photographs of smears 0.09 to 0.69.
const LEAST_COVERED: f32 = 0.05;

/// Counts the red cells of an image that plainly shows a field of a smear, also those in clusters; `None` for any other image.
///
/// Images that are no larger than those of single cells are not searched for cells.
///
/// ```
/// let cell = image::RgbImage::from_pixel(140, 150, image::Rgb([225, 170, 180]));
/// assert_eq!(giemsa::smear::count_if_field(&cell), None);
/// ```
///
/// # Panics
/// If the image has no pixels.
#[must_use]
pub fn count_if_field(image: &RgbImage) -> Option<usize> {
    let (width, height) = image.dimensions();
    if width.max(height) < LEAST_LONGER_SIDE_PX || width.min(height) < LEAST_SHORTER_SIDE_PX {
        return None;
    }
    let segmentation = segment(image, None);
    super::plausibility::check(&segmentation, image).ok()?;
    let number = |kind| segmentation.objects.iter().filter(move |object| object.kind == kind);
    let single = number(ObjectKind::RedCell).count();
    let clustered: u32 = number(ObjectKind::Cluster).map(|object| object.cells).sum();
    let cells = single + clustered as usize;
    let is_field = cells >= LEAST_RED_CELLS
        && single as f32 >= LEAST_SINGLE * segmentation.objects.len() as f32
        && segmentation.condition.coverage >= LEAST_COVERED;
    is_field.then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn other_images_are_no_fields() {
        let mut random = crate::random::Random::keyed(&[1]);
        let pattern = |name: &str, pixel: &mut dyn FnMut(f32, f32) -> [u8; 3]| {
            let image = RgbImage::from_fn(640, 480, |x, y| Rgb(pixel(x as f32, y as f32)));
            assert_eq!(count_if_field(&image), None, "{name}");
        };
        pattern("flat", &mut |_, _| [225, 170, 180]);
        pattern("gradient", &mut |x, y| [(x * 0.39) as u8, (y * 0.53) as u8, 128]);
        pattern("noise", &mut |_, _| [(); 3].map(|()| random.range(0.0, 255.0) as u8));
        pattern("stripes", &mut |x, _| if x % 80.0 < 40.0 { [230; 3] } else { [120, 60, 90] });
        pattern("board", &mut |x, y| if (x % 80.0 < 40.0) ^ (y % 80.0 < 40.0) { [230; 3] } else { [120, 60, 90] });
        pattern("face", &mut |x, y| {
            let within = |cx: f32, cy: f32, radius: f32| (x - cx).hypot(y - cy) < radius;
            match () {
                () if within(250.0, 180.0, 30.0) || within(390.0, 180.0, 30.0) => [40, 30, 20],
                () if within(320.0, 320.0, 50.0) && y > 330.0 => [160, 50, 60],
                () if within(320.0, 240.0, 210.0) => [230, 180, 150],
                () => [240, 240, 245],
            }
        });
    }

    #[test]
    fn an_enlarged_cell_is_no_field() {
        let cells = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/cells");
        for entry in std::fs::read_dir(cells).unwrap() {
            let path = entry.unwrap().path();
            let cell = crate::image::decode_file(&path).unwrap().pixels;
            let (width, height) = cell.dimensions();
            let enlarge =
                |by| image::imageops::resize(&cell, by * width, by * height, image::imageops::FilterType::Triangle);
            assert!([1, 4, 8].into_iter().all(|by| count_if_field(&enlarge(by)).is_none()), "{}", path.display());
        }
    }

    #[test]
    fn images_of_any_shape_are_accepted() {
        for (width, height) in [(1, 1), (5000, 1), (1, 5000), (420, 100), (101, 3000)] {
            assert_eq!(count_if_field(&RgbImage::from_pixel(width, height, Rgb([9; 3]))), None);
        }
    }

    /// GIEMSA_CELL_IMAGES names a folder of images of single cells.
    #[test]
    #[ignore = "needs GIEMSA_CELL_IMAGES"]
    fn no_image_of_a_cell_is_a_field() {
        let folder = std::env::var("GIEMSA_CELL_IMAGES").unwrap();
        for path in crate::dataset::scan::images_in(folder.as_ref()) {
            let path = path.unwrap();
            let pixels = crate::image::decode_file(&path).unwrap().pixels;
            assert_eq!(count_if_field(&pixels), None, "{}", path.display());
        }
    }
}
