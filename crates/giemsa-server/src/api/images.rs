//! The images of a case: adds and deletes them, counts them again, and returns their files.

use super::cases::{Noticed, view};
use super::extract::{Ids, Parameters, file};
use crate::case::Content;
use crate::case::examine::{self, ExamineError, Examined, Kind, examine};
use crate::engine::EngineError;
use crate::models::ServedModel;
use crate::problem::Problem;
use crate::state::{Server, Shared};
use crate::upload::{Upload, UploadedFile};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use giemsa::image::decode_bytes;
use giemsa::report::png_bytes;
use giemsa::synthetic::{SmearSettings, draw_smear};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The number of photographs in an example.
const EXAMPLE_PHOTOGRAPHS: usize = 2;
/// How long a request in work pauses while the engine has no room.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/cases/{case}/images", post(add))
        .route("/api/cases/{case}/images/{image}", delete(remove))
        .route("/api/cases/{case}/example", post(add_example))
        .route("/api/cases/{case}/recount", post(recount))
        .route("/api/images/{image}/file", get(image_file))
}

#[derive(Deserialize)]
struct KindQuery {
    #[serde(default)]
    kind: Kind,
}

/// What became of a file.
#[derive(Serialize)]
struct Added {
    image: i64,
    name: String,
    kind: Option<&'static str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct AddedImages {
    images: Vec<Added>,
}

async fn add(
    State(server): State<Shared>,
    Ids(case): Ids<i64>,
    Parameters(query): Parameters<KindQuery>,
    upload: Upload,
) -> Result<Response, Problem> {
    add_all(&server, case, upload.files, query.kind).await
}

/// Adds files to a case, one after the other. A file that cannot be used is refused by itself.
async fn add_all(server: &Server, case: i64, files: Vec<UploadedFile>, kind: Kind) -> Result<Response, Problem> {
    server.store.run(move |database| database.case(case)).await?;
    let model = server.models.default_model();
    let mut images = Vec::with_capacity(files.len());
    for file in files {
        images.push(add_one(server, case, file, kind, &model, images.is_empty()).await?);
    }
    Ok(Noticed::new(AddedImages { images }).into_response())
}

async fn add_one(
    server: &Server,
    case: i64,
    file: UploadedFile,
    kind: Kind,
    model: &Arc<ServedModel>,
    is_first: bool,
) -> Result<Added, Problem> {
    let (name, cell_pixels) = (file.name.clone(), server.settings.limits.cell_pixels);
    let work = || {
        let (model, file) = (model.clone(), file.clone());
        move || examine(&model, &file.name, &file.bytes, kind, cell_pixels)
    };
    let examined = run(server, work, is_first).await?.map_err(|error| failed(&error))?;
    match examined {
        Examined::Usable(image) => {
            let (model, kind) = (model.clone(), image.content.kind());
            let id = server.store.run(move |database| database.add_image(case, &image, &model)).await?;
            Ok(Added { image: id, name, kind: Some(kind), status: "ready", error: None })
        }
        Examined::Refused(error) => {
            let (note_name, note) = (name.clone(), error.clone());
            let id = server.store.run(move |database| database.add_refused(case, &note_name, &note)).await?;
            Ok(Added { image: id, name, kind: None, status: "refused", error: Some(error) })
        }
    }
}

fn failed(error: &ExamineError) -> Problem {
    tracing::error!(%error, "an image could not be examined");
    Problem::internal(error)
}

/// Runs a computation. A request whose first one has been accepted waits for the others.
async fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
    server: &Server,
    work: impl Fn() -> W,
    is_first: bool,
) -> Result<T, Problem> {
    loop {
        match server.engine.run(work()).await {
            Err(EngineError::Busy) if !is_first => tokio::time::sleep(PAUSE).await,
            result => return Ok(result?),
        }
    }
}

async fn remove(State(server): State<Shared>, Ids((case, image)): Ids<(i64, i64)>) -> Result<StatusCode, Problem> {
    server.store.run(move |database| database.delete_image(case, image)).await?;
    server.decoded.clear();
    Ok(StatusCode::NO_CONTENT)
}

async fn image_file(State(server): State<Shared>, Ids(image): Ids<i64>) -> Result<Response, Problem> {
    let (_, stored) = server.store.run(move |database| database.file(image)).await?;
    Ok(file(&stored.media_type, stored.bytes))
}

/// Draws photographs, and adds them to a case as if a client had sent them.
async fn add_example(State(server): State<Shared>, Ids(case): Ids<i64>) -> Result<Response, Problem> {
    let row = server.store.run(move |database| database.case(case)).await?;
    let draw = |number: usize| {
        let seed = row.id as u64;
        move || png_bytes(&draw_smear(seed, number, &SmearSettings::default()).image)
    };
    let mut files = Vec::new();
    for number in 0..EXAMPLE_PHOTOGRAPHS {
        let bytes = run(&server, || draw(number), number == 0).await?.map_err(Problem::internal)?;
        files.push(UploadedFile { name: format!("drawn photograph {}.png", number + 1), bytes: bytes.into() });
    }
    add_all(&server, case, files, Kind::Photograph).await
}

/// Computes the objects of all images of a case again with the default model.
async fn recount(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    let model = server.models.default_model();
    let case = super::cases::read(&server, id).await?;
    let photographs = case.images.photographs.iter().map(|p| (p.image, p.name.clone(), Kind::Photograph));
    let cells = case.images.cells.iter().map(|cell| (cell.image, cell.name.clone(), Kind::Cell));
    let mut contents = Vec::new();
    for (image, name, kind) in photographs.chain(cells) {
        let (_, stored) = server.store.run(move |database| database.file(image)).await?;
        let stored = Arc::new(stored);
        let work = || {
            let (model, stored, name) = (model.clone(), stored.clone(), name.clone());
            move || content(&model, &name, &stored.bytes, kind)
        };
        contents.push((image, run(&server, work, contents.is_empty()).await??));
    }
    let row = case.row;
    server.store.run(move |database| database.replace_contents(&row, &contents, &model)).await?;
    view(&server, id).await
}

/// Computes the content of a stored image.
fn content(model: &ServedModel, name: &str, bytes: &[u8], kind: Kind) -> Result<Content, Problem> {
    let decoded = decode_bytes(bytes, Path::new(name)).map_err(|error| Problem::unusable_file(name, error.reason()))?;
    let content = examine::content(model, name, &decoded.pixels, kind, u64::MAX).map_err(Problem::internal)?;
    content.map_err(|reason| Problem::unusable_file(name, reason))
}
