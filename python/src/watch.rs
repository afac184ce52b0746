//! Trains on the pool while the calling thread waits for Ctrl-C and calls the callback of each epoch.

use crate::json::to_python;
use crate::pool::pool;
use giemsa::train::{Ending, EpochRow, Observer, StepReport, TrainError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::Yield;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How often the calling thread looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

/// What a training run ended with.
pub struct Watched {
    pub result: Result<Ending, TrainError>,
    /// `KeyboardInterrupt`, or the exception of the callback. The run is saved.
    pub interruption: Option<PyErr>,
}

enum Event {
    Epoch(EpochRow),
    End(Result<Ending, TrainError>),
}

/// Passes the progress of a run to the calling thread.
struct Reporter<'a> {
    events: Sender<Event>,
    /// Answers to `Event::Epoch`.
    answers: Receiver<ControlFlow<()>>,
    stop: &'a AtomicBool,
    started: Instant,
}

impl Observer for Reporter<'_> {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        let Some(&row) = history.last() else { return ControlFlow::Continue(()) };
        if self.events.send(Event::Epoch(row)).is_err() {
            return ControlFlow::Break(());
        }
        // The callback may predict, on this pool. If it has one thread, this is the one.
        loop {
            match self.answers.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(TryRecvError::Empty) if rayon::yield_now() == Some(Yield::Executed) => {}
                Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Runs `train` on the pool. The callback gets the row of each epoch as a dictionary, on the calling thread; it stops the
/// run by an exception, or by returning `False`.
pub fn watch<'py>(
    py: Python<'py>,
    threads: usize,
    callback: Option<Bound<'py, PyAny>>,
    train: impl FnOnce(&mut dyn Observer) -> Result<Ending, TrainError> + Send,
) -> PyResult<Watched> {
    let callback = callback.map(Bound::unbind);
    let (events, received) = channel();
    let (answer, answers) = channel();
    let stop = &AtomicBool::new(false);
    let mut reporter = Reporter { events: events.clone(), answers, stop, started: Instant::now() };
    let pool = pool(threads)?;
    let mut interruption = None;
    let interrupted = &mut interruption;
    let result = py.detach(move || {
        pool.in_place_scope(move |scope| {
            scope.spawn(move |_| {
                let result = train(&mut reporter);
                let _ = events.send(Event::End(result));
            });
            loop {
                match received.recv_timeout(POLL) {
                    Ok(Event::Epoch(row)) => {
                        let flow = Python::attach(|py| call(py, callback.as_ref(), &row)).unwrap_or_else(|error| {
                            interrupted.get_or_insert(error);
                            ControlFlow::Break(())
                        });
                        let _ = answer.send(flow);
                    }
                    Ok(Event::End(result)) => return Some(result),
                    Err(RecvTimeoutError::Timeout) => {
                        if let Err(error) = Python::attach(|py| py.check_signals()) {
                            interrupted.get_or_insert(error);
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    // The training has panicked; the scope passes the panic on.
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        })
    });
    let result = result.ok_or_else(|| PyRuntimeError::new_err("training ended without a result"))?;
    Ok(Watched { result, interruption })
}

fn call(py: Python<'_>, callback: Option<&Py<PyAny>>, row: &EpochRow) -> PyResult<ControlFlow<()>> {
    py.check_signals()?;
    let Some(callback) = callback else { return Ok(ControlFlow::Continue(())) };
    let answer = callback.call1(py, (to_python(py, row)?,))?;
    let stops = answer.bind(py).is(&*pyo3::types::PyBool::new(py, false));
    Ok(if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}
