//! Looks through folders of class folders. What an image's class is, its folder says; what it is of, its content says
//! later: scanning opens no file.

use super::patients::PatientSource;
use super::{DatasetError, Sample};
use crate::classes::Class;
use std::path::{Path, PathBuf};

/// A class folder of any name.
#[derive(Clone, Debug)]
pub struct ClassFolder {
    /// The folder's name.
    pub name: String,
    /// Its files, sorted.
    pub files: Vec<PathBuf>,
}

/// The names of the two class folders; upper and lower case are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolders {
    /// The folder of the images of the class Parasitized.
    pub positive: String,
    /// The folder of the images of the class Uninfected.
    pub negative: String,
}

impl Default for ClassFolders {
    fn default() -> ClassFolders {
        let [positive, negative] = Class::ALL.map(|class| class.name().to_owned());
        ClassFolders { positive, negative }
    }
}

impl ClassFolders {
    /// Returns the class whose folder has this name.
    fn class(&self, name: &str) -> Option<Class> {
        let folders = [(&self.positive, Class::Parasitized), (&self.negative, Class::Uninfected)];
        folders.into_iter().find(|(folder, _)| folder.to_lowercase() == name.to_lowercase()).map(|(_, class)| class)
    }
}

/// What a data folder holds.
#[derive(Clone, Debug)]
pub enum Layout {
    /// `DIR/{class}/…`.
    Classes(Vec<Sample>),
    /// `DIR/{Train,Test}/{class}/…`, the names in any case; `Validation` or `Val` is as good as `Test`.
    Parts {
        /// To learn from.
        train: Vec<Sample>,
        /// To measure on.
        test: Vec<Sample>,
    },
}

/// Names that archives and desktops leave behind.
fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || ["__MACOSX", "Thumbs.db", "desktop.ini"].iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The entries of a folder that are worth a look, sorted: folders, then files.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DatasetError> {
    let io = |source| DatasetError::Io { path: folder.display().to_string(), source };
    if folder.is_file() {
        let found = "a file".to_owned();
        return Err(DatasetError::Content {
            path: folder.display().to_string(),
            expected: "a folder".to_owned(),
            found,
        });
    }
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        // A link is whatever it leads to; anything else needs no look at the file itself.
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
    // All lie in one folder, so their order is that of the bytes of their names.
    folders.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    files.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok((folders, files))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// All files of a folder and the folders in it, sorted; hidden ones and what desktops leave behind are passed over.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut found = Vec::new();
    collect_files(folder, &mut Vec::new(), &mut found)?;
    Ok(found)
}

/// `above` holds the folders that lead here, so that a link to one of them is not followed in circles.
fn collect_files(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<(), DatasetError> {
    let here =
        folder.canonicalize().map_err(|source| DatasetError::Io { path: folder.display().to_string(), source })?;
    if above.contains(&here) {
        return Ok(());
    }
    let (folders, files) = entries(folder)?;
    found.extend(files);
    above.push(here);
    for folder in folders {
        collect_files(&folder, above, found)?;
    }
    above.pop();
    Ok(())
}

/// The folders below `folder`, or below the one folder in it, as archives unpack (`cell_images/cell_images/…`).
fn class_folders(folder: &Path, names: &ClassFolders) -> Result<Vec<PathBuf>, DatasetError> {
    let (folders, _) = entries(folder)?;
    match &folders[..] {
        [only] if names.class(&name_of(only)).is_none() => {
            let (inner, _) = entries(only)?;
            Ok(if inner.is_empty() { folders } else { inner })
        }
        _ => Ok(folders),
    }
}

/// The class folders of any names, with their files.
///
/// # Errors
/// When there is no such folder, it holds no folders, or these hold no files.
pub fn scan_any_classes(folder: &Path) -> Result<Vec<ClassFolder>, DatasetError> {
    let refuse = |found: &str| DatasetError::Content {
        path: folder.display().to_string(),
        expected: "a folder of class folders, such as Parasitized/ and Uninfected/".to_owned(),
        found: found.to_owned(),
    };
    let folders = class_folders(folder, &ClassFolders::default())?;
    if folders.is_empty() {
        return Err(refuse("no folders in it"));
    }
    let mut classes = Vec::new();
    for path in folders {
        classes.push(ClassFolder { name: name_of(&path), files: files_in(&path)? });
    }
    if classes.iter().all(|class| class.files.is_empty()) {
        return Err(refuse("no files in them"));
    }
    Ok(classes)
}

/// The labelled images of `DIR/{Parasitized,Uninfected}/…`, the names in any case: class by class, sorted.
///
/// # Errors
/// When there is no such folder, a class is missing or empty, or there are folders of other names.
pub fn scan_classes(
    folder: &Path,
    class_names: &ClassFolders,
    patients: &PatientSource,
) -> Result<Vec<Sample>, DatasetError> {
    let ClassFolders { positive, negative } = class_names;
    let refuse = |found: String| DatasetError::Content {
        path: folder.display().to_string(),
        expected: format!("the two class folders {positive} and {negative} with images in them"),
        found,
    };
    let folders = class_folders(folder, class_names)?;
    let names = || folders.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", ");
    if folders.is_empty() {
        return Err(refuse("no folders in it".to_owned()));
    }
    if folders.iter().any(|path| class_names.class(&name_of(path)).is_none()) {
        return Err(refuse(names()));
    }
    if folders.len() > Class::ALL.len() {
        return Err(refuse(format!("one class more than once: {}", names())));
    }
    let mut samples = Vec::new();
    for class in Class::ALL {
        let Some(path) = folders.iter().find(|path| class_names.class(&name_of(path)) == Some(class)) else {
            return Err(refuse(format!("only {}", names())));
        };
        let files = files_in(path)?;
        if files.is_empty() {
            return Err(refuse(format!("{} without images", path.display())));
        }
        let sample = |path: PathBuf| Sample { patient: patients.patient_of(&path), path, class };
        samples.extend(files.into_iter().map(sample));
    }
    Ok(samples)
}

/// The labelled images of either layout.
///
/// # Errors
/// As [`scan_classes`]; and when one part is there without the other, or something beside the two.
pub fn scan_layout(
    folder: &Path,
    class_names: &ClassFolders,
    patients: &PatientSource,
) -> Result<Layout, DatasetError> {
    let folders = class_folders(folder, class_names)?;
    let named = |names: &[&str]| {
        let is_one = |path: &&PathBuf| names.iter().any(|name| name.eq_ignore_ascii_case(&name_of(path)));
        folders.iter().find(is_one)
    };
    match (named(&["train", "training"]), named(&["test", "validation", "val", "valid"])) {
        (None, None) => Ok(Layout::Classes(scan_classes(folder, class_names, patients)?)),
        (Some(_), Some(_)) if folders.len() > 2 => Err(DatasetError::Content {
            path: folder.display().to_string(),
            expected: "two parts, such as Train and Test".to_owned(),
            found: folders.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", "),
        }),
        (Some(train), Some(test)) => {
            let scan = |part| scan_classes(part, class_names, patients);
            Ok(Layout::Parts { train: scan(train)?, test: scan(test)? })
        }
        (train, _) => Err(DatasetError::Content {
            path: folder.display().to_string(),
            expected: "Train and Test (or Validation) side by side".to_owned(),
            found: format!("only {}", if train.is_some() { "Train" } else { "Test" }),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn names(samples: &[Sample]) -> Vec<String> {
        samples.iter().map(|sample| name_of(&sample.path)).collect()
    }

    #[test]
    fn both_layouts_are_read_in_any_case_and_what_desktops_leave_is_passed_over() {
        let flat = folder_with(&[
            "uninfected/C2_b.png",
            "PARASITIZED/C1_a.png",
            "PARASITIZED/Thumbs.db",
            "PARASITIZED/.DS_Store",
            "__MACOSX/x.png",
            ".git/y",
        ]);
        let Layout::Classes(samples) =
            scan_layout(flat.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap()
        else {
            panic!()
        };
        assert_eq!(names(&samples), ["C1_a.png", "C2_b.png"]);
        assert_eq!(samples[0].patient.as_deref(), Some("C1"));
        assert_eq!(samples[0].class, Class::Parasitized);

        let parts = folder_with(&[
            "TRAIN/Parasitized/a.png",
            "TRAIN/Uninfected/b.png",
            "validation/Parasitized/c.png",
            "validation/Uninfected/d.png",
        ]);
        let Layout::Parts { train, test } =
            scan_layout(parts.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (names(&train), names(&test)),
            (vec!["a.png".into(), "b.png".into()], vec!["c.png".into(), "d.png".into()])
        );
    }

    #[test]
    fn a_folder_in_a_folder_is_looked_into() {
        let folder = folder_with(&["cell_images/Parasitized/a.png", "cell_images/Uninfected/b.png"]);
        assert_eq!(scan_classes(folder.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap().len(), 2);
        assert_eq!(scan_any_classes(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said() {
        let two_parts =
            ["Train/Parasitized/a.png", "Train/Uninfected/b.png", "Test/Parasitized/c.png", "Test/Uninfected/d.png"];
        let three_parts = [&two_parts[..], &["Val/Parasitized/e.png"]].concat();
        let cases: [(&[&str], &str); 8] = [
            (&three_parts, "found Test, Train, Val"),
            (&["Parasitized/a.png", "Uninfected/b.png", "parasitized/c.png"], "found one class more than once"),
            (&["a.png"], "found no folders in it"),
            (&["Parasitized/a.png"], "found only Parasitized"),
            (&["Parasitized/a.png", "Uninfected/.hidden"], "Uninfected without images"),
            (&["cats/a.png", "dogs/b.png"], "found cats, dogs"),
            (&["Parasitized/a.png", "Uninfected/b.png", "Other/c.png"], "Other, Parasitized, Uninfected"),
            (&["Train/Parasitized/a.png", "more/b.png"], "found only Train"),
        ];
        for (files, expected) in cases {
            let folder = folder_with(files);
            let message =
                scan_layout(folder.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} does not say {expected}");
            assert!(message.contains(&folder.path().display().to_string()), "{message}");
        }
        let message = scan_layout(Path::new("/no/such"), &ClassFolders::default(), &PatientSource::FileName)
            .unwrap_err()
            .to_string();
        assert!(message.contains("/no/such") && message.contains("No such file"), "{message}");
    }

    #[test]
    fn reads_class_folders_of_other_names() {
        let folder = folder_with(&["Infected/C1_a.png", "healthy/C2_b.png"]);
        let names = ClassFolders { positive: "infected".into(), negative: "Healthy".into() };
        let samples = scan_classes(folder.path(), &names, &PatientSource::FileName).unwrap();
        assert_eq!(samples.iter().map(|s| s.class).collect::<Vec<_>>(), [Class::Parasitized, Class::Uninfected]);
        let error = scan_classes(folder.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap_err();
        assert!(error.to_string().contains("Infected, healthy"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = folder_with(&["Parasitized/a.png", "Uninfected/b.png", "elsewhere/c.png"]);
        let class = folder.path().join("Parasitized");
        std::os::unix::fs::symlink(&class, class.join("circle")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), class.join("more")).unwrap();
        let files: Vec<String> = files_in(&class).unwrap().iter().map(|path| name_of(path)).collect();
        assert_eq!(files, ["a.png", "c.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_are_kept() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder_with(&["Parasitized/a.png", "Uninfected/b.png"]);
        let odd = folder.path().join("Uninfected").join(std::ffi::OsStr::from_bytes(b"C5\xff.png"));
        std::fs::write(&odd, "x").unwrap();
        let samples = scan_classes(folder.path(), &ClassFolders::default(), &PatientSource::FileName).unwrap();
        let found = samples.iter().find(|sample| sample.path == odd).unwrap();
        assert_eq!(found.patient.as_deref(), Some("C5"));
    }
}
