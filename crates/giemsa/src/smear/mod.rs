//! Photographs of thin smears: finds the cells, counts them, and computes the parasitaemia of a slide.

mod correction;
mod interval;
mod object;

pub use correction::correct;
pub use interval::{
    ASSUMED_CORRELATION, Estimate, FEWEST_FIELDS, FieldCount, IntervalMethod, LEVEL, infected_fraction,
};
pub use object::{Object, ObjectKind};
