"""An extension of griffe: each name of a docstring has its own default and annotation.

Where a docstring describes several names together (`max_distance, min_distance`), griffe's parser
gives all of them those of the first.
"""

from __future__ import annotations

from typing import Any

from griffe import (
    Class,
    DocstringSectionAttributes,
    DocstringSectionParameters,
    Extension,
    Function,
)


class OwnDefaults(Extension):
    """Looks parameters up in the signature, and attributes in their class, each by its name."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Correct what is described of a function."""
        _correct(func)

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """Correct what is described of a class, but of one whose signature is not known yet."""
        described = cls.docstring.value if cls.docstring else ""
        if "__init__" in cls.members or "Parameters\n" not in described:
            _correct(cls)


def _correct(documented: Function | Class) -> None:
    if documented.docstring is None:
        return
    for section in documented.docstring.parsed:
        if isinstance(section, DocstringSectionParameters):
            for described in section.value:
                if described.name in documented.parameters:
                    own = documented.parameters[described.name]
                    described.value, described.annotation = own.default, own.annotation
        elif isinstance(section, DocstringSectionAttributes):
            for described in section.value:
                if described.name in documented.members:
                    described.annotation = documented.members[described.name].annotation
