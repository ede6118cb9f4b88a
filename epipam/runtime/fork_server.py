"""The process that workers of this machine are forked from, with what they need imported once.

A worker that is started from nothing takes half a second of a core to import dask and NumPy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType

# Elsewhere system libraries do not survive a fork, or there is none.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
# A worker has one core.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# None starts a thread, which a fork would lose.
_IMPORTED = (
    "__main__",
    "distributed.nanny",
    "distributed.worker",
    "epipam.runtime.cluster",
    "epipam.store.contig_tasks",
)


def start_importing() -> None:
    """Start the process, where there is none yet; it imports while the caller goes on."""
    if METHOD != "forkserver":
        return
    from multiprocessing.forkserver import ensure_running

    get_context(METHOD).set_forkserver_preload([*_IMPORTED, *_modules_of_script()])
    with unchanged_environment():
        os.environ.update(THREADS)
        ensure_running()


def _modules_of_script() -> list[str]:
    """Return the modules that the main script's names come from; none where there is no script.

    Each worker runs the script first, under another name. Python 3.11 does not heed `__main__`
    among what is to be imported, which would do it once for all.
    """
    main = sys.modules["__main__"]
    if getattr(main, "__file__", None) is None:
        return []
    names = {
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        for value in list(vars(main).values())
    }
    return sorted(name for name in names if isinstance(name, str) and name != "__main__")


def workers_environment() -> dict[str, str]:
    """Return what a worker that starts now finds in its environment.

    The process that it is forked from has that of an earlier time.
    """
    return {**os.environ, **THREADS}


@contextmanager
def unchanged_environment() -> Iterator[None]:
    """Undo in the end what the block changes in this process's environment."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
