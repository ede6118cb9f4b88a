# What other rooms and users may use of this room; each name is imported when it is asked for.
from .merging import (
    MergedStore as MergedStore,
    merge_stores as merge_stores,
)
from .reader import (
    Damage as Damage,
    Rows as Rows,
    Store as Store,
    open_store as open_store,
)
from .repair import (
    Repair as Repair,
    repair_store as repair_store,
)
from .schema import (
    WINDOW_COLUMNS as WINDOW_COLUMNS,
)
from .settings import (
    RANGES as RANGES,
    StoreSettings as StoreSettings,
)
from .writer import (
    BuildResult as BuildResult,
    build_store as build_store,
)
