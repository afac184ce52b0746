//! The threads that compute: a pool per process, and the number of its threads.

use giemsa::process::PerProcess;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// The pool that was used last, with its number of threads. A child process after a fork has none of its parent's threads,
/// and so builds a pool of its own.
static POOL: PerProcess<Mutex<Option<Pool>>> = PerProcess::new(Mutex::default);

/// The number of threads, and the threads.
type Pool = (usize, Arc<ThreadPool>);

/// The environment variables that set the number of threads. The first one is that of this package, so a value that is no
/// number is an error; other libraries accept more in theirs.
const VARIABLES: [&str; 3] = ["GIEMSA_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"];
const MOST_THREADS: usize = 1024;

/// Runs `job` on the pool of this process, without the interpreter's lock.
pub fn compute<T: Send>(py: Python<'_>, threads: Option<i64>, job: impl FnOnce() -> T + Send) -> PyResult<T> {
    let pool = pool(number_of_threads(py, threads)?)?;
    Ok(py.detach(|| pool.install(job)))
}

/// Runs a short `job` on the pool of this process, and keeps the interpreter's lock: no other thread can fork meanwhile.
pub fn compute_attached<T: Send>(py: Python<'_>, job: impl FnOnce() -> T + Send) -> PyResult<T> {
    Ok(pool(number_of_threads(py, None)?)?.install(job))
}

/// Returns the pool of this process, which is built again if another number of threads is asked for.
///
/// The lock is held together with that of the interpreter, so no other thread waits for it.
pub fn pool(threads: usize) -> PyResult<Arc<ThreadPool>> {
    let mut current = POOL.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = current.as_ref().filter(|(number, _)| *number == threads) {
        return Ok(pool.clone());
    }
    let name = |number| format!("giemsa-{number}");
    let built = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
    let pool = Arc::new(built.map_err(|error| PyRuntimeError::new_err(error.to_string()))?);
    *current = Some((threads, pool.clone()));
    Ok(pool)
}

/// Returns the number of threads: the argument, or else that of an environment variable, or else that of the cores.
#[pyfunction]
#[pyo3(signature = (threads=None))]
pub fn number_of_threads(py: Python<'_>, threads: Option<i64>) -> PyResult<usize> {
    if let Some(threads) = threads {
        return in_range(threads).ok_or_else(|| out_of_range("threads", &threads.to_string()));
    }
    // Through Python, because a change of the environment by Python must not race with a read by Rust.
    let environment = py.import("os")?.getattr("environ")?;
    for variable in VARIABLES {
        let Some(text) = environment.call_method1("get", (variable,))?.extract::<Option<String>>()? else { continue };
        // OMP_NUM_THREADS may be a list, one number per level of nesting.
        let first = text.split(',').next().unwrap_or_default().trim();
        match first.parse().ok().and_then(in_range) {
            Some(threads) => return Ok(threads),
            None if variable == VARIABLES[0] && !first.is_empty() => return Err(out_of_range(variable, &text)),
            None => {}
        }
    }
    Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS))
}

fn in_range(threads: i64) -> Option<usize> {
    usize::try_from(threads).ok().filter(|threads| (1..=MOST_THREADS).contains(threads))
}

fn out_of_range(name: &str, found: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: expected a number of threads in 1..={MOST_THREADS}, found {found}"))
}
