//! The cases on disk: a SQLite database in the data folder.
//!
//! A change is one transaction, which is on the disk before the call returns. One server uses a folder at a time, so what is
//! parsed can be kept in memory until the images of a case change.

mod cases;
mod error;
mod images;
mod open;
#[cfg(test)]
mod tests;
mod verdicts;

pub use cases::{CaseChange, CaseRow};
pub use error::StoreError;
pub use images::{ImageRow, NewImage, StoredFile};
pub use open::{DATABASE, LOCK};
pub use verdicts::{NewVerdict, VerdictRow};

use crate::case::CaseImages;
use rusqlite::Connection;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// The cases whose images are kept in memory, parsed.
const MOST_PARSED: usize = 16;

/// The cases of a folder.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    database: Mutex<Database>,
    /// Held as long as the store exists.
    _lock: File,
}

/// The database, and what has been parsed of it.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// By case, with the version of its images.
    parsed: HashMap<i64, (i64, Arc<CaseImages>)>,
}

impl Store {
    /// Opens the store of a folder, which is created if there is none.
    ///
    /// # Errors
    /// If the folder cannot be used, another server uses it, or its database is damaged or of another program. The files are
    /// left as they are then.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        let lock = open::lock_folder(folder)?;
        let connection = open::open_database(folder)?;
        let database = Mutex::new(Database { connection, parsed: HashMap::new() });
        open::remove_temporary_folders(folder)?;
        Ok(Store(Arc::new(Shared { folder: folder.to_owned(), database, _lock: lock })))
    }

    /// Creates a folder beside the database for images on their way to a file, which is deleted with the returned value; or when the
    /// store is opened again, if the process is killed.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn temporary_folder(&self) -> Result<TempDir, StoreError> {
        let created = tempfile::Builder::new().prefix(open::TEMPORARY).tempdir_in(&self.0.folder);
        created.map_err(|source| StoreError::Folder { path: self.0.folder.clone(), source })
    }

    /// Works on the database, on a thread that may wait for the disk. The work is done also if the future is dropped.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || store.run_here(work));
        task.await.unwrap_or(Err(StoreError::Failed))
    }

    /// Works on the database, on this thread.
    ///
    /// # Errors
    /// Those of the work.
    pub fn run_here<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // A panic has dropped its transaction, so the database is intact.
        work(&mut self.0.database.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Database {
    /// Returns the images of a case, parsed, without their files.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn parsed_images(&mut self, case: &CaseRow) -> Result<Arc<CaseImages>, StoreError> {
        if let Some((version, images)) = self.parsed.get(&case.id)
            && *version == case.images_version
        {
            return Ok(images.clone());
        }
        let images = Arc::new(CaseImages::parse(self.images_of(case.id)?)?);
        if self.parsed.len() >= MOST_PARSED {
            self.parsed.clear();
        }
        self.parsed.insert(case.id, (case.images_version, images.clone()));
        Ok(images)
    }

    /// Empties the log, so that nothing that was deleted remains in it.
    fn truncate_log(&mut self) -> Result<(), StoreError> {
        let is_busy: bool = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy { Err(StoreError::LogInUse) } else { Ok(()) }
    }
}
