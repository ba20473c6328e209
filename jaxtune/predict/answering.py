"""Texts of a file to a table of answers: cut into tokens, packed, and run member after member."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxtune.core.answers import Logits, answer_columns, answer_rows, as_csv
from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_text
from jaxtune.core.words import plural
from jaxtune.data.examples import FurtherSet
from jaxtune.data.packing import Plan, make_plan
from jaxtune.data.token_table import TokenTable
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize, were_cut
from jaxtune.models.heads import SequenceClassifier
from jaxtune.predict.members import Members
from jaxtune.training.evaluation_plan import in_order
from jaxtune.training.step import logits_of_plan

# Of up to 64 texts each, in one call of the program: what a reader waits for between two lines.
BATCHES_PER_CALL = 32


def answer_file(members: Members, file: Path, target: Path) -> None:
    """Writes id, label and probabilities of every text; raises UserError for a file without."""
    asked = members.read(file)
    tokenizer = load_tokenizer(members.tokenizer, members.of_words)
    max_length = members.max_length
    encoder = members.encoder
    types = encoder.type_vocab_size if members.use_token_types else 0
    table = tokenize(tokenizer, asked.examples, max_length, encoder.vocab_size, types)
    cut = int(were_cut(tokenizer, asked.examples, table.lengths, max_length).sum())
    read, tokens = plural(len(table), "text"), plural(max_length, "token")
    lost = f"{cut:,} are cut at {tokens}" if cut else f"none is longer than {tokens}"
    say(f"Read {read} of {file}; {lost}.")
    for note in asked.notes:
        say(note)
    logits = _answers(members, table)
    several = len(logits) > 1
    header = answer_columns(members.classes, several)
    if members.of_words:
        rows = answer_rows(table.word_names(asked.ids), logits, members.classes)
        header, rows = _with_words(header, rows, asked, table)
        if lost := sum(not row[2] for row in rows):
            say(f"{plural(lost, 'word')} without a token {'has' if lost == 1 else 'have'} no tag.")
    else:
        rows = answer_rows(asked.ids, logits, members.classes, members.several_labels)
    write_text(target, as_csv(header, rows))
    say(f"{members.who}: answers in {target}")


def _with_words(
    header: list[str], rows: list[list[str]], asked: FurtherSet, table: TokenTable
) -> tuple[list[str], list[list[str]]]:
    """With a column of the words, and rows of those that were cut away, whose other cells are
    empty.
    """
    own = dict(zip(table.places_of_words, rows, strict=True))
    nothing = [""] * len(header)
    assert asked.examples.words is not None
    found = [
        [f"{name}.{n + 1}", word, *own.get((i, n), nothing)[1:]]
        for i, (name, words) in enumerate(zip(asked.ids, asked.examples.words, strict=True))
        for n, word in enumerate(words)
    ]
    return [header[0], "word", *header[1:]], found


def _answers(members: Members, table: TokenTable) -> list[Logits]:
    """float32 logits `[example, label]` of every member, in the file's order; `[word, label]` where
    words have labels.
    """
    forward = jax.jit(logits_of_plan)
    plans = list(_plans(table, members.encoder.hidden_size))
    tokens, found = table.as_tokens(), []
    total = len(members.models) * len(plans)
    with ProgressLine("parts", total) as line:
        for number, load in enumerate(members.models):
            model: SequenceClassifier = jax.device_put(load())
            parts = []
            for place, plan in enumerate(plans, 1):
                parts.append(np.asarray(forward(model, tokens, plan)))
                line.update(
                    number * len(plans) + place, f"model {number + 1}/{len(members.models)}"
                )
            logits = np.concatenate(parts)
            if members.of_words:
                logits = _of_words(logits, table, plans)
            logits = logits[: len(table.labels)]
            if not np.isfinite(logits).all():
                raise UserError(
                    f"Model {number + 1} of {len(members.models)} gives logits that are not finite;"
                    " choose another one."
                )
            found.append(logits)
    return found


def _of_words(logits: np.ndarray, table: TokenTable, plans: Sequence[Plan]) -> np.ndarray:
    """Of the logits of all slots those where words begin, in the order of these."""
    word = table.word[np.concatenate([plan.source.reshape(-1) for plan in plans])]
    begins = word >= 0
    found = np.empty((len(table.labels), logits.shape[1]), logits.dtype)
    found[word[begins]] = logits[begins]
    return found


def _plans(table: TokenTable, hidden_size: int) -> Iterator[Plan]:
    """The table in its order, in parts of one shape, so that one program does for all."""
    any_width = jax.default_backend() == "cpu"
    shape, batches = in_order(table, hidden_size, any_width=any_width)
    count = min(BATCHES_PER_CALL, len(batches))
    for start in range(0, len(batches), count):
        part = np.full((count, batches.shape[1]), -1, np.int32)
        own = batches[start : start + count]
        part[: len(own)] = own
        yield make_plan(table, part, shape)
