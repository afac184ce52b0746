//! Which verdicts of the log count.

use crate::store::VerdictRow;
use giemsa::smear::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// What a reviewer does with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseVerdict {
    /// An infected red cell.
    Parasitized,
    /// A healthy red cell.
    Uninfected,
    /// No single red cell.
    NotACell,
    /// The reviewer cannot decide.
    Unsure,
    /// Later: the object moves to the end of the review.
    Skip,
}

impl CaseVerdict {
    /// All of them.
    pub const ALL: [CaseVerdict; 5] = [
        CaseVerdict::Parasitized,
        CaseVerdict::Uninfected,
        CaseVerdict::NotACell,
        CaseVerdict::Unsure,
        CaseVerdict::Skip,
    ];

    /// Returns the name in the database and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.verdict().map_or("skip", Verdict::name)
    }

    /// Returns the one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<CaseVerdict> {
        CaseVerdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Returns the verdict; `None` if the object is skipped.
    #[must_use]
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            CaseVerdict::Parasitized => Some(Verdict::Parasitized),
            CaseVerdict::Uninfected => Some(Verdict::Uninfected),
            CaseVerdict::NotACell => Some(Verdict::NotACell),
            CaseVerdict::Unsure => Some(Verdict::Unsure),
            CaseVerdict::Skip => None,
        }
    }
}

/// A verdict that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The verdict.
    pub verdict: Verdict,
    /// Who gave it.
    pub reviewer: String,
    /// When it was given.
    pub given_at: String,
}

/// The image and the box of an object. A verdict stays with them when a case is counted again.
type Place = (i64, [u32; 4]);

/// The verdicts that count: the last one on each object that is not undone.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    given: HashMap<Place, Given>,
    /// The last row that skipped an object.
    skipped: HashMap<Place, i64>,
}

impl Verdicts {
    /// Returns the verdicts of a log, whose oldest row is the first.
    #[must_use]
    pub fn of_log(log: &[VerdictRow]) -> Verdicts {
        let undone: HashSet<i64> = log.iter().filter_map(|row| row.undoes).collect();
        let mut verdicts = Verdicts::default();
        for row in log.iter().filter(|row| !undone.contains(&row.id)) {
            let place = (row.image, row.frame_px());
            match row.verdict.map(CaseVerdict::verdict) {
                Some(Some(verdict)) => {
                    let (reviewer, given_at) = (row.reviewer.clone(), row.given_at.clone());
                    verdicts.given.insert(place, Given { verdict, reviewer, given_at });
                }
                Some(None) => {
                    verdicts.skipped.insert(place, row.id);
                }
                None => {}
            }
        }
        verdicts
    }

    /// Returns the verdict on an object.
    #[must_use]
    pub fn given(&self, image: i64, frame_px: [u32; 4]) -> Option<&Given> {
        self.given.get(&(image, frame_px))
    }

    /// Returns the verdict on an object.
    #[must_use]
    pub fn verdict(&self, image: i64, frame_px: [u32; 4]) -> Option<Verdict> {
        self.given(image, frame_px).map(|given| given.verdict)
    }

    /// Returns the reviewers of the verdicts, in no order, some of them several times.
    pub fn reviewers(&self) -> impl Iterator<Item = &str> {
        self.given.values().map(|given| &given.reviewer[..])
    }

    /// Returns the number of the row that last skipped an object.
    #[must_use]
    pub fn skipped(&self, image: i64, frame_px: [u32; 4]) -> Option<i64> {
        self.skipped.get(&(image, frame_px)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: [u32; 4] = [1, 2, 3, 4];

    fn row(id: i64, verdict: Option<CaseVerdict>, undoes: Option<i64>) -> VerdictRow {
        let (reviewer, given_at) = ("A".to_owned(), format!("2026-01-01T00:00:{id:02}.000Z"));
        let [x, y, width, height] = BOX;
        VerdictRow { id, image: 7, number: 1, verdict, undoes, reviewer, given_at, x, y, width, height }
    }

    fn verdict_of(log: &[VerdictRow]) -> Option<Verdict> {
        Verdicts::of_log(log).verdict(7, BOX)
    }

    #[test]
    fn the_last_verdict_that_is_not_undone_counts() {
        let first = row(1, Some(CaseVerdict::Parasitized), None);
        let second = row(2, Some(CaseVerdict::Uninfected), None);
        let log = [first, second, row(3, None, Some(2)), row(4, None, Some(1))];
        let expected = [None, Some(Verdict::Parasitized), Some(Verdict::Uninfected), Some(Verdict::Parasitized), None];
        for (rows, expected) in expected.into_iter().enumerate() {
            assert_eq!(verdict_of(&log[..rows]), expected, "{rows} rows");
        }
    }

    #[test]
    fn skipping_changes_no_verdict() {
        let log = [row(1, Some(CaseVerdict::NotACell), None), row(2, Some(CaseVerdict::Skip), None)];
        assert_eq!(verdict_of(&log), Some(Verdict::NotACell));
        let verdicts = Verdicts::of_log(&log[1..]);
        assert_eq!((verdicts.verdict(7, BOX), verdicts.skipped(7, BOX)), (None, Some(2)));
        let undone = [log[1].clone(), row(3, None, Some(2))];
        assert_eq!(Verdicts::of_log(&undone).skipped(7, BOX), None);
    }

    #[test]
    fn a_verdict_belongs_to_an_image_and_a_box() {
        let verdicts = Verdicts::of_log(&[row(1, Some(CaseVerdict::Unsure), None)]);
        assert_eq!((verdicts.verdict(8, BOX), verdicts.verdict(7, [1, 2, 3, 5])), (None, None));
        assert!(verdicts.given(7, BOX).is_some_and(|given| given.reviewer == "A"));
    }

    #[test]
    fn names_are_those_of_json() {
        for verdict in CaseVerdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
            assert_eq!(CaseVerdict::from_name(verdict.name()), Some(verdict));
        }
        assert_eq!(CaseVerdict::from_name("infected"), None);
    }
}
