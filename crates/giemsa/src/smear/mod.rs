//! Photographs of thin smears: finds the cells, counts them, and computes the parasitaemia of a slide.

mod object;
pub mod segment;

pub use object::{Object, ObjectKind};
