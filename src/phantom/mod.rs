//! Draws synthetic cells.
