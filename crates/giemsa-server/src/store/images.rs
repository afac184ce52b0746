//! Images in the database.

use super::{CaseRow, Database, StoreError};
use crate::case::Content;
use crate::models::ServedModel;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// An image to store.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The name that the client gave.
    pub name: String,
    /// What it shows.
    pub content: Content,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// The file.
    pub file: StoredFile,
}

/// A file without metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// An image without its file.
#[derive(Clone, Debug)]
pub struct ImageRow {
    /// Its number.
    pub id: i64,
    /// The name that the client gave.
    pub name: String,
    /// The kind; `None` if it cannot be used.
    pub kind: Option<String>,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// What it shows, in JSON.
    pub content: Option<String>,
}

impl Database {
    /// Returns the images of a case without their files, in the order in which they were added.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn images_of(&mut self, case: i64) -> Result<Vec<ImageRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, kind, error, coalesce(width, 0), coalesce(height, 0), content FROM images
            WHERE case_id = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([case], |row| {
            Ok(ImageRow {
                id: row.get(0)?,
                name: row.get(1)?,
                kind: row.get(2)?,
                error: row.get(3)?,
                size: [row.get(4)?, row.get(5)?],
                content: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the case of an image, and its file.
    ///
    /// # Errors
    /// If there is no such image or it has no file, or the database cannot be read.
    pub fn file(&mut self, image: i64) -> Result<(i64, StoredFile), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT case_id, media_type, bytes FROM images WHERE id = ?1 AND bytes IS NOT NULL")?;
        let found = statement
            .query_row([image], |row| Ok((row.get(0)?, StoredFile { media_type: row.get(1)?, bytes: row.get(2)? })));
        found.optional()?.ok_or_else(|| StoreError::no_image(image))
    }

    /// Returns the case of an image.
    ///
    /// # Errors
    /// If there is no such image, or the database cannot be read.
    pub fn case_of_image(&mut self, image: i64) -> Result<CaseRow, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT case_id FROM images WHERE id = ?1")?;
        let case = statement.query_row([image], |row| row.get(0)).optional()?;
        drop(statement);
        self.case(case.ok_or_else(|| StoreError::no_image(image))?)
    }

    /// Adds an image to a case, and returns its number. `model` has computed its content.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another model has computed the other images of the case; if there is no such case; or if the
    /// database cannot be written.
    pub fn add_image(&mut self, case: i64, image: &NewImage, model: &ServedModel) -> Result<i64, StoreError> {
        let row = self.case(case)?;
        if row.images > 0 {
            check_model(&row, model)?;
        }
        let transaction = self.connection.transaction()?;
        set_model(&transaction, case, model)?;
        transaction.execute(
            "INSERT INTO images (case_id, name, kind, width, height, media_type, content, bytes)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                case,
                image.name,
                image.content.kind(),
                image.size[0],
                image.size[1],
                image.file.media_type,
                image.content.to_json()?,
                image.file.bytes
            ],
        )?;
        let id = transaction.last_insert_rowid();
        transaction.commit()?;
        Ok(id)
    }

    /// Notes that a file of a case cannot be used, and returns the number of the note.
    ///
    /// # Errors
    /// If there is no such case, or the database cannot be written.
    pub fn add_refused(&mut self, case: i64, name: &str, error: &str) -> Result<i64, StoreError> {
        self.case(case)?;
        let insert = "INSERT INTO images (case_id, name, error) VALUES (?1, ?2, ?3)";
        self.connection.execute(insert, params![case, name, error])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Deletes an image with its verdicts. Nothing of it remains in the files of the database.
    ///
    /// # Errors
    /// If the case has no such image, or the database cannot be written.
    pub fn delete_image(&mut self, case: i64, image: i64) -> Result<(), StoreError> {
        if self.connection.execute("DELETE FROM images WHERE id = ?1 AND case_id = ?2", [image, case])? == 0 {
            return Err(StoreError::no_image(image));
        }
        self.truncate_log()
    }

    /// Replaces the contents of all images of a case by those that `model` has computed. `case` is the case as it was when they
    /// were computed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the images have changed meanwhile; if the database cannot be written.
    pub fn replace_contents(
        &mut self,
        case: &CaseRow,
        contents: &[(i64, Content)],
        model: &ServedModel,
    ) -> Result<(), StoreError> {
        let now = self.case(case.id)?;
        if now.images_version != case.images_version {
            return Err(StoreError::Conflict("the images have changed while they were counted again".to_owned()));
        }
        let transaction = self.connection.transaction()?;
        set_model(&transaction, case.id, model)?;
        for (image, content) in contents {
            let update = "UPDATE images SET content = ?2 WHERE id = ?1";
            transaction.execute(update, params![image, content.to_json()?])?;
        }
        Ok(transaction.commit()?)
    }
}

fn check_model(case: &CaseRow, model: &ServedModel) -> Result<(), StoreError> {
    if case.model_sha256 == model.sha256 {
        return Ok(());
    }
    let message = format!("case {} was counted with the model '{}'; count it again first", case.id, case.model_name);
    Err(StoreError::Conflict(message))
}

fn set_model(transaction: &Transaction<'_>, case: i64, model: &ServedModel) -> Result<(), StoreError> {
    let connection: &Connection = transaction;
    let update = "UPDATE cases SET model_name = ?2, model_sha256 = ?3 WHERE id = ?1";
    connection.execute(update, params![case, model.name, model.sha256])?;
    Ok(())
}
