//! Naming the class of unseen images.

use crate::classes::Class;
use crate::image::{ImageError, decode_file};
use crate::model::Model;
use crate::nn::Network;
use crate::preprocess::{Preprocessing, to_input};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Labelled images, as bytes of the network's input size.
pub trait Images: Sync {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The class of one.
    fn class(&self, index: usize) -> Class;
    /// Copies the bytes of one, RGB, row-major, into `bytes`, which has their length.
    fn read(&self, index: usize, bytes: &mut [u8]);
}

/// Images that the network sees at once; the results do not depend on it.
const BATCH: usize = 100;
/// Images decoded at once, while the network sees the block before.
const BLOCK: usize = 400;

/// The logit of every image, in order.
pub fn logits(network: &Network, images: &dyn Images) -> Vec<f32> {
    let values = network.input().len();
    let mut all = Vec::with_capacity(images.len());
    for first in (0..images.len()).step_by(BATCH) {
        let count = BATCH.min(images.len() - first);
        let mut inputs = vec![0.0; count * values];
        inputs.par_chunks_exact_mut(values).enumerate().for_each_init(
            || vec![0; values],
            |bytes, (i, input)| {
                images.read(first + i, bytes);
                to_input(bytes, input);
            },
        );
        all.extend(network.predict(&inputs));
    }
    all
}

/// What a model says of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The class, by the model's threshold.
    pub class: Class,
    /// In 0..=1.
    pub probability_parasitized: f32,
}

/// An image file with what the model says of it, or why it could not be read.
pub type Named = (PathBuf, Result<Prediction, ImageError>);

/// Names the class of every image, and hands the results over in the order of the paths, block by block: while the
/// network sees one block, the next one is decoded. Ends early when `each` breaks.
pub fn predict_files(
    model: &Model,
    mut paths: impl Iterator<Item = PathBuf>,
    mut each: impl FnMut(Named) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let decode = |block: Vec<PathBuf>| -> Vec<_> {
        block.into_par_iter().map(|path| (read_image(&path, &model.recipe.input), path)).collect()
    };
    let mut next_block = || -> Vec<PathBuf> { paths.by_ref().take(BLOCK).collect() };
    let mut decoded = decode(next_block());
    while !decoded.is_empty() {
        let coming = next_block();
        let (named, next) = rayon::join(|| name_block(model, decoded), || decode(coming));
        named.into_iter().try_for_each(&mut each)?;
        decoded = next;
    }
    ControlFlow::Continue(())
}

/// The bytes of an image file as the network's input has them.
fn read_image(path: &Path, preprocessing: &Preprocessing) -> Result<Vec<u8>, ImageError> {
    decode_file(path).map(|decoded| preprocessing.to_bytes(&decoded.pixels))
}

fn name_block(model: &Model, block: Vec<(Result<Vec<u8>, ImageError>, PathBuf)>) -> Vec<Named> {
    let values = model.network.input().len();
    let readable: Vec<&Vec<u8>> = block.iter().filter_map(|(bytes, _)| bytes.as_ref().ok()).collect();
    let mut probabilities = Vec::with_capacity(readable.len());
    for batch in readable.chunks(BATCH) {
        let mut inputs = vec![0.0; batch.len() * values];
        inputs.par_chunks_exact_mut(values).zip(batch).for_each(|(input, bytes)| to_input(bytes, input));
        probabilities.extend(model.probabilities_parasitized(&inputs));
    }
    let mut probabilities = probabilities.into_iter();
    block
        .into_iter()
        .map(|(bytes, path)| {
            let probability = bytes.map(|_| probabilities.next().unwrap_or(f32::NAN));
            let named = probability.and_then(|probability| prediction(probability, model.threshold, &path));
            (path, named)
        })
        .collect()
}

/// A network whose sums overflow says nothing, and must not be taken to say Uninfected.
fn prediction(probability_parasitized: f32, threshold: f32, path: &Path) -> Result<Prediction, ImageError> {
    if !probability_parasitized.is_finite() {
        return Err(ImageError::Content {
            path: path.display().to_string(),
            expected: "a finite probability from the model".to_owned(),
            found: probability_parasitized.to_string(),
        });
    }
    Ok(Prediction { class: Class::decide(probability_parasitized, threshold), probability_parasitized })
}

/// All files in a folder and the folders in it, sorted by path; what is hidden, `Thumbs.db` and `__MACOSX` are left out.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect_files(folder, &mut HashSet::new(), &mut files)?;
    Ok(files)
}

/// `inside` are the folders that lead here, by which a link back to one of them is noticed.
fn collect_files(folder: &Path, inside: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", folder.display()));
    let here = folder.canonicalize().map_err(named)?;
    if !inside.insert(here.clone()) {
        return Ok(());
    }
    let mut paths = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>())
        .map_err(named)?;
    paths.retain(|path| !is_left_out(path));
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect_files(&path, inside, files)?;
        } else {
            files.push(path);
        }
    }
    inside.remove(&here);
    Ok(())
}

fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.eq_ignore_ascii_case(b"Thumbs.db") || name == b"__MACOSX"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_are_sorted_and_without_what_systems_leave_behind() {
        let root = tempfile::tempdir().unwrap();
        let names = ["b/2.png", "b/10.png", "a.png", ".hidden.png", ".git/x.png", "b/Thumbs.db", "__MACOSX/a.png"];
        for name in names {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files_in(root.path()).unwrap();
        let found: Vec<_> = found.iter().map(|p| p.strip_prefix(root.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(found, ["a.png", "b/10.png", "b/2.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_around_it_is_not_followed_for_ever() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        std::fs::write(root.path().join("a/1.png"), "").unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("a/back")).unwrap();
        assert_eq!(files_in(root.path()).unwrap(), [root.path().join("a/1.png")]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = files_in(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder: "), "{error}");
    }
}
