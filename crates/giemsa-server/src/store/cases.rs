//! Cases in the database.

use super::{Database, StoreError};
use crate::models::ServedModel;
use giemsa::smear::RED_CELLS_PER_MICROLITRE;
use rusqlite::{OptionalExtension, Row, params};

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// When it was created (RFC 3339, UTC).
    pub created_at: String,
    /// Its own decision threshold; `None` for that of the model.
    pub threshold: Option<f32>,
    /// Red cells per microlitre of blood.
    pub red_cells_per_microlitre: f64,
    /// The name of the model that computed its logits.
    pub model_name: String,
    /// The SHA-256 of that model.
    pub model_sha256: String,
    /// Increases with every change of the images.
    pub images_version: i64,
    /// The number of usable images.
    pub images: u32,
    /// The number of those that show a single cell.
    pub cells: u32,
    /// The number of objects with a verdict.
    pub reviewed: u32,
}

/// A change of a case. `None` keeps what is stored.
#[derive(Clone, Debug, Default)]
pub struct CaseChange {
    /// The name.
    pub name: Option<String>,
    /// The decision threshold; `Some(None)` for that of the model.
    pub threshold: Option<Option<f32>>,
    /// Red cells per microlitre of blood.
    pub red_cells_per_microlitre: Option<f64>,
}

/// Objects are counted by their boxes, as verdicts stay with them when a case is counted again.
const SELECT: &str = "
    SELECT id, name, created_at, threshold, red_cells_per_microlitre, model_name, model_sha256, images_version,
        (SELECT count(*) FROM images WHERE case_id = cases.id AND error IS NULL),
        (SELECT count(*) FROM images WHERE case_id = cases.id AND kind = 'cell'),
        (SELECT count(*) FROM (
            SELECT DISTINCT image_id, x, y, width, height FROM verdicts AS given
            WHERE case_id = cases.id AND verdict <> 'skip'
            AND NOT EXISTS (SELECT 1 FROM verdicts WHERE undoes = given.id)))
    FROM cases";

fn case_row(row: &Row<'_>) -> rusqlite::Result<CaseRow> {
    Ok(CaseRow {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        threshold: row.get(3)?,
        red_cells_per_microlitre: row.get(4)?,
        model_name: row.get(5)?,
        model_sha256: row.get(6)?,
        images_version: row.get(7)?,
        images: row.get(8)?,
        cells: row.get(9)?,
        reviewed: row.get(10)?,
    })
}

impl Database {
    /// Returns all cases, the newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn cases(&mut self) -> Result<Vec<CaseRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} ORDER BY id DESC"))?;
        Ok(statement.query_map([], case_row)?.collect::<Result<_, _>>()?)
    }

    /// Returns a case.
    ///
    /// # Errors
    /// If there is no such case, or the database cannot be read.
    pub fn case(&mut self, id: i64) -> Result<CaseRow, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        statement.query_row([id], case_row).optional()?.ok_or_else(|| StoreError::no_case(id))
    }

    /// Creates a case without images.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn create_case(&mut self, name: &str, model: &ServedModel) -> Result<CaseRow, StoreError> {
        self.connection.execute(
            "INSERT INTO cases (name, red_cells_per_microlitre, model_name, model_sha256) VALUES (?1, ?2, ?3, ?4)",
            params![name, RED_CELLS_PER_MICROLITRE, model.name, model.sha256],
        )?;
        self.case(self.connection.last_insert_rowid())
    }

    /// Changes a case.
    ///
    /// # Errors
    /// If there is no such case, or the database cannot be written.
    pub fn change_case(&mut self, id: i64, change: &CaseChange) -> Result<CaseRow, StoreError> {
        self.connection.execute(
            "UPDATE cases SET name = coalesce(?2, name), threshold = iif(?3, ?4, threshold),
                red_cells_per_microlitre = coalesce(?5, red_cells_per_microlitre) WHERE id = ?1",
            params![
                id,
                change.name,
                change.threshold.is_some(),
                change.threshold.flatten(),
                change.red_cells_per_microlitre
            ],
        )?;
        self.case(id)
    }

    /// Deletes a case with its images and verdicts. Nothing of them remains in the files of the database.
    ///
    /// # Errors
    /// If there is no such case, or the database cannot be written.
    pub fn delete_case(&mut self, id: i64) -> Result<(), StoreError> {
        if self.connection.execute("DELETE FROM cases WHERE id = ?1", [id])? == 0 {
            return Err(StoreError::no_case(id));
        }
        self.parsed.remove(&id);
        self.truncate_log()
    }
}
