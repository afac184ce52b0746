//! The output folder of the demo: replaced only if an earlier demo made it, and removed if the demo does not finish.

use anyhow::{Context as _, bail};
use giemsa::classes::Class;
use giemsa::input::read_text;
use giemsa::synthetic::DRAWN;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that marks a folder as an output of the demo; its text announces that the next run replaces the folder.
const MARKER: &str = "README.txt";
const MARKER_TEXT: &str = "\
This folder was made by `giemsa demo`. The next `giemsa demo` with the same output folder replaces it: keep your own files
somewhere else. The cells are drawn by the program, not photographed. For research use only, not for diagnosis.
";

/// More than the texts that the demo writes.
const MAX_TEXT_BYTES: u64 = 1 << 12;

/// The names of everything that the demo writes into its folder.
const OUTPUTS: [&str; 9] = [
    "cells",
    "curves.png",
    "history.csv",
    "index.html",
    "model.safetensors",
    "sheet.png",
    super::smears::FILES[0],
    super::smears::FILES[1],
    MARKER,
];

/// Names of unfinished files and folders begin like this; only a killed demo leaves any.
const TEMPORARY_PREFIX: &str = ".giemsa-";

/// The output folder of a running demo.
#[derive(Debug)]
pub struct DemoFolder {
    path: PathBuf,
    /// Whether there was an empty folder before, which an unfinished demo leaves in its place.
    existed: bool,
}

impl DemoFolder {
    /// Creates the folder, or replaces the output of an earlier demo.
    ///
    /// # Errors
    /// If the folder contains anything else, or cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<DemoFolder> {
        let existing = names_in(path).with_context(|| path.display().to_string())?;
        let existed = existing.is_some();
        if let Some(names) = existing.filter(|names| !names.is_empty()) {
            if !is_output_of_demo(path, &names) {
                bail!(
                    "{} exists and contains files that `giemsa demo` did not make; choose another folder with \
                     `giemsa demo OUT`, or delete it",
                    path.display()
                );
            }
            remove_outputs(path)?;
        }
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        let marker = path.join(MARKER);
        fs::write(&marker, MARKER_TEXT).with_context(|| marker.display().to_string())?;
        Ok(DemoFolder { path: path.to_owned(), existed })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what the demo has written, and the folder if it is then empty and was not there before.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        remove_outputs(&self.path)?;
        if !self.existed && names_in(&self.path)?.is_some_and(|names| names.is_empty()) {
            fs::remove_dir(&self.path).with_context(|| self.path.display().to_string())?;
        }
        Ok(())
    }
}

/// Returns the names in a folder, or `None` if there is no such folder.
fn names_in(folder: &Path) -> io::Result<Option<Vec<String>>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()
            .map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_output(name: &str) -> bool {
    OUTPUTS.contains(&name) || name.starts_with(TEMPORARY_PREFIX)
}

/// Returns whether a folder has the marker of the demo and contains nothing but outputs of the demo.
fn is_output_of_demo(folder: &Path, names: &[String]) -> bool {
    names.iter().all(|name| is_output(name))
        && read_text(&folder.join(MARKER), MAX_TEXT_BYTES).is_ok_and(|text| text == MARKER_TEXT)
        && has_only_cells(&folder.join("cells"))
}

/// Returns whether the folder of the cells, if it exists, contains only class folders with drawn cells.
fn has_only_cells(cells: &Path) -> bool {
    let names = |folder: &Path| names_in(folder).map(Option::unwrap_or_default);
    let is_cell = |name: &String| name.contains("_synthetic_cell_") && name.ends_with(".png");
    let notice = format!("{DRAWN}\n");
    names(cells).is_ok_and(|entries| {
        entries.iter().all(|class| {
            if class == MARKER {
                return read_text(&cells.join(class), MAX_TEXT_BYTES).is_ok_and(|text| text == notice);
            }
            Class::ALL.iter().any(|known| known.name() == class)
                && names(&cells.join(class)).is_ok_and(|files| files.iter().all(is_cell))
        })
    })
}

/// Removes the outputs of a demo; the marker last, so that the next run can complete what fails in between.
fn remove_outputs(folder: &Path) -> anyhow::Result<()> {
    let mut names: Vec<String> = names_in(folder)?.unwrap_or_default();
    names.retain(|name| is_output(name));
    names.sort_by_key(|name| name == MARKER);
    for path in names.iter().map(|name| folder.join(name)) {
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a demo folder and fills it like a finished demo.
    fn finished(path: &Path) {
        DemoFolder::create(path).unwrap();
        fs::create_dir_all(path.join("cells/Parasitized")).unwrap();
        fs::write(path.join("cells/Parasitized/C1001P1001thinF_synthetic_cell_1.png"), "x").unwrap();
        fs::write(path.join("index.html"), "old").unwrap();
        fs::write(path.join("cells/README.txt"), format!("{DRAWN}\n")).unwrap();
    }

    #[test]
    fn replaces_the_output_of_an_earlier_demo() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        finished(&out);
        fs::create_dir(out.join(".giemsa-x7Jq")).unwrap();
        let folder = DemoFolder::create(&out).unwrap();
        assert_eq!(names_in(folder.path()).unwrap().unwrap(), [MARKER]);
    }

    #[test]
    fn refuses_a_folder_with_other_files_among_the_cells() {
        for mine in ["cells/mine.csv", "cells/Parasitized/notes.txt", "cells/mine/a.png"] {
            let place = tempfile::tempdir().unwrap();
            let out = place.path().join("out");
            finished(&out);
            fs::create_dir_all(out.join(mine).parent().unwrap()).unwrap();
            fs::write(out.join(mine), "x").unwrap();
            assert!(DemoFolder::create(&out).is_err(), "{mine}");
            assert!(out.join(mine).exists() && out.join("index.html").exists(), "{mine}");
        }
    }

    #[test]
    fn refuses_a_folder_with_other_files_and_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        finished(&out);
        fs::write(out.join("mine.csv"), "x").unwrap();
        let message = DemoFolder::create(&out).unwrap_err().to_string();
        assert!(message.contains("out exists") && message.contains("giemsa demo OUT"), "{message}");
        assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), "old");

        // Files with the names of outputs, but without the marker, may be anyone's.
        fs::remove_file(out.join("mine.csv")).unwrap();
        fs::remove_file(out.join(MARKER)).unwrap();
        assert!(DemoFolder::create(&out).is_err());
        assert!(out.join("cells/Parasitized/C1001P1001thinF_synthetic_cell_1.png").exists());
    }

    #[test]
    fn removes_only_outputs_and_only_a_folder_that_it_created() {
        let place = tempfile::tempdir().unwrap();
        let (new, empty) = (place.path().join("new"), place.path().join("empty"));
        fs::create_dir(&empty).unwrap();
        DemoFolder::create(&new).unwrap().remove().unwrap();
        DemoFolder::create(&empty).unwrap().remove().unwrap();
        assert!(!new.exists() && empty.exists());

        let folder = DemoFolder::create(&new).unwrap();
        fs::write(new.join("mine.csv"), "x").unwrap();
        folder.remove().unwrap();
        assert_eq!(names_in(&new).unwrap().unwrap(), ["mine.csv"]);
    }

    #[test]
    fn reports_a_file_in_the_way() {
        let place = tempfile::tempdir().unwrap();
        let taken = place.path().join("taken");
        fs::write(&taken, "x").unwrap();
        let message = DemoFolder::create(&taken).unwrap_err().to_string();
        assert!(message.contains("taken"), "{message}");
    }
}
