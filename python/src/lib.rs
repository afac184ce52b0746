//! The compiled part of the Python package `giemsa`: it converts arguments and results, and calls the library.
//!
//! The functions of this module are not public; those of `python/giemsa/` are, which call them.

mod errors;
mod images;
mod model;
mod pool;

#[pyo3::pymodule]
mod _giemsa {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::model::NativeModel;
    #[pymodule_export]
    use crate::pool::number_of_threads;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::errors::silence_decoders();
        module.add("RESEARCH_ONLY", giemsa::RESEARCH_ONLY)?;
        module.add("CLASSES", giemsa::classes::Class::ALL.map(|class| class.name()).to_vec())
    }
}
