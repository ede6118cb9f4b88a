"""The folder of a cross-validation: whose it is."""

from __future__ import annotations

import pytest

from epipam.errors import EpipamError, RequestError
from epipam.training.crossval.folder import CrossvalFolder


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"models": ', b"7", b"[" * 100_000])
def test_a_damaged_request_is_named_with_the_way_out(tmp_path, content):
    folder = CrossvalFolder(tmp_path / "cv")
    folder.begin({"models": ["epi"]})
    (folder.path / "request.json").write_bytes(content)
    with pytest.raises(EpipamError) as caught:
        folder.begin({"models": ["epi"]})
    assert not isinstance(caught.value, RequestError)
    assert str(caught.value).startswith(f"{folder.path / 'request.json'}: is damaged")
    assert f"remove {folder.path} to begin again" in str(caught.value)
    assert (folder.path / "request.json").read_bytes() == content


def test_another_request_is_told_apart_by_its_keys(tmp_path):
    folder = CrossvalFolder(tmp_path / "cv")
    folder.begin({"models": ["epi"], "data": {"seed": 1}})
    folder.begin({"models": ["epi"], "data": {"seed": 1}})
    with pytest.raises(RequestError, match=r"begun with other data\.seed"):
        folder.begin({"models": ["epi"], "data": {"seed": 2}})
