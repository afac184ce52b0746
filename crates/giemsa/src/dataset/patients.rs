//! Which patient an image is of: from its name, or from what the user says.
//!
//! A cell's neighbours on the slide look alike, so a split that parts the cells of one patient measures memory, not
//! skill. In the NIH set the patient is `C` and digits at the start of the name: `C33P1thinF_IMG_…_cell_179.png` is C33.

use super::DatasetError;
use regex_lite::Regex;
use std::collections::HashMap;
use std::path::Path;

/// How patients are told.
#[derive(Clone, Debug)]
pub enum PatientSource {
    /// `C` and digits at the start of the file's name.
    FileName,
    /// The first group of this pattern, found anywhere in the file's name.
    Pattern(Regex),
    /// By file name.
    Table(HashMap<String, String>),
}

impl PatientSource {
    /// Reads a table `file,patient`; a first line with these two words is a header.
    ///
    /// # Errors
    /// When the file cannot be read, a line does not have two fields, or a name has two patients; says which.
    pub fn from_table(path: &Path) -> Result<PatientSource, DatasetError> {
        let content = |line: u64, found: String| DatasetError::Content {
            path: format!("{}:{line}", path.display()),
            expected: "file and patient, and one patient for each file name".to_owned(),
            found,
        };
        let file = std::fs::File::open(path)
            .map_err(|source| DatasetError::Io { path: path.display().to_string(), source })?;
        let mut table = HashMap::new();
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(file);
        for (i, record) in reader.records().enumerate() {
            let record = record.map_err(|error| content(i as u64 + 1, error.to_string()))?;
            let line = record.position().map_or(i as u64 + 1, csv::Position::line);
            match (record.len(), record.get(0), record.get(1)) {
                (2, Some("file"), Some("patient")) if i == 0 => {}
                (2, Some(file), Some(patient)) if !file.is_empty() && !patient.is_empty() => {
                    let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
                    match table.insert(name.to_string(), patient.to_owned()) {
                        Some(other) if other != patient => {
                            return Err(content(line, format!("`{name}` of {patient}, and of {other} before")));
                        }
                        _ => {}
                    }
                }
                _ => return Err(content(line, format!("`{}`", record.iter().collect::<Vec<_>>().join(",")))),
            }
        }
        Ok(PatientSource::Table(table))
    }

    /// Takes a regular expression whose first group is the patient.
    ///
    /// # Errors
    /// When it is none, or has no group.
    pub fn from_pattern(pattern: &str) -> Result<PatientSource, DatasetError> {
        let refuse = |found: String| DatasetError::Content {
            path: format!("pattern `{pattern}`"),
            expected: "a regular expression with a group (…) for the patient".to_owned(),
            found,
        };
        let regex = Regex::new(pattern).map_err(|error| refuse(error.to_string()))?;
        if regex.captures_len() < 2 {
            return Err(refuse("no group".to_owned()));
        }
        Ok(PatientSource::Pattern(regex))
    }

    /// The patient of an image; none where its name does not say.
    ///
    /// ```
    /// use giemsa::dataset::patients::PatientSource;
    /// let path = std::path::Path::new("Uninfected/C33P1thinF_IMG_20150619_114756a_cell_179.png");
    /// assert_eq!(PatientSource::FileName.patient_of(path).as_deref(), Some("C33"));
    /// ```
    pub fn patient_of(&self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_string_lossy();
        match self {
            PatientSource::FileName => {
                let digits = name.strip_prefix('C')?.bytes().take_while(u8::is_ascii_digit).count();
                (digits > 0).then(|| name[..=digits].to_owned())
            }
            PatientSource::Pattern(regex) => Some(regex.captures(&name)?.get(1)?.as_str().to_owned()),
            PatientSource::Table(table) => table.get(name.as_ref()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_patient_is_c_and_digits_at_the_start_of_the_name() {
        let cases = [
            ("C101P62ThinF_IMG_20150918_151006_cell_61.png", Some("C101")),
            ("C47P8thin_Original_Motic_1_cell_3.png", Some("C47")),
            ("C47P8thinOriginalOlympusCX21_cell_3.png", Some("C47")),
            ("xC33P1.png", None),
            ("Cell_3.png", None),
            ("c3.png", None),
            ("C7", Some("C7")),
        ];
        for (name, patient) in cases {
            assert_eq!(PatientSource::FileName.patient_of(Path::new(name)).as_deref(), patient, "{name}");
        }
    }

    #[test]
    fn a_pattern_gives_its_first_group() {
        let source = PatientSource::from_pattern("^slide_(\\w+?)_").unwrap();
        assert_eq!(source.patient_of(Path::new("a/slide_ab_7.png")).as_deref(), Some("ab"));
        assert_eq!(source.patient_of(Path::new("a/other.png")), None);
        for (pattern, expected) in [("(", "open group without closing"), ("abc", "no group")] {
            let message = PatientSource::from_pattern(pattern).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(pattern), "{message}");
        }
    }

    #[test]
    fn a_table_gives_patients_by_file_name_and_errors_name_the_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "file,patient\nsome/where/1.png, anna\n2.png,ben").unwrap();
        let source = PatientSource::from_table(file.path()).unwrap();
        assert_eq!(source.patient_of(Path::new("x/1.png")).as_deref(), Some("anna"));
        assert_eq!(source.patient_of(Path::new("3.png")), None);
        let mut twice = tempfile::NamedTempFile::new().unwrap();
        writeln!(twice, "a/1.png,anna\na/1.png,anna\nb/1.png,ben").unwrap();
        let message = PatientSource::from_table(twice.path()).unwrap_err().to_string();
        assert!(message.contains(":3") && message.contains("`1.png` of ben, and of anna before"), "{message}");
        writeln!(file, "4.png").unwrap();
        let message = PatientSource::from_table(file.path()).unwrap_err().to_string();
        assert!(message.contains(":4") && message.contains("`4.png`"), "{message}");
    }
}
