//! The rule by which a file is replaced: only if this software made it or the user asks for it, and never if it is an input.

use crate::input::{self, NotAFile};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of the software in the metadata of its pictures and pages, by which [`is_own`] recognises them.
pub const SOFTWARE: &str = "giemsa";

/// A destination that must not be written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The file is one of the inputs.
    #[error("{}: this file is an input, which is never replaced", path.display())]
    Input {
        /// The file.
        path: PathBuf,
    },
    /// The file exists, and another program or the user made it.
    #[error("{}: this file exists and was not made by {SOFTWARE}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The path is not that of a regular file.
    #[error("{}: expected a new name or that of a file, found {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// The kind of the entry.
        found: NotAFile,
    },
}

/// The existing files that may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Earlier outputs: see [`is_own`].
    Own,
    /// All regular files.
    Any,
}

/// Checks that files may be written, before any work is done. Inputs are recognised under any name, also that of a link.
///
/// ```
/// use giemsa::output::destination::{DestinationError, Replace, check_destinations};
/// let folder = tempfile::tempdir()?;
/// let cell = folder.path().join("cell.png");
/// std::fs::write(&cell, "an image")?;
/// let files = [cell.clone(), folder.path().join("new.png")];
/// let error = check_destinations(&files, &[], Replace::Own).unwrap_err();
/// assert!(matches!(error, DestinationError::Foreign { path } if path == cell));
/// assert!(check_destinations(&files, &[], Replace::Any).is_ok());
/// assert!(check_destinations(&files, &[cell], Replace::Any).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// See [`DestinationError`]. A file that does not exist is no error, even if it cannot be created.
pub fn check_destinations(files: &[PathBuf], inputs: &[PathBuf], replace: Replace) -> Result<(), DestinationError> {
    let existing: Vec<&PathBuf> = files.iter().filter(|path| path.symlink_metadata().is_ok()).collect();
    if existing.is_empty() {
        return Ok(());
    }
    let inputs: BTreeSet<Identity> = inputs.iter().filter_map(|path| identity(path)).collect();
    for path in existing {
        let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
        if let Some(found) = kind.and_then(NotAFile::of) {
            return Err(DestinationError::NotAFile { path: path.clone(), found });
        }
        if identity(path).is_some_and(|identity| inputs.contains(&identity)) {
            return Err(DestinationError::Input { path: path.clone() });
        }
        if replace == Replace::Own && !is_own(path) {
            return Err(DestinationError::Foreign { path: path.clone() });
        }
    }
    Ok(())
}

/// How the files of this software begin, and what follows soon.
const MARKS: [(&str, &str); 4] = [
    ("\u{89}PNG\r\n", "tEXtSoftware\0giemsa"),
    // The segment of a comment, with its length.
    ("\u{ff}\u{d8}\u{ff}", "\u{ff}\u{fe}\0\u{8}giemsa"),
    ("<!DOCTYPE html>", "<meta name=\"generator\" content=\"giemsa "),
    (".ie ", "\n.TH giemsa"),
];
/// Number of bytes in which the marks are.
const MARKED_BYTES: u64 = 1024;

/// Returns whether this software made a file: a picture, an HTML page or a manual page whose metadata contain its name.
/// Anything else, such as a model, is worth more than the time that it takes to make it again.
#[must_use]
pub fn is_own(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = input::open(path).is_ok_and(|(file, _)| file.take(MARKED_BYTES).read_to_end(&mut start).is_ok());
    // PNG files begin with the byte 0x89, which is not UTF-8. In Latin-1, every byte is a character.
    let start: String = start.into_iter().map(char::from).collect();
    read && MARKS.iter().any(|(signature, mark)| start.starts_with(signature) && start.contains(mark))
}

/// The identity of a file, which all its names share.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
type Identity = PathBuf;

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a file with this content may be replaced without being asked for it.
    fn is_replaced(content: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, content).unwrap();
        check_destinations(&[path], &[], Replace::Own).is_ok()
    }

    #[test]
    fn only_own_pages_and_pictures_are_replaced() {
        let page = |generator: &str| format!("<!DOCTYPE html>\n<meta name=\"generator\" content=\"{generator}\">\n");
        assert!(is_replaced(page("giemsa 0.1.0").as_bytes()));
        assert!(is_replaced(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x0ftEXtSoftware\0giemsa"));
        for content in [&b""[..], b"notes", b"\x89PNG\r\n\x1a\n", page("hugo 0.1").as_bytes(), b"tEXtSoftware\0giemsa"]
        {
            assert!(!is_replaced(content), "{}", content.escape_ascii());
        }
        let mut late = b"<!DOCTYPE html>".to_vec();
        late.resize(5000, b' ');
        late.extend(page("giemsa 0.1.0").bytes());
        assert!(!is_replaced(&late), "a page that only quotes the mark");
    }

    #[cfg(unix)]
    #[test]
    fn an_input_is_not_replaced_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cell.png"), "an image").unwrap();
        fs::hard_link(path("cell.png"), path("hard")).unwrap();
        std::os::unix::fs::symlink("cell.png", path("soft")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        for name in ["cell.png", "folder/../cell.png", "hard", "soft"] {
            let files = [path("new"), path(name)];
            let error = check_destinations(&files, &[path("cell.png")], Replace::Any).unwrap_err();
            assert!(matches!(error, DestinationError::Input { .. }), "{name}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn folders_devices_and_dangling_links_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for path in [folder.path(), Path::new("/dev/null")] {
            let error = check_destinations(&[path.to_owned()], &[], Replace::Any).unwrap_err();
            assert!(matches!(error, DestinationError::NotAFile { .. }), "{error}");
        }
        assert!(check_destinations(&[link], &[], Replace::Own).is_err());
    }
}
