//! The queue to the threads that compute: no inference runs on a thread that answers requests.
//!
//! Images of cells and other jobs have a queue and threads of their own, so that a photograph, which takes a second, does not
//! delay a cell, which takes a millisecond. A thread of the cells takes what is waiting as one batch. It never waits for more:
//! while it computes one batch, the next one fills up.

use crate::models::ServedModel;
use crate::settings::Limits;
use axum::body::Bytes;
use giemsa::image::{ImageError, read_size_of_bytes};
use giemsa::model::{ImageSource, ModelError, Prediction};
use giemsa::smear::count_if_field;
use image::RgbImage;
use rayon::ThreadPoolBuilder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The number of images with which a thread takes no more from the queue: the others are for the other threads. Only the
/// images of one request can be more; they are computed on all threads.
const MOST_IN_BATCH: usize = 16;
/// The most images of one request that wait at once. A request with more of them waits for its first ones.
const MOST_PER_REQUEST: usize = 64;

/// The image of a cell.
#[derive(Clone, Debug)]
pub struct CellImage {
    /// Its name, for errors.
    pub name: PathBuf,
    /// Its content.
    pub content: CellContent,
}

/// The content of an image.
#[derive(Clone, Debug)]
pub enum CellContent {
    /// The bytes of a file.
    File(Bytes),
    /// Pixels.
    Pixels(RgbImage),
}

/// Work that was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Too much is waiting.
    #[error("the server is busy: too many images are waiting")]
    Busy,
    /// The model computed something that is not a number.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The computation failed.
    #[error("the computation failed; the log of the server has the details")]
    Failed,
}

/// The image of a cell that cannot be classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// It cannot be read, or shows several cells.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It has more pixels than the server accepts. It has not been decoded.
    #[error("{}: {}", name.display(), self.reason())]
    TooLarge {
        /// Its name.
        name: PathBuf,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The most pixels that the server accepts.
        limit: u64,
    },
}

impl CellError {
    /// Returns the message without the name.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            CellError::Image(error) => error.reason(),
            CellError::TooLarge { width, height, limit, .. } => format!(
                "the image is {width}x{height} pixels; the image of a cell has at most {limit}: \
                 send photographs of a smear to /api/photos"
            ),
        }
    }
}

/// The result of a batch: one result per image.
pub type Predictions = Vec<Result<Prediction, CellError>>;

struct CellJob {
    model: Arc<ServedModel>,
    images: Vec<CellImage>,
    reply: oneshot::Sender<Result<Predictions, EngineError>>,
    /// The places in the queue, which are free when the job is dropped.
    _places: OwnedSemaphorePermit,
}

type Job = Box<dyn FnOnce() + Send>;

/// What a batch was like, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// The number of its images.
    pub images: usize,
    /// The number of those that could not be classified.
    pub errors: usize,
}

/// The queues to the threads that compute. The threads end when it is dropped.
#[derive(Debug)]
pub struct Engine {
    cells: Sender<CellJob>,
    cell_places: Arc<Semaphore>,
    most_cells: usize,
    jobs: Sender<Job>,
    job_places: Arc<Semaphore>,
    most_jobs: usize,
}

impl Engine {
    /// Starts the threads. `observe` is called with each batch of cells before it is answered.
    #[must_use]
    pub fn start(limits: &Limits, observe: impl Fn(BatchSize) + Send + Sync + 'static) -> Engine {
        let Limits { queued_cells, queued_jobs, cell_pixels, cell_threads, .. } = *limits;
        let (cells, waiting_cells) = channel();
        let (jobs, waiting_jobs) = channel();
        let waiting_cells = Arc::new((Mutex::new(waiting_cells), observe));
        for _ in 0..cell_threads.max(1) {
            let shared = waiting_cells.clone();
            thread::spawn(move || predict_batches(&shared.0, cell_pixels, &shared.1));
        }
        thread::spawn(move || waiting_jobs.into_iter().for_each(|job: Job| job()));
        Engine {
            cells,
            cell_places: Arc::new(Semaphore::new(queued_cells)),
            most_cells: queued_cells,
            jobs,
            job_places: Arc::new(Semaphore::new(queued_jobs)),
            most_jobs: queued_jobs,
        }
    }

    /// Returns the number of images of cells that wait or are in work.
    #[must_use]
    pub fn queued_cells(&self) -> usize {
        self.most_cells - self.cell_places.available_permits()
    }

    /// Returns the number of other jobs that wait or are in work.
    #[must_use]
    pub fn queued_jobs(&self) -> usize {
        self.most_jobs - self.job_places.available_permits()
    }

    /// Classifies images of cells, in their order. A bad image is an error of that image only. If the future is dropped, images
    /// that are still waiting are not computed.
    ///
    /// # Errors
    /// [`EngineError::Busy`] if there is no room in the queue for the first images.
    pub async fn predict(&self, model: &Arc<ServedModel>, images: Vec<CellImage>) -> Result<Predictions, EngineError> {
        let mut predictions = Vec::with_capacity(images.len());
        let mut images = images.into_iter().peekable();
        while images.peek().is_some() {
            let part: Vec<CellImage> = images.by_ref().take(MOST_PER_REQUEST.min(self.most_cells)).collect();
            let (places, wanted) = (self.cell_places.clone(), part.len() as u32);
            let places = if predictions.is_empty() {
                places.try_acquire_many_owned(wanted).map_err(|_| EngineError::Busy)?
            } else {
                places.acquire_many_owned(wanted).await.map_err(|_| EngineError::Failed)?
            };
            let (reply, result) = oneshot::channel();
            let job = CellJob { model: model.clone(), images: part, reply, _places: places };
            self.cells.send(job).map_err(|_| EngineError::Failed)?;
            predictions.extend(result.await.map_err(|_| EngineError::Failed)??);
        }
        Ok(predictions)
    }

    /// Runs another computation. If the future is dropped before the computation starts, it is not run.
    ///
    /// # Errors
    /// [`EngineError::Busy`] if there is no room in the queue, and [`EngineError::Failed`] if the computation panics.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
        let place = self.job_places.clone().try_acquire_owned().map_err(|_| EngineError::Busy)?;
        let (reply, result) = oneshot::channel();
        let job = move || {
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(job));
            // Whoever has the result finds the place free.
            drop(place);
            // A client that went away after the start does not want the result.
            let _ = reply.send(result);
        };
        self.jobs.send(Box::new(job)).map_err(|_| EngineError::Failed)?;
        result.await.map_err(|_| EngineError::Failed)?.map_err(|_| EngineError::Failed)
    }
}

fn predict_batches(waiting: &Mutex<Receiver<CellJob>>, cell_pixels: u64, observe: &(dyn Fn(BatchSize) + Sync)) {
    // A small batch is computed by this thread: dividing it between threads takes longer than it saves.
    let this_thread = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
    while let Some(mut batch) = next_batch(waiting) {
        batch.retain(|job| !job.reply.is_closed());
        while let Some(job) = batch.first() {
            let model = job.model.clone();
            let (same, others): (Vec<CellJob>, _) = batch.into_iter().partition(|job| Arc::ptr_eq(&job.model, &model));
            let images: usize = same.iter().map(|job| job.images.len()).sum();
            let answer = || answer_batch(&model, same, cell_pixels, observe);
            match &this_thread {
                Some(this_thread) if images <= MOST_IN_BATCH => this_thread.install(answer),
                _ => answer(),
            }
            batch = others;
        }
    }
}

/// Waits for a job, and takes it with others that are waiting. Returns `None` when the engine is dropped.
fn next_batch(waiting: &Mutex<Receiver<CellJob>>) -> Option<Vec<CellJob>> {
    // One thread waits for a job, the others for the lock.
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let first = waiting.recv().ok()?;
    let mut images = first.images.len();
    let mut batch = vec![first];
    while images < MOST_IN_BATCH {
        let Ok(next) = waiting.try_recv() else { break };
        images += next.images.len();
        batch.push(next);
    }
    Some(batch)
}

/// Classifies the images of jobs for one model, counts them, and sends the results.
fn answer_batch(model: &ServedModel, mut jobs: Vec<CellJob>, cell_pixels: u64, observe: &(dyn Fn(BatchSize) + Sync)) {
    let images: Vec<&CellImage> = jobs.iter().flat_map(|job| &job.images).collect();
    let count = images.len();
    let results = match catch_unwind(AssertUnwindSafe(|| predict_images(model, &images, cell_pixels))) {
        Ok(Ok(results)) => results,
        failure => {
            tracing::error!(model = %model.name, failure = ?failure.ok().and_then(Result::err), "a batch failed");
            if jobs.len() > 1 {
                // The jobs are computed one by one, so that only the one that fails has an error.
                return jobs.into_iter().for_each(|job| answer_batch(model, vec![job], cell_pixels, observe));
            }
            observe(BatchSize { images: count, errors: count });
            if let Some(job) = jobs.pop() {
                let _ = job.reply.send(Err(EngineError::Failed));
            }
            return;
        }
    };
    // Whoever has the results finds them counted, and the places free.
    observe(BatchSize { images: count, errors: results.iter().filter(|result| result.is_err()).count() });
    let mut results = results.into_iter();
    for CellJob { images, reply, _places: places, .. } in jobs {
        let of_job = results.by_ref().take(images.len()).collect();
        drop((images, places));
        // The client may have gone away while its images were computed.
        let _ = reply.send(Ok(of_job));
    }
}

/// Classifies images. Those with too many pixels are not decoded.
fn predict_images(model: &ServedModel, images: &[&CellImage], cell_pixels: u64) -> Result<Predictions, ModelError> {
    let checks: Vec<Result<(), CellError>> = images.iter().map(|image| check_size(image, cell_pixels)).collect();
    let accepted = images.iter().zip(&checks).filter(|(_, check)| check.is_ok());
    let sources: Vec<ImageSource<'_>> = accepted.map(|(image, _)| source(image)).collect();
    let predictor = model.model.predictor(Default::default()).refusing_fields(count_if_field);
    let mut predictions = predictor.predict_sources(&sources)?.into_iter();
    let results = checks.into_iter().filter_map(|check| match check {
        Ok(()) => predictions.next().map(|prediction| prediction.map_err(CellError::from)),
        Err(error) => Some(Err(error)),
    });
    Ok(results.collect())
}

fn check_size(image: &CellImage, limit: u64) -> Result<(), CellError> {
    let (width, height) = match &image.content {
        CellContent::Pixels(pixels) => pixels.dimensions(),
        CellContent::File(bytes) => match read_size_of_bytes(bytes, &image.name) {
            Ok((width, height, _)) => (width, height),
            // Decoding returns the error.
            Err(_) => return Ok(()),
        },
    };
    if u64::from(width) * u64::from(height) > limit {
        return Err(CellError::TooLarge { name: image.name.clone(), width, height, limit });
    }
    Ok(())
}

fn source(image: &CellImage) -> ImageSource<'_> {
    match &image.content {
        CellContent::File(bytes) => ImageSource::Bytes { path: &image.name, bytes },
        CellContent::Pixels(pixels) => ImageSource::Pixels { path: &image.name, pixels },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Models;
    use crate::settings::Settings;
    use image::{ImageFormat, Rgb};
    use std::io::Cursor;
    use std::sync::mpsc;

    fn model() -> Arc<ServedModel> {
        Models::load(&Settings::default().models).unwrap().default_model()
    }

    fn queued(queued_cells: usize) -> Limits {
        Limits { queued_cells, queued_jobs: 1, cell_threads: 1, ..Limits::default() }
    }

    /// Returns the two ends of a channel; threads share the receiver.
    fn blocked() -> (Sender<()>, Mutex<Receiver<()>>) {
        let (release, wait) = channel();
        (release, Mutex::new(wait))
    }

    fn cell(red: u8) -> CellImage {
        let pixels = RgbImage::from_fn(60, 70, |x, y| Rgb([red, (2 * x) as u8, (3 * y) as u8]));
        CellImage { name: "cell.png".into(), content: CellContent::Pixels(pixels) }
    }

    fn file(image: &CellImage) -> CellImage {
        let CellContent::Pixels(pixels) = &image.content else { panic!("no pixels") };
        let mut bytes = Cursor::new(Vec::new());
        pixels.write_to(&mut bytes, ImageFormat::Png).unwrap();
        CellImage { content: CellContent::File(bytes.into_inner().into()), ..image.clone() }
    }

    #[tokio::test]
    async fn a_bad_image_fails_by_itself() {
        let (engine, model) = (Engine::start(&queued(100), |_| ()), model());
        let broken = CellImage { name: "broken.png".into(), content: CellContent::File("text".into()) };
        let images = vec![cell(225), broken, file(&cell(150))];
        let results = engine.predict(&model, images).await.unwrap();
        let CellContent::Pixels(pixels) = cell(150).content else { panic!("no pixels") };
        assert_eq!(results[2].as_ref().unwrap(), &model.model.predict(&pixels).unwrap());
        assert!(results[0].is_ok());
        assert_eq!(
            results[1].as_ref().unwrap_err().to_string(),
            "broken.png: expected a PNG, JPEG, TIFF or BMP image, found text"
        );
    }

    #[tokio::test]
    async fn an_image_with_too_many_pixels_is_refused_by_its_header() {
        let (sizes, seen) = mpsc::channel();
        let limits = Limits { cell_pixels: 60 * 70 - 1, ..Limits::default() };
        let engine = Engine::start(&limits, move |size| sizes.send(size).unwrap());
        let mut truncated = file(&cell(225));
        let CellContent::File(bytes) = &mut truncated.content else { panic!("no file") };
        bytes.truncate(bytes.len() / 2);
        let small = CellImage { content: CellContent::Pixels(RgbImage::new(60, 69)), ..cell(0) };
        let results = engine.predict(&model(), vec![truncated, small, cell(225)]).await.unwrap();
        for result in [&results[0], &results[2]] {
            let error = result.as_ref().unwrap_err();
            assert!(matches!(error, CellError::TooLarge { width: 60, height: 70, .. }), "{error}");
            assert!(error.reason().ends_with("send photographs of a smear to /api/photos"), "{error}");
        }
        assert!(results[1].is_ok());
        assert_eq!(seen.recv().unwrap(), BatchSize { images: 3, errors: 2 });
    }

    #[tokio::test]
    async fn a_request_larger_than_the_queue_waits_for_itself() {
        let (engine, model) = (Engine::start(&queued(4), |_| ()), model());
        let results = engine.predict(&model, vec![cell(225); 11]).await.unwrap();
        assert!(results.len() == 11 && results.iter().all(Result::is_ok));
        assert_eq!(engine.queued_cells(), 0);
    }

    #[tokio::test]
    async fn what_waits_becomes_one_batch_and_a_full_queue_is_busy() {
        let (sizes, seen) = mpsc::channel();
        let (release, wait) = blocked();
        // The first batch blocks the thread, so that the next ones wait.
        let engine = Engine::start(&queued(6), move |size: BatchSize| {
            sizes.send(size.images).unwrap();
            let _ = wait.lock().unwrap().recv();
        });
        let model = model();
        let mut first = Box::pin(engine.predict(&model, vec![cell(225)]));
        assert!(futures_poll(&mut first));
        assert_eq!(seen.recv().unwrap(), 1);
        let waiting = [2, 3].map(|n| engine.predict(&model, vec![cell(225); n]));
        let [two, three] = waiting;
        let (mut two, mut three) = (Box::pin(two), Box::pin(three));
        let is_waiting = |future: &mut std::pin::Pin<Box<_>>| futures_poll(future);
        assert!(is_waiting(&mut two) && is_waiting(&mut three));
        assert!(matches!(engine.predict(&model, vec![cell(225); 2]).await, Err(EngineError::Busy)));
        drop(release);
        assert_eq!(first.await.unwrap().len(), 1);
        assert_eq!((two.await.unwrap().len(), three.await.unwrap().len()), (2, 3));
        assert_eq!(seen.recv().unwrap(), 5);
    }

    /// Polls a future once, and returns whether it is waiting.
    fn futures_poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut context).is_pending()
    }

    #[tokio::test]
    async fn a_client_that_went_away_is_dropped_from_the_batch() {
        let (sizes, seen) = mpsc::channel();
        let (release, wait) = blocked();
        let engine = Engine::start(&queued(100), move |size: BatchSize| {
            sizes.send(size.images).unwrap();
            let _ = wait.lock().unwrap().recv();
        });
        let model = model();
        let mut first = Box::pin(engine.predict(&model, vec![cell(225)]));
        assert!(futures_poll(&mut first));
        assert_eq!(seen.recv().unwrap(), 1);
        let mut gone = Box::pin(engine.predict(&model, vec![cell(225); 40]));
        let mut stays = Box::pin(engine.predict(&model, vec![cell(225); 2]));
        assert!(futures_poll(&mut gone) && futures_poll(&mut stays));
        drop(gone);
        drop(release);
        assert_eq!(first.await.unwrap().len(), 1);
        assert_eq!(stays.await.unwrap().len(), 2);
        assert_eq!(seen.recv().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_ends_one_job_and_not_the_thread() {
        let engine = Engine::start(&queued(1), |_| ());
        let failed = engine.run(|| -> u8 { panic!("a test of panics") }).await;
        assert!(matches!(failed, Err(EngineError::Failed)));
        assert_eq!(engine.run(|| 7).await.unwrap(), 7);
    }
}
