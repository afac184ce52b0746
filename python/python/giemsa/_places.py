"""Folders and files of any file system that pyarrow reads: this machine's, S3, Google Cloud Storage and others."""

import os
import re
from typing import NamedTuple

import pyarrow.fs

from giemsa._model import Path

_WILDCARDS = re.compile(r"[*?[]")


class Place(NamedTuple):
    """A file, a folder or a glob of a file system."""

    filesystem: pyarrow.fs.FileSystem
    path: str

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, pyarrow.fs.LocalFileSystem)

    def join(self, name: str) -> "Place":
        """Return the file or folder of this name in this folder."""
        return Place(self.filesystem, f"{self.path.rstrip('/')}/{name}")

    def name_of(self, path: str) -> str:
        """Return the name of a file of this file system: its path, or its URI if it is not on this machine."""
        schemes = {"gcs": "gs", "abfs": "abfss"}
        kind = self.filesystem.type_name
        return path if self.is_local else f"{schemes.get(kind, kind)}://{path}"

    def list(self) -> list[pyarrow.fs.FileInfo]:
        """Return the files of the folder and its folders, sorted by path; of a glob, those that match it.

        Files and folders whose names begin with ``.`` or ``_`` are left out, as by Spark and Hive.
        """
        found: list[pyarrow.fs.FileInfo]
        if _WILDCARDS.search(self.path):
            folder, pattern = _before_wildcards(self.path), _regular_expression(self.path)
            found = self.filesystem.get_file_info(pyarrow.fs.FileSelector(folder, recursive=True))
            found = [info for info in found if pattern.fullmatch(info.path)]
        else:
            folder = self.path
            info = self.filesystem.get_file_info(self.path)
            is_file = info.type == pyarrow.fs.FileType.File
            selector = pyarrow.fs.FileSelector(self.path, recursive=True)
            found = [info] if is_file else self.filesystem.get_file_info(selector)
        inside = len(folder.rstrip("/")) + 1
        files = [info for info in found if info.type == pyarrow.fs.FileType.File and not _is_hidden(info.path[inside:])]
        return sorted(files, key=lambda info: info.path)


def place(path: Path) -> Place:
    """Return the file system and the path of a URI such as ``s3://bucket/folder``, or of a path of this machine."""
    text = os.fspath(path)
    if "://" in text:
        return Place(*pyarrow.fs.FileSystem.from_uri(text))
    return Place(pyarrow.fs.LocalFileSystem(), os.path.abspath(text))


def _before_wildcards(path: str) -> str:
    wildcard = _WILDCARDS.search(path)
    return path[: wildcard.start() if wildcard else None].rpartition("/")[0] or "/"


def _regular_expression(glob: str) -> re.Pattern[str]:
    """Translate a glob; ``*`` and ``?`` match no ``/``, and ``**/`` matches any folders."""
    translations = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", glob)
    return re.compile("".join(translations.get(part, _literal_or_set(part)) for part in parts))


def _literal_or_set(part: str) -> str:
    is_set = len(part) > 2 and part.startswith("[") and part.endswith("]")
    return part.replace("[!", "[^") if is_set else re.escape(part)


def _is_hidden(path: str) -> bool:
    return any(name.startswith((".", "_")) for name in path.split("/"))
