//! Doubts about a photograph, each with the number behind it.

use super::segment::Condition;
use serde::Serialize;

/// The widest edges of cells that are in focus, in cell diameters.
const WIDEST_EDGE: f32 = 0.3;
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

/// A doubt about a photograph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
