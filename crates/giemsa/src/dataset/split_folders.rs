//! Writes a split as folders of images.

use super::scan::ClassFolders;
use super::{DatasetError, Sample};
use crate::input;
use crate::output::{parent_of, temporary_folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Creates `out/{part}/{class}/…` with the images of each part. The folder appears complete or not at all.
///
/// The images are hard links if the file system supports them between the two folders, and copies otherwise. Symbolic
/// links are replaced by their targets. Images of the same name from different folders get numbers.
///
/// # Errors
/// If `out` is not empty, an image cannot be read, or the folder cannot be written.
///
/// ```
/// use giemsa::classes::Class;
/// use giemsa::dataset::{Sample, scan::ClassFolders, split_folders::write_split_folders};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("C1_a.png");
/// # std::fs::write(&path, "")?;
/// # let out = folder.path().join("split");
/// let samples = [Sample { path, class: Class::Uninfected, patient: Some("C1".into()) }];
/// write_split_folders(&out, &[("Train", &samples), ("Test", &[])], &ClassFolders::default())?;
/// assert!(out.join("Train/Uninfected/C1_a.png").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_split_folders(
    out: &Path,
    parts: &[(&str, &[Sample])],
    classes: &ClassFolders,
) -> Result<(), DatasetError> {
    write_new_folder(out, |folder| {
        parts.iter().try_for_each(|(name, part)| place(part, &folder.join(name), classes, out))
    })
}

/// Creates a folder that `fill` writes into under a temporary name. It appears complete or not at all.
///
/// # Errors
/// If `out` is not empty, `fill` fails, or the folder cannot be written.
pub(crate) fn write_new_folder<T, E: From<DatasetError>>(
    out: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| DatasetError::Write { path, source }
    };
    if !is_missing_or_empty(out) {
        return Err(DatasetError::OutputNotEmpty { path: out.to_owned() }.into());
    }
    let parent = parent_of(out);
    fs::create_dir_all(parent).map_err(error(parent))?;
    let temporary = temporary_folder(parent).map_err(error(parent))?;
    // Temporary folders are private. The folder inside has the permissions of any new folder.
    let complete = temporary.path().join("complete");
    fs::create_dir(&complete).map_err(error(out))?;
    let filled = fill(&complete)?;
    if out.exists() {
        fs::remove_dir(out).map_err(error(out))?;
    }
    fs::rename(&complete, out).map_err(error(out))?;
    Ok(filled)
}

fn is_missing_or_empty(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    }
}

/// Links or copies images into the class folders of a part. Errors contain `out`, the final name of the folder.
fn place(samples: &[Sample], part: &Path, classes: &ClassFolders, out: &Path) -> Result<(), DatasetError> {
    for sample in samples {
        let write_error = |source| DatasetError::Write { path: out.to_owned(), source };
        let folder = part.join(classes.name_of(sample.class));
        fs::create_dir_all(&folder).map_err(write_error)?;
        let to = free_name(&folder, &sample.path);
        // A hard link to a relative symbolic link would not resolve in its new folder.
        let from = sample.path.canonicalize().map_err(|source| DatasetError::io(&sample.path, source))?;
        // A link to a pipe or a device would succeed.
        let (mut source, _) = input::open(&from)?;
        if fs::hard_link(&from, &to).is_err() {
            let mut copy = fs::File::create_new(&to).map_err(write_error)?;
            io::copy(&mut source, &mut copy).map_err(write_error)?;
        }
    }
    Ok(())
}

/// Returns a path in `folder` for a file, with a number if another file already has its name.
fn free_name(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let (stem, extension) = (path.file_stem().unwrap_or_default(), path.extension());
    let numbered = (2..).map(|n| {
        let mut name = stem.to_owned();
        name.push(format!("-{n}"));
        extension.iter().for_each(|extension| {
            name.push(".");
            name.push(extension);
        });
        folder.join(name)
    });
    std::iter::once(folder.join(name)).chain(numbered).find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;

    #[test]
    fn numbers_images_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            Sample { path, class: Class::Parasitized, patient: None }
        };
        let samples = [sample("a/1.png"), sample("b/1.png")];
        let out = folder.path().join("out");
        let classes = ClassFolders { positive: "infected".into(), negative: "healthy".into() };
        write_split_folders(&out, &[("Train", &samples)], &classes).unwrap();
        assert_eq!(fs::read_to_string(out.join("Train/infected/1.png")).unwrap(), "a/1.png");
        assert_eq!(fs::read_to_string(out.join("Train/infected/1-2.png")).unwrap(), "b/1.png");
        let again = write_split_folders(&out, &[("Train", &samples)], &classes).unwrap_err();
        assert!(matches!(again, DatasetError::OutputNotEmpty { .. }), "{again}");
    }
}
