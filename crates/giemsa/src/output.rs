//! Output: files that are written atomically, the rule by which files are replaced, paths that are not UTF-8, and text that
//! is safe to print.

pub mod destination;

use crate::input::{self, InputError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file so that it appears complete or not at all, and replaces an existing file.
///
/// The content goes to a temporary file in the same folder, which is flushed to the disk and then renamed. The file has
/// the permissions of any new file of the user.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("history.csv");
/// giemsa::output::write_atomically(&path, |file| writeln!(file, "epoch,loss"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "epoch,loss\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If `write` returns an error or the file system does. The error does not contain the path. An existing file is then
/// unchanged.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = parent_of(path);
    // The error of `tempfile_in` would contain the temporary name, and its file would be private.
    let mut file = temporary().make_in(folder, |path| File::create_new(path))?;
    {
        let mut buffered = io::BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Returns the folder of a file or folder.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a folder that is removed when it is dropped.
pub(crate) fn temporary_folder(parent: &Path) -> io::Result<tempfile::TempDir> {
    // The error of `tempdir_in` contains the temporary name, which the user did not choose.
    temporary().tempdir_in(parent).map_err(|error| error.kind().into())
}

/// The prefix of temporary files and folders; 6 random letters and digits follow.
pub(crate) const TEMPORARY_PREFIX: &str = ".giemsa-";

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    builder
}

/// Flushes the rename to the disk, so that it survives a power failure.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns the bytes of a path for text and CSV output.
///
/// On Unix they are unchanged, so that another program can open the file. Elsewhere, characters that are not valid
/// Unicode are replaced by U+FFFD.
///
/// ```
/// use std::path::Path;
/// assert_eq!(&*giemsa::output::path_bytes(Path::new("cells/a.png")), b"cells/a.png");
/// ```
pub fn path_bytes(path: &Path) -> Cow<'_, [u8]> {
    #[cfg(unix)]
    return Cow::Borrowed(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
    #[cfg(not(unix))]
    match path.to_string_lossy() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Converts the bytes of [`path_bytes`] back into a path.
pub fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    #[cfg(unix)]
    return <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into();
    #[cfg(not(unix))]
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Escapes the characters of a line of text that control a terminal, so that a file name or an error message cannot
/// disguise what a program prints.
///
/// Control characters become `\n`, `\x1b` or `\u{9b}`, and so do line separators and the characters that change the
/// direction of text. Everything else is unchanged, also bytes that are not UTF-8.
///
/// ```
/// use giemsa::output::printable;
/// assert_eq!(&*printable(b"cell\x1b[2J\n.png"), br"cell\x1b[2J\n.png");
/// assert_eq!(&*printable("Zelle 1, µm".as_bytes()), "Zelle 1, µm".as_bytes());
/// ```
#[must_use]
pub fn printable(line: &[u8]) -> Cow<'_, [u8]> {
    let is_clean = |chunk: std::str::Utf8Chunk<'_>| !chunk.valid().contains(controls_a_terminal);
    if line.utf8_chunks().all(is_clean) {
        return Cow::Borrowed(line);
    }
    let mut escaped = Vec::with_capacity(line.len() + 16);
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\r' | '\t' => escaped.extend(c.escape_default().map(|c| c as u8)),
                '\0'..='\x7f' if c.is_control() => escaped.extend(format!("\\x{:02x}", c as u32).bytes()),
                _ if controls_a_terminal(c) => escaped.extend(format!("\\u{{{:x}}}", c as u32).bytes()),
                _ => escaped.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        escaped.extend(chunk.invalid());
    }
    Cow::Owned(escaped)
}

/// Escapes a text as [`printable`] does, but keeps its line breaks.
///
/// ```
/// assert_eq!(giemsa::output::printable_lines("first\nse\u{7}cond\n"), "first\nse\\x07cond\n");
/// ```
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| printable(line.as_bytes())).collect();
    String::from_utf8_lossy(&lines.join(&b'\n')).into_owned()
}

/// Returns whether a character is a control character, a line separator, or changes the direction of text.
fn controls_a_terminal(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let directs = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || directs
}

/// Serialises a path for JSON, with `#[serde(flatten, serialize_with = "serialize_path")]`: as the key `path`, in which
/// bytes that are not UTF-8 are replaced by U+FFFD; if there are any, the Base64 of all bytes is the key `path_bytes`.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct Row {
///     #[serde(flatten, serialize_with = "giemsa::output::serialize_path")]
///     path: std::path::PathBuf,
/// }
/// assert_eq!(serde_json::to_string(&Row { path: "a.png".into() })?, r#"{"path":"a.png"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// If the serializer returns an error.
pub fn serialize_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(serde::Serialize)]
    struct JsonPath<'a> {
        path: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_bytes: Option<String>,
    }
    JsonPath { path: path.to_string_lossy(), path_bytes: base64_unless_utf8(path) }.serialize(serializer)
}

/// Returns the Base64 of the bytes of a path; `None` if it is UTF-8.
pub(crate) fn base64_unless_utf8(path: &Path) -> Option<String> {
    path.to_str().is_none().then(|| STANDARD.encode(path_bytes(path)))
}

/// Serialises a path as a CSV field without changing its bytes, with `#[serde(with = "csv_path")]`.
pub(crate) mod csv_path {
    use super::{path_bytes, path_from_bytes};
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&path_bytes(path))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = PathBuf;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a path")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PathBuf, E> {
                Ok(path_from_bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Reads the rows of a CSV file, which may contain bytes that are not UTF-8.
///
/// # Errors
/// If the file cannot be read, or a column is missing or has a value of another type.
pub(crate) fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, InputError> {
    let rows = |file: File| -> csv::Result<Vec<T>> {
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.byte_headers()?.clone();
        reader.byte_records().map(|record| record?.deserialize(Some(&header))).collect()
    };
    rows(input::open(path)?.0).map_err(|error| InputError::Io { path: path.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_an_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old and longer").unwrap();
        write_atomically(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn keeps_the_old_file_if_writing_fails_midway() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let result = write_atomically(&path, |file| {
            file.write_all(&[0; 100_000])?;
            Err(io::Error::other("out of ink"))
        });
        assert_eq!(result.unwrap_err().to_string(), "out of ink");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn leaves_no_file_if_the_writer_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let result = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("on purpose")));
        assert!(result.is_err());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn returns_an_error_if_a_folder_has_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomically(&path, |file| file.write_all(b"new")).is_err());
        assert!(path.is_dir());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn returns_an_error_if_the_folder_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("none/a.txt"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".giemsa-"), "{error}");
        let error = temporary_folder(&folder.path().join("none")).unwrap_err();
        assert!(error.kind() == io::ErrorKind::NotFound && !error.to_string().contains(".giemsa-"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn sets_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomically(&ours, |file| file.write_all(b"x")).unwrap();
        fs::write(&plain, "x").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn escapes_what_controls_a_terminal_and_nothing_else() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"a\0\x07\x1b\x7f", br"a\x00\x07\x1b\x7f"),
            (b"\t\r\n", br"\t\r\n"),
            ("\u{85}\u{9b}31m".as_bytes(), br"\u{85}\u{9b}31m"),
            ("\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}".as_bytes(), br"\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}"),
            ("Größe 細胞 👩‍🔬 \\n".as_bytes(), "Größe 細胞 👩‍🔬 \\n".as_bytes()),
            (b"\xff\x1b\xfe", b"\xff\\x1b\xfe"),
            (b"", b""),
        ];
        for (line, expected) in cases {
            assert_eq!(String::from_utf8_lossy(&printable(line)), String::from_utf8_lossy(expected));
            assert_eq!(*printable(line), *expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn keeps_the_bytes_of_a_path_that_is_not_utf_8() {
        let bytes = b"cells/odd\xff.png".to_vec();
        let path = path_from_bytes(bytes.clone());
        assert_eq!(*path_bytes(&path), bytes[..]);
    }

    #[cfg(unix)]
    #[test]
    fn writes_and_reads_a_path_that_is_not_utf_8_in_csv() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Row {
            #[serde(with = "csv_path")]
            path: PathBuf,
            patient: Option<String>,
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let row = Row { path: path_from_bytes(b"a,\xff.png".to_vec()), patient: None };
        let mut csv = csv::Writer::from_path(&path).unwrap();
        csv.serialize(&row).unwrap();
        csv.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"path,patient\n\"a,\xff.png\",\n");
        assert_eq!(read_csv::<Row>(&path).unwrap(), [row]);
    }
}
