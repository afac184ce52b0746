//! Cuts marked objects out of photographs of smears, into folders that training reads.

use super::DatasetError;
use super::annotations::{Object, ObjectBox, Photograph, read_annotations};
use super::sites::NOT_A_CELL;
use super::split_folders::write_new_folder;
use crate::classes::Class;
use crate::image::{ImageError, decode_file};
use crate::random::Random;
use image::RgbImage;
use image::codecs::png::PngEncoder;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

/// Settings of [`cut_objects`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CutSettings {
    /// Margins around the boxes, as fractions of their size. Successive red cells of a photograph take them in turn; other
    /// objects, which are rare, are cut with each of them.
    pub margins: Vec<f64>,
    /// The diameter of a red cell in pixels, for cells of which only the centre is marked. `None` for the median of the
    /// boxes.
    pub diameter_px: Option<f64>,
    /// Windows per photograph that show several cells at once. If there are any, the whole photograph is one more.
    pub fields: usize,
    /// Seed of the windows.
    pub seed: u64,
}

impl Default for CutSettings {
    /// Returns settings that cut boxes without a margin and no windows.
    fn default() -> CutSettings {
        CutSettings { margins: vec![0.0], diameter_px: None, fields: 0, seed: 0 }
    }
}

/// The images that were cut.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CutImages {
    /// Images by class folder.
    pub counts: BTreeMap<&'static str, usize>,
    /// Photographs that cannot be read.
    pub unreadable: Vec<ImageError>,
}

/// An image to cut: the file in the class folder, and left, top, width and height in pixels of the photograph. An image of a
/// field, which shows several cells, is reduced.
#[derive(Debug)]
struct Cut {
    folder: &'static str,
    file: String,
    frame: [u32; 4],
    is_field: bool,
}

/// The range of the sides of a window, in diameters of a red cell.
const FIELD_DIAMETERS: [f32; 2] = [2.5, 8.0];
/// Windows are reduced to this side, which is more than networks take.
const FIELD_PX: u32 = 400;
/// Boxes smaller than this are not cut.
const LEAST_SIDE_PX: u32 = 8;

/// Cuts the marked objects of all photographs of a folder into
/// `out/{Parasitized,Uninfected,NotACell}/C{photograph}_{category}_{number}.png`. `progress` is called once per photograph,
/// from any thread.
///
/// The photograph takes the place of the patient in the file names, so that a split keeps its cells together. Boxes are cut
/// off at the edge of the photograph.
///
/// # Errors
/// If the annotations cannot be read, only centres are marked and there is no diameter, or the output is not empty or
/// cannot be written.
pub fn cut_objects(
    photographs: &Path,
    out: &Path,
    settings: &CutSettings,
    progress: &(dyn Fn() + Sync),
) -> Result<CutImages, DatasetError> {
    let annotated = read_annotations(photographs)?;
    let diameter_px = settings.diameter_px.or_else(|| median_box_px(&annotated));
    let diameter_px = diameter_px.ok_or_else(|| DatasetError::NoDiameter { path: photographs.to_owned() })?;
    write_new_folder(out, |folder| {
        for class in Class::ALL.map(Class::name).into_iter().chain([NOT_A_CELL]) {
            fs::create_dir(folder.join(class))
                .map_err(|source| DatasetError::Write { path: out.to_owned(), source })?;
        }
        let cut = |photograph| cut_photograph(photograph, folder, out, diameter_px, settings, progress);
        let results = annotated.par_iter().map(cut).collect::<Result<Vec<_>, _>>()?;
        let mut images = CutImages::default();
        for result in results {
            match result {
                Ok(folders) => folders.into_iter().for_each(|folder| *images.counts.entry(folder).or_default() += 1),
                Err(error) => images.unreadable.push(error),
            }
        }
        Ok(images)
    })
}

/// Cuts one photograph, and returns the class folder of each image. Errors contain `out`, the final name of `folder`.
fn cut_photograph(
    photograph: &Photograph,
    folder: &Path,
    out: &Path,
    diameter_px: f64,
    settings: &CutSettings,
    progress: &(dyn Fn() + Sync),
) -> Result<Result<Vec<&'static str>, ImageError>, DatasetError> {
    let decoded = decode_file(&photograph.path);
    progress();
    let pixels = match decoded {
        Ok(decoded) => decoded.pixels,
        Err(error) => return Ok(Err(error)),
    };
    let mut cuts = object_cuts(photograph, pixels.dimensions(), diameter_px, &settings.margins);
    cuts.extend(field_cuts(photograph, pixels.dimensions(), diameter_px, settings));
    for cut in &cuts {
        let path = Path::new(cut.folder).join(&cut.file);
        let [left, top, width, height] = cut.frame;
        let mut image = image::imageops::crop_imm(&pixels, left, top, width, height).to_image();
        if cut.is_field {
            image = reduced(image);
        }
        write_png(&image, &folder.join(&path))
            .map_err(|source| DatasetError::Write { path: out.join(&path), source })?;
    }
    Ok(Ok(cuts.into_iter().map(|cut| cut.folder).collect()))
}

fn object_cuts(photograph: &Photograph, size: (u32, u32), diameter_px: f64, margins: &[f64]) -> Vec<Cut> {
    let cuts = |(number, object): (usize, &ObjectBox)| {
        let (centre, sides) = (object.centre, object.size.unwrap_or([diameter_px; 2]));
        let category = object.category.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let (id, folder) = (photograph.id, object.object.folder());
        let cut = move |(copy, margin): (usize, f64)| {
            let suffix = if copy == 0 { String::new() } else { format!("_{copy}") };
            Some(Cut {
                folder,
                file: format!("C{id}_{category}_{number}{suffix}.png"),
                frame: clipped(centre, sides.map(|side| side * (1.0 + margin)), size)?,
                is_field: false,
            })
        };
        margins_of(object.object, number, margins).into_iter().enumerate().filter_map(cut)
    };
    photograph.boxes.iter().enumerate().flat_map(cuts).collect()
}

/// Returns the margins with which the object with this number is cut.
fn margins_of(object: Object, number: usize, margins: &[f64]) -> Vec<f64> {
    match object {
        _ if margins.is_empty() => vec![0.0],
        Object::RedCell(_) => vec![margins[number % margins.len()]],
        Object::NotACell => margins.to_vec(),
    }
}

/// Chooses random windows of several cell diameters, and the whole photograph.
fn field_cuts(photograph: &Photograph, size: (u32, u32), diameter_px: f64, settings: &CutSettings) -> Vec<Cut> {
    if settings.fields == 0 {
        return Vec::new();
    }
    let mut random = Random::keyed(&[settings.seed, photograph.id]);
    let extent = [size.0, size.1].map(f64::from);
    let mut frame = |number: usize| {
        if number == settings.fields {
            return clipped(extent.map(|side| side / 2.0), extent, size);
        }
        let [least, most] = FIELD_DIAMETERS;
        let sides = [0, 1].map(|axis| (diameter_px * f64::from(random.range(least, most))).min(extent[axis]));
        let centre = [0, 1].map(|axis| sides[axis] / 2.0 + f64::from(random.uniform()) * (extent[axis] - sides[axis]));
        clipped(centre, sides, size)
    };
    let cut = |number| {
        Some(Cut {
            folder: NOT_A_CELL,
            file: format!("C{}_field_{number}.png", photograph.id),
            frame: frame(number)?,
            is_field: true,
        })
    };
    (0..=settings.fields).filter_map(cut).collect()
}

/// Returns left, top, width and height of a box, cut off at the edges of the photograph; `None` if too little remains.
fn clipped(centre: [f64; 2], sides: [f64; 2], (width, height): (u32, u32)) -> Option<[u32; 4]> {
    let range = |axis: usize, length: u32| {
        let edge = |at: f64| at.round().clamp(0.0, length.into()) as u32;
        (edge(centre[axis] - sides[axis] / 2.0), edge(centre[axis] + sides[axis] / 2.0))
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    let frame = [left, top, right - left, bottom - top];
    (frame[2].min(frame[3]) >= LEAST_SIDE_PX).then_some(frame)
}

/// Computes the median of the longer sides of the boxes of red cells; `None` if there are none.
fn median_box_px(photographs: &[Photograph]) -> Option<f64> {
    let boxes = photographs.iter().flat_map(|photograph| &photograph.boxes);
    let red_cells = boxes.filter(|object| matches!(object.object, Object::RedCell(_)));
    let mut sides: Vec<f64> = red_cells.filter_map(|object| object.size).map(|[w, h]| w.max(h)).collect();
    sides.sort_by(f64::total_cmp);
    sides.get(sides.len() / 2).copied()
}

/// Reduces an image so that its longer side is at most [`FIELD_PX`].
fn reduced(image: RgbImage) -> RgbImage {
    let longest = image.width().max(image.height());
    if longest <= FIELD_PX {
        return image;
    }
    let side = |length: u32| (length * FIELD_PX / longest).max(1);
    image::imageops::thumbnail(&image, side(image.width()), side(image.height()))
}

/// Writes a file that is part of a new folder.
pub(crate) fn write_png(image: &RgbImage, path: &Path) -> io::Result<()> {
    let encoder = PngEncoder::new(BufWriter::new(File::create(path)?));
    image.write_with_encoder(encoder).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::annotations::ANNOTATIONS;
    use image::Rgb;
    use std::path::PathBuf;

    /// A folder with one photograph of 60x40 pixels whose red and green are x and y.
    fn site(annotations: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let photograph = RgbImage::from_fn(60, 40, |x, y| Rgb([x as u8, y as u8, 200]));
        photograph.save(folder.path().join("a.png")).unwrap();
        let json = format!(
            r#"{{"images": [{{"id": 5, "file_name": "a.png"}}, {{"id": 6, "file_name": "missing.png"}}],
            "categories": [{{"id": 1, "name": "infected"}}, {{"id": 2, "name": "red_blood_cell"}}, {{"id": 3, "name": "platelet"}}],
            "annotations": [{annotations}]}}"#
        );
        fs::write(folder.path().join(ANNOTATIONS), json).unwrap();
        folder
    }

    fn first_and_size(path: PathBuf) -> ([u8; 3], (u32, u32)) {
        let image = decode_file(&path).unwrap().pixels;
        (image.get_pixel(0, 0).0, image.dimensions())
    }

    #[test]
    fn cuts_red_cells_with_margins_in_turn_and_others_with_each_and_lists_unreadable_photographs() {
        let site = site(
            r#"{"image_id": 5, "category_id": 1, "bbox": [10, 12, 20, 10]}, {"image_id": 5, "category_id": 2, "bbox": [50, 30, 20, 20]},
            {"image_id": 5, "category_id": 3, "bbox": [30, 20, 1, 1]}"#,
        );
        let out = site.path().join("out");
        let settings = CutSettings { margins: vec![0.0, 0.5], ..CutSettings::default() };
        let images = cut_objects(site.path(), &out, &settings, &|| {}).unwrap();
        assert_eq!(images.counts, BTreeMap::from([("NotACell", 2), ("Parasitized", 1), ("Uninfected", 1)]));
        assert!(matches!(&images.unreadable[..], [error] if error.to_string().contains("missing.png")));
        assert_eq!(first_and_size(out.join("Parasitized/C5_infected_0.png")), ([10, 12, 200], (20, 10)));
        // A box of 20 pixels with half of that as margin is 30 pixels wide, cut off at the right and bottom edge.
        assert_eq!(first_and_size(out.join("Uninfected/C5_red_blood_cell_1.png")), ([45, 25, 200], (15, 15)));
        // The centre (30.5, 20.5) with the median diameter of the two boxes, 20 pixels.
        assert_eq!(first_and_size(out.join("NotACell/C5_platelet_2.png")), ([21, 11, 200], (20, 20)));
        // The same with a margin.
        assert_eq!(first_and_size(out.join("NotACell/C5_platelet_2_1.png")), ([16, 6, 200], (30, 30)));
        let again = cut_objects(site.path(), &out, &settings, &|| {}).unwrap_err();
        assert!(matches!(again, DatasetError::OutputNotEmpty { .. }), "{again}");
    }

    #[test]
    fn cuts_windows_of_several_cells_and_the_whole_photograph() {
        let site = site(r#"{"image_id": 5, "category_id": 2, "bbox": [10, 10, 9, 9]}"#);
        let settings = CutSettings { fields: 4, ..CutSettings::default() };
        let out = site.path().join("out");
        assert_eq!(cut_objects(site.path(), &out, &settings, &|| {}).unwrap().counts["NotACell"], 5);
        for number in 0..4 {
            let (_, (width, height)) = first_and_size(out.join(format!("NotACell/C5_field_{number}.png")));
            assert!((22..=60).contains(&width) && (22..=40).contains(&height), "{width} {height}");
        }
        assert_eq!(first_and_size(out.join("NotACell/C5_field_4.png")), ([0, 0, 200], (60, 40)));
    }

    #[test]
    fn centres_without_a_diameter_are_an_error() {
        let site = site(r#"{"image_id": 5, "category_id": 2, "bbox": [10, 10, 1, 1]}"#);
        let out = site.path().join("out");
        let error = cut_objects(site.path(), &out, &CutSettings::default(), &|| {}).unwrap_err();
        assert!(matches!(error, DatasetError::NoDiameter { .. }) && !out.exists(), "{error}");
    }
}
