//! What commands that take unlabelled images share: files, folders, patterns and lists.

use giemsa::dataset::scan::files_in;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// Images, however they are named.
#[derive(clap::Args)]
pub struct PathArgs {
    /// Images, folders, patterns such as 'slides/*.png', or - for a list on standard input, one path a line.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl PathArgs {
    /// The files that the arguments mean, in their order; a list on standard input is read as it comes.
    pub fn expand(&self) -> anyhow::Result<Box<dyn Iterator<Item = PathBuf>>> {
        let mut all: Box<dyn Iterator<Item = PathBuf>> = Box::new(std::iter::empty());
        for argument in &self.paths {
            let files: Box<dyn Iterator<Item = PathBuf>> = if argument == Path::new("-") {
                Box::new(lines_of_stdin())
            } else if argument.is_dir() {
                Box::new(files_in(argument)?.into_iter())
            } else if let Some(files) = matches_of(argument)? {
                Box::new(files.into_iter())
            } else {
                // A file that is missing gets its row like any other that cannot be read.
                Box::new(std::iter::once(argument.clone()))
            };
            all = Box::new(all.chain(files));
        }
        Ok(all)
    }
}

/// The paths on standard input, one a line; empty lines are passed over.
fn lines_of_stdin() -> impl Iterator<Item = PathBuf> {
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

/// The sorted files that a pattern means, or none where the argument is no pattern, or a file has that very name.
fn matches_of(argument: &Path) -> anyhow::Result<Option<Vec<PathBuf>>> {
    let Some(text) = argument.to_str() else { return Ok(None) };
    if !text.contains(['*', '?', '[']) || argument.exists() {
        return Ok(None);
    }
    let Ok(matches) = glob::glob(text) else { return Ok(None) };
    let mut files = Vec::new();
    for path in matches {
        let path = path?;
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    // A pattern that means nothing is kept as a name, whose row says that there is no such file.
    Ok((!files.is_empty()).then_some(files))
}
