//! The folder of a report, whose files appear together or not at all.

use super::{ReportError, write_error, write_file};
use crate::output::destination::is_own;
use crate::output::{TEMPORARY_PREFIX, parent_of, sync_folder, temporary_folder};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of a report: its name in the folder, such as `plots/roc.svg`, and its content.
pub(super) type ReportFile = (String, Vec<u8>);

pub(super) const PAGE: &str = "index.html";
pub(super) const METRICS: &str = "metrics.json";
pub(super) const PREDICTIONS: &str = "predictions.csv";
pub(super) const PLOTS: &str = "plots";
pub(super) const CELLS: &str = "cells.csv";
pub(super) const SLIDES: &str = "slides.json";
pub(super) const PHOTOGRAPHS: &str = "photographs";

/// What the folder of an evaluation contains.
const EVALUATION: [&str; 4] = [PAGE, METRICS, PREDICTIONS, PLOTS];
/// What the folder of a count contains.
const COUNT: [&str; 4] = [PAGE, CELLS, SLIDES, PHOTOGRAPHS];

/// The names of the charts, each an SVG file and a PNG file in the folder of plots.
const CHARTS: [&str; 6] = [
    "roc",
    "precision-recall",
    "calibration",
    "probabilities",
    "patients-false-negative-rate",
    "patients-false-positive-rate",
];

/// Checks that a folder is new or empty, or contains nothing but an earlier report of an evaluation, which can be replaced.
///
/// # Errors
/// [`ReportError::FolderInUse`] if it contains anything else, [`ReportError::Write`] if it is not a folder.
pub fn check_free(folder: &Path) -> Result<(), ReportError> {
    check(folder, &EVALUATION)
}

/// Checks that a folder is new or empty, or contains nothing but an earlier report of a count, which can be replaced.
///
/// # Errors
/// As [`check_free`].
pub fn check_free_for_count(folder: &Path) -> Result<(), ReportError> {
    check(folder, &COUNT)
}

fn check(folder: &Path, names_of_report: &[&str]) -> Result<(), ReportError> {
    let names = names_in(folder).map_err(write_error(folder))?;
    let names_below = |name: &str| names_in(&folder.join(name)).unwrap_or_default();
    let is_report = || {
        is_own(&folder.join(PAGE))
            && names.iter().all(|name| names_of_report.contains(&&name[..]))
            && names_below(PLOTS).iter().all(|name| is_plot(name))
            // Photographs may have any name, so their content decides.
            && names_below(PHOTOGRAPHS).iter().all(|name| is_own(&folder.join(PHOTOGRAPHS).join(name)))
    };
    if names.is_empty() || is_report() { Ok(()) } else { Err(ReportError::FolderInUse { path: folder.to_owned() }) }
}

/// Returns the names in a folder, except those of temporary files; none if there is no such folder.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !name.as_ref().is_ok_and(|name: &String| name.starts_with(TEMPORARY_PREFIX))).collect()
}

fn is_plot(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| CHARTS.contains(&stem) && ["svg", "png"].contains(&extension))
}

/// Writes files into a folder, see [`NewFolder`].
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_files(folder: &Path, files: &[ReportFile]) -> Result<(), ReportError> {
    let mut new = NewFolder::create(folder)?;
    for (name, content) in files {
        new.write(name, content)?;
    }
    new.publish()
}

/// A folder whose files are written elsewhere first. Without [`publish`](NewFolder::publish), or if a file cannot be written,
/// the folder stays as it was.
pub(super) struct NewFolder {
    folder: PathBuf,
    exists: bool,
    temporary: TempDir,
    /// The files and folders directly in it.
    entries: Vec<String>,
}

impl NewFolder {
    /// Begins a folder. It need not exist, nor do those above it.
    pub(super) fn create(folder: &Path) -> Result<NewFolder, ReportError> {
        let exists = folder.is_dir();
        let place = if exists { folder } else { parent_of(folder) };
        fs::create_dir_all(place).map_err(write_error(place))?;
        let temporary = temporary_folder(place).map_err(write_error(folder))?;
        Ok(NewFolder { folder: folder.to_owned(), exists, temporary, entries: Vec::new() })
    }

    /// Writes a file. The name may contain a folder.
    pub(super) fn write(&mut self, name: &str, content: &[u8]) -> Result<(), ReportError> {
        let path = self.add(name)?;
        write_file(&path, content).map_err(|error| with_name(error, &self.folder.join(name)))
    }

    /// Writes a file that need not be in memory at once.
    pub(super) fn write_with(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        let path = self.add(name)?;
        let written = fs::File::create(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.into_inner()?.sync_all()
        });
        written.map_err(write_error(&self.folder.join(name)))
    }

    /// Adds a folder, which stays empty if no file is written into it.
    pub(super) fn add_folder(&mut self, name: &str) -> Result<(), ReportError> {
        let path = self.add(name)?;
        fs::create_dir_all(path).map_err(write_error(&self.folder.join(name)))
    }

    /// Returns the temporary path of an entry, whose folder is created.
    fn add(&mut self, name: &str) -> Result<PathBuf, ReportError> {
        let entry = name.split('/').next().unwrap_or(name);
        if !self.entries.iter().any(|known| known == entry) {
            self.entries.push(entry.to_owned());
        }
        let path = self.new_folder().join(name);
        fs::create_dir_all(parent_of(&path)).map_err(write_error(&self.folder.join(name)))?;
        Ok(path)
    }

    /// Temporary folders are private. The folder inside has the permissions of any new folder.
    fn new_folder(&self) -> PathBuf {
        self.temporary.path().join("new")
    }

    /// Moves everything to its place. Folders in it, such as that of the plots, are replaced with all that they contain.
    pub(super) fn publish(self) -> Result<(), ReportError> {
        let names: Vec<&str> = self.entries.iter().map(|name| &name[..]).collect();
        let published = if self.exists {
            replace_entries(&names, &self.new_folder(), &self.temporary.path().join("old"), &self.folder)
        } else {
            fs::rename(self.new_folder(), &self.folder)
        };
        let place = if self.exists { &self.folder } else { parent_of(&self.folder) };
        published.and_then(|()| sync_folder(place)).map_err(write_error(&self.folder))
    }
}

/// Replaces the temporary name in an error by the final one.
fn with_name(error: ReportError, name: &Path) -> ReportError {
    match error {
        ReportError::Write { source, .. } => ReportError::Write { path: name.to_owned(), source },
        other => other,
    }
}

/// Moves entries from the folder `new` to `folder`, and those that they replace to the folder `old`. After an error, all
/// entries are where they were.
fn replace_entries(names: &[&str], new: &Path, old: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir(old)?;
    for (done, name) in names.iter().enumerate() {
        if let Err(error) = replace_entry(name, new, old, folder) {
            for name in names[..done].iter().rev() {
                fs::rename(folder.join(name), new.join(name))?;
                restore(name, old, folder)?;
            }
            return Err(error);
        }
    }
    Ok(())
}

fn replace_entry(name: &str, new: &Path, old: &Path, folder: &Path) -> io::Result<()> {
    if folder.join(name).symlink_metadata().is_ok() {
        fs::rename(folder.join(name), old.join(name))?;
    }
    fs::rename(new.join(name), folder.join(name)).or_else(|error| restore(name, old, folder).and(Err(error)))
}

/// Moves an entry back, if it was replaced.
fn restore(name: &str, old: &Path, folder: &Path) -> io::Result<()> {
    if old.join(name).symlink_metadata().is_ok() { fs::rename(old.join(name), folder.join(name)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> ReportFile {
        (name.to_owned(), content.into())
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn replaces_files_and_folders_but_keeps_the_others() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/report");
        write_files(&folder, &[file("plots/a.svg", "a"), file("plots/b.svg", "b"), file("index.html", "old")]).unwrap();
        fs::write(folder.join("notes"), "mine").unwrap();
        write_files(&folder, &[file("plots/a.svg", "A"), file("index.html", "new")]).unwrap();
        assert_eq!(names_in(&folder.join("plots")).unwrap(), ["a.svg"], "a chart of the earlier report is left");
        let contents = ["plots/a.svg", "index.html", "notes"].map(|name| read(&folder, name));
        assert_eq!(contents, ["A", "new", "mine"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "no temporary folder is left");
    }

    #[test]
    fn moves_everything_back_if_an_entry_cannot_be_replaced() {
        let place = tempfile::tempdir().unwrap();
        let [new, old, folder] = ["new", "old", "folder"].map(|name| place.path().join(name));
        for (folder, content) in [(&new, "new"), (&folder, "old")] {
            fs::create_dir_all(folder.join("plots")).unwrap();
            fs::write(folder.join("plots/a.svg"), content).unwrap();
        }
        fs::write(new.join("added"), "new").unwrap();
        fs::write(folder.join("index.html"), "old").unwrap();
        // There is no new index.html.
        assert!(replace_entries(&["plots", "added", "index.html"], &new, &old, &folder).is_err());
        assert_eq!([read(&folder, "plots/a.svg"), read(&folder, "index.html")], ["old", "old"]);
        assert!(!folder.join("added").exists());
    }

    #[test]
    fn only_a_folder_with_nothing_but_a_report_is_free() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("report");
        assert!(check_free(&folder).is_ok());
        fs::create_dir_all(folder.join("plots")).unwrap();
        assert!(check_free(&folder).is_err(), "a folder without a page");
        fs::write(folder.join("index.html"), "<!DOCTYPE html><meta name=\"generator\" content=\"giemsa 1.0.0\">")
            .unwrap();
        fs::write(folder.join("plots/roc.svg"), "").unwrap();
        assert!(check_free(&folder).is_ok());
        for mine in ["plots/mine.svg", "plots/roc.txt", "notes.txt"] {
            fs::write(folder.join(mine), "").unwrap();
            assert!(matches!(check_free(&folder), Err(ReportError::FolderInUse { .. })), "{mine}");
            fs::remove_file(folder.join(mine)).unwrap();
        }
        assert!(matches!(check_free(&folder.join("index.html")), Err(ReportError::Write { .. })));
    }

    #[test]
    fn an_evaluation_is_no_count_and_photographs_of_a_user_are_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let page = "<!DOCTYPE html><meta name=\"generator\" content=\"giemsa 1.0.0\">";
        let own = crate::report::jpeg::jpeg_bytes(&image::RgbImage::new(3, 2), 80).unwrap();
        let count = [file("index.html", page), file("cells.csv", ""), ("photographs/a.jpg".to_owned(), own)];
        write_files(place.path(), &count).unwrap();
        assert!(check_free_for_count(place.path()).is_ok() && check_free(place.path()).is_err());
        fs::write(place.path().join("photographs/b.jpg"), b"\xff\xd8\xff\xe0 giemsa").unwrap();
        assert!(matches!(check_free_for_count(place.path()), Err(ReportError::FolderInUse { .. })));
    }
}
