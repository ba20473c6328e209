"""trials.jsonl: rows that vouch for themselves and for the trial's files."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from jaxtune.config.trials import Seeds
from jaxtune.core.errors import UserError
from jaxtune.core.records import StepRecords
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.trial_rows import (
    CHECKSUMS,
    append_rows,
    check_rows,
    finished_rows,
    has_seeds,
    intact_rows,
    mend_rows,
    read_rows,
    respelled,
    rewrite_rows,
)


def add(out, trial, final=0.5):
    """A trial with its files and its row."""
    history = History(log_every=1)
    zeros = np.full((1, 2), trial, np.float32)
    history.steps([trial], 0, StepRecords(zeros, zeros, zeros[..., None], ("all",)))
    history.write(out / "history")
    write_predictions(out, trial, np.full((3, 2), trial))
    params = out / "params" / f"{trial:05d}" / "final"
    params.mkdir(parents=True)
    for name in ("a", "b"):
        (params / name).write_bytes(bytes(8))
    append_rows(out, [{"trial": trial, "final": final}])


def plain(rows):
    return [{k: v for k, v in row.items() if k not in CHECKSUMS} for row in rows]


def test_rows_survive_a_cut_last_line(tmp_path):
    add(tmp_path, 1)
    add(tmp_path, 0, float("nan"))
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"trial": 2, "fin')
    expected = [{"trial": 0, "final": None}, {"trial": 1, "final": 0.5}]
    assert plain(read_rows(tmp_path)) == expected
    assert plain(check_rows(tmp_path)[0]) == expected
    add(tmp_path, 2)
    assert [row["trial"] for row in read_rows(tmp_path)] == [0, 1, 2]


def test_no_file_is_no_rows(tmp_path):
    assert read_rows(tmp_path) == []
    assert check_rows(tmp_path) == ([], [], [])


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("history/00001.parquet", lambda path: flip(path, path.stat().st_size // 2)),
        ("history/00001.parquet", lambda path: path.unlink()),
        ("predictions/00001.npy", lambda path: flip(path, -1)),
        ("predictions/00001.npy", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("params/00001", lambda path: flip(path / "final" / "b", 3)),
        ("params/00001", lambda path: (path / "final" / "a").unlink()),
    ],
    ids=[
        *("flipped history", "missing history", "flipped predictions", "cut predictions"),
        *("flipped params", "missing params"),
    ],
)
def test_a_damaged_file_costs_its_own_trial_only(tmp_path, name, damage):
    for trial in range(3):
        add(tmp_path, trial)
    damage(tmp_path / name)
    rows, damages, _ = check_rows(tmp_path)
    assert [row["trial"] for row in rows] == [0, 2]
    (sentence,) = damages
    assert name in sentence
    assert ("has changed" in sentence) == (tmp_path / name).exists()
    lines = (tmp_path / "trials.jsonl").read_text().splitlines(keepends=True)
    mend_rows(tmp_path, len(rows))
    assert check_rows(tmp_path) == (rows, [], [])
    assert (tmp_path / "trials.jsonl.damaged").read_text() == lines[1]


def test_a_sweep_that_has_just_begun_is_told_from_none(tmp_path):
    with pytest.raises(UserError) as refused:
        finished_rows(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path} holds no finished trial (trials.jsonl); give the --out of a sweep."
    )
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError) as refused:
        finished_rows(tmp_path)
    assert str(refused.value) == (
        f"No trial of the sweep in {tmp_path} has finished yet; wait for the first, or give the"
        " sweep's command again."
    )
    add(tmp_path, 0)
    assert plain(finished_rows(tmp_path)) == [{"trial": 0, "final": 0.5}]


def test_missing_parameters_are_said_to_be_missing(tmp_path):
    add(tmp_path, 0)
    shutil.rmtree(tmp_path / "params" / "00000")
    assert check_rows(tmp_path).damages == ["params/00000 has gone since it was written"]


def test_every_flipped_bit_of_a_row_is_noticed(tmp_path):
    for trial in range(2):
        add(tmp_path, trial)
    path = tmp_path / "trials.jsonl"
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for at in range(second, len(whole) - 1):
        flip(path, at)
        rows, damages, _ = check_rows(tmp_path)
        assert [row["trial"] for row in rows] == [0], at
        assert damages
        path.write_bytes(whole)


def test_a_reader_is_told_the_line(tmp_path):
    add(tmp_path, 0)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write("\x00\n" + json.dumps([1]) + "\n")
    with pytest.raises(UserError, match=r"trials.jsonl:2 is damaged"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"), [('"final": 0.5', '"final": 0.9'), ('"seed": 0', '"seed": "x"')]
)
def test_a_reader_takes_no_row_that_has_changed(tmp_path, before, after):
    """A score that was altered would stand in the report, and a text for a seed be a traceback."""
    add(tmp_path, 0)
    (row,) = read_rows(tmp_path)
    rewrite_rows(tmp_path, [respelled(row, {"seed": 0})])
    path = tmp_path / "trials.jsonl"
    text = path.read_text()
    path.write_text(text.replace(before, after))
    assert path.read_text() != text
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        read_rows(tmp_path)
    assert intact_rows(tmp_path) == []


def test_a_row_without_a_checksum_is_another_writers(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_text('{"trial": 0, "final": 0.7, "init_seed": 3}\n')
    assert read_rows(tmp_path) == [{"trial": 0, "final": 0.7, "init_seed": 3}]
    path.write_text('{"trial": 0, "final": 0.7, "init_seed": "x"}\n')
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        read_rows(tmp_path)


def test_a_trial_that_stands_there_twice_counts_once(tmp_path):
    add(tmp_path, 0)
    add(tmp_path, 1)
    first, second = read_rows(tmp_path)
    rewrite_rows(tmp_path, [first, second, respelled(first, {"seconds": 9.0})])
    assert [row["trial"] for row in read_rows(tmp_path)] == [0, 1]
    rows, damages, surplus = check_rows(tmp_path)
    assert (len(rows), damages, surplus) == (2, [], ["trials.jsonl:3 holds trial 0 once more"])
    mend_rows(tmp_path, len(rows))
    assert check_rows(tmp_path) == (rows, [], [])
    assert json.loads((tmp_path / "trials.jsonl.damaged").read_text()) == first
    rewrite_rows(tmp_path, [first, respelled(first, {"final": 0.9})])
    with pytest.raises(UserError, match=r"trials.jsonl:2 has other results of trial 0 than a line"):
        read_rows(tmp_path)


def test_no_trial_runs_again_for_a_line_that_another_one_makes_up_for(tmp_path):
    add(tmp_path, 0)
    (first,) = read_rows(tmp_path)
    other = respelled(first, {"final": 0.9, "history_sha256": "of another file"})
    for lines in ([first, other], [other, first]):
        rewrite_rows(tmp_path, lines)
        rows, damages, surplus = check_rows(tmp_path)
        assert (rows, damages) == ([first], [])
        assert surplus == ["history/00000.parquet has changed since it was written"]
    flip(tmp_path / "history" / "00000.parquet", 0)
    rows, damages, surplus = check_rows(tmp_path)
    assert (rows, len(damages), surplus) == ([], 2, [])


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Seeds)])
def test_a_row_is_of_a_trial_by_all_of_its_seeds(name):
    seeds = Seeds(3, init_seed=1, order_seed=2, dropout_seed=0)
    row = dataclasses.asdict(seeds)
    assert has_seeds(row, seeds)
    assert not has_seeds(row | {name: 7}, seeds)


def test_rows_that_cannot_be_read_are_one_sentence(tmp_path):
    (tmp_path / "trials.jsonl").mkdir()
    with pytest.raises(
        UserError, match=r"cannot read .*trials\.jsonl \(Is a directory\): give the"
    ):
        read_rows(tmp_path)
