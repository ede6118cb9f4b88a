"""Where a store lies: a folder of this machine, or a URL that fsspec opens (`s3://`, `gs://`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from epipam.errors import EpipamError, RequestError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)(?:://|::)")
_LOCAL = "file://"
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_LIBRARIES = {"s3": "s3fs", "gcs": "gcsfs"}
# Without it s3fs asks for the size of every whole file before it reads it.
_ZARR_OPTIONS = {"s3": {"max_concurrency": 1}}
# What libraries raise where a store cannot be reached and which is no OSError, by module.
_OUTAGES = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "aiohttp": ("ClientError",),
}
_KEYS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gcs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
}
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")


class Folder(Protocol):
    """Files below one place, named by their path below it with `/` between its parts."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes; a FileNotFoundError where it is not there."""

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size in bytes of every file, or of every file below `below`."""

    def for_zarr(self) -> Any:
        """Return what `zarr.open_array(..., path=...)` takes as its store."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def sizes(self, below: str = "") -> dict[str, int]:
        return {
            file.relative_to(self.path).as_posix(): file.stat().st_size
            for file in (self.path / below).rglob("*")
            if file.is_file()
        }

    def for_zarr(self) -> Path:
        return self.path


@dataclass(frozen=True)
class RemoteFolder:
    """The objects below a URL; holds no connection, so it pickles and outlives a fork.

    What goes wrong on the way there is an EpipamError of one line.

    Parameters
    ----------
    url
        Without a `/` at its end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    def beside(self) -> RemoteFolder:
        """Return the folder that this one lies in."""
        return RemoteFolder(self.url.rpartition("/")[0])

    def read(self, name: str) -> bytes:
        with _one_line(self.url, "read"):
            filesystem, root = self._open()
            # From 0: s3fs would ask for the size of a whole file before it reads it.
            return filesystem.cat_file(f"{root}/{name}", start=0)

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of several files, read together; absent are those that are not there."""
        with _one_line(self.url, "read"):
            filesystem, root = self._open()
            paths = {f"{root}/{name}": name for name in names}
            found = filesystem.cat(list(paths), on_error="return")
            for answer in found.values():
                if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
                    raise answer
        return {paths[p]: data for p, data in found.items() if isinstance(data, bytes)}

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        try:
            self.read(name)
        except FileNotFoundError:
            return False
        return True

    def sizes(self, below: str = "") -> dict[str, int]:
        with _one_line(self.url, "listed", missing=True):
            filesystem, root = self._open()
            filesystem.invalidate_cache()
            found = filesystem.find(f"{root}/{below}".rstrip("/"), detail=True)
        return {
            path[len(root) + 1 :]: int(facts["size"] or 0)
            for path, facts in found.items()
            if path.startswith(f"{root}/")
        }

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file."""
        with _one_line(self.url, "written", missing=True):
            filesystem, root = self._open()
            filesystem.pipe_file(f"{root}/{name}", data)

    def put_all(self, files: Mapping[str, Path]) -> None:
        """Copy files of this machine there, by the names they get, together."""
        with _one_line(self.url, "written", missing=True):
            filesystem, root = self._open()
            filesystem.put(
                [str(file) for file in files.values()], [f"{root}/{name}" for name in files]
            )

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there does not matter."""
        with _one_line(self.url, "removed"):
            filesystem, root = self._open()
            paths = [f"{root}/{name}" for name in names]
            try:
                if paths:
                    filesystem.rm(paths)
            except FileNotFoundError:  # of one, and then some schemes have removed none
                for path in paths:
                    with suppress(FileNotFoundError):
                        filesystem.rm(path)

    def for_zarr(self) -> Any:
        from zarr.storage import FsspecStore

        with _one_line(self.url, "read"):
            options = _ZARR_OPTIONS.get(_extra(self.url))
            return FsspecStore.from_url(self.url, options, read_only=True)

    def _open(self) -> tuple[AbstractFileSystem, str]:
        """Return the file system, which fsspec keeps for each process, and the path on it."""
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(self.url)
        return filesystem, str(path).rstrip("/")


def locate(where: str | Path) -> Path | RemoteFolder:
    """Return what a path or URL names."""
    text = str(where)
    if isinstance(where, Path) or not _URL.match(text):
        return Path(where)
    if text.startswith(_LOCAL):
        return Path(text.removeprefix(_LOCAL))
    return RemoteFolder(text.rstrip("/"))


def folder_of(where: str | Path) -> Folder:
    """Return the files below a path or URL."""
    found = locate(where)
    return LocalFolder(found) if isinstance(found, Path) else found


def outages() -> tuple[type[Exception], ...]:
    """Return the exceptions by which the libraries at work say that a store cannot be reached."""
    found: list[type[Exception]] = [OSError]
    for module, names in _OUTAGES.items():
        if module in sys.modules:
            found += [getattr(sys.modules[module], name) for name in names]
    return tuple(found)


def describe_outage(url: str, error: Exception) -> str:
    """Return in one line why a URL could not be reached, and what to do about it."""
    text = " ".join(str(error).split()) or type(error).__name__
    keys = _KEYS.get(_extra(url), "give the library of this scheme its credentials")
    if type(error).__name__ in _NO_CREDENTIALS:
        return f"no credentials: {keys}"
    if isinstance(error, PermissionError):
        return f"{text}: these credentials do not allow it; {keys}"
    return text


@contextmanager
def _one_line(url: str, what: str, *, missing: bool = False) -> Iterator[None]:
    """Turn what fails on the way to a URL into an EpipamError.

    A FileNotFoundError passes, unless it is of a file that was to be written.
    """
    try:
        yield
    except ImportError as error:
        extra = _extra(url)
        remedy = f'pip install "epipam[{extra}]"' if extra in _LIBRARIES else str(error)
        library = _LIBRARIES.get(extra, "a library")
        raise RequestError(f"{url}: needs {library}, which is not installed: {remedy}") from None
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise
        raise RequestError(f"{url}: no such kind of URL: {error}") from None
    except outages() as error:
        if isinstance(error, FileNotFoundError) and not missing:
            raise
        raise EpipamError(f"{url}: cannot be {what}: {describe_outage(url, error)}") from error


def _extra(url: str) -> str:
    """Return the extra of epipam that brings the library of a URL's scheme, or the scheme."""
    scheme = url.rpartition("::")[2].partition("://")[0]
    return _EXTRAS.get(scheme, scheme)
