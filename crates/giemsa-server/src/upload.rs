//! The files of a request: the parts of a form, or its whole body.

use crate::problem::Problem;
use crate::state::Shared;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::{StatusCode, header};
use serde::Deserialize;

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// The files of a request, in their order. A form has one file per part; any other body is one file, whose name is the
/// parameter `name` of the address.
#[derive(Debug)]
pub struct Upload {
    /// The files.
    pub files: Vec<UploadedFile>,
}

/// A file that a client has sent.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// The name that the client gave. It is never used as a path.
    pub name: String,
    /// The content.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
struct NameQuery {
    name: Option<String>,
}

impl FromRequest<Shared> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Shared) -> Result<Upload, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let files = if content_type.is_some_and(|kind| kind.starts_with("multipart/")) {
            files_of_form(request, server).await?
        } else {
            vec![file_of_body(request, server).await?]
        };
        if files.is_empty() {
            return Err(Problem::bad_request("the form has no parts"));
        }
        Ok(Upload { files })
    }
}

async fn files_of_form(request: Request, server: &Shared) -> Result<Vec<UploadedFile>, Problem> {
    let limit = server.settings.limits.parts;
    let mut form = Multipart::from_request(request, server).await.map_err(|error| rejected(&error))?;
    let mut files = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|error| rejected(&error))? {
        if files.len() == limit {
            return Err(Problem::too_large(format!("a request has at most {limit} files")));
        }
        let name = part.file_name().or(part.name()).unwrap_or("image").to_owned();
        let bytes = part.bytes().await.map_err(|error| rejected(&error))?;
        files.push(UploadedFile { name: shortened(&name), bytes });
    }
    Ok(files)
}

async fn file_of_body(request: Request, server: &Shared) -> Result<UploadedFile, Problem> {
    let query = Query::<NameQuery>::try_from_uri(request.uri()).map_err(Problem::bad_request)?;
    let name = query.0.name.unwrap_or_else(|| "image".to_owned());
    let bytes = Bytes::from_request(request, server).await.map_err(|error| rejected(&error))?;
    Ok(UploadedFile { name: shortened(&name), bytes })
}

/// Returns the first bytes of a name, without control characters.
fn shortened(name: &str) -> String {
    let mut short: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    short.truncate(short.floor_char_boundary(LONGEST_NAME));
    short
}

/// Returns the problem of a body that could not be read.
fn rejected(error: &(impl std::error::Error + IntoStatus)) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("the body is larger than the server accepts"),
        _ => Problem::bad_request(error),
    }
}

/// The status of a rejection.
trait IntoStatus {
    fn status(&self) -> StatusCode;
}

impl IntoStatus for axum::extract::multipart::MultipartError {
    fn status(&self) -> StatusCode {
        self.status()
    }
}

impl IntoStatus for axum::extract::multipart::MultipartRejection {
    fn status(&self) -> StatusCode {
        self.status()
    }
}

impl IntoStatus for axum::extract::rejection::BytesRejection {
    fn status(&self) -> StatusCode {
        self.status()
    }
}
