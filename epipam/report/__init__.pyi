# What other rooms and users may use of this room; each name is imported when it is asked for.
from .charts import (
    Chart as Chart,
    Estimate as Estimate,
    Spread as Spread,
    estimate_chart as estimate_chart,
    spread_chart as spread_chart,
)
from .data_card import (
    DataCard as DataCard,
)
from .figures import (
    Site as Site,
    relation_figure as relation_figure,
    roc_pr_figure as roc_pr_figure,
)
from .page import (
    write_page as write_page,
)
from .provenance import (
    as_json as as_json,
    facts_table as facts_table,
)
from .summary import (
    Tile as Tile,
)
from .tables import (
    Cell as Cell,
    Table as Table,
    count as count,
    score as score,
    text as text,
)
