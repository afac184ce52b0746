//! What is found on a photograph.

use serde::{Deserialize, Serialize};

/// The kind of an object on a photograph of a smear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A single red cell.
    RedCell,
    /// A white cell.
    WhiteCell,
    /// A platelet.
    Platelet,
    /// Several red cells that cannot be separated.
    Cluster,
    /// Anything else: debris, stain, a scale bar.
    Artefact,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [ObjectKind; 5] =
        [ObjectKind::RedCell, ObjectKind::WhiteCell, ObjectKind::Platelet, ObjectKind::Cluster, ObjectKind::Artefact];

    /// Returns the name in files, such as `red_cell`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::RedCell => "red_cell",
            ObjectKind::WhiteCell => "white_cell",
            ObjectKind::Platelet => "platelet",
            ObjectKind::Cluster => "cluster",
            ObjectKind::Artefact => "artefact",
        }
    }
}

/// An object on a photograph, with its box in pixels of the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Left edge in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// The number of red cells that it is worth: 1 for a red cell, 2 or more for a cluster, 0 for everything else.
    pub cells: u32,
}

impl Object {
    /// Returns an object with a box of left, top, width and height in pixels.
    #[must_use]
    pub fn new([x, y, width, height]: [u32; 4], kind: ObjectKind, cells: u32) -> Object {
        Object { x, y, width, height, kind, cells }
    }

    /// Returns left, top, width and height in pixels.
    #[must_use]
    pub fn frame_px(&self) -> [f64; 4] {
        [self.x, self.y, self.width, self.height].map(f64::from)
    }
}
