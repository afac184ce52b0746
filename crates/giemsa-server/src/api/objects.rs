//! The objects of a case, and pictures of them.

use super::cases::{Noticed, counted};
use super::extract::{Ids, Parameters, file};
use crate::case::objects::{Object, objects};
use crate::case::{pictures, review};
use crate::problem::Problem;
use crate::state::{Server, Shared};
use crate::store::StoreError;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

/// The number of objects that a review returns unless the client asks for another one.
const REVIEW_LIMIT: usize = 200;

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/cases/{case}/objects", get(of_image))
        .route("/api/cases/{case}/review", get(to_review))
        .route("/api/images/{image}/objects/{number}/picture", get(picture))
        .route("/api/images/{image}/objects/{number}/saliency", get(saliency))
}

#[derive(Deserialize)]
struct ImageQuery {
    image: i64,
}

#[derive(Serialize)]
struct Objects {
    objects: Vec<Object>,
}

async fn of_image(
    State(server): State<Shared>,
    Ids(id): Ids<i64>,
    Parameters(query): Parameters<ImageQuery>,
) -> Result<Response, Problem> {
    let (_, case, counted) = counted(&server, id).await?;
    let mut images = case.images.photographs.iter().map(|photograph| photograph.image);
    if !images.any(|image| image == query.image) && !case.images.cells.iter().any(|cell| cell.image == query.image) {
        return Err(Problem::not_found(format!("case {id} has no image {}", query.image)));
    }
    let objects = objects(&case.images, &counted).filter(|object| object.image == query.image).collect();
    Ok(Noticed::new(Objects { objects }).into_response())
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Review {
    objects: Vec<Object>,
    left: usize,
}

async fn to_review(
    State(server): State<Shared>,
    Ids(id): Ids<i64>,
    Parameters(query): Parameters<Limit>,
) -> Result<Response, Problem> {
    let (_, case, counted) = counted(&server, id).await?;
    let mut objects = review::queue(&case, &counted);
    let left = objects.len();
    objects.truncate(query.limit.unwrap_or(REVIEW_LIMIT));
    Ok(Noticed::new(Review { objects, left }).into_response())
}

/// Where an object is: its box, and its index on a photograph.
struct Place {
    frame_px: [u32; 4],
    index: Option<usize>,
}

async fn place(server: &Server, image: i64, number: u32) -> Result<Place, Problem> {
    let place = server.store.run(move |database| {
        let row = database.case_of_image(image)?;
        let images = database.parsed_images(&row)?;
        let frame_px = images.frame_px(image, number).ok_or_else(|| StoreError::no_object(image, number))?;
        let is_photograph = images.photographs.iter().any(|photograph| photograph.image == image);
        Ok(Place { frame_px, index: is_photograph.then(|| number as usize - 1) })
    });
    Ok(place.await?)
}

async fn picture(State(server): State<Shared>, Ids((image, number)): Ids<(i64, u32)>) -> Result<Response, Problem> {
    let place = place(&server, image, number).await?;
    let pixels = server.decoded.pixels(&server, image).await?;
    let draw = move || pictures::picture(&pixels, place.frame_px);
    Ok(file("image/png", tokio::task::spawn_blocking(draw).await.map_err(Problem::internal)??))
}

async fn saliency(State(server): State<Shared>, Ids((image, number)): Ids<(i64, u32)>) -> Result<Response, Problem> {
    let place = place(&server, image, number).await?;
    let (model, pixels) = (server.models.default_model(), server.decoded.pixels(&server, image).await?);
    let png = server.engine.run(move || pictures::saliency(&model.model, &pixels, place.index)).await??;
    Ok(file("image/png", png))
}
