"""The versions that a result is told with."""

from __future__ import annotations

from importlib.metadata import version

from epipam.version import __version__


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of epipam and of installed packages, by name."""
    return {"epipam": __version__, **{package: version(package) for package in packages}}
