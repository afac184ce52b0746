//! The documents of the repository mention only files that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders to which paths in backticks are relative.
const BASES: [&str; 11] = [
    "",
    "crates/giemsa/src",
    "crates/giemsa/src/nn",
    "crates/giemsa/src/model/format",
    "crates/giemsa-cli/src",
    "crates/giemsa-server",
    "crates/giemsa-server/src",
    "tests/reference",
    "python",
    "python/src",
    "python/python/giemsa",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the documents, relative to the root.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = PathBuf::from(entry.unwrap().file_name());
        documents.extend((name.extension() == Some("md".as_ref())).then(|| Path::new("docs").join(name)));
    }
    documents
}

/// Returns the lines of a document outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

/// Returns whether code in backticks is the path of a file or folder of the repository. Capitals are placeholders (`NAME.rs`).
fn is_path(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let of_repository = code.ends_with(".rs") || code.ends_with(".py") || code.starts_with("crates/");
    code.chars().all(plain) && (of_repository || code.starts_with("docs/") || code.ends_with('/'))
}

#[test]
fn every_link_and_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        for line in prose(&text) {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let folder = root().join(document.parent().unwrap());
            for link in links.filter(|link| !link.contains("://") && !folder.join(link).exists()) {
                missing.push(format!("{}: {link}", document.display()));
            }
            let paths = line.split('`').skip(1).step_by(2).filter(|code| is_path(code));
            for path in paths.filter(|path| !BASES.iter().any(|base| root().join(base).join(path).exists())) {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
