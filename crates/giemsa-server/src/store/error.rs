//! Errors of the store.

use crate::problem::Problem;
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;

/// Something that cannot be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no folder for the cases.
    #[error("this user has no data folder; name a folder for the cases")]
    NoFolder,
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another server uses the folder.
    #[error("{}: another server uses this folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file is damaged or of another program. It is left as it is.
    #[error("{}: expected a database of cases, found {found}; the file was not changed", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A later version of this program wrote the file. It is left as it is.
    #[error("{}: a later version of giemsa wrote this database (format {version}, expected {expected})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: i64,
        /// The latest format that this version reads.
        expected: i64,
    },
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// The change does not fit what is stored.
    #[error("{0}")]
    Conflict(String),
    /// Another program reads the database, such as a backup, so that its log cannot be emptied.
    #[error("it is deleted, but remains in the log of the database as long as another program reads that")]
    LogInUse,
    /// Something in the database cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Damaged {
        /// What it is.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database cannot be read or written.
    #[error("{}", describe(.0))]
    Database(#[from] rusqlite::Error),
    /// The work was interrupted.
    #[error("the work failed; the log of the server has the details")]
    Failed,
}

impl StoreError {
    /// Returns the error of a case that does not exist.
    #[must_use]
    pub fn no_case(case: i64) -> StoreError {
        StoreError::NotFound(format!("case {case}"))
    }

    /// Returns the error of an image that does not exist.
    #[must_use]
    pub fn no_image(image: i64) -> StoreError {
        StoreError::NotFound(format!("image {image}"))
    }

    /// Returns the error of an object that does not exist.
    #[must_use]
    pub fn no_object(image: i64, number: u32) -> StoreError {
        StoreError::NotFound(format!("object {number} of image {image}"))
    }
}

/// Returns the message for the user. Nothing is stored if a statement fails.
fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; nothing was stored".to_owned(),
        Some(ErrorCode::ReadOnly) => "the database cannot be written; nothing was stored".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds the database; nothing was stored".to_owned()
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            format!("the disk cannot be read or written ({error}); nothing was stored")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => format!("the database is damaged ({error})"),
        _ => format!("the database failed: {error}"),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match &error {
            StoreError::NotFound(_) => return Problem::not_found(error),
            StoreError::Conflict(_) => return Problem::conflict(error),
            _ => tracing::error!(%error, "the store failed"),
        }
        if let StoreError::Folder { .. } | StoreError::LogInUse = &error {
            return Problem::storage(error);
        }
        let code = if let StoreError::Database(error) = &error { error.sqlite_error_code() } else { None };
        match code {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen,
            ) => Problem::storage(error),
            _ => Problem::internal(error),
        }
    }
}
