"""The model card: what a model is, what it was trained on, how good it is, what it is not for.

It is written from the model's `config.json` and the `metrics.json` of its run alone, as the hub of
Hugging Face reads cards: Markdown below YAML (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from yaml import YAMLError

from epipam.loading.splits import was_chosen_on_test
from epipam.models.catalogue import find_model
from epipam.models.folder import CARD_FILE, WEIGHTS_FILE, read_config
from epipam.pairs.table import digest
from epipam.runtime.files import write_text

LIBRARY = "epipam"
TAGS = ("biology", "genomics", "dna", "enhancer-promoter", "chromatin-interactions")
# The hub's names of what is measured.
METRIC_TYPES = {"auroc": "roc_auc", "auprc": "average_precision"}
RATIO_NAMES = {"1:1": "1 per positive", "1:10": "10 per positive", "all": "all"}
PARTS = ("train", "validation", "test")

_MOST_CHROMOSOMES = 30
_UNKNOWN = "config.json does not say"
_TEMPLATE = "card_template.md"

Json = Mapping[str, Any]


def write_card(folder: str | Path, metrics: Json | None) -> Path:
    """Write the card of a model folder, `README.md`.

    Parameters
    ----------
    folder
        Holds `config.json` and `model.safetensors`.
    metrics
        What `metrics.json` of the model's run holds; None where nobody knows how good it is.

    Raises
    ------
    ModelError
        Where the folder holds no model.
    """
    path = Path(folder) / CARD_FILE
    write_text(path, str(folder_card(folder, metrics)))
    return path


def folder_card(folder: str | Path, metrics: Json | None) -> ModelCard:
    """Return the card of a model folder; as `write_card` writes it."""
    weights = Path(folder) / WEIGHTS_FILE
    return model_card(read_config(folder), metrics, digest(weights) if weights.exists() else None)


def read_card(folder: str | Path) -> ModelCard | None:
    """Return the card in a model folder; None where there is none, or none of an epipam model.

    A Kipoi folder has a `README.md`, too, which is no card.
    """
    path = Path(folder) / CARD_FILE
    if not path.is_file() or not path.read_text(encoding="utf-8").startswith("---\n"):
        return None
    try:
        card = ModelCard.load(path)
    except (ValueError, YAMLError):
        return None
    return card if card.data.get("library_name") == LIBRARY else None


def run_metrics(folder: str | Path) -> dict[str, Any] | None:
    """Return what `metrics.json` beside a model folder holds, where it is of that model."""
    path = Path(folder).resolve().parent / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        known = metrics["provenance"] == read_config(folder).get("provenance")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return metrics if known else None


def model_card(config: Json, metrics: Json | None, weights_sha256: str | None = None) -> ModelCard:
    """Return the card of a model.

    Parameters
    ----------
    config
        What its `config.json` holds.
    metrics
        What `metrics.json` of its run holds, where it is known.
    weights_sha256
        Digest of its `model.safetensors`.
    """
    provenance = config.get("provenance") or {}
    test = (metrics or {}).get("test") or {}
    entry = find_model(config["model"])
    title = _title(config, provenance)
    card_data = ModelCardData(
        library_name=LIBRARY,
        tags=[*TAGS, config["model"]],
        model_name=title if test else None,
        eval_results=list(_eval_results(provenance, test)) or None,
    )
    template = resources.files("epipam.models").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return ModelCard.from_template(
        card_data,
        template_str=template,
        title=title,
        about=_sentence(provenance.get("about") or f"What it was trained on {_UNKNOWN}"),
        windows=f"{config['enhancer_length']:,} and {config['promoter_length']:,} bp",
        network=entry.about,
        epipam_version=config["epipam_version"],
        source=entry.reference,
        data=list(_data(provenance, weights_sha256)),
        tested_on=_tested_on(provenance, test),
        rows=list(_rows(test.get("scorers") or {})),
        verdicts=test.get("verdicts") or (),
        controls=list(_controls(test.get("controls") or {})),
        calibration=_calibration(test.get("calibration") or {}),
        limits=list(_limits(provenance, test)),
    )


def _title(config: Json, provenance: Json) -> str:
    pairs = (provenance.get("store") or {}).get("pairs") or {}
    return f"{config['model']}, trained on {pairs['name']}" if pairs else config["model"]


def _data(provenance: Json, weights_sha256: str | None) -> Iterator[tuple[str, str]]:
    """Yield what a model was trained on, as rows of a table."""
    store = provenance.get("store") or {}
    if genome := store.get("genome"):
        yield "genome", f"`{genome['name']}`, {len(genome['contigs'])} chromosomes"
    if pairs := store.get("pairs"):
        yield "pairs", f"`{pairs['name']}`, sha256 `{pairs['sha256']}`"
        left_out = ", ".join(f"{n:,} {why}" for why, n in pairs["skipped"].items())
        stored = f"{pairs['stored']:,} of {pairs['rows']:,}"
        yield "pairs used", f"{stored}; left out: {left_out}" if left_out else stored
    if copies := store.get("augmentation"):
        yield (
            "shifted copies of each positive",
            f"{copies['copies']}, by up to {copies['max_shift']} bp",
        )
    split = provenance.get("split") or {}
    if random := split.get("random"):
        yield "split", f"pairs at random, fold {random['fold']} of {random['folds']}"
    elif split:
        yield from ((f"{part} chromosomes", _listed(split[part])) for part in PARTS)
    if initial := provenance.get("initial_model"):
        yield "started from", initial.get("about") or _UNKNOWN
    if training := provenance.get("training"):
        yield "settings", _settings({**training, "best_epoch": provenance.get("best_epoch")})
    if versions := provenance.get("versions"):
        yield "software", ", ".join(f"{name} {version}" for name, version in versions.items())
    if weights_sha256:
        yield "weights", f"sha256 `{weights_sha256}`"


def _settings(training: Json) -> str:
    names = ("alpha", "learning_rate", "weight_decay", "best_epoch", "seed")
    return ", ".join(
        f"{name.replace('_', ' ')} {training[name]}" for name in names if name in training
    )


def _tested_on(provenance: Json, test: Json) -> str:
    if not test:
        return (
            "Nobody says: no metrics came with it. Judge it on your own pairs (`epipam evaluate`)."
        )
    split = provenance.get("split") or {}
    counts = f"{test['n_positives']:,} positive and {test['n_negatives']:,} negative pairs"
    flattered = ""
    if was_chosen_on_test(split):
        flattered = " **Its epoch was chosen on these very pairs, so that the numbers flatter.**"
    if split.get("random"):
        return (
            f"Tested on {counts} drawn at random. **Their regions may be in training pairs, too: "
            "memory counts for knowledge here, and says little about other chromosomes.**"
            + flattered
        )
    tested = list(test.get("contigs") or split.get("test") or ())
    if seen := _seen_by_ancestors(provenance, tested):
        return (
            f"Tested on {counts} of {_listed(tested)}. **The model it started from had "
            f"{_listed(seen)} in training or validation, so that it may remember.**{flattered}"
        )
    apart = "" if flattered else "chromosomes that took no part in training: "
    return f"Tested on {counts} of {apart}{_listed(tested)}.{flattered}"


def _seen_by_ancestors(provenance: Json, contigs: list[str]) -> list[str]:
    """Return which contigs, told by their sequence, an earlier model was fitted to."""
    tested = {_md5(provenance, contig): contig for contig in contigs}
    seen = set()
    ancestor = provenance.get("initial_model")
    while ancestor:
        split = ancestor.get("split") or {}
        fitted = [*split.get("train", ()), *split.get("validation", ())]
        seen |= {_md5(ancestor, contig) for contig in fitted}
        ancestor = ancestor.get("initial_model")
    return [contig for md5, contig in tested.items() if md5 is not None and md5 in seen]


def _md5(provenance: Json, contig: str) -> str | None:
    genome = (provenance.get("store") or {}).get("genome") or {}
    return ((genome.get("contigs") or {}).get(contig) or {}).get("md5")


def _rows(scorers: Json) -> Iterator[tuple[str, str, str, str]]:
    """Yield the model and the baselines, each against 1, 10 and all negatives per positive."""
    for scorer, by_ratio in scorers.items():
        name = f"**{scorer}**" if scorer == "model" else scorer
        for ratio, row in by_ratio.items():
            yield (
                name,
                RATIO_NAMES.get(ratio, ratio),
                *(
                    _value(row, metric) if row.get(metric) is not None else "not available"
                    for metric in METRIC_TYPES
                ),
            )


def _value(row: Json, metric: str) -> str:
    text = f"{row[metric]:.3f}"
    if interval := row.get(f"{metric}_interval"):
        return f"{text} ({interval[0]:.3f} to {interval[1]:.3f})"
    spread = row.get(f"{metric}_sd")
    return text if spread is None else f"{text} (sd {spread:.3f})"


def _controls(controls: Json) -> Iterator[tuple[str, str, str]]:
    """Yield what becomes of the AUROC where there is nothing, or no pairing, to be found."""
    if labels := controls.get("permuted_labels"):
        yield "labels permuted among pairs at like distance", _control(labels, "auroc"), "0.5"
    if partners := controls.get("permuted_partners"):
        swapped = _control(partners, "permuted_auroc")
        yield "promoters swapped between pairs of one label and distance", swapped, "less"
        yield "those pairs with their own promoters", _control(partners, "auroc"), "the model's"


def _control(control: Json, metric: str) -> str:
    if control.get(metric) is None:
        return f"not available: {control.get('unavailable') or 'not computed'}"
    return _value(control, metric)


def _calibration(calibration: Json) -> str:
    numbers = [
        f"{name} {calibration[key]:.3f}"
        for key, name in (
            ("brier_score", "Brier score"),
            ("expected_calibration_error", "expected calibration error"),
        )
        if calibration.get(key) is not None
    ]
    return f"On the test pairs: {', '.join(numbers)}." if numbers else ""


def _limits(provenance: Json, test: Json) -> Iterator[str]:
    """Yield what the model must not be used for, in sentences."""
    yield (
        "**Clinical decisions**, or any claim about a person: it is a research tool, and nobody "
        "has tested it for that."
    )
    yield (
        "**Which cell type.** The sequence is the same in every cell: the model knows the contacts "
        "of the cells that its pairs came from, and gives the same answer for all others."
    )
    yield (
        "**Cause and effect.** What it was taught are the pairs of its table. That two regions "
        "touch is not that one acts on the other."
    )
    yield "**Distance.** It sees two windows, and not how far apart they lie."
    positives, negatives = test.get("n_positives"), test.get("n_negatives")
    share = (
        f" ({positives / (positives + negatives):.0%} of its test pairs are positive)"
        if positives and negatives
        else ""
    )
    yield (
        "**Rates.** Its probability is one where positives are as frequent as among its own "
        f"pairs{share}. Among all pairs of a genome they are far rarer: rank with it."
    )
    split = provenance.get("split") or {}
    if split and not split.get("random"):
        yield (
            "**Showing that it works** on the chromosomes it was trained on or chosen with "
            f"({_listed([*split['train'], *split['validation']])}): there it may remember."
        )
    genome = ((provenance.get("store") or {}).get("genome") or {}).get("name")
    where = f"`{genome}`" if genome else "its training genome"
    yield f"**Another species or assembly** than that of {where}, unless you test it there first."


def _eval_results(provenance: Json, test: Json) -> Iterator[EvalResult]:
    """Yield the model's own metrics against all negatives, for the YAML's model-index."""
    pairs = (provenance.get("store") or {}).get("pairs") or {}
    row = ((test.get("scorers") or {}).get("model") or {}).get("all") or {}
    for metric, kind in METRIC_TYPES.items():
        if row.get(metric) is not None:
            yield EvalResult(
                task_type="other",
                task_name="enhancer-promoter interaction",
                dataset_type="other",
                dataset_name=pairs.get("name") or "unknown pairs",
                dataset_split="test",
                dataset_revision=pairs.get("sha256"),
                dataset_args={"chromosomes": list(test.get("contigs") or ())},
                metric_type=kind,
                metric_name=f"{metric.upper()}, all negatives",
                metric_value=round(row[metric], 4),
            )


def _listed(chromosomes: Any) -> str:
    names = list(chromosomes)
    more = len(names) - _MOST_CHROMOSOMES
    return ", ".join(names[:_MOST_CHROMOSOMES]) + (f" and {more} more" if more > 0 else "")


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
