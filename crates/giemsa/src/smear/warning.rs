//! Doubts about a photograph, each with the number behind it.

use super::segment::Condition;
use serde::{Deserialize, Serialize};

/// The widest edges of cells that are in focus, in cell diameters. Sharp photographs of four sites have at most 0.13; blurred
/// by a tenth of a diameter, which hides parasites, they have 0.15 to 0.20.
const WIDEST_EDGE: f32 = 0.14;
/// The largest fraction of pixels that may be overexposed.
const MOST_OVEREXPOSED: f32 = 0.2;
/// The largest fraction of the field that cells may cover; cells of a monolayer hardly touch.
const MOST_COVERED: f32 = 0.6;
/// The largest fraction of the red cells that may be in clusters.
const MOST_IN_CLUSTERS: f32 = 0.2;
/// Fewer red cells do not determine the size of a cell, nor the location of the healthy ones.
const FEWEST_RED_CELLS: usize = 20;
/// The least density of cells, as a multiple of the noise of the empty slide.
const LEAST_SIGNAL: f32 = 6.0;

/// The least difference between the channels of cells, as a fraction of their density. Grey photographs have 0, and those of
/// Giemsa-stained smears at least 0.3.
const LEAST_COLOUR: f32 = 0.1;

/// A doubt about a photograph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The edges of cells are wide.
    OutOfFocus {
        /// Their width in cell diameters.
        edge_width: f32,
    },
    /// Many pixels are white in every channel.
    Overexposed {
        /// Their fraction.
        fraction: f32,
    },
    /// Cells cover most of the field.
    TooCrowded {
        /// The fraction that they cover.
        coverage: f32,
    },
    /// Many red cells are in clusters that cannot be separated.
    Clusters {
        /// Their fraction.
        fraction: f32,
    },
    /// There are few red cells.
    FewCells {
        /// Their number.
        red_cells: usize,
    },
    /// The photograph is grey; the model needs the colours of the stain.
    NoColour {
        /// The difference between the channels of cells, as a fraction of their density.
        colourfulness: f32,
    },
    /// Cells are hardly darker than the empty slide.
    LowContrast {
        /// Their density as a multiple of the noise.
        signal_to_noise: f32,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Warning::OutOfFocus { edge_width } => write!(
                f,
                "out of focus: the edges of cells are {edge_width:.2} diameters wide, more than {WIDEST_EDGE}"
            ),
            Warning::Overexposed { fraction } => write!(
                f,
                "overexposed: {:.0} % of the photograph is white, more than {:.0} %",
                100.0 * fraction,
                100.0 * MOST_OVEREXPOSED
            ),
            Warning::TooCrowded { coverage } => write!(
                f,
                "too crowded: cells cover {:.0} % of the field, more than {:.0} %",
                100.0 * coverage,
                100.0 * MOST_COVERED
            ),
            Warning::Clusters { fraction } => write!(
                f,
                "clusters: {:.0} % of the red cells are in clusters that cannot be separated, more than {:.0} %",
                100.0 * fraction,
                100.0 * MOST_IN_CLUSTERS
            ),
            Warning::NoColour { colourfulness } => write!(
                f,
                "no colour: the channels of cells differ by {colourfulness:.2} of their density, less than {LEAST_COLOUR}, \
                 and the classes rely on the colours of the stain"
            ),
            Warning::FewCells { red_cells: 0 } => f.write_str("no red cells were found"),
            Warning::FewCells { red_cells } => {
                write!(f, "few cells: {red_cells} red cells, fewer than {FEWEST_RED_CELLS}")
            }
            Warning::LowContrast { signal_to_noise } => write!(
                f,
                "low contrast: cells are {signal_to_noise:.1} times denser than the noise of the empty slide, less than \
                 {LEAST_SIGNAL}"
            ),
        }
    }
}

/// Returns the doubts about a photograph with this number of single red cells, and of red cells in clusters.
pub(super) fn warnings(condition: &Condition, red_cells: usize, in_clusters: usize) -> Vec<Warning> {
    let clustered = in_clusters as f32 / (red_cells + in_clusters).max(1) as f32;
    let signal_to_noise = condition.contrast / condition.noise.max(1e-6);
    let mut warnings = Vec::new();
    if red_cells < FEWEST_RED_CELLS {
        warnings.push(Warning::FewCells { red_cells });
    }
    if red_cells > 0 && condition.edge_width > WIDEST_EDGE {
        warnings.push(Warning::OutOfFocus { edge_width: condition.edge_width });
    }
    if red_cells > 0 && signal_to_noise < LEAST_SIGNAL {
        warnings.push(Warning::LowContrast { signal_to_noise });
    }
    if red_cells > 0 && condition.colourfulness < LEAST_COLOUR {
        warnings.push(Warning::NoColour { colourfulness: condition.colourfulness });
    }
    if condition.overexposed > MOST_OVEREXPOSED {
        warnings.push(Warning::Overexposed { fraction: condition.overexposed });
    }
    if condition.coverage > MOST_COVERED {
        warnings.push(Warning::TooCrowded { coverage: condition.coverage });
    }
    if clustered > MOST_IN_CLUSTERS {
        warnings.push(Warning::Clusters { fraction: clustered });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sharp photograph of a monolayer.
    const GOOD: Condition =
        Condition { contrast: 0.3, noise: 0.01, coverage: 0.3, edge_width: 0.1, overexposed: 0.0, colourfulness: 0.5 };

    #[test]
    fn a_good_photograph_has_no_warning() {
        assert_eq!(warnings(&GOOD, 150, 5), []);
    }

    #[test]
    fn each_warning_has_the_number_behind_it() {
        let cases = [
            (Condition { edge_width: 0.42, ..GOOD }, 150, 0, "out of focus: the edges of cells are 0.42 diameters"),
            (Condition { overexposed: 0.34, ..GOOD }, 150, 0, "overexposed: 34 % of the photograph"),
            (Condition { coverage: 0.71, ..GOOD }, 150, 0, "too crowded: cells cover 71 %"),
            (Condition { noise: 0.1, ..GOOD }, 150, 0, "low contrast: cells are 3.0 times denser"),
            (Condition { colourfulness: 0.02, ..GOOD }, 150, 0, "no colour: the channels of cells differ by 0.02"),
            (GOOD, 75, 25, "clusters: 25 % of the red cells"),
            (GOOD, 7, 0, "few cells: 7 red cells, fewer than 20"),
            (GOOD, 0, 0, "no red cells were found"),
        ];
        for (condition, red_cells, in_clusters, expected) in cases {
            let found = warnings(&condition, red_cells, in_clusters);
            assert!(found.len() == 1 && found[0].to_string().starts_with(expected), "{expected}: {found:?}");
        }
    }
}
