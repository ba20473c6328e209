"""Whether OUT holds the sweep that is asked for: what may differ, and what is refused."""

import re

import pytest

from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.storage.claim import check_claim

TWO = ("--grid.bias_correction", "true", "false")


def settings(*flags):
    return parse(["--model", "bert", "--task", "rte", *flags])


def test_results_without_a_config_are_nobodys(tmp_path):
    (tmp_path / "trials.jsonl").touch()
    with pytest.raises(UserError, match=r"holds trials but no config.yaml"):
        check_claim(tmp_path, settings())


def test_a_config_that_is_no_yaml_is_damaged(tmp_path):
    (tmp_path / "config.yaml").write_text("model: [\n")
    with pytest.raises(UserError, match=r"config.yaml is damaged, so that it is not known"):
        check_claim(tmp_path, settings())


def test_seeds_do_not_make_another_config(tmp_path):
    (tmp_path / "config.yaml").write_text(settings("--num_seeds", "3").as_yaml())
    check_claim(tmp_path, settings("--num_seeds", "9"))
    with pytest.raises(UserError, match="batch_size: 16"):
        check_claim(tmp_path, settings("--batch_size", "8"))


def test_a_config_from_before_a_field_was_known_is_the_same(tmp_path):
    ours = settings("--num_seeds", "8")
    kept = [line for line in ours.as_yaml().splitlines() if not line.startswith("mixout")]
    (tmp_path / "config.yaml").write_text("\n".join(kept))
    check_claim(tmp_path, ours)
    with pytest.raises(UserError, match=r"-mixout: 0.0; \+mixout: 0.5"):
        check_claim(tmp_path, settings("--mixout", "0.5"))


def test_looks_are_fixed_beforehand(tmp_path):
    begun = settings(*TWO, "--until_decided", "--num_seeds", "8", "--max_seeds", "20")
    (tmp_path / "config.yaml").write_text(begun.as_yaml())
    check_claim(tmp_path, begun)
    for flags in (
        ("--until_decided", "--num_seeds", "8", "--max_seeds", "32"),
        ("--until_decided", "--num_seeds", "16", "--max_seeds", "20"),
        ("--num_seeds", "8"),
    ):
        with pytest.raises(UserError, match="looked at with 8, 20 seeds per arm, and it holds"):
            check_claim(tmp_path, settings(*TWO, *flags))


def test_a_sweep_that_was_looked_at_once_gets_no_more_looks(tmp_path):
    (tmp_path / "config.yaml").write_text(settings(*TWO, "--num_seeds", "8").as_yaml())
    with pytest.raises(UserError, match="looked at once, whatever"):
        check_claim(tmp_path, settings(*TWO, "--num_seeds", "8", "--until_decided"))


@pytest.mark.parametrize("kept_before", [True, False])
def test_settings_that_are_alike_are_not_named_where_one_sweep_alone_keeps_trials(
    kept_before, tmp_path
):
    """Seeds count there, and they are the same."""
    keeping = settings("--keep_trials", "2", "--early_stop", "0.5")
    begun, now = (keeping, settings()) if kept_before else (settings(), keeping)
    (tmp_path / "config.yaml").write_text(begun.as_yaml())
    with pytest.raises(UserError, match="keep_trials: 2") as error:
        check_claim(tmp_path, now)
    assert "seeds" not in str(error.value).partition("(")[2].partition(")")[0]
    (tmp_path / "config.yaml").write_text(keeping.as_yaml())
    more = settings("--keep_trials", "2", "--early_stop", "0.5", "--num_seeds", "40")
    with pytest.raises(UserError, match=r"-num_seeds: 32; \+num_seeds: 40"):
        check_claim(tmp_path, more)


@pytest.mark.parametrize("beside", [None, "config.yaml", "manifest.json"])
def test_files_that_no_sweep_has_left_are_not_written_over(tmp_path, beside):
    """Such as a project's folder, with a config of its own."""
    (tmp_path / "notes.txt").touch()
    if beside == "config.yaml":
        (tmp_path / beside).write_text(settings().as_yaml())
    elif beside:
        (tmp_path / beside).write_text('{"name": "a page of the web"}')
    if beside != "manifest.json":
        check_claim(tmp_path, settings())
    (tmp_path / "checkpoints").mkdir()
    for name in ("summary.json", "my_predictions.csv"):
        (tmp_path / name).touch()
    held = sorted(["checkpoints", "summary.json"])
    held = sorted([*held, "manifest.json"]) if beside == "manifest.json" else held
    said = f"{tmp_path} holds {', '.join(held)}, and no sweep has begun there; give another --out."
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        check_claim(tmp_path, settings())
    with pytest.raises(UserError, match="no sweep's folder"):
        check_claim(tmp_path, settings("--overwrite", "true"))


def test_what_this_sweep_does_not_write_is_in_nobodys_way(tmp_path):
    """Answers that `jaxtune predict` left beside the texts, and other programs' trackers."""
    (tmp_path / "texts_predictions.csv").touch()
    (tmp_path / "wandb").mkdir()
    check_claim(tmp_path, settings())
    with pytest.raises(UserError, match="holds wandb, and no sweep has begun there"):
        check_claim(tmp_path, settings("--track", "wandb"))
    answering = settings("--task", "custom", "--train_file", "a.csv", "--dev_file", "b.csv")
    check_claim(tmp_path, answering)
    more = ("--more_dev_files", "texts=c.csv")
    own = ["--task", "custom", "--train_file", "a.csv", "--dev_file", "b.csv", *more]
    with pytest.raises(UserError, match=r"holds texts_predictions\.csv, and no sweep has begun"):
        check_claim(tmp_path, parse(["--model", "bert", *own]))


@pytest.mark.parametrize("left", ["manifest.json", "manifest.json.part", "config.yaml.part"])
def test_a_sweep_that_was_killed_as_it_began_begins_again(tmp_path, left):
    (tmp_path / left).write_text('{"sha256": {}}')
    check_claim(tmp_path, settings())
    check_claim(tmp_path, settings("--overwrite", "true"))


def test_a_sweep_that_was_cut_off_before_its_first_trial_goes_on(tmp_path):
    (tmp_path / "config.yaml").write_text(settings().as_yaml())
    (tmp_path / "manifest.json").write_text('{"sha256": {}}')
    (tmp_path / "checkpoints").mkdir()
    check_claim(tmp_path, settings())
