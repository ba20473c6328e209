"""What was read of the data: in numbers for the files of a sweep, in sentences for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtune.core.label_sets import BETWEEN_LABELS
from jaxtune.core.words import listed, percent, plural, quoted
from jaxtune.data.examples import Dataset, Examples
from jaxtune.data.label_sets import counts_of
from jaxtune.data.labels import fractions

SPLITS = ("train", "dev")


def reading_of(
    dataset: Dataset,
    chosen: np.ndarray,
    cut: Mapping[str, int],
    max_length: int,
    held_out: np.ndarray | None = None,
    words: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """What a sweep reads, as the manifest keeps it.

    Args:
        chosen: the training examples that are trained on, `[example]`.
        cut: how many texts of each split and further set were longer than `max_length` tokens.
        held_out: those that are held out, if any, `[example]`.
        words: where these have labels, how many each split has, and how many of them were `cut`
            or are `without_token`.
    """
    train, dev, names = dataset.train, dataset.dev, dataset.task.label_names
    parts = {"train": (train, chosen), "dev": (dev, np.arange(len(dev)))}
    texts = {split: texts_of(*part) for split, part in parts.items()}
    labels = {split: _labels(*part) for split, part in parts.items()}
    in_train = set(texts["train"])
    found: dict[str, Any] = {
        "examples": {"train": len(chosen), "dev": len(dev)},
        "train_examples_in_all": len(train),
        "dev_examples_in_train": sum(text in in_train for text in texts["dev"]),
        "labelled_twice": {split: _labelled_twice(*parts[split]) for split in SPLITS},
        "max_length": max_length,
        "cut": dict(cut),
        "notes": list(dataset.notes),
    }
    if held_out is not None:
        found["examples"]["held_out"] = len(held_out)
        shared = sum(text in in_train for text in texts_of(train, held_out))
        found["held_out_examples_in_train"] = shared
    if dataset.further:
        found["examples"] |= {name: len(s.examples) for name, s in dataset.further.items()}
        found["labelled"] = {name: asked.labelled for name, asked in dataset.further.items()}
    if words is not None:
        found["words"] = {split: dict(counts) for split, counts in words.items()}
    if names is None:
        return found | {"labels": {split: _spread(labels[split]) for split in SPLITS}}
    counts = {split: _counts(labels[split], names) for split in SPLITS}
    found["classes"] = {
        name: {split: int(counts[split][i]) for split in SPLITS} for i, name in enumerate(names)
    }
    if held_out is not None:
        own = _counts(_labels(train, held_out), names)
        found["held_out_classes"] = dict(zip(names, own.tolist(), strict=True))
    if dataset.task.several_labels:
        return found | {"label_sets": {split: counts_of(labels[split]) for split in SPLITS}}
    return found | {"majority_share": float(counts["dev"].max() / counts["dev"].sum())}


def readings_in(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The readings that a manifest keeps, those of continued runs too, each once."""
    found: list[dict[str, Any]] = []
    for run in (manifest, *(manifest.get("continued") or [])):
        found += [reading for reading in run.get("data") or [] if reading not in found]
    return found


def texts_of(examples: Examples, chosen: np.ndarray) -> list[tuple[str, ...]]:
    """The texts of the chosen examples, one or two each."""
    columns = [examples.first] if examples.second is None else [examples.first, examples.second]
    return [tuple(column[i] for column in columns) for i in chosen]


def _labels(examples: Examples, chosen: np.ndarray) -> np.ndarray:
    """Of the chosen examples, or of all of their words."""
    if examples.words is None:
        return examples.labels[chosen]
    answers = examples.answers
    return np.array([tag for i in chosen for tag in answers[i]], np.int32)


def _counts(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """How many examples, or words, have each of the labels."""
    return labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))


def _labelled_twice(examples: Examples, chosen: np.ndarray) -> int:
    """How many of the chosen examples stand there again with another label."""
    texts, answers = texts_of(examples, chosen), examples.answers
    labels_of: dict[tuple[str, ...], set[Any]] = {}
    for text, i in zip(texts, chosen, strict=True):
        labels_of.setdefault(text, set()).add(answers[i])
    return sum(len(labels_of[text]) > 1 for text in texts)


def _spread(labels: np.ndarray) -> dict[str, float]:
    return {
        "min": float(labels.min()),
        "mean": float(labels.mean(dtype=np.float64)),
        "max": float(labels.max()),
    }


def sentences(readings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was read, a line each; what several programs have in common is said once."""
    return list(dict.fromkeys(line for reading in readings for line in _sentences(reading)))


def _sentences(reading: Mapping[str, Any]) -> list[str]:
    num_train, num_dev = (reading["examples"][split] for split in SPLITS)
    in_all, shared = reading["train_examples_in_all"], reading["dev_examples_in_train"]
    of = "" if num_train == in_all else f" of {in_all:,}"
    lines = [f"Read {num_train:,}{of} training and {plural(num_dev, 'dev example')}."]
    lines += _held_out_sentences(reading) if "held_out" in reading["examples"] else []
    lines += [
        f"Every trial answers {plural(reading['examples'][name], f'{name} example')} after its last"
        f" step{', and is scored by their labels' if labelled else ', which have no labels'}."
        for name, labelled in reading.get("labelled", {}).items()
    ]
    lines += _class_sentences(reading) if "classes" in reading else _label_sentences(reading)
    examples, tokens = reading["examples"], plural(reading["max_length"], "token")
    lost = _of_splits(reading["cut"], examples)
    lines.append(f"Cut at {tokens}: {lost} texts." if lost else f"No text is longer than {tokens}.")
    lines += _lost_words(reading.get("words", {}))
    if shared:
        are = "is a training example" if shared == 1 else "are training examples"
        lines.append(f"Warning: {shared:,} of {plural(num_dev, 'dev example')} {are} too.")
    # Readings of earlier versions do not have it.
    if twice := _of_splits(reading.get("labelled_twice", {}), examples):
        lines.append(f"Warning: {twice} texts stand there again with another label.")
    return lines + list(reading["notes"])


def _held_out_sentences(reading: Mapping[str, Any]) -> list[str]:
    held_out, shared = reading["examples"]["held_out"], reading["held_out_examples_in_train"]
    counts = listed(
        (f"{name!r} {n:,}" for name, n in reading.get("held_out_classes", {}).items()), "; "
    )
    what = plural(held_out, "training example")
    lines = [f"Held out of training, to choose by: {what}{f' ({counts})' if counts else ''}."]
    if shared:
        are = "is trained on" if shared == 1 else "are trained on"
        lines.append(f"Warning: {shared:,} of the texts held out {are} too.")
    return lines


def _of_splits(counts: Mapping[str, int], all_there: Mapping[str, int]) -> str:
    """Such as `3 of 25 train and 1 of 12 dev`; empty where there are none."""
    return " and ".join(
        f"{n:,} of {all_there[split]:,} {split.replace('_', '-')}"
        for split, n in counts.items()
        if n
    )


def _class_sentences(reading: Mapping[str, Any]) -> list[str]:
    classes, sets = reading["classes"], reading.get("label_sets")
    one, several, of = ("label", "labels", "example") if sets else ("class", "classes", "example")
    if "words" in reading:
        one, several, of = "tag", "tags", "word"
    counts = (f"{name!r} {n['train']:,}, {n['dev']:,}" for name, n in classes.items())
    lines = [f"{plural(len(classes), one)} (train, dev): {listed(counts, '; ')}."]
    if sets:
        lines += _label_set_sentences(sets)
    else:
        share = reading["majority_share"]
        lines.append(f"The most frequent {one} has {percent(share, 1)} of the dev {of}s.")
    for split in SPLITS:
        absent = [name for name in classes if not classes[name][split]]
        if absent:
            in_use = reading["examples"]["train"] + reading["examples"].get("held_out", 0)
            is_drawn = in_use < reading["train_examples_in_all"]
            can_stratify = split == "train" and is_drawn and one == "class"
            do = ": --stratify true draws of every class" if can_stratify else ""
            word = one if len(absent) == 1 else several
            lines.append(f"Warning: no {split} {of} has the {word} {quoted(absent)}{do}.")
    if one == "class" and (scores := fractions(classes)):
        lines.append(
            f"Warning: the classes are numbers that are not all whole, such as {scores[0]!r}:"
            " --regression true predicts a number."
        )
    for asked, weights in reading.get("class_weights", {}).items():
        each = listed((f"{name!r} {weight:.4g}" for name, weight in weights.items()), "; ")
        lines.append(f"Class weights ({asked}): {each}.")
    return lines


def _lost_words(words: Mapping[str, Mapping[str, int]]) -> list[str]:
    """How many words are neither trained on nor scored."""
    found = []
    every = {split: counts["words"] for split, counts in words.items()}
    for what, why in (
        ("cut", "were cut away"),
        ("without_token", "have no token in this tokenizer"),
    ):
        lost = _of_splits({split: counts[what] for split, counts in words.items()}, every)
        if lost:
            found.append(f"Words that {why}, neither trained on nor scored: {lost}.")
    return found


def _label_set_sentences(sets: Mapping[str, Mapping[str, int | float]]) -> list[str]:
    """How many labels a text has."""
    parts = [
        f"{of['fewest']:,} to {of['most']:,} in {split} (mean {of['mean']:.2f},"
        f" {of['without']:,} without any)"
        for split, of in sets.items()
    ]
    lines = [f"Labels of a text: {', '.join(parts)}."]
    if max(of["most"] for of in sets.values()) < 2:
        lines.append(
            "Warning: no text has more than one label; in a cell they are parted by"
            f" {BETWEEN_LABELS}."
        )
    return lines


def _label_sentences(reading: Mapping[str, Any]) -> list[str]:
    parts = [
        f"{spread['min']:.4g} to {spread['max']:.4g} in {split} (mean {spread['mean']:.4g})"
        for split, spread in reading["labels"].items()
    ]
    return [f"The labels are numbers: {', '.join(parts)}."]


def count_words(
    examples: Examples, labelled: np.ndarray, cut: np.ndarray, chosen: np.ndarray | None = None
) -> dict[str, int]:
    """The words of a split, and what became of those without a label, as `reading_of` takes them.

    Args:
        labelled: how many words of each example have one, `[example]`.
        cut: which examples lost tokens, `[example]`.
        chosen: the examples in use.
    """
    assert examples.words is not None
    every = np.array([len(words) for words in examples.words])
    chosen = np.arange(len(every)) if chosen is None else chosen
    lost = (every - labelled)[chosen]
    of_cut = int(lost[cut[chosen]].sum())
    return {
        "words": int(every[chosen].sum()),
        "cut": of_cut,
        "without_token": int(lost.sum()) - of_cut,
    }
