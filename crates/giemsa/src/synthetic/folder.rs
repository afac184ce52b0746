//! Writes folders of synthetic cells in the layout of the NIH data set.

use super::{draw_cell, is_infected};
use crate::classes::Class;
use crate::output::{parent_of, temporary_folder};
use crate::random::Random;
use image::RgbImage;
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The description in every file of synthetic cells.
pub const DRAWN: &str = "Synthetic: drawn by the program giemsa, not photographed. No real cell, no real patient.";

/// The number of the first patient in names: above all patients of the NIH data set, whose images trained the built-in model.
const FIRST_PATIENT: usize = 1001;

/// A synthetic cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The index of the patient, from 0.
    pub patient: usize,
    /// The number of the cell, from 0, counted over both classes of the patient.
    pub number: usize,
    /// The class of the cell.
    pub class: Class,
}

impl Cell {
    /// Returns the path of the image in a data folder. The name contains the patient as in the NIH data set.
    ///
    /// ```
    /// use giemsa::{classes::Class, synthetic::Cell};
    /// let cell = Cell { patient: 11, number: 7, class: Class::Uninfected };
    /// assert_eq!(cell.path().to_str(), Some("Uninfected/C1012P1012thinF_synthetic_cell_7.png"));
    /// ```
    pub fn path(&self) -> PathBuf {
        let patient = FIRST_PATIENT + self.patient;
        let name = format!("C{patient}P{patient}thinF_synthetic_cell_{}.png", self.number);
        Path::new(self.class.name()).join(name)
    }
}

/// A folder of synthetic cells that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// The folder is not empty.
    #[error("{path}: expected a new or empty folder, found files in it")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The callback stopped the drawing; nothing was written.
    #[error("stopped")]
    Stopped,
}

/// Assigns `images` cells to `patients`. Half of the cells are parasitized; they belong to the infected patients, in
/// unequal numbers.
///
/// # Panics
/// If there are images but no patients.
pub fn cells(images: usize, patients: usize, seed: u64) -> Vec<Cell> {
    let mut random = Random::keyed(&[seed, u64::from_le_bytes(*b"dealing\0")]);
    let mut counts = vec![0; patients];
    let infected: Vec<usize> = (0..patients).filter(|&patient| is_infected(patient)).collect();
    let mut one = |i: usize| {
        let class = Class::ALL[i % 2];
        // The smaller of two draws favours the first patients.
        let patient = match class {
            Class::Parasitized => infected[random.below(infected.len()).min(random.below(infected.len()))],
            Class::Uninfected => random.below(patients),
        };
        counts[patient] += 1;
        Cell { patient, number: counts[patient] - 1, class }
    };
    (0..images).map(&mut one).collect()
}

/// Draws cells into `dir/{Parasitized,Uninfected}/…png`, on all threads; the folder appears complete or not at all.
/// `progress` is called once per image, from any thread; `Break` stops the drawing.
///
/// # Errors
/// If the folder is not empty, cannot be written, or `progress` stops the drawing.
///
/// # Panics
/// If there are images but no patients.
pub fn write_folder(
    dir: &Path,
    images: usize,
    patients: usize,
    seed: u64,
    progress: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<Vec<PathBuf>, SyntheticError> {
    let cells = cells(images, patients, seed);
    write_whole(dir, |temporary| {
        for class in Class::ALL {
            std::fs::create_dir(temporary.join(class.name())).map_err(fail(dir))?;
        }
        cells.par_iter().try_for_each(|cell| {
            let image = draw_cell(seed, cell.patient, cell.number, cell.class);
            write_png(&image, &temporary.join(cell.path())).map_err(fail(&dir.join(cell.path())))?;
            if progress().is_break() { Err(SyntheticError::Stopped) } else { Ok(()) }
        })
    })?;
    Ok(cells.iter().map(|cell| dir.join(cell.path())).collect())
}

/// Creates a folder with a note that everything in it is drawn; it appears with all that `write` adds, or not at all.
pub(super) fn write_whole(
    dir: &Path,
    write: impl FnOnce(&Path) -> Result<(), SyntheticError>,
) -> Result<(), SyntheticError> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SyntheticError::NotEmpty { path: dir.to_owned() });
    }
    let parent = parent_of(dir);
    std::fs::create_dir_all(parent).map_err(fail(parent))?;
    // The folder inside has the permissions of any new folder; those of the temporary folder around it are private.
    let temporary = temporary_folder(parent).map_err(fail(parent))?;
    let folder = temporary.path().join("complete");
    std::fs::create_dir(&folder).map_err(fail(dir))?;
    std::fs::write(folder.join("README.txt"), format!("{DRAWN}\n")).map_err(fail(dir))?;
    write(&folder)?;
    // A rename replaces an empty folder and fails on any other.
    std::fs::rename(&folder, dir).map_err(fail(dir))
}

/// Adds the path to an error of the file system.
pub(super) fn fail(path: &Path) -> impl FnOnce(io::Error) -> SyntheticError {
    let path = path.to_owned();
    move |source| SyntheticError::Write { path, source }
}

/// Writes a PNG file with the description in its metadata.
pub(super) fn write_png(image: &RgbImage, path: &Path) -> io::Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.add_text_chunk("Description".to_owned(), DRAWN.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    Ok(writer.finish()?)
}
