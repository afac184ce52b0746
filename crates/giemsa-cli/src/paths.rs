//! Arguments of commands that read images without labels: files, folders, glob patterns, and lists of paths.

use crate::Outcome;
use crate::exit::Fault;
use giemsa::dataset::scan::files_in;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// The images.
#[derive(clap::Args)]
pub struct PathArgs {
    /// Images, folders, glob patterns such as 'slides/*.png', or - to read paths from standard input, one per line.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl PathArgs {
    /// Returns the image files, in the order of the arguments. Reads standard input lazily.
    ///
    /// # Errors
    /// [`Fault::Usage`] if a path does not exist. A path in the list on standard input is not checked here.
    pub fn expand(&self) -> anyhow::Result<Box<dyn Iterator<Item = PathBuf>>> {
        let mut all: Box<dyn Iterator<Item = PathBuf>> = Box::new(std::iter::empty());
        for argument in &self.paths {
            let files: Box<dyn Iterator<Item = PathBuf>> = if is_stdin(argument) {
                Box::new(paths_from_stdin())
            } else if argument.is_dir() {
                Box::new(files_in(argument)?.into_iter())
            } else if let Ok(false) = argument.try_exists() {
                Box::new(files_matching(argument)?.into_iter())
            } else {
                Box::new(std::iter::once(argument.clone()))
            };
            all = Box::new(all.chain(files));
        }
        Ok(all)
    }

    /// Returns the outcome of a command that has processed the images.
    ///
    /// # Errors
    /// [`Fault::Data`] if there were no images, or none of them could be read.
    pub fn outcome(&self, readable: u64, unreadable: u64) -> Result<Outcome, Fault> {
        match (readable, unreadable) {
            (0, 0) => Err(Fault::Data(format!("no images found in {}", self.names()))),
            (0, 1) => Err(Fault::Data("the image cannot be read".to_owned())),
            (0, n) => Err(Fault::Data(format!("none of the {n} images can be read"))),
            (_, 0) => Ok(Outcome::Done),
            _ => Ok(Outcome::SomeSkipped),
        }
    }

    /// Returns the arguments for messages.
    fn names(&self) -> String {
        let name = |path: &PathBuf| {
            if is_stdin(path) { "the list on standard input".to_owned() } else { path.display().to_string() }
        };
        self.paths.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn is_stdin(argument: &Path) -> bool {
    argument == Path::new("-")
}

/// Reads paths from standard input, one per line, and skips empty lines.
fn paths_from_stdin() -> impl Iterator<Item = PathBuf> {
    let lines = io::stdin().lock().split(b'\n').map_while(Result::ok);
    lines
        .map(|line| line.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(line))
        .filter(|l| !l.is_empty())
        .map(to_path)
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Returns the files that match a glob pattern, sorted, and all files of the folders that match.
///
/// # Errors
/// [`Fault::Usage`] if the argument is not a pattern, or matches nothing.
fn files_matching(argument: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let usage = |reason: &str| Fault::Usage(format!("{}: {reason}", argument.display()));
    let Some(pattern) = argument.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Err(usage("no such file or folder").into());
    };
    let matches = glob::glob(pattern)
        .map_err(|e| usage(&format!("no such file or folder, and not a valid pattern: {}", e.msg)))?;
    let mut files = Vec::new();
    let mut found = false;
    for path in matches {
        let path = path?;
        found = true;
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    if found { Ok(files) } else { Err(usage("no file matches the pattern").into()) }
}
