# What other rooms and users may use of this room; each name is imported when it is asked for.
from .export import (
    export_folder as export_folder,
)
from .source import (
    SOURCE_NAME as SOURCE_NAME,
    register as register,
)
