"""Paths and URLs: which is which, and what is read and written at a URL."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from epipam.errors import EpipamError, RequestError
from epipam.runtime import locations
from epipam.runtime.locations import LocalFolder, RemoteFolder, folder_of, locate


@pytest.mark.parametrize(
    "text", ["pairs.zarr", "a/b:c", "/abs/pairs.zarr", "C:", "odd:/name", "s3:/one/slash", "~/x"]
)
def test_what_has_no_scheme_is_a_path(text):
    assert locate(text) == Path(text)
    assert isinstance(folder_of(text), LocalFolder)


def test_a_path_is_a_path_whatever_it_is_called():
    assert locate(Path("s3://bucket/x")) == Path("s3://bucket/x")


def test_a_file_url_is_the_path_it_names():
    assert locate("file:///data/pairs.zarr") == Path("/data/pairs.zarr")


@pytest.mark.parametrize(
    "url", ["s3://bucket/x.zarr", "gs://b/x", "memory://x", "simplecache::s3://bucket/x.zarr"]
)
def test_what_has_a_scheme_is_a_url(url):
    assert locate(url) == RemoteFolder(url)
    assert locate(f"{url}/") == RemoteFolder(url)
    assert str(folder_of(url)) == url


def test_a_remote_folder_knows_its_name_and_what_it_lies_in():
    folder = RemoteFolder("s3://bucket/deep/x.zarr")
    assert folder.name == "x.zarr"
    assert folder.beside() == RemoteFolder("s3://bucket/deep")
    assert pickle.loads(pickle.dumps(folder)) == folder


@pytest.fixture(params=["local", "remote"])
def folder(request, tmp_path):
    """Three files, below a folder of this machine and below a URL; beside them a neighbour."""
    files = {"zarr.json": b"{}", "chr1/c/0/0": b"\x00\x01", "chr10/c/0/0": b"123"}
    if request.param == "local":
        for name, data in {**files, "../neighbour": b"x"}.items():
            (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "top" / name).write_bytes(data)
        return folder_of(tmp_path / "top")
    remote = RemoteFolder(f"memory://{tmp_path.name}/top")
    for name, data in files.items():
        remote.write(name, data)
    RemoteFolder(f"{remote.url}.neighbour").write("chr1/c/0/0", b"other")
    return remote


def test_files_are_listed_with_their_sizes_below_the_folder_only(folder):
    assert folder.sizes() == {"zarr.json": 2, "chr1/c/0/0": 2, "chr10/c/0/0": 3}
    assert folder.sizes("chr1") == {"chr1/c/0/0": 2}
    assert folder.sizes("none") == {}


def test_files_are_read_whole_and_a_missing_one_is_said(folder):
    assert folder.read("chr1/c/0/0") == b"\x00\x01"
    with pytest.raises(FileNotFoundError):
        folder.read("chr2/zarr.json")


def test_files_are_put_read_together_and_removed(tmp_path):
    remote = RemoteFolder(f"memory://{tmp_path.name}/put")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    remote.put_all({"deep/one": tmp_path / "a", "two": tmp_path / "b"})
    assert remote.read_all(["deep/one", "two", "three"]) == {"deep/one": b"a", "two": b"b"}
    remote.remove(["deep/one", "three"])
    assert remote.sizes() == {"two": 1}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("Access Denied"), "Access Denied: these credentials do not allow it; set"),
        (OSError("Connection reset\nby peer"), "Connection reset by peer"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_fails_on_the_way_is_one_line_that_names_the_url(monkeypatch, error, said):
    def fail(self):
        raise error

    monkeypatch.setattr(RemoteFolder, "_open", fail)
    with pytest.raises(EpipamError) as raised:
        RemoteFolder("s3://bucket/x").read("zarr.json")
    assert str(raised.value).startswith(f"s3://bucket/x: cannot be read: {said}")
    assert "\n" not in str(raised.value)


def test_a_scheme_without_its_library_names_the_extra(monkeypatch):
    def fail(self):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(RemoteFolder, "_open", fail)
    with pytest.raises(RequestError, match=r'needs s3fs, .*: pip install "epipam\[s3\]"'):
        RemoteFolder("s3://bucket/x").read("zarr.json")


def test_outages_are_of_libraries_at_work_only(monkeypatch):
    monkeypatch.setattr(locations, "_OUTAGES", {"no.such.module": ("Error",)})
    assert locations.outages() == (OSError,)
