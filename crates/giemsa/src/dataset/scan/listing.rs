//! Lists the images below a folder, within limits that hold for any folder.

use super::entries;
use crate::image::starts_like_an_image;
use crate::input::{self, InputError};
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest number of folders inside each other that are read. A deeper tree is an accident, or made to exhaust memory.
pub const MAX_DEPTH: usize = 64;

/// Extensions of images, in any case. GIF and WebP images cannot be decoded, but must not be ignored without notice.
const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "webp"];

/// The number of bytes that show whether a file is an image.
const START_BYTES: u64 = 64;

/// Lists the images below a folder: the files of a folder before those of its subfolders, both sorted by name.
///
/// A file is an image if its extension is that of one (`png`, `jpg`, `jpeg`, `tif`, `tiff`, `bmp`, `gif` or `webp`, in any
/// case), or if its content begins like one. So a text file `bad.png` is listed, and `README.txt` is not. A file with
/// another extension is listed if it cannot be opened, since it may be an image. Hidden files and files that desktops leave
/// behind are skipped.
///
/// Symbolic links are followed. Each folder is listed once, however many links lead to it.
///
/// # Errors
/// An item is an error if a folder cannot be read or is nested more than [`MAX_DEPTH`] deep; the other folders are still
/// listed. A data set with such a folder is rejected, because training or evaluation on a part of it would go unnoticed.
///
/// ```
/// use giemsa::dataset::scan::images_in;
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("README.txt"), "Two cells.")?;
/// std::fs::write(folder.path().join("cell.png"), "")?;
/// let images: Vec<_> = images_in(folder.path()).into_iter().collect::<Result<_, _>>()?;
/// assert_eq!(images, [folder.path().join("cell.png")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn images_in(folder: &Path) -> Vec<Result<PathBuf, InputError>> {
    let mut found = Vec::new();
    add_images(folder, 0, &mut HashSet::new(), &mut found);
    found
}

/// Lists the images below a class folder as [`images_in`], except those to which only a link leads out of it: into one of the
/// other class folders, or into a folder that contains them all. Such an image would get a second class.
pub(super) fn images_of_class(folder: &Path, class_folders: &[PathBuf]) -> Vec<Result<PathBuf, InputError>> {
    let data = folder.parent().and_then(|data| data.canonicalize().ok()).unwrap_or_default();
    let outside = class_folders.iter().map(PathBuf::as_path).chain(data.ancestors());
    let mut visited: HashSet<FolderId> = outside.filter_map(|path| id(path).ok()).collect();
    id(folder).iter().for_each(|this| _ = visited.remove(this));
    let mut found = Vec::new();
    add_images(folder, 0, &mut visited, &mut found);
    found
}

/// Adds the images below `folder`, which is `depth` levels below the first one, unless it is in `visited`.
fn add_images(
    folder: &Path,
    depth: usize,
    visited: &mut HashSet<FolderId>,
    found: &mut Vec<Result<PathBuf, InputError>>,
) {
    if depth > MAX_DEPTH {
        found.push(Err(InputError::TooDeep { path: folder.to_owned(), limit: MAX_DEPTH }));
        return;
    }
    match id(folder).and_then(|id| if visited.insert(id) { entries(folder) } else { Ok(Default::default()) }) {
        Err(source) => found.push(Err(InputError::Io { path: folder.to_owned(), source })),
        Ok((folders, files)) => {
            found.extend(files.into_iter().filter(|file| is_image(file)).map(Ok));
            folders.iter().for_each(|inner| add_images(inner, depth + 1, visited, found));
        }
    }
}

/// Identifies a folder, whatever the path to it.
#[cfg(unix)]
type FolderId = (u64, u64);

#[cfg(unix)]
fn id(folder: &Path) -> io::Result<FolderId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
type FolderId = PathBuf;

#[cfg(not(unix))]
fn id(folder: &Path) -> io::Result<FolderId> {
    folder.canonicalize()
}

/// Returns whether a file in a folder is an image; see [`images_in`].
fn is_image(path: &Path) -> bool {
    let has_extension = |extension: &std::ffi::OsStr| EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e));
    path.extension().is_some_and(has_extension) || start(path).map_or(true, |start| starts_like_an_image(&start))
}

fn start(path: &Path) -> Result<Vec<u8>, InputError> {
    let (file, _) = input::open(path)?;
    let mut start = Vec::new();
    file.take(START_BYTES)
        .read_to_end(&mut start)
        .map_err(|source| InputError::Io { path: path.to_owned(), source })?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(folder: &Path, name: &str, content: &[u8]) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Returns the names of the images below a folder.
    fn names(folder: &Path) -> Vec<String> {
        let paths = images_in(folder).into_iter().map(Result::unwrap);
        paths.map(|path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn lists_files_that_are_images_by_extension_or_content() {
        let folder = tempfile::tempdir().unwrap();
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for name in ["bad.png", "a.JPG", "b.jpeg", "c.tif", "d.Tiff", "e.bmp", "f.gif", "g.webp"] {
            write(folder.path(), name, b"text");
        }
        write(folder.path(), "scan.001", png);
        write(folder.path(), "cell", png);
        for name in ["README.txt", "labels.csv", "data.json", "page.html", "empty", "Thumbs.db", ".hidden.png"] {
            write(folder.path(), name, b"");
        }
        // Text may begin with the two letters of a bitmap, but contains no byte 0.
        write(folder.path(), "notes", b"BM 12345");
        let expected =
            ["a.JPG", "b.jpeg", "bad.png", "c.tif", "cell", "d.Tiff", "e.bmp", "f.gif", "g.webp", "scan.001"];
        assert_eq!(names(folder.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn lists_what_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("b")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        assert_eq!(names(folder.path()), ["a", "b", "socket"]);
    }

    #[cfg(unix)]
    #[test]
    fn lists_each_folder_once_and_hard_links_of_files_as_files() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "class/a.png", b"");
        write(root, "elsewhere/c.png", b"");
        fs::hard_link(root.join("class/a.png"), root.join("class/b.png")).unwrap();
        symlink(root.join("class"), root.join("class/cycle")).unwrap();
        symlink(root.join("elsewhere"), root.join("class/more")).unwrap();
        symlink(root.join("elsewhere"), root.join("class/more-again")).unwrap();
        symlink(root.join("class"), root.join("elsewhere/back")).unwrap();
        assert_eq!(names(&root.join("class")), ["a.png", "b.png", "more/c.png"]);
    }

    #[test]
    fn lists_what_is_beside_a_folder_that_is_nested_too_deeply() {
        let folder = tempfile::tempdir().unwrap();
        let at_depth = |depth: usize| format!("deep/{}x.png", "d/".repeat(depth - 1));
        write(folder.path(), &at_depth(MAX_DEPTH), b"");
        write(folder.path(), &at_depth(MAX_DEPTH + 1), b"");
        write(folder.path(), "z/last.png", b"");
        let found = images_in(folder.path());
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].as_ref().unwrap(), &folder.path().join(at_depth(MAX_DEPTH)));
        let error = found[1].as_ref().unwrap_err();
        assert!(matches!(error, InputError::TooDeep { limit: MAX_DEPTH, .. }), "{error}");
        assert!(found[2].is_ok());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let found = images_in(Path::new("/no/such"));
        assert!(matches!(&found[..], [Err(InputError::Io { .. })]), "{found:?}");
    }
}
