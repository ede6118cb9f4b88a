"""What every epipam command shares: error lines, `--debug`, `--json`, progress."""

from __future__ import annotations

import functools
import json
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from epipam.cli.stops import stop_signals
from epipam.errors import EpipamError, EpipamWarning
from epipam.models.folder import HUB_PREFIX
from epipam.models.places import local_folder
from epipam.runtime.cluster import Workforce
from epipam.runtime.files import reason
from epipam.runtime.locations import RemoteFolder, locate
from epipam.runtime.notes import listening
from epipam.runtime.text_files import keep_pipes

_COMMAND_LINE = "epipam.command_line"
# What torch says, of a processor and of a GPU.
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory|cannot allocate memory", re.I)
_OPTIONS_THAT_TAKE_MEMORY = ("--cache-size", "--batch-size", "--buffer-rows", "--workers")


class EpipamCommand(click.Command):
    """A click command whose failures are one line, with exit 1 (failed) or 2 (wrong request)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.context_settings.setdefault("show_default", True)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_remember_debug,
                help="Show the traceback of an error.",
            )
        )

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        given = list(args)
        try:
            context = super().make_context(info_name, args, *more, **extra)
        except click.UsageError as error:
            _fail_usage(error, info_name or "epipam")
        context.meta[_COMMAND_LINE] = shlex.join([*context.command_path.split(), *given])
        return context

    def invoke(self, ctx: click.Context) -> Any:
        with stop_signals() as stops:
            try:
                return self._invoke(ctx)
            except KeyboardInterrupt:
                stops.report(ctx)
            except EpipamError as error:
                if stops.signal is None:
                    _fail(ctx, str(error), error.exit_code)
                stops.report(ctx, str(error))
            except click.exceptions.Exit as ended:
                # What fails since it was interrupted, in whichever way, was stopped.
                if stops.signal is None or ended.exit_code == 0:
                    raise
                stops.report(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            for param in self.params:
                if isinstance(param.type, ModelFolder) and ctx.params[param.name] is not None:
                    ctx.params[param.name] = local_folder(ctx.params[param.name])
            show = functools.partial(click.echo, err=True)
            with _warnings_as_notes(), keep_pipes(), listening(show):
                return super().invoke(ctx)
        except click.UsageError as error:
            _fail_usage(error, ctx.command_path)
        except ModuleNotFoundError as error:
            _fail(ctx, f"needs {error.name}, which is not installed: pip install 'epipam[all]'", 1)
        except (
            EpipamError,
            click.ClickException,
            click.exceptions.Exit,
            click.Abort,
            BrokenPipeError,
        ):
            raise  # the line of an error of ours is printed above; click ends the others
        except OSError as error:
            _fail(ctx, _describe_os_error(error), 1)
        except Exception as error:
            if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
                _fail(ctx, _describe_want_of_memory(ctx), 1)
            text = f"{type(error).__name__}: {error} (unexpected; --debug shows where)"
            _fail(ctx, text.replace("\n", " "), 1)


def command_line() -> str:
    """Return the command that is running as a shell takes it, to be noted beside its result."""
    return click.get_current_context().meta[_COMMAND_LINE]


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`: the result on standard output as one JSON object."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        function
    )


class ModelFolder(click.ParamType):
    """A model folder, a bundled model's name, or `hf://USER/NAME`; the command gets a folder.

    What is on the hub is fetched when all arguments are known to be right.
    """

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        is_on_hub = isinstance(value, str) and value.startswith(HUB_PREFIX)
        return value if is_on_hub else Path(value)


class Place(click.ParamType):
    """A path, or a URL that fsspec opens, which a Path would take apart."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        found = locate(value)
        return found.url if isinstance(found, RemoteFolder) else found


def workers_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workers` and `--scheduler`, which make a `Workforce`: the argument `workforce`."""

    @click.option("--workers", type=click.IntRange(1), default=1, help="Processes; same result.")
    @click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Work on a dask cluster: its scheduler's address, such as tcp://node1:8786.",
    )
    @functools.wraps(function)
    def with_workforce(*args: Any, workers: int, scheduler: str | None, **kwargs: Any) -> Any:
        if scheduler is not None and workers != 1:
            raise click.UsageError("--workers and --scheduler both say who works: give one")
        return function(*args, workforce=Workforce(workers, scheduler), **kwargs)

    return with_workforce


def print_result(result: Mapping[str, Any], lines: Iterator[str], as_json: bool) -> None:
    """Print a result: as one JSON object for a machine, as `lines` for a person."""
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for line in lines:
            click.echo(line)


def print_notes(notes: Iterable[str]) -> None:
    """Say on stderr what a person should know of how files were read, one line each."""
    for note in dict.fromkeys(notes):
        click.echo(f"note: {note}", err=True)


def note_renamed(renamed: Mapping[str, str]) -> None:
    """Say on stderr which chromosome names of a pair table were read as another of the genome."""
    if renamed:
        names = ", ".join(f"{name} as {contig}" for name, contig in list(renamed.items())[:3])
        more = f", ... ({len(renamed)} names)" if len(renamed) > 3 else ""
        click.echo(
            f"note: the pair table and the genome spell chromosomes differently; "
            f"read {names}{more}",
            err=True,
        )


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int, str], None]]:
    """Yield `advance(steps, note)`: a bar on a terminal, plain lines elsewhere, on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=total)

            def advance(steps: int, note: str) -> None:
                bar.update(task, advance=steps, description=f"{what} {note}".rstrip())

            yield advance
    else:
        done = 0

        def advance(steps: int, note: str) -> None:
            nonlocal done
            done += steps
            click.echo(f"{what}: {done}/{total} {note}".rstrip(), err=True)

        yield advance


@contextmanager
def row_progress(what: str) -> Iterator[Callable[[int], None]]:
    """Yield `advance(rows)` for work whose length is not known: a count on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), "{task.completed:,}", what, TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=None)
            yield lambda rows: bar.update(task, advance=rows)
    else:
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            click.echo(f"{what}: {done:,}", err=True)

        yield advance


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print warnings of ours as one line each on stderr; others stay as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", EpipamWarning)
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, EpipamWarning):
                click.echo(f"note: {message}", err=True)
            else:
                show_others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _remember_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.ensure_object(dict)["debug"] = value


def _fail_usage(error: click.UsageError, name: str) -> NoReturn:
    path = error.ctx.command_path if error.ctx else name
    click.echo(f"{path}: error: {error.format_message()} ({path} --help explains)", err=True)
    raise click.exceptions.Exit(2)


def _fail(ctx: click.Context, text: str, exit_code: int) -> None:
    if ctx.ensure_object(dict).get("debug"):
        raise
    click.echo(f"{ctx.command_path}: error: {text}", err=True)
    ctx.exit(exit_code)


def _describe_os_error(error: OSError) -> str:
    why = reason(error)
    return f"{error.filename}: {why}" if error.filename else why


def _describe_want_of_memory(ctx: click.Context) -> str:
    """Say that memory did not suffice, and which options of a command make it need less."""
    known = {name for param in ctx.command.params for name in param.opts}
    smaller = [name for name in _OPTIONS_THAT_TAKE_MEMORY if name in known]
    way_out = f"give a smaller {' or '.join(smaller)}, or " if smaller else ""
    return f"out of memory; {way_out}use a machine, or a limit, with more of it"
