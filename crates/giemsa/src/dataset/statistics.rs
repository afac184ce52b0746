//! What a data folder holds: counts, sizes, patients, colour modes, and the files that cannot be read.

use super::patients::PatientSource;
use super::scan::ClassFolder;
use crate::image::{ColourMode, decode_file};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Of all classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// By class, in the order of the folders.
    pub classes: Vec<ClassStatistics>,
    /// Of all images together.
    pub all: ClassStatistics,
    /// How many patients the file names tell.
    pub patients: usize,
    /// Images whose name tells no patient.
    pub without_patient: usize,
    /// How the files store their colours, and how many do so.
    pub colour_modes: BTreeMap<ColourMode, usize>,
    /// Files that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// Of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassStatistics {
    /// The folder's name.
    pub name: String,
    /// Readable images.
    pub images: usize,
    /// In pixels.
    pub height: Range,
    /// In pixels.
    pub width: Range,
}

/// Of a length, in pixels; all 0 where there is no image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// The average.
    pub mean: f64,
    /// The largest.
    pub max: u32,
    /// The smallest.
    pub min: u32,
}

/// A file that is no usable image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    /// The file; in JSON, what of its name is not UTF-8 is replaced.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: String,
}

fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// What one readable file tells.
struct Measured {
    class: usize,
    width: u32,
    height: u32,
    colour_mode: ColourMode,
}

/// Decodes every file, on all threads, and sums up; `progress` is called once a file, from any thread.
pub fn measure(classes: &[ClassFolder], patients: &PatientSource, progress: &(dyn Fn() + Sync)) -> Statistics {
    let files: Vec<_> = classes
        .iter()
        .enumerate()
        .flat_map(|(class, folder)| folder.files.iter().map(move |file| (class, file)))
        .collect();
    let decode = |&(class, path): &(usize, &PathBuf)| {
        let decoded = decode_file(path);
        progress();
        decoded.map_err(|error| Unreadable { path: path.clone(), error: error.to_string() }).map(|decoded| {
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
        summarise(&folder.name, measured.iter().filter(|image| image.class == class))
    };
    Statistics {
        classes: classes.iter().enumerate().map(of_class).collect(),
        all: summarise("all", measured.iter()),
        patients: names.len(),
        without_patient,
        colour_modes,
        unreadable,
    }
}

fn summarise<'a>(name: &str, images: impl Iterator<Item = &'a Measured> + Clone) -> ClassStatistics {
    ClassStatistics {
        name: name.to_owned(),
        images: images.clone().count(),
        height: range(images.clone().map(|image| image.height)),
        width: range(images.map(|image| image.width)),
    }
}

fn range(lengths: impl Iterator<Item = u32> + Clone) -> Range {
    let n = lengths.clone().count();
    Range {
        mean: lengths.clone().map(f64::from).sum::<f64>() / n.max(1) as f64,
        max: lengths.clone().max().unwrap_or(0),
        min: lengths.min().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_sizes_patients_and_unreadable_files_are_told() {
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
                name: "a".into(),
                files: vec![save("C1_1.png", 10, 20), save("C2_1.png", 30, 21), broken.clone()],
            },
            ClassFolder { name: "b".into(), files: vec![save("C1_2.png", 5, 4), save("x.png", 5, 5)] },
        ];
        let found = measure(&classes, &PatientSource::FileName, &|| ());
        assert_eq!(found.classes[0].images, 2);
        assert_eq!(found.classes[0].height, Range { mean: 20.5, max: 21, min: 20 });
        assert_eq!(found.classes[0].width, Range { mean: 20.0, max: 30, min: 10 });
        assert_eq!(found.all.height, Range { mean: 12.5, max: 21, min: 4 });
        assert_eq!((found.patients, found.without_patient), (2, 1));
        assert_eq!(found.unreadable.len(), 1);
        assert_eq!(found.unreadable[0].path, broken);
        assert_eq!(found.colour_modes.values().sum::<usize>(), 4);
    }
}
