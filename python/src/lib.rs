//! The compiled part of the Python package `giemsa`: it converts arguments and results, and calls the library.
//!
//! The functions of this module are not public; those of `python/giemsa/` are, which call them.

mod counting;
mod cross_validation;
mod drawing;
mod errors;
mod evaluation;
mod fitting;
mod formats;
mod images;
mod json;
mod model;
mod pixels;
mod pool;
mod training;
mod watch;

#[pyo3::pymodule]
mod _giemsa {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::counting::count;
    #[pymodule_export]
    use crate::cross_validation::{begin_cross_validation, cross_validate, cross_validate_fold};
    #[pymodule_export]
    use crate::drawing::{draw_cells, draw_smears};
    #[pymodule_export]
    use crate::evaluation::evaluate;
    #[pymodule_export]
    use crate::fitting::fit;
    #[pymodule_export]
    use crate::formats::{export_model, import_model};
    #[pymodule_export]
    use crate::model::NativeModel;
    #[pymodule_export]
    use crate::pool::number_of_threads;
    #[pymodule_export]
    use crate::training::{resume, train};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::errors::silence_decoders();
        module.add("RESEARCH_ONLY", giemsa::RESEARCH_ONLY)?;
        module.add("CLASSES", giemsa::classes::Class::ALL.map(|class| class.name()).to_vec())
    }
}
