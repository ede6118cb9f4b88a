# What other rooms and users may use of this room; each name is imported when it is asked for.
from .cluster import (
    Workforce as Workforce,
    as_done as as_done,
    client_of as client_of,
    client_soon as client_soon,
    in_order as in_order,
    worker_folder as worker_folder,
)
from .column_tables import (
    ENDINGS as ENDINGS,
    Write as Write,
    open_table as open_table,
)
from .devices import (
    choose_device as choose_device,
    describe_device as describe_device,
)
from .files import (
    check_new_file as check_new_file,
    whole_file as whole_file,
    whole_folder as whole_folder,
    write_text as write_text,
)
from .locations import (
    LocalFolder as LocalFolder,
    RemoteFolder as RemoteFolder,
    describe_outage as describe_outage,
    locate as locate,
    outages as outages,
)
from .memory import (
    keep_freed_memory as keep_freed_memory,
    return_freed_memory as return_freed_memory,
    share_one_arena as share_one_arena,
)
from .sorted_rows import (
    Columns as Columns,
    SortedRows as SortedRows,
    index_suffix as index_suffix,
    remove_indexes as remove_indexes,
    write_index as write_index,
)
