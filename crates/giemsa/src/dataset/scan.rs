//! Scans folders of class folders. The folder determines the class of an image.

mod listing;

pub use listing::{MAX_DEPTH, images_in};

use super::patients::PatientSource;
use super::{DatasetError, Sample};
use crate::classes::Class;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The folder of images that are not a single red cell, beside the class folders or in a site's folder.
pub const NOT_A_CELL: &str = "NotACell";

/// The names of the two class folders, in any case.
///
/// ```
/// use giemsa::classes::Class;
/// use giemsa::dataset::scan::ClassFolders;
/// let folders = ClassFolders { positive: "infected".into(), negative: "healthy".into() };
/// assert_eq!(folders.class_of("Infected"), Some(Class::Parasitized));
/// assert_eq!(folders.class_of("other"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassFolders {
    /// The folder of parasitized cells.
    pub positive: String,
    /// The folder of uninfected cells.
    pub negative: String,
}

impl Default for ClassFolders {
    /// Returns `Parasitized` and `Uninfected`, the names in the NIH data set.
    fn default() -> ClassFolders {
        let [positive, negative] = Class::ALL.map(|class| class.name().to_owned());
        ClassFolders { positive, negative }
    }
}

impl ClassFolders {
    /// Returns the class of a folder, ignoring case; `None` if it is neither.
    pub fn class_of(&self, folder_name: &str) -> Option<Class> {
        let name = folder_name.to_lowercase();
        Class::ALL.into_iter().find(|&class| self.name_of(class).to_lowercase() == name)
    }

    /// Returns the folder name of a class.
    pub fn name_of(&self, class: Class) -> &str {
        match class {
            Class::Parasitized => &self.positive,
            Class::Uninfected => &self.negative,
        }
    }
}

/// A class folder of any name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolder {
    /// The part that contains it, such as `Train`; `None` if the data set is not divided.
    pub part: Option<String>,
    /// The name of the folder.
    pub name: String,
    /// The images in it, in the order of [`images_in`].
    pub files: Vec<PathBuf>,
}

impl ClassFolder {
    /// Returns the name with its part, such as `Train/Parasitized`.
    pub fn label(&self) -> String {
        self.part.iter().chain([&self.name]).cloned().collect::<Vec<_>>().join("/")
    }
}

/// The images of a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `DIR/{class}/…`.
    Classes(Vec<Sample>),
    /// `DIR/{Train,Test}/{class}/…`, in any case; also `Training`, and `Validation`, `Valid` or `Val`.
    Parts {
        /// The training set.
        train: Vec<Sample>,
        /// The test set.
        test: Vec<Sample>,
    },
}

const TRAINING_NAMES: &[&str] = &["train", "training"];
const TEST_NAMES: &[&str] = &["test", "validation", "val", "valid"];

/// Returns whether archive programs or desktops leave files of this name behind.
fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || ["__MACOSX", "Thumbs.db", "desktop.ini"].iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The folders and the files in a folder.
type Entries = (Vec<PathBuf>, Vec<PathBuf>);

/// Lists the folders and the files in a folder, each sorted by the bytes of their names.
fn entries(folder: &Path) -> io::Result<Entries> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Symbolic links are followed. Any other entry has its type in the listing and needs no system call.
        let is_folder = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => path.is_dir(),
        };
        match (is_ignored(&entry.file_name().to_string_lossy()), is_folder) {
            (true, _) => {}
            (false, true) => folders.push(path),
            (false, false) => files.push(path),
        }
    }
    folders.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    files.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok((folders, files))
}

/// Lists the folders in a folder of a data set, sorted.
pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    match entries(folder) {
        Ok((folders, _)) => Ok(folders),
        Err(source) => Err(match source.kind() {
            io::ErrorKind::NotFound => DatasetError::NotFound { path: folder.to_owned() },
            io::ErrorKind::NotADirectory => DatasetError::NotAFolder { path: folder.to_owned() },
            _ => DatasetError::io(folder, source),
        }),
    }
}

/// Lists the images of one of the class folders. An error of one of its subfolders is that of all.
fn images_of_class(folder: &Path, class_folders: &[PathBuf]) -> Result<Vec<PathBuf>, DatasetError> {
    Ok(listing::images_of_class(folder, class_folders).into_iter().collect::<Result<_, _>>()?)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn names_of(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| name_of(path)).collect()
}

/// Lists the folders in `folder`, or those in its only folder, as archives unpack (`cell_images/cell_images/…`).
fn class_folders(folder: &Path, classes: &ClassFolders) -> Result<Vec<PathBuf>, DatasetError> {
    let folders = folders_in(folder)?;
    let folders = match &folders[..] {
        [only] if classes.class_of(&name_of(only)).is_none() => {
            let inner = folders_in(only)?;
            if inner.is_empty() { folders } else { inner }
        }
        _ => folders,
    };
    if folders.is_empty() {
        return Err(DatasetError::NoClassFolders { path: folder.to_owned() });
    }
    Ok(folders)
}

/// Finds the folder of the training set and that of the test set.
fn find_parts(folders: &[PathBuf]) -> (Option<&PathBuf>, Option<&PathBuf>) {
    let find =
        |names: &[&str]| folders.iter().find(|path| names.iter().any(|name| name.eq_ignore_ascii_case(&name_of(path))));
    (find(TRAINING_NAMES), find(TEST_NAMES))
}

/// Lists the class folders of any names, with their images; the training set first if the data set is divided.
///
/// # Errors
/// If the folder does not exist, a folder in it cannot be read, or there are no class folders or no images in them.
pub fn scan_any_classes(folder: &Path) -> Result<Vec<ClassFolder>, DatasetError> {
    let mut folders = class_folders(folder, &ClassFolders::default())?;
    let mut classes = Vec::new();
    let mut add = |part: Option<&Path>, path: &Path, class_folders: &[PathBuf]| {
        let files = images_of_class(path, class_folders)?;
        classes.push(ClassFolder { part: part.map(name_of), name: name_of(path), files });
        Ok::<(), DatasetError>(())
    };
    if let (Some(training), Some(_)) = find_parts(&folders) {
        let training = training.clone();
        folders.sort_by_key(|path| *path != training);
        for part in &folders {
            match folders_in(part)?.as_slice() {
                [] => add(None, part, &folders)?,
                inner => inner.iter().try_for_each(|path| add(Some(part), path, inner))?,
            }
        }
    } else {
        folders.iter().try_for_each(|path| add(None, path, &folders))?;
    }
    if classes.iter().all(|class| class.files.is_empty()) {
        return Err(DatasetError::NoImages { path: folder.to_owned() });
    }
    Ok(classes)
}

/// Lists the labelled images of `DIR/{class}/…`: positive images first, sorted by path within each class. The images of
/// `DIR/NotACell` have no class, and are not listed.
///
/// # Errors
/// If the folder does not exist, a folder in it cannot be read, a class is missing or empty, or there are other folders.
pub fn scan_classes(
    folder: &Path,
    classes: &ClassFolders,
    patients: &PatientSource,
) -> Result<Vec<Sample>, DatasetError> {
    let mut folders = class_folders(folder, classes)?;
    let has_no_class = |name: String| name.eq_ignore_ascii_case(NOT_A_CELL) && classes.class_of(&name).is_none();
    folders.retain(|path| !has_no_class(name_of(path)));
    let path = || folder.to_owned();
    if folders.iter().any(|path| classes.class_of(&name_of(path)).is_none()) {
        let expected = vec![classes.positive.clone(), classes.negative.clone()];
        return Err(DatasetError::UnexpectedFolders { path: path(), expected, found: names_of(&folders) });
    }
    if folders.len() > Class::ALL.len() {
        return Err(DatasetError::DuplicateClass { path: path(), found: names_of(&folders) });
    }
    let mut samples = Vec::new();
    for class in Class::ALL {
        let Some(class_folder) = folders.iter().find(|path| classes.class_of(&name_of(path)) == Some(class)) else {
            let missing = classes.name_of(class).to_owned();
            return Err(DatasetError::MissingClass { path: path(), missing, found: names_of(&folders) });
        };
        let files = images_of_class(class_folder, &folders)?;
        if files.is_empty() {
            return Err(DatasetError::NoImages { path: class_folder.clone() });
        }
        let sample = |path: PathBuf| Sample { patient: patients.patient_of(&path), path, class };
        samples.extend(files.into_iter().map(sample));
    }
    Ok(samples)
}

/// Lists the labelled images of a folder in either [`Layout`].
///
/// # Errors
/// See [`scan_classes`]; also if only one of the two parts exists, or there are further folders.
pub fn scan_layout(folder: &Path, classes: &ClassFolders, patients: &PatientSource) -> Result<Layout, DatasetError> {
    let folders = class_folders(folder, classes)?;
    let missing_part = |missing, found: &Path| {
        Err(DatasetError::MissingPart { path: folder.to_owned(), missing, found: name_of(found) })
    };
    match find_parts(&folders) {
        (None, None) => Ok(Layout::Classes(scan_classes(folder, classes, patients)?)),
        (Some(train), None) => missing_part("Test", train),
        (None, Some(test)) => missing_part("Train", test),
        (Some(_), Some(_)) if folders.len() > 2 => Err(DatasetError::UnexpectedFolders {
            path: folder.to_owned(),
            expected: vec!["Train".to_owned(), "Test".to_owned()],
            found: names_of(&folders),
        }),
        (Some(train), Some(test)) => Ok(Layout::Parts {
            train: scan_classes(train, classes, patients)?,
            test: scan_classes(test, classes, patients)?,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_are_not_a_cell_have_no_class() {
        let folder = folder_with(&["Parasitized/a.png", "Uninfected/b.png", "NotACell/c.png"]);
        let scan = |classes| scan_classes(folder.path(), &classes, &PatientSource::FileName);
        assert_eq!(scan(ClassFolders::default()).unwrap().len(), 2);
        // Unless a class has this name.
        let other = ClassFolders { negative: "NotACell".into(), ..ClassFolders::default() };
        assert!(matches!(scan(other), Err(DatasetError::UnexpectedFolders { .. })));
    }

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn scan(folder: &Path) -> Result<Layout, DatasetError> {
        scan_layout(folder, &ClassFolders::default(), &PatientSource::FileName)
    }

    fn names(samples: &[Sample]) -> Vec<String> {
        samples.iter().map(|sample| name_of(&sample.path)).collect()
    }

    #[test]
    fn reads_both_layouts_in_any_case_and_ignores_files_of_desktops() {
        let flat = folder_with(&[
            "uninfected/C2_b.png",
            "PARASITIZED/C1_a.png",
            "PARASITIZED/Thumbs.db",
            "PARASITIZED/.DS_Store",
            "__MACOSX/x.png",
            ".git/y",
        ]);
        let Layout::Classes(samples) = scan(flat.path()).unwrap() else { panic!() };
        assert_eq!(names(&samples), ["C1_a.png", "C2_b.png"]);
        assert_eq!(samples[0].patient.as_deref(), Some("C1"));
        assert_eq!(samples[0].class, Class::Parasitized);

        let parts = folder_with(&[
            "TRAIN/Parasitized/a.png",
            "TRAIN/Uninfected/b.png",
            "validation/Parasitized/c.png",
            "validation/Uninfected/d.png",
        ]);
        let Layout::Parts { train, test } = scan(parts.path()).unwrap() else { panic!() };
        assert_eq!(
            (names(&train), names(&test)),
            (vec!["a.png".into(), "b.png".into()], vec!["c.png".into(), "d.png".into()])
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_a_class_folder_gives_no_image_a_second_class() {
        let folder = folder_with(&["Parasitized/a.png", "Uninfected/b.png", "other/c.png"]);
        std::fs::rename(folder.path().join("other"), folder.path().join(".other")).unwrap();
        let class = folder.path().join("Parasitized");
        for (name, target) in [("up", ".."), ("beside", "../Uninfected"), ("more", "../.other")] {
            std::os::unix::fs::symlink(target, class.join(name)).unwrap();
        }
        let Layout::Classes(samples) = scan(folder.path()).unwrap() else { panic!() };
        assert_eq!(names(&samples), ["a.png", "c.png", "b.png"]);
        let counts: Vec<usize> = scan_any_classes(folder.path()).unwrap().iter().map(|c| c.files.len()).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn looks_into_the_only_folder_of_a_folder() {
        let folder = folder_with(&["cell_images/Parasitized/a.png", "cell_images/Uninfected/b.png"]);
        assert!(matches!(scan(folder.path()).unwrap(), Layout::Classes(samples) if samples.len() == 2));
        assert_eq!(scan_any_classes(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn reports_each_fault_of_a_folder() {
        let two_parts =
            ["Train/Parasitized/a.png", "Train/Uninfected/b.png", "Test/Parasitized/c.png", "Test/Uninfected/d.png"];
        let three_parts = [&two_parts[..], &["Val/Parasitized/e.png"]].concat();
        let cases: [(&[&str], &str); 8] = [
            (&three_parts, "found Test, Train, Val"),
            (
                &["Parasitized/a.png", "Uninfected/b.png", "parasitized/c.png"],
                "several folders for one class: Parasitized, Uninfected, parasitized",
            ),
            (&["a.png"], "no class folders"),
            (&["Parasitized/a.png"], "found only Parasitized"),
            (&["Parasitized/a.png", "Uninfected/.hidden"], "Uninfected: no images in this folder"),
            (&["cats/a.png", "dogs/b.png"], "expected the folders Parasitized and Uninfected, found cats, dogs"),
            (&["Parasitized/a.png", "Uninfected/b.png", "Other/c.png"], "Other, Parasitized, Uninfected"),
            (&["Train/Parasitized/a.png", "more/b.png"], "no folder Test beside Train"),
        ];
        for (files, expected) in cases {
            let folder = folder_with(files);
            let message = scan(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected} is not in {message}");
            assert!(message.contains(&folder.path().display().to_string()), "{message}");
        }
        let message = scan(Path::new("/no/such")).unwrap_err().to_string();
        assert!(message.contains("/no/such") && message.contains("no such folder"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn keeps_names_that_are_not_utf_8() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder_with(&["Parasitized/a.png", "Uninfected/b.png"]);
        let odd = folder.path().join("Uninfected").join(std::ffi::OsStr::from_bytes(b"C5\xff.png"));
        std::fs::write(&odd, "x").unwrap();
        let samples = scan_classes(folder.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap();
        let found = samples.iter().find(|sample| sample.path == odd).unwrap();
        assert_eq!(found.patient.as_deref(), Some("C5"));
    }

    #[test]
    fn reads_class_folders_of_other_names() {
        let folder = folder_with(&["x/Infected/C1_a.png", "x/übrige/C2_b.png"]);
        let classes = ClassFolders { positive: "infected".into(), negative: "Übrige".into() };
        let samples = scan_classes(folder.path(), &classes, &PatientSource::FileName).unwrap();
        let found: Vec<_> = samples.iter().map(|sample| (name_of(&sample.path), sample.class)).collect();
        assert_eq!(found, [("C1_a.png".into(), Class::Parasitized), ("C2_b.png".into(), Class::Uninfected)]);
        let error = scan(folder.path()).unwrap_err();
        assert!(error.to_string().contains("found Infected, übrige"), "{error}");
    }

    #[test]
    fn lists_class_folders_of_any_names_by_part() {
        let labels = |files: &[&str]| -> Vec<String> {
            scan_any_classes(folder_with(files).path()).unwrap().iter().map(ClassFolder::label).collect()
        };
        assert_eq!(labels(&["ring/a.png", "other/b.png"]), ["other", "ring"]);
        let divided = ["Test/b/1.png", "Train/b/2.png", "Train/a/3.png", "Validation/a/4.png", "notes/5.png"];
        assert_eq!(labels(&divided), ["Train/a", "Train/b", "Test/b", "Validation/a", "notes"]);
        assert_eq!(labels(&["train/1.png", "test/2.png"]), ["train", "test"]);
    }
}
