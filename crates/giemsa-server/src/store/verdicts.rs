//! The log of verdicts in the database.

use super::{Database, StoreError};
use crate::case::CaseVerdict;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// A row of the log: a verdict, or the undoing of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictRow {
    /// Its number, which increases.
    pub id: i64,
    /// The image.
    pub image: i64,
    /// The number of the object in it, from 1.
    pub number: u32,
    /// The verdict; `None` if the row undoes another one.
    pub verdict: Option<CaseVerdict>,
    /// The row that it undoes.
    pub undoes: Option<i64>,
    /// Who gave it.
    pub reviewer: String,
    /// When it was given (RFC 3339, UTC).
    pub given_at: String,
    /// Left edge of the object in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A verdict to add.
#[derive(Clone, Debug)]
pub struct NewVerdict {
    /// The image.
    pub image: i64,
    /// The number of the object in it, from 1.
    pub number: u32,
    /// Left edge, upper edge, width and height of the object in pixels.
    pub frame_px: [u32; 4],
    /// The verdict.
    pub verdict: CaseVerdict,
    /// Who gives it.
    pub reviewer: String,
    /// The client's name of the request. The row of an earlier request of this name is returned.
    pub key: Option<String>,
}

const COLUMNS: &str = "id, image_id, number, verdict, undoes, reviewer, given_at, x, y, width, height";

fn verdict_row(row: &Row<'_>) -> rusqlite::Result<VerdictRow> {
    let verdict: Option<String> = row.get(3)?;
    Ok(VerdictRow {
        id: row.get(0)?,
        image: row.get(1)?,
        number: row.get(2)?,
        verdict: verdict.as_deref().and_then(CaseVerdict::from_name),
        undoes: row.get(4)?,
        reviewer: row.get(5)?,
        given_at: row.get(6)?,
        x: row.get(7)?,
        y: row.get(8)?,
        width: row.get(9)?,
        height: row.get(10)?,
    })
}

impl VerdictRow {
    /// Returns left edge, upper edge, width and height of the object in pixels.
    #[must_use]
    pub fn frame_px(&self) -> [u32; 4] {
        [self.x, self.y, self.width, self.height]
    }
}

impl Database {
    /// Returns the log of a case, the oldest row first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn verdicts_of(&mut self, case: i64) -> Result<Vec<VerdictRow>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM verdicts WHERE case_id = ?1 ORDER BY id");
        let mut statement = self.connection.prepare_cached(&select)?;
        Ok(statement.query_map([case], verdict_row)?.collect::<Result<_, _>>()?)
    }

    /// Adds a verdict. Its image is one of the case.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its key is that of another verdict; if the database cannot be written.
    pub fn add_verdict(&mut self, case: i64, new: &NewVerdict) -> Result<VerdictRow, StoreError> {
        if let Some(earlier) = by_key(&self.connection, case, new.key.as_deref())? {
            let is_same = (earlier.image, earlier.number) == (new.image, new.number)
                && earlier.verdict == Some(new.verdict)
                && earlier.reviewer == new.reviewer;
            return if is_same { Ok(earlier) } else { Err(key_is_taken()) };
        }
        let [x, y, width, height] = new.frame_px;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO verdicts (case_id, image_id, number, x, y, width, height, verdict, reviewer, client_key)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let verdict = new.verdict.name();
        insert.execute(params![case, new.image, new.number, x, y, width, height, verdict, new.reviewer, new.key])?;
        row(&self.connection, self.connection.last_insert_rowid())
    }

    /// Undoes the last verdict of a reviewer in a case that is not undone, and returns the new row and the undone one. A request
    /// with the key of an earlier one returns the rows of that one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is nothing to undo, or the key is that of a verdict; if the database cannot be written.
    pub fn undo_verdict(
        &mut self,
        case: i64,
        reviewer: &str,
        key: Option<&str>,
    ) -> Result<(VerdictRow, VerdictRow), StoreError> {
        if let Some(earlier) = by_key(&self.connection, case, key)? {
            let undone = earlier.undoes.filter(|_| earlier.reviewer == reviewer).ok_or_else(key_is_taken)?;
            return Ok((earlier, row(&self.connection, undone)?));
        }
        let select = format!(
            "SELECT {COLUMNS} FROM verdicts AS given WHERE case_id = ?1 AND reviewer = ?2 AND verdict IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM verdicts WHERE undoes = given.id) ORDER BY id DESC LIMIT 1"
        );
        let last = self.connection.query_row(&select, params![case, reviewer], verdict_row).optional()?;
        let last = last.ok_or_else(|| StoreError::Conflict("there is no verdict to undo".to_owned()))?;
        self.connection.execute(
            "INSERT INTO verdicts (case_id, image_id, number, x, y, width, height, undoes, reviewer, client_key)
            SELECT case_id, image_id, number, x, y, width, height, id, reviewer, ?2 FROM verdicts WHERE id = ?1",
            params![last.id, key],
        )?;
        Ok((row(&self.connection, self.connection.last_insert_rowid())?, last))
    }
}

fn row(connection: &Connection, id: i64) -> Result<VerdictRow, StoreError> {
    let select = format!("SELECT {COLUMNS} FROM verdicts WHERE id = ?1");
    Ok(connection.prepare_cached(&select)?.query_row([id], verdict_row)?)
}

fn by_key(connection: &Connection, case: i64, key: Option<&str>) -> Result<Option<VerdictRow>, StoreError> {
    let Some(key) = key else { return Ok(None) };
    let select = format!("SELECT {COLUMNS} FROM verdicts WHERE case_id = ?1 AND client_key = ?2");
    Ok(connection.prepare_cached(&select)?.query_row(params![case, key], verdict_row).optional()?)
}

fn key_is_taken() -> StoreError {
    StoreError::Conflict("another request had this key".to_owned())
}
