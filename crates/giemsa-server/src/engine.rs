//! The queue to the threads that compute: no inference runs on a thread that answers requests.
//!
//! Images of cells and other jobs have a queue and a thread each, so that a photograph, which takes a second, does not delay a cell, which
//! takes a millisecond. The thread of the cells takes everything that is waiting as one batch. It never waits for more: while
//! it computes one batch, the next one fills up.

use crate::models::ServedModel;
use axum::body::Bytes;
use giemsa::image::ImageError;
use giemsa::model::{ImageSource, ModelError, Prediction};
use giemsa::smear::count_if_field;
use image::RgbImage;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The most images in a batch.
const MOST_IN_BATCH: usize = 256;
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

/// The result of a batch: one result per image.
pub type Predictions = Vec<Result<Prediction, ImageError>>;

struct CellJob {
    model: Arc<ServedModel>,
    images: Vec<CellImage>,
    reply: oneshot::Sender<Result<Predictions, EngineError>>,
    /// The places in the queue, which are free when the job is dropped.
    _places: OwnedSemaphorePermit,
}

type Job = Box<dyn FnOnce() + Send>;

/// What a batch was like, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct BatchSize {
    /// The number of its images.
    pub images: usize,
}

/// The queues to the threads that compute. The threads end when it is dropped.
#[derive(Debug)]
pub struct Engine {
    cells: Sender<CellJob>,
    cell_places: Arc<Semaphore>,
    most_cells: usize,
    jobs: Sender<Job>,
    job_places: Arc<Semaphore>,
}

impl Engine {
    /// Starts the threads. At most `queued_cells` images and `queued_jobs` other jobs wait or are in work. `observe` is
    /// called after each batch of cells.
    #[must_use]
    pub fn start(queued_cells: usize, queued_jobs: usize, observe: impl Fn(BatchSize) + Send + 'static) -> Engine {
        let (cells, waiting_cells) = channel();
        let (jobs, waiting_jobs) = channel();
        thread::spawn(move || predict_batches(&waiting_cells, &observe));
        thread::spawn(move || waiting_jobs.into_iter().for_each(|job: Job| job()));
        Engine {
            cells,
            cell_places: Arc::new(Semaphore::new(queued_cells)),
            most_cells: queued_cells,
            jobs,
            job_places: Arc::new(Semaphore::new(queued_jobs)),
        }
    }

    /// Returns the number of images of cells that wait or are in work.
    #[must_use]
    pub fn queued_cells(&self) -> usize {
        self.most_cells - self.cell_places.available_permits()
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

fn predict_batches(waiting: &Receiver<CellJob>, observe: &dyn Fn(BatchSize)) {
    while let Ok(first) = waiting.recv() {
        let mut images = first.images.len();
        let mut batch = vec![first];
        while images < MOST_IN_BATCH {
            let Ok(next) = waiting.try_recv() else { break };
            images += next.images.len();
            batch.push(next);
        }
        batch.retain(|job| !job.reply.is_closed());
        while let Some(job) = batch.first() {
            let model = job.model.clone();
            let (same, others) = batch.into_iter().partition(|job| Arc::ptr_eq(&job.model, &model));
            observe(BatchSize { images: predict_batch(&model, same) });
            batch = others;
        }
    }
}

/// Classifies the images of jobs for one model, and sends the results. Returns the number of images.
fn predict_batch(model: &ServedModel, jobs: Vec<CellJob>) -> usize {
    let sources: Vec<ImageSource<'_>> = jobs.iter().flat_map(|job| job.images.iter().map(source)).collect();
    let images = sources.len();
    let predictor = model.model.predictor(Default::default()).refusing_fields(count_if_field);
    let results = catch_unwind(AssertUnwindSafe(|| predictor.predict_sources(&sources)));
    drop(sources);
    let mut results = match results {
        Ok(Ok(results)) => results.into_iter(),
        failure => {
            tracing::error!(model = %model.name, failure = ?failure.ok().and_then(Result::err), "a batch failed");
            // The images are classified one by one if that can help the others.
            return retry(model, jobs, images);
        }
    };
    for job in jobs {
        let of_job = results.by_ref().take(job.images.len()).collect();
        // The client may have gone away while its images were computed.
        let _ = job.reply.send(Ok(of_job));
    }
    images
}

/// Answers the jobs of a batch that failed: a batch of one job with the error; of several, each job by itself.
fn retry(model: &ServedModel, mut jobs: Vec<CellJob>, images: usize) -> usize {
    if jobs.len() > 1 {
        jobs.into_iter().for_each(|job| {
            predict_batch(model, vec![job]);
        });
    } else if let Some(job) = jobs.pop() {
        let _ = job.reply.send(Err(EngineError::Failed));
    }
    images
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
        let (engine, model) = (Engine::start(100, 1, |_| ()), model());
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
    async fn a_request_larger_than_the_queue_waits_for_itself() {
        let (engine, model) = (Engine::start(4, 1, |_| ()), model());
        let results = engine.predict(&model, vec![cell(225); 11]).await.unwrap();
        assert!(results.len() == 11 && results.iter().all(Result::is_ok));
        assert_eq!(engine.queued_cells(), 0);
    }

    #[tokio::test]
    async fn what_waits_becomes_one_batch_and_a_full_queue_is_busy() {
        let (sizes, seen) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        // The first batch blocks the thread, so that the next ones wait.
        let engine = Engine::start(6, 1, move |size: BatchSize| {
            sizes.send(size.images).unwrap();
            let _ = wait.recv();
        });
        let model = model();
        engine.predict(&model, vec![cell(225)]).await.unwrap();
        assert_eq!(seen.recv().unwrap(), 1);
        let waiting = [2, 3].map(|n| engine.predict(&model, vec![cell(225); n]));
        let [two, three] = waiting;
        let (mut two, mut three) = (Box::pin(two), Box::pin(three));
        let is_waiting = |future: &mut std::pin::Pin<Box<_>>| futures_poll(future);
        assert!(is_waiting(&mut two) && is_waiting(&mut three));
        assert!(matches!(engine.predict(&model, vec![cell(225); 2]).await, Err(EngineError::Busy)));
        release.send(()).unwrap();
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
        let (release, wait) = mpsc::channel::<()>();
        let engine = Engine::start(100, 1, move |size: BatchSize| {
            sizes.send(size.images).unwrap();
            let _ = wait.recv();
        });
        let model = model();
        engine.predict(&model, vec![cell(225)]).await.unwrap();
        assert_eq!(seen.recv().unwrap(), 1);
        let mut gone = Box::pin(engine.predict(&model, vec![cell(225); 40]));
        let mut stays = Box::pin(engine.predict(&model, vec![cell(225); 2]));
        assert!(futures_poll(&mut gone) && futures_poll(&mut stays));
        drop(gone);
        release.send(()).unwrap();
        assert_eq!(stays.await.unwrap().len(), 2);
        assert_eq!(seen.recv().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_ends_one_job_and_not_the_thread() {
        let engine = Engine::start(1, 1, |_| ());
        let failed = engine.run(|| -> u8 { panic!("a test of panics") }).await;
        assert!(matches!(failed, Err(EngineError::Failed)));
        assert_eq!(engine.run(|| 7).await.unwrap(), 7);
    }
}
