"""A small genome with everything that may lie in one, and pairs at its awkward places."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from epipam.pairs.table import COLUMNS
from epipam.store import Store, StoreSettings, build_store

SETTINGS = StoreSettings(
    enhancer_length=60,
    promoter_length=41,
    augment=3,
    max_shift=20,
    seed=7,
    rows_per_chunk=16,
    rows_per_shard=32,
)
LENGTHS = {"chr1": 3_001, "chr2": 1_402, "c": 700, "tiny": 30}


class Inputs(NamedTuple):
    """A genome, a pair table, the table's rows in order, and settings to make a store of them."""

    genome: Path
    pairs: Path
    rows: list[tuple]
    settings: StoreSettings


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """What the tests of this process write need not outlive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    draw = random.Random(20)
    with (folder / "genome.fa").open("w") as handle:
        for contig, length in LENGTHS.items():
            letters = draw.choices(
                "ACGTacgtNRY", weights=[9, 9, 9, 9, 3, 3, 3, 3, 1, 1, 1], k=length
            )
            handle.write(f">{contig} some words\n")
            for start in range(0, length, 50):
                handle.write("".join(letters[start : start + 50]) + "\n")
    rows = []
    for contig, length in LENGTHS.items():
        anchors = [(0, 1), (length - 1, length), (0, length), (0, 0), (length, length)]
        anchors += [sorted(draw.choices(range(length + 1), k=2)) for _ in range(20)]
        for number, (start, end) in enumerate(anchors):
            other = anchors[draw.randrange(len(anchors))]
            names = ("", "") if number % 5 == 0 else (f"Verstärker {number}", "gène|π")
            label = (1, 0, 0, -1)[number % 4]
            rows.append((contig, start, end, names[0], contig, *other, names[1], label))
    draw.shuffle(rows)
    with (folder / "pairs.tsv").open("w", encoding="utf-8") as handle:
        handle.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            handle.write("\t".join(map(str, row)) + "\n")
    return Inputs(folder / "genome.fa", folder / "pairs.tsv", rows, SETTINGS)


@pytest.fixture(scope="session")
def built(inputs, tmp_path_factory) -> Store:
    """A store of the inputs, for reading only."""
    out = tmp_path_factory.mktemp("built") / "pairs.zarr"
    build_store(inputs.genome, inputs.pairs, out, inputs.settings)
    return Store(out)


@pytest.fixture(scope="session")
def make_old() -> Callable[[Path, str], Path]:
    """What takes out of a store's attributes all that came after a version of the format."""

    def make(store: Path, version: str = "1.1") -> Path:
        root = store / "zarr.json"
        document = json.loads(root.read_text())
        own = document["attributes"]["epipam"]
        for name in ("files", "layout"):
            del own[name]
        del own["pairs"]["label_column"]
        own["format_version"] = version
        root.write_text(json.dumps(document, indent=2))
        return store

    return make


class S3Server:
    """An S3 on a free port of this machine, in a process of its own: tests fork this one."""

    def __init__(self) -> None:
        self._requests: list[tuple[str, str]] = []
        self._n_marks = 0
        self._n_buckets = 0
        code = (
            "import sys\n"
            "from moto.server import DomainDispatcherApplication, create_backend_app\n"
            "from werkzeug.serving import make_server\n"
            "server = make_server('127.0.0.1', 0, "
            "DomainDispatcherApplication(create_backend_app), threaded=True)\n"
            "print(server.server_port, flush=True)\n"
            "server.serve_forever()\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def new_bucket(self) -> str:
        """Make a bucket; return its URL."""
        import s3fs

        self._n_buckets += 1
        s3fs.S3FileSystem(use_listings_cache=False).mkdir(f"bucket{self._n_buckets}")
        return f"s3://bucket{self._n_buckets}"

    def asked(self) -> list[tuple[str, str]]:
        """Return (verb, path) of what it was asked since the last call."""
        self._n_marks += 1
        mark = ("GET", f"/?mark={self._n_marks}")
        urllib.request.urlopen(f"{self.url}{mark[1]}", timeout=20).close()
        while mark not in self._requests:  # its log comes after its answers
            time.sleep(0.01)
        n_before = self._requests.index(mark)
        found, self._requests = self._requests[:n_before], self._requests[n_before + 1 :]
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._reader.join(timeout=20)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if match := re.search(r'"\S*?([A-Z]{3,}) (\S+) HTTP', line):
                self._requests.append((match[1], match[2]))


@pytest.fixture(scope="module")
def s3_server():
    """An S3 that this process and its children find by their environment."""
    with pytest.MonkeyPatch.context() as patch:
        server = S3Server()
        for name in ("PROFILE", "SESSION_TOKEN", "CONFIG_FILE"):
            patch.delenv(f"AWS_{name}", raising=False)
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield server
        server.close()


@pytest.fixture
def bucket(s3_server) -> str:
    """The URL of a new bucket."""
    return s3_server.new_bucket()
