//! Arguments of commands that read images without labels: files, folders, glob patterns, and lists of paths.

use crate::Outcome;
use crate::exit::Fault;
use giemsa::dataset::scan::images_in;
use giemsa::input::InputError;
use giemsa::output::path_from_bytes;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

/// The images.
#[derive(clap::Args)]
pub struct PathArgs {
    /// Images, folders, glob patterns such as 'slides/*.png', or - to read paths from standard input, one per line.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// The path of an image file, or the error of a folder that cannot be read.
pub type Input = Result<PathBuf, InputError>;

/// The inputs of one argument; an error of standard input ends them.
type Inputs = Box<dyn Iterator<Item = Result<Input, Fault>>>;

impl PathArgs {
    /// Returns the image files, in the order of the arguments. Reads standard input lazily; if it cannot be read, the
    /// last item is [`Fault::Data`].
    ///
    /// # Errors
    /// [`Fault::Usage`] if a path does not exist, or standard input is given twice. A path in the list on standard input
    /// is not checked here.
    pub fn expand(&self) -> Result<impl Iterator<Item = Result<Input, Fault>> + use<>, Fault> {
        // The first list would lock standard input, and the second one wait for it.
        if self.paths.iter().filter(|path| is_stdin(path)).count() > 1 {
            return Err(Fault::Usage("-: standard input can be read only once".to_owned()));
        }
        let inputs = self.paths.iter().map(|argument| inputs_of(argument)).collect::<Result<Vec<Inputs>, Fault>>()?;
        Ok(inputs.into_iter().flatten())
    }

    /// Returns the outcome of a command that has processed the images.
    ///
    /// # Errors
    /// [`Fault::Data`] if there were no images, or none of them could be used.
    pub fn outcome(&self, readable: u64, unreadable: u64) -> Result<Outcome, Fault> {
        match (readable, unreadable) {
            (0, 0) => Err(Fault::Data(format!("no images found in {}", self.names()))),
            (0, 1) => Err(Fault::Data("the image cannot be used".to_owned())),
            (0, n) => Err(Fault::Data(format!("none of the {n} images can be used"))),
            (_, 0) => Ok(Outcome::Done),
            _ => Ok(Outcome::SomeSkipped),
        }
    }

    /// Returns the arguments for messages.
    pub fn names(&self) -> String {
        let name = |path: &PathBuf| {
            if is_stdin(path) { "the list on standard input".to_owned() } else { path.display().to_string() }
        };
        self.paths.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn is_stdin(argument: &Path) -> bool {
    argument == Path::new("-")
}

fn inputs_of(argument: &Path) -> Result<Inputs, Fault> {
    let all = |inputs: Vec<Input>| Box::new(inputs.into_iter().map(Ok));
    Ok(if is_stdin(argument) {
        Box::new(paths_in(io::stdin().lock()))
    } else if argument.is_dir() {
        all(images_in(argument))
    } else if let Ok(false) = argument.try_exists() {
        all(files_matching(argument)?)
    } else {
        all(vec![Ok(argument.to_owned())])
    })
}

/// The longest line of a list of paths. Paths are at most 4 KiB on Linux and 64 KiB on Windows.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Reads paths from standard input, one per line, and skips empty lines. An error is the last item.
fn paths_in(mut list: impl BufRead) -> impl Iterator<Item = Result<Input, Fault>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let line = next_line(&mut list);
        ended = line.is_err();
        line.map_err(|error| Fault::Data(format!("standard input: {error}"))).transpose()
    })
    .filter(|line| !line.as_ref().is_ok_and(Vec::is_empty))
    .map(|line| Ok(Ok(path_from_bytes(line?))))
}

/// Reads a line without its end; `None` after the last one.
///
/// # Errors
/// If the list cannot be read, or a line is longer than [`MAX_LINE_BYTES`].
fn next_line(list: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if list.take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|end| *end == b'\n').is_some() {
        line.pop_if(|end| *end == b'\r');
    }
    if line.len() as u64 > MAX_LINE_BYTES {
        return Err(io::Error::other(format!(
            "expected one path per line, found a line of more than {MAX_LINE_BYTES} bytes"
        )));
    }
    Ok(Some(line))
}

/// Returns the files that match a glob pattern, sorted, and the images of the folders that match.
///
/// # Errors
/// [`Fault::Usage`] if the argument is not a pattern, or matches nothing.
fn files_matching(argument: &Path) -> Result<Vec<Input>, Fault> {
    let usage = |reason: &str| Fault::Usage(format!("{}: {reason}", argument.display()));
    let Some(pattern) = argument.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Err(usage("no such file or folder"));
    };
    let matches = glob::glob(pattern)
        .map_err(|e| usage(&format!("no such file or folder, and not a valid pattern: {}", e.msg)))?;
    let inputs_of_match = |path: glob::GlobResult| match path {
        Ok(path) if path.is_dir() => images_in(&path),
        Ok(path) => vec![Ok(path)],
        Err(error) => vec![Err(InputError::Io { path: error.path().to_owned(), source: error.into() })],
    };
    let files: Vec<Vec<Input>> = matches.map(inputs_of_match).collect();
    if files.is_empty() { Err(usage("no file matches the pattern")) } else { Ok(files.into_iter().flatten().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(list: &[u8]) -> Vec<Result<Input, Fault>> {
        paths_in(list).collect()
    }

    #[test]
    fn reads_one_path_per_line() {
        let paths: Vec<PathBuf> =
            lines(b"a.png\r\n\n b\nlast").into_iter().map(|line| line.unwrap().unwrap()).collect();
        assert_eq!(paths, ["a.png", " b", "last"].map(PathBuf::from));
        assert!(lines(b"").is_empty() && lines(b"\n\r\n").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_the_last() {
        let longest = vec![b'x'; MAX_LINE_BYTES as usize];
        assert_eq!(lines(&[&longest, &b"\nb"[..]].concat()).len(), 2);
        let found = lines(&[b"a\n", &longest[..], b"x\nb\n"].concat());
        assert!(
            matches!(&found[..], [Ok(Ok(_)), Err(Fault::Data(message))] if message.contains("standard input")),
            "{found:?}"
        );
    }
}
