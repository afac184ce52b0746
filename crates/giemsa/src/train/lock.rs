//! The lock of a run folder: one process at a time trains in it.

use super::error::TrainError;
use super::folder::with_path;
use crate::output::TEMPORARY_PREFIX;
use std::fs::{DirEntry, File, TryLockError};
use std::path::Path;

/// A lock of a folder. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _folder: Option<File>,
}

impl FolderLock {
    /// Locks a folder, and removes temporary files and folders that a killed process has left in it. Where folders cannot be
    /// locked, as on some network file systems, does neither.
    ///
    /// # Errors
    /// [`TrainError::Busy`] if another process holds the lock, [`TrainError::Io`] if a file cannot be removed.
    pub fn acquire(path: &Path) -> Result<FolderLock, TrainError> {
        let Ok(folder) = File::open(path) else { return Ok(FolderLock { _folder: None }) };
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TrainError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(_)) => return Ok(FolderLock { _folder: None }),
        }
        with_path(path, remove_temporary_entries)?;
        Ok(FolderLock { _folder: Some(folder) })
    }
}

fn remove_temporary_entries(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_file() && has_temporary_name(&entry) => std::fs::remove_file(entry.path())?,
            // The report of a cross-validation is written to a temporary folder.
            kind if kind.is_dir() && has_temporary_name(&entry) => std::fs::remove_dir_all(entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether an entry of a folder has the name of one that a killed process has left, or another one is writing.
pub(super) fn has_temporary_name(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let random = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY_PREFIX));
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_a_killed_process_has_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path(".giemsa-Ab12Cd/new/plots")).unwrap();
        std::fs::write(path(".giemsa-aaaaaa"), "half a checkpoint").unwrap();
        for mine in [".giemsa-mynotes", ".giemsa-a-b-c-", "last.safetensors"] {
            std::fs::write(path(mine), "").unwrap();
        }
        let _lock = FolderLock::acquire(folder.path()).unwrap();
        assert!(!path(".giemsa-Ab12Cd").exists() && !path(".giemsa-aaaaaa").exists());
        assert!(
            path(".giemsa-mynotes").exists() && path(".giemsa-a-b-c-").exists() && path("last.safetensors").exists()
        );
        assert!(matches!(FolderLock::acquire(folder.path()), Err(TrainError::Busy { .. })));
    }
}
