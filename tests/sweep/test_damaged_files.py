"""A damaged config, manifest or row of a sweep's folder is named, costs no more than what it was
of, and is mended by the sweep's own command, a config with --overwrite.
"""

import json
import shutil

import pytest
from checkpointed_sweep import command
from same_results import assert_same_trials

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.conclude import is_decided


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"", b"model: [", b"\x00" * 50])
def test_a_damaged_config_is_said_to_be_damaged(tiny, finished, tmp_path, capsys, damage):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "config.yaml").write_bytes(damage)
    capsys.readouterr()
    assert main(command(tiny, out, "--seeds", "10,11")) == 1
    error = capsys.readouterr().err
    assert "config.yaml is damaged, so that it is not known whether this is the same" in error
    assert error.count("\n") == 1
    assert main(command(tiny, out, "--seeds", "10,11", "--overwrite")) == 0
    assert_same_trials(finished, out)


def test_a_config_with_a_number_that_is_none_costs_no_score(finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    text = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(
        text.replace("num_seeds: 32", "num_seeds: x").replace("seeds: 10,11", "seeds: null")
    )
    assert len(jaxtune.load_results(out).trials) == 2


@pytest.mark.parametrize("manifest", ["{", "[]", '{"sha256": {}, "inputs": []}', '{"sha256": 1}'])
def test_a_damaged_manifest_costs_no_note_of_what_was_read(
    tiny, finished, tmp_path, capsys, manifest
):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "manifest.json").write_text(manifest)
    before = json.loads((out / "summary.json").read_text())
    assert before["data"]
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "manifest.json is damaged" in capsys.readouterr().out
    assert json.loads((out / "summary.json").read_text()) == before
    assert len(jaxtune.load_results(out).trials) == 2


@pytest.mark.parametrize("refused", [("--seeds", "12,13"), ("--learning_rate", "1e-3"), ("data",)])
@pytest.mark.slow
def test_a_command_that_is_refused_takes_no_row_away(tiny, finished, tmp_path, capsys, refused):
    """A row of a trial whose curves are damaged is all that tells what it scored."""
    out, model = shutil.copytree(finished, tmp_path / "out"), tiny
    (out / "history" / "00001.parquet").write_bytes(b"x")
    rows = (out / "trials.jsonl").read_bytes()
    if refused == ("data",):
        model, refused = str(shutil.copytree(tiny, tmp_path / "tiny")), ()
        (tmp_path / "tiny" / "vocab.txt").open("a").write("\n")
    words = command(model, out, "--seeds", "10,11", *refused)
    assert main(words) == 1
    assert "give another --out" in capsys.readouterr().err
    assert (out / "trials.jsonl").read_bytes() == rows
    assert main([*command(tiny, out, "--seeds", "10,11"), "--dry_run", "true"]) == 0
    assert (out / "trials.jsonl").read_bytes() == rows
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert_same_trials(finished, out)
    assert (out / "trials.jsonl.damaged").read_bytes() == rows.splitlines(keepends=True)[1]


def test_a_look_is_taken_before_damaged_rows_are_taken_out(finished, tmp_path):
    """Else a damaged row would keep the command from mending it."""
    out = shutil.copytree(finished, tmp_path / "out")
    config = parse(["--until_decided", "--num_seeds", "2", "--max_seeds", "4"]).base
    before = is_decided(out, config, 2)
    with (out / "trials.jsonl").open("a") as file:
        file.write("damaged\n")
    assert is_decided(out, config, 2) == before


def test_a_trial_that_stands_there_twice_is_taken_out_once(tiny, finished, tmp_path, capsys):
    """Also where nothing is left to run."""
    out = shutil.copytree(finished, tmp_path / "out")
    rows = read_rows(out)
    rewrite_rows(out, [*rows, respelled(rows[0], {"seconds": 9.0})])
    assert len(jaxtune.load_results(out).trials) == 2
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "trials.jsonl:3 holds trial 0 once more; the last sound line" in capsys.readouterr().out
    assert len((out / "trials.jsonl").read_text().splitlines()) == 2
    assert_same_trials(finished, out)


def test_a_row_that_was_cut_off_is_named(tiny, finished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    rows = (out / "trials.jsonl").read_bytes()
    (out / "trials.jsonl").write_bytes(rows[:-20])
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "trials.jsonl:2 was cut off; that trial runs again" in capsys.readouterr().out
    assert_same_trials(finished, out)


def test_a_score_that_is_a_text_is_damage(finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    rows = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    rows[0]["final"] = "good"
    (out / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        jaxtune.load_results(out).trials  # noqa: B018
