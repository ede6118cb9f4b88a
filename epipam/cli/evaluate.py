"""`epipam evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import (
    EpipamCommand,
    ModelFolder,
    Place,
    command_line,
    json_option,
    print_result,
    progress,
)
from epipam.cli.options import batch_size_option, bootstrap_option, device_option
from epipam.runtime.files import whole_folder, write_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from epipam.evaluation.evaluate import Evaluation
    from epipam.evaluation.partners import PartnerScores
    from epipam.loading.random_pairs import RandomPairs
    from epipam.models import Network
    from epipam.report.motif_part import MotifPart
    from epipam.store import Store


@click.command("evaluate", cls=EpipamCommand)
@click.argument("model", type=ModelFolder())
@click.argument("store", type=Place())
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder.")
@click.option("--fold", type=click.IntRange(0), help="Evaluate the test chromosomes of fold K.")
@click.option("--chromosomes", help="Evaluate these, comma-separated.")
@batch_size_option
@device_option
@bootstrap_option
@click.option("--seed", type=click.IntRange(0), default=0, help="Of draws, controls, bootstrap.")
@click.option(
    "--motifs",
    "motif_folder",
    type=click.Path(path_type=Path),
    help="Folder that epipam motifs made of MODEL, to be shown in the report.",
)
@json_option
def evaluate(
    model: Path,
    store: Path | str,
    output: Path,
    fold: int | None,
    chromosomes: str | None,
    batch_size: int,
    device: str,
    bootstrap: int,
    seed: int,
    motif_folder: Path | None,
    as_json: bool,
) -> None:
    """Judge MODEL on chromosomes of STORE, beside baselines that need no sequence.

    Without --fold and --chromosomes: the test chromosomes, or pairs of a random split, that MODEL
    was trained with, where STORE is the store it was trained on, else every chromosome. OUTPUT
    gets report.html, a page to read and to pass on, metrics.json, predictions.tsv and roc_pr.png.
    The frequency baseline counts the labelled pairs that MODEL was trained on, where it is that
    store, else those of all chromosomes not evaluated. Every pair is predicted twice, the second
    time with the promoter of another pair, as a control. predictions.tsv goes chromosome by
    chromosome, each in the order of the pair table.
    """
    from epipam.evaluation import evaluate as evaluation
    from epipam.evaluation.audit import audit_store
    from epipam.models import load_model
    from epipam.report import evaluation_page
    from epipam.runtime.devices import choose_device, describe_device
    from epipam.store import Store
    from epipam.training.fit import labelled_pairs

    if fold is not None and chromosomes is not None:
        raise click.UsageError("--fold and --chromosomes both choose what to evaluate: give one")
    network, opened, chosen = load_model(model), Store(store), choose_device(device)
    own = _own_split(model, opened)
    evaluated = _evaluated(opened, own, fold, chromosomes)
    drawn = _drawn(opened, own) if fold is None and chromosomes is None else None
    motifs = None if motif_folder is None else _motif_part(motif_folder, model)
    with whole_folder(output) as folder:
        notes = list(_notes(opened, own, evaluated, drawn))
        for note in notes:
            click.echo(f"note: {note}", err=True)
        click.echo(f"device: {describe_device(chosen)}", err=True)
        tested = None if drawn is None else drawn.test
        predictions, partners = _predict(
            network, opened, evaluated, tested, chosen, batch_size, seed
        )
        rest = [contig for contig in opened.contigs if contig not in evaluated]
        training_pairs = _labelled_pairs(opened, own.get("train", rest))
        if drawn is not None:
            training_pairs = labelled_pairs(opened, drawn.part("train"))
        result = evaluation.evaluate(
            predictions,
            predictions["probability"].to_numpy(),
            training_pairs,
            partners=partners,
            seed=seed,
            n_bootstrap=bootstrap,
        )
        audited = audit_store(opened, seed=seed)
        provenance = _provenance(model, opened, evaluated, seed, bootstrap)
        metrics = {
            "provenance": provenance,
            "data": audited.to_json(),
            "notes": notes,
            "test": result.to_json(),
        }
        labels, scores = _labels_and_scores(predictions, training_pairs)
        _write(folder, metrics, predictions, labels, scores)
        evaluation_page(
            folder / "report.html",
            result,
            labels,
            scores,
            provenance=provenance,
            audit=audited,
            motifs=motifs,
            notes=notes,
        )
    print_result({"output": str(output), **metrics}, _lines(output, result), as_json)


def _predict(
    network: Network,
    store: Store,
    contigs: Sequence[str],
    pairs: np.ndarray | None,
    device: torch.device,
    batch_size: int,
    seed: int,
) -> tuple[pd.DataFrame, PartnerScores]:
    """Predict the pairs, chromosome by chromosome, and then the same pairs taken apart.

    Of the chromosomes, `pairs` are predicted, by number; None is all.
    """
    import pandas as pd

    from epipam.evaluation.prediction import predict_store, score_partners

    total = sum(store.attributes["contigs"][contig]["pairs"] for contig in contigs)
    total = total if pairs is None else len(pairs)
    parts = []
    with progress(total, "pairs predicted") as advance:
        for contig in contigs:
            parts.append(
                predict_store(
                    network, store, [contig], pairs=pairs, device=device, batch_size=batch_size
                )
            )
            advance(len(parts[-1]), contig)
    predictions = pd.concat(parts)
    with progress(total, "pairs taken apart") as advance:
        partners = score_partners(
            network,
            store,
            predictions,
            seed=seed,
            device=device,
            batch_size=batch_size,
            on_contig=advance,
        )
    return predictions, partners


def _notes(
    store: Store, own: dict[str, Any], evaluated: Sequence[str], drawn: RandomPairs | None
) -> Iterator[str]:
    """Yield what a reader of the numbers must know first."""
    from epipam.loading.splits import was_chosen_on_test

    if drawn is not None:
        from epipam.evaluation.audit import audit_split
        from epipam.training.fit import labelled_pairs

        train, test = (labelled_pairs(store, drawn.part(part)) for part in ("train", "test"))
        yield audit_split(train, test, store.enhancer_length, store.promoter_length).sentence()
        if was_chosen_on_test(own):
            yield "the model's epoch was chosen on these very pairs, so that the numbers flatter"
    elif known := sorted({*evaluated} & {*own.get("train", []), *own.get("validation", [])}):
        yield (
            f"the model was fitted on {', '.join(known)}; the numbers on them do not say what it "
            "is worth elsewhere"
        )


def _drawn(store: Store, own: dict[str, Any]) -> RandomPairs | None:
    """Return the random split that a model was trained with, where it was."""
    from epipam.loading.random_pairs import random_pairs

    drawn = own.get("random")
    return None if drawn is None else random_pairs(store, drawn["fold"], drawn["seed"])


def _motif_part(folder: Path, model: Path) -> MotifPart:
    from epipam.models.folder import WEIGHTS_FILE
    from epipam.pairs.table import digest
    from epipam.report import motif_part

    return motif_part(folder, digest(model / WEIGHTS_FILE))


def _own_split(model: Path, store: Store) -> dict[str, Any]:
    """Return the split the model was trained with, by part; empty where on another store."""
    from epipam.models.folder import read_config

    provenance = read_config(model).get("provenance") or {}
    trained_on = provenance.get("store") or {}
    same = all(trained_on.get(key) == store.attributes[key] for key in ("genome", "pairs"))
    return provenance.get("split", {}) if same else {}


def _evaluated(
    store: Store, own: dict[str, Any], fold: int | None, chromosomes: str | None
) -> tuple[str, ...]:
    from epipam.loading.splits import fold_contigs, natural_order, select_contigs

    if fold is not None:
        return fold_contigs(store.contigs, fold)
    if chromosomes is not None:
        return select_contigs(store.contigs, chromosomes.split(","))
    return natural_order(own.get("test", store.contigs))


def _labelled_pairs(store: Store, contigs: Sequence[str]) -> pd.DataFrame | None:
    import pandas as pd

    parts = [store.pairs(contig) for contig in contigs]
    parts = [part[part["label"] != -1] for part in parts]
    return pd.concat(parts, ignore_index=True) if any(len(part) for part in parts) else None


def _provenance(
    model: Path, store: Store, evaluated: Sequence[str], seed: int, bootstrap: int
) -> dict[str, Any]:
    """Return what made the numbers: command, digests, chromosomes, seed, versions."""
    from epipam.models.folder import model_record
    from epipam.runtime.versions import versions_of
    from epipam.training.provenance import store_record

    return {
        "command": command_line(),
        "model": model_record(model),
        "store": store_record(store),
        "evaluated": list(evaluated),
        "seed": seed,
        "bootstrap": bootstrap,
        "versions": versions_of("torch", "torchmetrics"),
    }


def _labels_and_scores(
    predictions: pd.DataFrame, training_pairs: pd.DataFrame | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the labels of the labelled pairs, and what each scorer that has data makes of them."""
    from epipam.evaluation.evaluate import score_all

    labelled = predictions[predictions["label"] != -1]
    scores = score_all(labelled, labelled["probability"].to_numpy(), training_pairs)
    known = {scorer: values for scorer, values in scores.items() if values is not None}
    return labelled["label"].to_numpy(), known


def _write(
    folder: Path,
    metrics: dict[str, Any],
    predictions: pd.DataFrame,
    labels: np.ndarray,
    scores: dict[str, np.ndarray],
) -> None:
    """Write the tables and the figure."""
    from epipam.report import roc_pr_figure

    if len(set(labels.tolist())) == 2:
        roc_pr_figure(labels, scores, folder / "roc_pr.png")
    else:
        click.echo("note: no roc_pr.png: the pairs are all of one class", err=True)
    write_text(
        folder / "predictions.tsv",
        predictions.to_csv(sep="\t", index=False, lineterminator="\n"),
    )
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")


def _lines(output: Path, result: Evaluation) -> Iterator[str]:
    yield f"{output}: {', '.join(sorted(path.name for path in output.iterdir()))}"
    yield from result.lines()
