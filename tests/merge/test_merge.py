"""Shards of a sweep, each by a command of its own, and what joins them."""

import json
import shutil
from pathlib import Path

import pytest
from same_results import assert_same_trials
from small_sweep import EVERYTHING, command

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.config.text_values import shard_of
from jaxtune.config.trials import make_trials, trials_of
from jaxtune.core.files import digest
from jaxtune.merge.__main__ import main as merge
from jaxtune.merge.joining import _copy
from jaxtune.merge.parts import Finished, Part
from jaxtune.report.__main__ import main as report
from jaxtune.storage.tensorboard import run_names
from jaxtune.storage.trial_rows import check_rows, read_rows, respelled, rewrite_rows
from jaxtune.sweep.__main__ import main as sweep


@pytest.fixture(scope="module")
def shards(tiny, tmp_path_factory):
    """The two shards of `swept`, of one seed and of two, by one command line."""
    top = tmp_path_factory.mktemp("shards")
    for shard in ("1/2", "2/2"):
        assert sweep(command(tiny, top / "out", *EVERYTHING, "--shard", shard)) == 0
    return [top / "out" / f"shard-{number}-of-2" for number in (1, 2)]


@pytest.fixture
def copies(shards, tmp_path):
    """Shards that a test may damage."""
    for shard in shards:
        shutil.copytree(shard, tmp_path / shard.name)
    return [tmp_path / shard.name for shard in shards]


def said(capsys, *words, status=0):
    assert merge([*map(str, words)]) == status
    found = capsys.readouterr()
    return found.err if status else found.out


def refused(capsys, outs, says):
    """One sentence, and nothing is left."""
    to = outs[0].parent / "to"
    error = said(capsys, *outs, "--out", to, status=1)
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert says in error
    assert not [file for file in to.parent.iterdir() if "to" in file.name]


def change(file, **values):
    """Some values of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_joined_shards_are_the_undivided_sweep_to_the_bit(shards, swept, tmp_path, capsys):
    """In any order; the shards stay as they are."""
    assert [row["trial"] for row in read_rows(shards[0])] == [0, 1]
    assert [row["trial"] for row in read_rows(shards[1])] == [2, 3, 4, 5]
    before = {file: digest(file) for out in shards for file in out.rglob("*") if file.is_file()}
    (tmp_path / "to").mkdir()  # an empty one may be there
    text = said(capsys, *reversed(shards), "--out", tmp_path / "to")
    assert "Joined 6 of 6 trials from 2 folders." in text
    verdict = jaxtune.load_results(swept).verdict.numbers.sentences
    assert verdict
    assert all(sentence in text for sentence in verdict)
    assert f"Results: {tmp_path / 'to'}\n" in text
    assert_same_trials(swept, tmp_path / "to")
    assert check_rows(tmp_path / "to")[1] == []
    assert {file: digest(file) for file in before} == before
    assert [file.name for file in tmp_path.iterdir()] == ["to"]
    manifest = json.loads((tmp_path / "to" / "manifest.json").read_text())
    assert [part["trials"] for part in manifest["merged"]] == [[2, 3, 4, 5], [0, 1]]
    assert "2/2" in manifest["merged"][0]["manifest"]["command"]
    assert report([str(tmp_path / "to")]) == 0


def test_the_joined_sweep_goes_on_like_any_other(shards, tiny, tmp_path, capsys):
    to = tmp_path / "to"
    assert merge([*map(str, shards), "--out", str(to)]) == 0
    assert sweep(command(tiny, to, *EVERYTHING)) == 0
    assert "Compiled" not in capsys.readouterr().out  # nothing was left to run
    assert len(read_rows(to)) == 6


@pytest.mark.slow
def test_missing_trials_are_said_and_run_by_the_undivided_command(copies, swept, tmp_path, capsys):
    rewrite_rows(copies[0], read_rows(copies[0])[:1])
    text = said(capsys, *copies, "--out", tmp_path / "to")
    assert "Joined 5 of 6 trials from 2 folders." in text
    assert f"Missing: 1. `jaxtune sweep --config {tmp_path}/to/config.yaml --out" in text
    assert "stable" not in text
    words = ["--config", f"{tmp_path}/to/config.yaml", "--out", f"{tmp_path}/to"]
    assert sweep(words) == 0
    assert_same_trials(swept, tmp_path / "to")


def test_a_shard_has_no_verdict_and_resumes(shards, copies, tiny, tmp_path, capsys):
    out = tmp_path / "my out"
    out.mkdir()
    rewrite_rows(copies[1], read_rows(copies[1])[1:])
    shutil.copytree(copies[1], out / "shard-2-of-2")
    assert sweep(command(tiny, out, *EVERYTHING, "--shard", "2/2")) == 0
    text = capsys.readouterr().out
    assert f"Shard 2/2: 4 of 6 trials (trials 2 to 5), into {out}/shard-2-of-2." in text
    assert "holds 4 of 6 trials: there is no verdict on a part." in text
    # As a shell reads it: the folder in quotes, the star outside of them.
    assert f"`jaxtune merge '{out}'/shard-*-of-2 --out JOINED`" in text
    assert f"tensorboard --logdir '{out}/shard-2-of-2/tb'" in text
    assert "stable" not in text
    assert_same_trials(shards[1], out / "shard-2-of-2")


@pytest.mark.usefixtures("undrawn")
def test_reports_on_shards(shards, tmp_path, capsys):
    """On one: it says how many trials there are; on several: to join them first."""
    assert report([str(shards[0]), "--to", str(tmp_path)]) == 0
    assert "2 of 6 trials have finished" in (tmp_path / "report.md").read_text()
    capsys.readouterr()
    assert report([*map(str, shards), "--to", str(tmp_path / "both")]) == 1
    error = capsys.readouterr().err
    assert "hold parts of one sweep; join them first, with `jaxtune merge" in error
    assert not (tmp_path / "both").exists()
    said(capsys, *shards, "--out", tmp_path / "x")
    assert report([str(tmp_path / "x"), str(shards[1])]) == 1
    assert f"{tmp_path / 'x'} and {shards[1]} hold the same trials" in capsys.readouterr().err


def test_a_trial_in_two_shards_is_taken_once_if_it_is_the_same(copies, capsys, tmp_path):
    shutil.copytree(copies[0], tmp_path / "again")
    outs = [*copies, tmp_path / "again"]
    rows = read_rows(tmp_path / "again")
    rewrite_rows(tmp_path / "again", [respelled(row, {"seconds": 99.0}) for row in rows])
    change(tmp_path / "again" / "manifest.json", python="3.9")
    text = said(capsys, *outs, "--out", tmp_path / "x")
    assert "Joined 6 of 6 trials from 3 folders." in text
    assert f"Warning: {outs[0]} and {outs[2]} ran with python " in text
    assert [row["trial"] for row in read_rows(tmp_path / "x")] == [*range(6)]
    rewrite_rows(tmp_path / "again", [respelled(row, {"final": 0.123}) for row in rows])
    refused(capsys, outs, "Trial 0 is in")
    refused(capsys, outs, "with other results; leave one of them out.")


def test_other_sweeps_are_one_sentence(copies, capsys):
    one, two = copies
    config = two / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("learning_rate: 2.0e-05", "learning_rate: 3.0e-05"))
    refused(capsys, copies, "is of another config than")
    refused(capsys, copies, "(-learning_rate: 2.0e-05; +learning_rate: 3.0e-05)")
    config.write_text(text.replace("num_seeds: 3", "num_seeds: 4"))
    refused(capsys, copies, "num_seeds: 4")
    config.write_text("{")
    refused(capsys, copies, "config.yaml")
    config.write_text(text)
    manifest = json.loads((two / "manifest.json").read_text())
    changed = dict.fromkeys(manifest["sha256"], "0" * 64)
    change(two / "manifest.json", sha256=changed)
    refused(capsys, copies, "has read other files than")
    for name in ("sha256", "packages", "devices"):
        change(two / "manifest.json", **{name: None})
        refused(capsys, copies, "manifest.json is damaged")
        change(two / "manifest.json", **{name: manifest[name]})
    change(two / "manifest.json", sha256=manifest["sha256"])
    classes = (two / "classes.json").read_text()
    (two / "classes.json").write_text('["b", "a"]')
    refused(capsys, copies, "has other classes than")
    (two / "classes.json").write_text(classes)
    shutil.rmtree(two)
    refused(capsys, copies, "is no sweep's folder")
    refused(capsys, [one, one], "is given twice")


def test_damage_is_one_sentence(copies, capsys):
    _, two = copies
    history = two / "history" / "00003.parquet"
    whole = history.read_bytes()
    history.write_bytes(whole[:-1])
    refused(capsys, copies, "00003.parquet has changed since it was written; give that shard's")
    history.write_bytes(whole)
    lines = (two / "trials.jsonl").read_text()
    (two / "trials.jsonl").write_text(lines.replace('"failed": true', '"failed": false', 1))
    refused(capsys, copies, "has changed since it was written; give that shard's command again")
    (two / "trials.jsonl").write_text("")
    refused(capsys, copies, "holds no finished trial; leave it out, or run that shard.")
    (two / "trials.jsonl").write_text(lines)
    rows = read_rows(two)
    rewrite_rows(two, [respelled(rows[0], {"seed": 7, "init_seed": 7}), *rows[1:]])
    refused(capsys, copies, "holds trial 2 with seed 7")


@pytest.mark.parametrize("damage", ["gone", "cut", "{}"])
def test_a_finished_shards_command_writes_its_manifest_anew(copies, tiny, capsys, damage):
    _, two = copies
    file = two / "manifest.json"
    text = {"gone": "", "cut": file.read_text()[:400], "{}": "{}"}[damage]
    file.unlink()
    if text:
        file.write_text(text)
    refused(capsys, copies, "manifest.json")
    assert sweep(command(tiny, two.parent, *EVERYTHING, "--shard", "2/2")) == 0
    assert f"{file} has been written anew" in capsys.readouterr().out
    assert merge([*map(str, copies), "--out", str(two.parent / "to")]) == 0


def test_nothing_is_left_where_the_merge_fails(copies, capsys, monkeypatch, tmp_path):
    """As on a full disk, in the middle of a copy and at the very end."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    error = said(capsys, *copies, "--out", tmp_path / "full", status=1)
    assert "exists and is not an empty folder; give another." in error
    for name in ("shutil.copytree", "jaxtune.merge.joining.conclude"):
        with monkeypatch.context() as patch:
            patch.setattr(name, full_disk)
            refused(capsys, copies, "No space left on device); the shards are as they were")


def test_a_folder_that_cannot_be_replaced_is_refused_before_any_work(
    copies, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr("jaxtune.merge.joining.read_part", lambda _: pytest.fail("it works"))
    for place in (tmp_path / "here", tmp_path / "mount"):
        place.mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for to in (".", tmp_path / "here"):
        assert "is the working directory; give another" in said(
            capsys, *copies, "--out", to, status=1
        )
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "mount")
    error = said(capsys, *copies, "--out", tmp_path / "mount", status=1)
    assert "is a mount point, which cannot be replaced; give a folder in it." in error


def test_a_link_to_an_empty_folder_stays_one(copies, capsys, tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    assert f"Results: {link}" in said(capsys, *copies, "--out", link)
    assert link.is_symlink()
    assert (tmp_path / "real" / "trials.jsonl").exists()
    assert not [*tmp_path.glob(".*")]


def full_disk(*args, **kwargs):
    raise OSError(28, "No space left on device", "somewhere")


def test_a_single_folder_is_wrong_usage(copies, capsys):
    assert merge([str(copies[0]), "--out", "x"]) == 2
    assert "One OUT is given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shard", "says"),
    [
        ("0/2", "shard is '0/2'; give which of how many parts, such as 3/10."),
        ("3/2", "shard is '3/2'; give which of how many parts, such as 3/10."),
        ("half", "shard is 'half'; give which of how many parts, such as 3/10."),
        ("1/7", "shard is 1/7, and the sweep has 6 trials; give no more parts than that."),
    ],
)
def test_shards_that_are_none(shard, says, tiny, tmp_path, capsys):
    assert sweep(command(tiny, tmp_path / "out", *EVERYTHING, "--shard", shard)) == 1
    assert capsys.readouterr().err == f"error: {says}\n"
    assert not (tmp_path / "out").exists()


def test_keep_trials_takes_all_trials(tiny, tmp_path, capsys):
    flags = ("--shard", "1/2", "--early_stop", "0.5", "--keep_trials", "1")
    assert sweep(command(tiny, tmp_path / "out", *flags)) == 1
    assert "shard and keep_trials are both given" in capsys.readouterr().err


@pytest.mark.parametrize("seeds", [1, 2, 3, 7, 25])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 25])
@pytest.mark.parametrize("arms", [1, 2, 3])
def test_shards_have_every_trial_once_and_whole_seeds(seeds, count, arms, tiny):
    rates = [str(1e-5 * (i + 1)) for i in range(arms)]
    flags = ("--num_seeds", str(seeds), "--grid.learning_rate", *rates)
    trials = make_trials(parse(command(tiny, "out", *flags)))
    if count > len(trials):
        return
    parts = [trials_of(trials, shard_of(f"{k}/{count}")) for k in range(1, count + 1)]
    assert [trial for part in parts for trial in part] == [*trials]
    sizes = {len(part) for part in parts}
    assert min(sizes) > 0
    whole = count <= seeds
    assert max(sizes) - min(sizes) <= (arms if whole else 1)
    for part in parts if whole else []:
        for arm in {trial.arm for trial in trials}:
            own = {trial.seeds for trial in part if trial.arm == arm}
            assert own == {trial.seeds for trial in part}


def test_shards_lie_apart(tiny):
    """Of one command line, with --out and without."""
    from jaxtune.storage.out_folder import out_folder

    def folder(*flags):
        return out_folder(parse(["--model", tiny, "--task", "miniature", *flags]))

    assert folder("--shard", "3/10") == Path("runs/miniature-model/shard-3-of-10")
    assert folder("--shard", "3/10", "--out", "x") == Path("x/shard-3-of-10")
    assert folder("--out", "x") == Path("x")


@pytest.mark.slow
def test_shards_that_read_the_same_files_elsewhere(tiny, tmp_path, capsys):
    """As on two machines: rows get one spelling, and the joined sweep goes on here."""
    shutil.copytree(tiny, tmp_path / "elsewhere")
    flags = ("--num_seeds", "2", "--out")
    for number, model in enumerate((tiny, tmp_path / "elsewhere"), 1):
        words = command(model, tmp_path / "out", *flags[:-1], "--shard", f"{number}/2")
        assert sweep([*map(str, words)]) == 0
    outs = [tmp_path / "out" / f"shard-{number}-of-2" for number in (1, 2)]
    said(capsys, *outs, "--out", tmp_path / "to")
    assert {row["model"] for row in read_rows(tmp_path / "to")} == {tiny}
    assert check_rows(tmp_path / "to")[1] == []
    assert sweep(command(tiny, tmp_path / "to", *flags[:-1])) == 0


def test_arms_whose_names_differ_in_a_sign_keep_their_curves(tmp_path):
    """A folder's name has no `+`."""
    arms = ["train_file=train+aug.csv", "train_file=train_aug.csv"]
    names = run_names(arms)
    for name in names.values():
        (tmp_path / "out" / "tb" / name / "seed_000").mkdir(parents=True)
    found = {}
    for number, arm in enumerate(arms):
        for file in (f"history/{number:05d}.parquet", f"predictions/{number:05d}.npy"):
            (tmp_path / "out" / file).parent.mkdir(exist_ok=True)
            (tmp_path / "out" / file).touch()
        row = {"trial": number, "arm": arm, "seed": 0}
        found[number] = Finished(Part(tmp_path / "out", parse([]), [row], {}), row)
    _copy(found, tmp_path / "to", names)
    assert {path.name for path in (tmp_path / "to" / "tb").iterdir()} == {*names.values()}
