//! The requests: one per image, ready to be written.

use std::fs;
use std::path::Path;

/// A request as it is written to a connection.
pub type Request = Vec<u8>;

/// Returns a request for every PNG file of a folder and its folders, in the order of their names.
pub fn requests(folder: &str) -> Vec<Request> {
    let mut files = Vec::new();
    list(Path::new(folder), &mut files);
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "png"));
    assert!(!files.is_empty(), "{folder} has no PNG files");
    files.iter().map(|file| request(&fs::read(file).expect("a readable file"))).collect()
}

/// Returns a request that posts these bytes as an image.
pub fn request(image: &[u8]) -> Request {
    let head = format!(
        "POST /api/cells HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n",
        image.len()
    );
    [head.as_bytes(), image].concat()
}

fn list(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
