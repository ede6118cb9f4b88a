# What other rooms and users may use of this room; each name is imported when it is asked for.
from .cluster import (
    Workers as Workers,
    Workforce as Workforce,
    as_done as as_done,
    in_order as in_order,
    worker_folder as worker_folder,
    workers_of as workers_of,
)
from .column_tables import (
    ENDINGS as ENDINGS,
    Write as Write,
    open_table as open_table,
)
from .compressed import (
    is_gzip as is_gzip,
)
from .devices import (
    choose_device as choose_device,
    describe_device as describe_device,
)
from .file_kinds import (
    ANNOTATION as ANNOTATION,
    BIGBED as BIGBED,
    PARQUET as PARQUET,
    binary_kind as binary_kind,
)
from .files import (
    check_new_file as check_new_file,
    reason as reason,
    require_only as require_only,
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
from .locks import (
    OutputTaken as OutputTaken,
    output_lock as output_lock,
    waiting_lock as waiting_lock,
)
from .memory import (
    keep_freed_memory as keep_freed_memory,
    return_freed_memory as return_freed_memory,
    share_one_arena as share_one_arena,
)
from .notes import (
    listening as listening,
    note as note,
)
from .placing import (
    clear_leftovers as clear_leftovers,
    new_partial_folder as new_partial_folder,
    put_folder_in_place as put_folder_in_place,
    sync as sync,
    sync_folders as sync_folders,
    sync_tree as sync_tree,
)
from .sorted_rows import (
    Columns as Columns,
    SortedRows as SortedRows,
    index_suffix as index_suffix,
    write_index as write_index,
)
from .text_files import (
    MOST_LINE as MOST_LINE,
    Line as Line,
    Reading as Reading,
    is_pipe as is_pipe,
    keep_pipes as keep_pipes,
    open_bytes as open_bytes,
    open_lines as open_lines,
    read_head as read_head,
)
from .versions import (
    versions_of as versions_of,
)
from .worker_pool import (
    WorkerPool as WorkerPool,
)
