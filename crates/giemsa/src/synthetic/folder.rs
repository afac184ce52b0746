//! A folder of drawn cells, as real data sets are laid out.

use super::{draw_cell, is_infected};
use crate::classes::Class;
use crate::random::Random;
use image::RgbImage;
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Written into every file that holds drawn cells.
pub const DRAWN: &str = "Synthetic: drawn by the program giemsa, not photographed. No real cell, no real patient.";

/// Which cell of which patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// From 0.
    pub patient: usize,
    /// From 0, counted over both classes of the patient.
    pub number: usize,
    /// What it is drawn as.
    pub class: Class,
}

impl Cell {
    /// Its place in a folder of class folders; the patient is told from the name as in the real data.
    ///
    /// ```
    /// use giemsa::{classes::Class, phantom::Cell};
    /// let cell = Cell { patient: 11, number: 7, class: Class::Uninfected };
    /// assert_eq!(cell.path().to_str(), Some("Uninfected/C12P12thinF_phantom_cell_7.png"));
    /// ```
    pub fn path(&self) -> PathBuf {
        let patient = self.patient + 1;
        let name = format!("C{patient}P{patient}thinF_phantom_cell_{}.png", self.number);
        Path::new(self.class.name()).join(name)
    }
}

/// A folder that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhantomError {
    /// A file or folder cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The callback stopped the drawing; nothing was written.
    #[error("stopped")]
    Stopped,
}

/// Deals `images` cells out to `patients`, half of them Parasitized: those go to the infected patients, to some of them
/// many and to others few.
///
/// # Panics
/// When there are images and no patients.
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

/// Draws cells into `dir/{Parasitized,Uninfected}/…png`, on all threads; the folder appears whole or not at all.
/// `progress` is called once per image, from any thread; `Break` stops the drawing.
///
/// # Errors
/// If there is something in the folder already, it cannot be written, or `progress` stops the drawing.
///
/// # Panics
/// When there are images and no patients.
pub fn write_folder(
    dir: &Path,
    images: usize,
    patients: usize,
    seed: u64,
    progress: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<Vec<PathBuf>, PhantomError> {
    let fail = |path: &Path| {
        let path = path.display().to_string();
        move |source| PhantomError::Write { path, source }
    };
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(fail(dir)(io::Error::other("expected a new or empty folder, found something in it")));
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(fail(parent))?;
    let making = tempfile::Builder::new().prefix(".giemsa-").tempdir_in(parent).map_err(fail(parent))?;
    for class in Class::ALL {
        std::fs::create_dir(making.path().join(class.name())).map_err(fail(dir))?;
    }
    std::fs::write(making.path().join("README.txt"), format!("{DRAWN}\n")).map_err(fail(dir))?;
    let cells = cells(images, patients, seed);
    cells.par_iter().try_for_each(|cell| {
        let image = draw_cell(seed, cell.patient, cell.number, cell.class);
        write_png(&image, &making.path().join(cell.path())).map_err(fail(&dir.join(cell.path())))?;
        if progress().is_break() { Err(PhantomError::Stopped) } else { Ok(()) }
    })?;
    open_to_others(making.path()).map_err(fail(dir))?;
    // A rename replaces an empty folder, and fails on one that is not.
    std::fs::rename(making.path(), dir).map_err(fail(dir))?;
    Ok(cells.iter().map(|cell| dir.join(cell.path())).collect())
}

/// Temporary folders are private; this one is to be like any other.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let like = std::fs::metadata(folder.join(Class::Parasitized.name()))?.permissions().mode();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(like))
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A PNG file that says in its metadata that it is drawn.
fn write_png(image: &RgbImage, path: &Path) -> io::Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.add_text_chunk("Description".to_owned(), DRAWN.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    Ok(writer.finish()?)
}
