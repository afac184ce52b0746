//! Names of recipes, which become names of files and folders.

/// The longest name, in bytes: file systems allow 255 with all suffixes.
pub(super) const MAX_BYTES: usize = 64;

/// The valid names, in words.
pub(super) const EXPECTED: &str = "a plain file name: at most 64 bytes of letters, digits, spaces and `-_.+()` that \
    begin with a letter or digit, do not end with a space or dot, and are not reserved by Windows";

/// Names of devices, which Windows opens instead of a file of this name, whatever its suffix.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Returns whether a name can be that of a file on every system.
pub(super) fn is_plain(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || " -_.+()".contains(c);
    name.len() <= MAX_BYTES
        && name.chars().all(is_allowed)
        && name.starts_with(char::is_alphanumeric)
        && !name.ends_with([' ', '.'])
        && !is_device(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let is_digit = |rest: &str| rest.chars().count() == 1 && rest.chars().all(char::is_numeric);
    let is_port = || ["COM", "LPT"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_digit));
    DEVICES.contains(&stem.as_str()) || is_port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names() {
        let longest = "x".repeat(MAX_BYTES);
        for name in ["compact", "keras-tutorial", "Net 2.1 (wide)", "8x8_a+b", "réseau", "console", "COMA", &longest] {
            assert!(is_plain(name), "{name}");
        }
    }

    #[test]
    fn rejects_names_that_are_paths_hidden_too_long_or_devices() {
        let too_long = "x".repeat(MAX_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            "/tmp/x",
            "../x",
            "a/b",
            "a\\b",
            "C:x",
            ".hidden",
            "-rf",
            " a",
            "a ",
            "a.",
            "a\nb",
            "a\0",
            "\u{202e}txt",
            "a*",
            "con",
            "NUL.txt",
            "Aux .x",
            "com1",
            "LPT9.safetensors",
            &too_long,
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
