//! Determines the patient of an image, from its file name or from a table.
//!
//! Cells of one slide look alike, so a split that divides the cells of a patient overestimates the accuracy on new
//! patients. In the NIH data set, file names begin with the patient: `C33P1thinF_IMG_…_cell_179.png` belongs to C33.

use super::DatasetError;
use crate::input;
use regex_lite::Regex;
use std::collections::HashMap;
use std::path::Path;

/// The largest table of patients that is read, in bytes: about a million images.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// The source of the patient of each image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PatientSource {
    /// `C` and digits at the start of the file name.
    FileName,
    /// The first group of a regular expression, matched anywhere in the file name; without a group, the whole match.
    Pattern(Regex),
    /// A table from file name to patient.
    Table(HashMap<String, String>),
}

impl PatientSource {
    /// Reads a CSV table with the columns `file,patient`; the header line is optional.
    ///
    /// Only the name of the file counts, not its folder.
    ///
    /// # Errors
    /// If the table cannot be read, a row does not have two fields, or a file name has two patients.
    pub fn from_table(path: &Path) -> Result<PatientSource, DatasetError> {
        let invalid = |line, found| DatasetError::InvalidPatientRow { path: path.to_owned(), line, found };
        let table_bytes = input::read(path, MAX_TABLE_BYTES)?;
        let mut table = HashMap::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(&table_bytes[..]);
        for (i, record) in reader.records().enumerate() {
            let record = record.map_err(|error| invalid(i as u64 + 1, error.to_string()))?;
            let line = record.position().map_or(i as u64 + 1, csv::Position::line);
            match (record.len(), record.get(0), record.get(1)) {
                (2, Some("file"), Some("patient")) if i == 0 => {}
                (2, Some(file), Some(patient)) if !file.is_empty() && !patient.is_empty() => {
                    let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
                    match table.insert(name.to_string(), patient.to_owned()) {
                        Some(earlier) if earlier != patient => {
                            let (path, file) = (path.to_owned(), name.into_owned());
                            let patients = [earlier, patient.to_owned()];
                            return Err(DatasetError::ConflictingPatients { path, line, file, patients });
                        }
                        _ => {}
                    }
                }
                _ => return Err(invalid(line, record.iter().collect::<Vec<_>>().join(","))),
            }
        }
        Ok(PatientSource::Table(table))
    }

    /// Compiles a regular expression whose first group is the patient; without a group, the whole match is.
    ///
    /// # Errors
    /// If the pattern is not a regular expression.
    pub fn from_pattern(pattern: &str) -> Result<PatientSource, DatasetError> {
        let invalid = |source| DatasetError::InvalidPattern { pattern: pattern.to_owned(), source };
        Regex::new(pattern).map(PatientSource::Pattern).map_err(invalid)
    }

    /// Returns the patient of an image; `None` if it is unknown.
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
            PatientSource::Pattern(regex) => {
                let group = usize::from(regex.captures_len() > 1);
                Some(regex.captures(&name)?.get(group)?.as_str().to_owned())
            }
            PatientSource::Table(table) => table.get(name.as_ref()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_c_and_digits_at_the_start_of_the_name() {
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
    fn reads_the_first_group_of_a_pattern() {
        let source = PatientSource::from_pattern("^slide_(\\w+?)_").unwrap();
        assert_eq!(source.patient_of(Path::new("a/slide_ab_7.png")).as_deref(), Some("ab"));
        assert_eq!(source.patient_of(Path::new("a/other.png")), None);
    }

    #[test]
    fn reads_the_whole_match_of_a_pattern_without_a_group() {
        let source = PatientSource::from_pattern("^[a-z]+-[0-9]+").unwrap();
        assert_eq!(source.patient_of(Path::new("slides/ab-7_cell_3.png")).as_deref(), Some("ab-7"));
        assert_eq!(source.patient_of(Path::new("slides/7.png")), None);
    }

    #[test]
    fn rejects_a_pattern_that_is_not_a_regular_expression() {
        let message = PatientSource::from_pattern("ab(").unwrap_err().to_string();
        assert!(message.contains("`ab(`"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn rejects_a_table_without_end() {
        let error = PatientSource::from_table(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "/dev/zero: expected a file, found a device");
    }

    #[test]
    fn reads_a_table_and_reports_the_line_of_an_error() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "file,patient\nsome/where/1.png, anna\n2.png,ben").unwrap();
        let source = PatientSource::from_table(file.path()).unwrap();
        assert_eq!(source.patient_of(Path::new("x/1.png")).as_deref(), Some("anna"));
        assert_eq!(source.patient_of(Path::new("3.png")), None);
        let mut twice = tempfile::NamedTempFile::new().unwrap();
        writeln!(twice, "a/1.png,anna\na/1.png,anna\nb/1.png,ben").unwrap();
        let message = PatientSource::from_table(twice.path()).unwrap_err().to_string();
        assert!(
            message.contains(":3") && message.contains("`1.png` belongs to ben, and to anna in an earlier line"),
            "{message}"
        );
        writeln!(file, "4.png").unwrap();
        let message = PatientSource::from_table(file.path()).unwrap_err().to_string();
        assert!(message.contains(":4") && message.contains("`4.png`"), "{message}");
    }
}
