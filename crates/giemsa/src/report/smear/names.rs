//! File names for the annotated photographs.

use crate::smear::Slide;
use std::collections::HashSet;

/// The longest name without extension, in bytes: file systems allow 255 with the extension and a number.
const LONGEST: usize = 150;
/// Names of devices, which Windows reserves with any extension.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Returns the file names of the annotated photographs by slide and photograph. All are different, also where upper case and
/// lower case are the same, and contain only letters, digits, `-` and `_` before the extension.
pub(super) fn file_names(slides: &[Slide]) -> Vec<Vec<String>> {
    let mut taken = HashSet::new();
    let mut names_of = |slide: &Slide| {
        let mut name = |stem: String| {
            let base = if slides.len() > 1 && stem != slide.name { format!("{}_{stem}", slide.name) } else { stem };
            format!("{}.jpg", unique(safe(&base), &mut taken))
        };
        let stem = |path: &std::path::Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        slide.photographs.iter().map(|photograph| name(stem(&photograph.path))).collect()
    };
    slides.iter().map(&mut names_of).collect()
}

fn safe(name: &str) -> String {
    let mut safe = String::new();
    // A name that begins with an underscore would only be the remains of a path.
    for letter in name.trim_start_matches(|letter: char| !letter.is_alphanumeric()).chars() {
        let letter = if letter.is_alphanumeric() || letter == '-' { letter } else { '_' };
        if safe.len() + letter.len_utf8() > LONGEST {
            break;
        }
        safe.push(letter);
    }
    let lower = safe.to_lowercase();
    let is_port = lower.len() == 4 && (lower.starts_with("com") || lower.starts_with("lpt"));
    if safe.is_empty() || is_port || RESERVED.contains(&&lower[..]) {
        safe.push('_');
    }
    safe
}

fn unique(name: String, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contain_nothing_that_a_file_system_or_a_link_could_misread() {
        let cases = [
            ("photograph 1", "photograph_1"),
            ("../a/b", "a_b"),
            ("<img src=x>", "img_src_x_"),
            ("50%#?", "50___"),
            ("Züge-7", "Züge-7"),
            ("", "_"),
            ("CON", "CON_"),
            ("com1", "com1_"),
        ];
        for (name, expected) in cases {
            assert_eq!(safe(name), expected);
        }
        assert!(safe(&"ä".repeat(400)).len() <= LONGEST);
    }

    #[test]
    fn names_are_unique_in_any_case() {
        let mut taken = HashSet::new();
        let names = ["a", "A", "a", "a-2"].map(|name| unique(name.to_owned(), &mut taken));
        assert_eq!(names, ["a", "A-2", "a-3", "a-2-2"]);
    }
}
