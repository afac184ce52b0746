//! Opens the database of a folder.

use super::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The name of the database in the folder.
pub const DATABASE: &str = "cases.sqlite";
/// The name of the file that a running server locks.
pub const LOCK: &str = "lock";
/// The beginning of the names of folders that are deleted.
pub(super) const TEMPORARY: &str = "giemsa-export-";
/// Marks the file as a database of cases: "gmsa".
const APPLICATION_ID: i64 = 0x676d_7361;
/// The format of the database.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// How long a statement waits for another program that reads the database, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The size of the log above which it is truncated after a checkpoint, in bytes.
const WAL_BYTES: i64 = 16 << 20;

/// Creates a folder, which other users cannot read, unless it exists, and locks it. The lock ends with the file, also when the
/// process is killed.
pub(super) fn lock_folder(folder: &Path) -> Result<File, StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| StoreError::Folder { path, source }
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed(folder))?;
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

/// Deletes what a killed process has left.
pub(super) fn remove_temporary_folders(folder: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Folder { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Opens the database of a folder, and creates it if there is none. A file that is no intact database of cases is left as it is.
pub(super) fn open_database(folder: &Path) -> Result<Connection, StoreError> {
    let path = folder.join(DATABASE);
    let is_new = fs::metadata(&path).map_or(true, |metadata| metadata.len() == 0);
    if is_new {
        create_file(&path).map_err(|source| StoreError::Folder { path: path.clone(), source })?;
    }
    let mut connection = Connection::open(&path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Not even the log is copied to a file that is refused.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if !is_new {
        check(&connection, &path).map_err(|error| refused(error, &path))?;
    }
    configure(&connection)?;
    if is_new {
        create(&mut connection)?;
    }
    // A process may have been killed between the deletion of a case and the end of its place in the log.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

/// Creates a file that other users cannot read, unless it exists. SQLite gives its other files the same permissions.
fn create_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Checks that a file is a database of cases, and that its tables can be read. The images are not read.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let refused = |found: String| StoreError::NotADatabase { path: path.to_owned(), found };
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION_ID {
        return Err(refused("a database of another program".to_owned()));
    }
    if version > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), version, expected: VERSION });
    }
    for table in ["cases", "verdicts"] {
        let pragma = format!("PRAGMA quick_check('{table}')");
        let result: String = connection.query_row(&pragma, [], |row| row.get(0))?;
        if result != "ok" {
            return Err(refused(format!("a damaged one: {result}")));
        }
    }
    Ok(())
}

/// Returns the error of a file that cannot be read as a database.
fn refused(error: StoreError, path: &Path) -> StoreError {
    let StoreError::Database(cause) = &error else { return error };
    let found = match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "something else".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => format!("a damaged one ({cause})"),
        _ => return error,
    };
    StoreError::NotADatabase { path: path.to_owned(), found }
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    // Freed space returns to the disk. This has an effect on a new database only.
    connection.pragma_update(None, "auto_vacuum", "FULL")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A commit returns when it is on the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A row is not replaced where it must not be deleted.
    connection.pragma_update(None, "recursive_triggers", true)?;
    // What is deleted is overwritten.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(())
}

/// Creates the tables, all or none.
fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}
