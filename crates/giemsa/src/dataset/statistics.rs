//! Statistics of a data folder: counts, sizes, patients, colour modes, and the files that cannot be read.

use super::patients::PatientSource;
use super::scan::ClassFolder;
use crate::image::{ColourMode, decode_file};
use crate::output::serialize_path;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The statistics of a data folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// One per class folder, in the order of the folders.
    pub classes: Vec<ClassStatistics>,
    /// All images together.
    pub all: ClassStatistics,
    /// The number of known patients.
    pub patients: usize,
    /// The number of images whose patient is unknown.
    pub without_patient: usize,
    /// The number of images per colour mode.
    pub colour_modes: BTreeMap<ColourMode, usize>,
    /// The files that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// The statistics of a class folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassStatistics {
    /// The part that contains the folder, such as `Train`; `None` if the data set is not divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The name of the folder.
    pub name: String,
    /// The number of readable images.
    pub images: usize,
    /// The heights, in pixels.
    pub height: Range,
    /// The widths, in pixels.
    pub width: Range,
}

impl ClassStatistics {
    /// Returns the name with its part, such as `Train/Parasitized`.
    pub fn label(&self) -> String {
        self.part.iter().chain([&self.name]).cloned().collect::<Vec<_>>().join("/")
    }
}

/// The range of a length, in pixels; 0 if there is no image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// The mean.
    pub mean: f64,
    /// The maximum.
    pub max: u32,
    /// The minimum.
    pub min: u32,
}

/// A file that cannot be read as an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    /// The file.
    #[serde(flatten, serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// The reason, without the path.
    pub error: String,
}

/// The properties of one readable image.
struct Measured {
    class: usize,
    width: u32,
    height: u32,
    colour_mode: ColourMode,
}

/// Decodes every file on all threads and computes the statistics; `progress` is called once per file, from any thread.
pub fn measure(classes: &[ClassFolder], patients: &PatientSource, progress: &(dyn Fn() + Sync)) -> Statistics {
    let files: Vec<_> = classes
        .iter()
        .enumerate()
        .flat_map(|(class, folder)| folder.files.iter().map(move |file| (class, file)))
        .collect();
    let decode = |&(class, path): &(usize, &PathBuf)| {
        let decoded = decode_file(path);
        progress();
        decoded.map_err(|error| Unreadable { path: path.clone(), error: error.reason() }).map(|decoded| {
            let (width, height) = decoded.pixels.dimensions();
            Measured { class, width, height, colour_mode: decoded.colour_mode }
        })
    };
    let results: Vec<Result<Measured, Unreadable>> = files.par_iter().map(decode).collect();
    let mut names = BTreeSet::new();
    let mut without_patient = 0;
    for (_, path) in files.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(file, _)| file) {
        match patients.patient_of(path) {
            Some(patient) => drop(names.insert(patient)),
            None => without_patient += 1,
        }
    }
    let (mut measured, mut unreadable) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(image) => measured.push(image),
            Err(error) => unreadable.push(error),
        }
    }
    let mut colour_modes = BTreeMap::new();
    measured.iter().for_each(|image| *colour_modes.entry(image.colour_mode).or_insert(0) += 1);
    let of_class = |(class, folder): (usize, &ClassFolder)| {
        summarise(folder.part.clone(), &folder.name, measured.iter().filter(|image| image.class == class))
    };
    Statistics {
        classes: classes.iter().enumerate().map(of_class).collect(),
        all: summarise(None, "all", measured.iter()),
        patients: names.len(),
        without_patient,
        colour_modes,
        unreadable,
    }
}

fn summarise<'a>(
    part: Option<String>,
    name: &str,
    images: impl Iterator<Item = &'a Measured> + Clone,
) -> ClassStatistics {
    ClassStatistics {
        part,
        name: name.to_owned(),
        images: images.clone().count(),
        height: range(images.clone().map(|image| image.height)),
        width: range(images.map(|image| image.width)),
    }
}

fn range(lengths: impl Iterator<Item = u32> + Clone) -> Range {
    let (Some(max), Some(min)) = (lengths.clone().max(), lengths.clone().min()) else { return Range::default() };
    let n = lengths.clone().count();
    Range { mean: lengths.map(f64::from).sum::<f64>() / n as f64, max, min }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_images_sizes_patients_and_unreadable_files() {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, width, height| {
            let path = folder.path().join(name);
            image::RgbImage::new(width, height).save(&path).unwrap();
            path
        };
        let broken = folder.path().join("C3_broken.png");
        std::fs::write(&broken, "no image").unwrap();
        let classes = [
            ClassFolder {
                part: Some("Train".into()),
                name: "a".into(),
                files: vec![save("C1_1.png", 10, 20), save("C2_1.png", 30, 21), broken.clone()],
            },
            ClassFolder { part: None, name: "b".into(), files: vec![save("C1_2.png", 5, 4), save("x.png", 5, 5)] },
        ];
        let found = measure(&classes, &PatientSource::FileName, &|| ());
        assert_eq!(found.classes[0].images, 2);
        assert_eq!(found.classes[0].height, Range { mean: 20.5, max: 21, min: 20 });
        assert_eq!(found.classes[0].width, Range { mean: 20.0, max: 30, min: 10 });
        assert_eq!(found.all.height, Range { mean: 12.5, max: 21, min: 4 });
        // The sum of no numbers is -0.
        let empty = measure(
            &[ClassFolder { part: None, name: "c".into(), files: Vec::new() }],
            &PatientSource::FileName,
            &|| (),
        );
        assert!(empty.all.height == Range::default() && empty.all.height.mean.is_sign_positive());
        assert_eq!((found.patients, found.without_patient), (2, 1));
        assert_eq!(found.classes[0].part.as_deref(), Some("Train"));
        let error = "expected a PNG, JPEG, TIFF or BMP image, found text".to_owned();
        assert_eq!(found.unreadable, [Unreadable { path: broken, error }]);
        assert_eq!(found.colour_modes.values().sum::<usize>(), 4);
    }
}
