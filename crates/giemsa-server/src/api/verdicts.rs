//! The verdicts on the objects of a case.

use super::cases::{Noticed, counted, current_count};
use super::extract::{Body, Ids, text};
use crate::case::count::Count;
use crate::case::objects::{Object, objects};
use crate::case::{Case, CaseVerdict};
use crate::problem::Problem;
use crate::state::Shared;
use crate::store::{NewVerdict, StoreError, VerdictRow};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

/// The longest name of a reviewer, and of a key, in characters.
const LONGEST: usize = 100;

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/cases/{case}/verdicts", get(list).post(give))
        .route("/api/cases/{case}/verdicts/undo", post(undo))
}

#[derive(Deserialize)]
struct New {
    image: i64,
    number: u32,
    verdict: CaseVerdict,
    reviewer: String,
    key: Option<String>,
}

/// A verdict that is on the disk.
#[derive(Serialize)]
struct Stored {
    id: i64,
    given_at: String,
    count: Count,
}

async fn give(State(server): State<Shared>, Ids(id): Ids<i64>, Body(new): Body<New>) -> Result<Response, Problem> {
    let reviewer = text("reviewer", &new.reviewer, LONGEST)?;
    let key = new.key.map(|key| text("key", &key, LONGEST)).transpose()?;
    let New { image, number, verdict, .. } = new;
    let stored = server.store.run(move |database| {
        let row = database.case(id)?;
        let images = database.parsed_images(&row)?;
        let frame_px = images.frame_px(image, number).ok_or_else(|| StoreError::no_object(image, number))?;
        let given = database.add_verdict(id, &NewVerdict { image, number, frame_px, verdict, reviewer, key })?;
        Ok((given, Case::read(database, id)?))
    });
    let (given, case) = stored.await?;
    let count = current_count(&server, case, None).await?;
    let answer = Noticed::new(Stored { id: given.id, given_at: given.given_at, count });
    Ok((StatusCode::CREATED, answer).into_response())
}

#[derive(Deserialize)]
struct UndoOf {
    reviewer: String,
    key: Option<String>,
}

#[derive(Serialize)]
struct Undone {
    id: i64,
    undone: UndoneVerdict,
    object: Option<Object>,
    count: Count,
}

#[derive(Serialize)]
struct UndoneVerdict {
    image: i64,
    number: u32,
    verdict: Option<CaseVerdict>,
}

async fn undo(State(server): State<Shared>, Ids(id): Ids<i64>, Body(of): Body<UndoOf>) -> Result<Response, Problem> {
    let reviewer = text("reviewer", &of.reviewer, LONGEST)?;
    let key = of.key.map(|key| text("key", &key, LONGEST)).transpose()?;
    let undone = server.store.run(move |database| {
        database.case(id)?;
        database.undo_verdict(id, &reviewer, key.as_deref())
    });
    let (row, undone) = undone.await?;
    let (_, case, counted) = counted(&server, id).await?;
    let is_it = |object: &Object| object.image == undone.image && object.frame_px() == undone.frame_px();
    let answer = Noticed::new(Undone {
        id: row.id,
        undone: UndoneVerdict { image: undone.image, number: undone.number, verdict: undone.verdict },
        object: objects(&case.images, &counted).find(is_it),
        count: counted.count(),
    });
    Ok((StatusCode::CREATED, answer).into_response())
}

#[derive(Serialize)]
struct Log {
    verdicts: Vec<VerdictRow>,
}

async fn list(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    let verdicts = server.store.run(move |database| {
        database.case(id)?;
        database.verdicts_of(id)
    });
    let verdicts = verdicts.await?;
    Ok(Noticed::new(Log { verdicts }).into_response())
}
