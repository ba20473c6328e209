"""Exports of a sweep: the best, an ensemble and a soup score what numpy and torch say; cards."""

import itertools
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from animals import LABELS, LEARNS, rows_of, usable
from exporting import export, torch_logits
from scipy.special import softmax
from transformers import AutoConfig, AutoModelForSequenceClassification

import jaxtune
from jaxtune.core.metrics import evaluate
from jaxtune.data.miniature import language
from jaxtune.export.folder import classifier_config
from jaxtune.report.__main__ import main as report


def dev_set(out):
    lines = (out.parent / "dev.jsonl").read_text().splitlines()
    texts, labels = zip(*(json.loads(line).values() for line in lines), strict=True)
    return list(texts), np.array([LABELS.index(label) for label in labels])


def accuracy(out, logits):
    return evaluate(["accuracy"], np.asarray(logits), dev_set(out)[1])["accuracy"]


def in_card(folder, line):
    """The accuracy beside a line of the card's score table."""
    found = re.search(rf"^\| {line}[^|]* \| ([\d.]+) \|", (folder / "README.md").read_text(), re.M)
    assert found, line
    return float(found[1])


def test_what_a_base_says_of_its_own_head_is_not_handed_on():
    """With num_labels beside id2label transformers 5 builds a head of another size."""
    base = {"model_type": "bert", "num_labels": 5, "return_dict": False, "hidden_size": 8}
    found = classifier_config(base, ("no", "maybe", "yes"))
    assert len(AutoConfig.for_model(**found).id2label) == 3
    assert {"num_labels", "return_dict"}.isdisjoint(found)


def test_the_best_of_several_arms_is_set_beside_its_arms_best_and_says_so(swept_animals, tmp_path):
    assert export(swept_animals, "best", tmp_path / "all") == 0
    assert export(swept_animals, "best", tmp_path / "one", "--arm", LEARNS) == 0
    cards = [(tmp_path / each / "README.md").read_text() for each in ("all", "one")]
    assert "The best of 10 trials in 2 arms" in cards[0]
    assert (
        "its arm's trials is expected to score (below; the best of several arms scores more)"
        in (cards[0])
    )
    assert "The best of 5 trials, by" in cards[1]
    assert "the best of so many trials is expected to score (below)" in cards[1]


def test_a_sweep_of_the_attention_kernel_is_exported_where_there_is_none(
    swept_animals, tmp_path, capsys
):
    """As one of a GPU is on a CPU; a missing final is said with the best that is there."""
    out = tmp_path / "out"
    shutil.copytree(swept_animals, out)
    config = out / "config.yaml"
    text = config.read_text()
    assert "attention: products\n" in text
    config.write_text(text.replace("attention: products\n", "attention: kernel\n"))
    number = usable(out).trial.iloc[0]
    assert export(out, number, tmp_path / "hf") == 0
    shutil.rmtree(out / "params" / f"{number:05d}" / "final")
    capsys.readouterr()
    assert export(out, number, tmp_path / "other") == 1
    assert "give --step best, which it has" in capsys.readouterr().err
    assert export(out, number, tmp_path / "other", "--step", "best") == 0


def test_best_is_the_best_that_did_not_fail(swept_animals, tmp_path, capsys):
    assert export(swept_animals, "best", tmp_path / "hf") == 0
    rows = usable(swept_animals)
    best = rows.loc[rows.final.idxmax()]
    assert f"Trial {best.trial}, after the last step, 50: accuracy {best.final:.4f}" in (
        capsys.readouterr().out
    )
    assert in_card(tmp_path / "hf", "this model") == pytest.approx(best.final, abs=5e-5)
    logits = torch_logits(tmp_path / "hf", dev_set(swept_animals)[0])
    expected = jaxtune.load_results(swept_animals).predictions[best.trial]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    restored = AutoModelForSequenceClassification.from_pretrained(tmp_path / "hf")
    assert restored.config.id2label == dict(enumerate(LABELS))
    assert len(restored.bert.embeddings.word_embeddings.weight) == len(language.VOCABULARY)


def test_the_card_has_the_stability_of_the_arm_and_no_foreign_markdown(swept_animals, tmp_path):
    assert export(swept_animals, "best", tmp_path / "hf") == 0
    card = (tmp_path / "hf" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "transformers"
    assert "base_model" not in front  # a local folder is no id of the hub
    assert "secret-place" not in card
    assert str(tmp_path) not in card
    assert r"\*no\* \|, \<b\>yes\</b\>" in body
    assert "<b>" not in body
    final, failed = rows_of(swept_animals, LEARNS).final, rows_of(swept_animals, LEARNS).failed
    cells = [5, *(f"{x:.4f}" for x in (final.mean(), final.std(), final.min(), final.max()))]
    assert f"| {' | '.join(map(str, cells))} | {failed.sum()}/5 |" in body
    assert "chosen on the data that it is reported on" in body
    assert "Drawn anew by every trial, and trained from there: classifier.\n" in body
    several = [1, 2, 4, 5]
    draws = [[max(draw) for draw in itertools.combinations(final, n)] for n in several]
    expected = [f"{np.mean(best):.4f}" for best in draws]
    assert f"| expected best | {' | '.join(expected)} |" in body
    assert "`learning_rate` | 0.001 |" in body
    assert "`mixout` | 0.0 |" in body
    assert "dev.jsonl" not in body


@pytest.mark.usefixtures("undrawn")
def test_the_report_says_what_was_drawn_anew(swept_animals, tmp_path):
    """And how the checkpoint was understood, here without anything to say."""
    assert report([str(swept_animals), "--to", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text()
    assert "| Drawn anew | classifier |" in page
    assert "| Checkpoint |" not in page


def test_best_step_exports_the_parameters_of_the_best_evaluation(swept_animals, tmp_path):
    rows = rows_of(swept_animals, LEARNS)
    fell = rows[rows.best_step < 40].iloc[0]
    assert export(swept_animals, fell.trial, tmp_path / "hf", "--step", "best") == 0
    logits = torch_logits(tmp_path / "hf", dev_set(swept_animals)[0])
    assert accuracy(swept_animals, logits) == fell.best
    assert f"after step {fell.best_step}" in (tmp_path / "hf" / "README.md").read_text()


def test_ensemble_scores_what_numpy_says(swept_animals, tmp_path):
    assert export(swept_animals, "ensemble", tmp_path / "hf", "--arm", LEARNS) == 0
    rows, predictions = usable(swept_animals), jaxtune.load_results(swept_animals).predictions
    logits = np.stack([predictions[trial] for trial in rows.trial])
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = {
        "this ensemble": accuracy(swept_animals, shares.mean(0)),
        "mean of the logits": accuracy(swept_animals, logits.mean(0)),
        "best single trial": rows.final.max(),
        "mean of the single trials": rows.final.mean(),
    }
    for line, score in expected.items():
        assert in_card(tmp_path / "hf", line) == pytest.approx(score, abs=5e-5)
    folders = sorted(path.name for path in tmp_path.glob("hf/member_*"))
    assert folders == [f"member_{trial:05d}" for trial in rows.trial]


def test_the_cards_own_code_runs_an_ensemble(swept_animals, tmp_path):
    assert export(swept_animals, "ensemble", tmp_path / "hf", "--arm", LEARNS) == 0
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "hf" / "README.md").read_text(), re.S)
    texts = dev_set(swept_animals)[0]
    code = code.replace("FOLDER", str(tmp_path / "hf")).replace('["A text."]', repr(texts))
    names = {}
    exec(code, names)
    predictions = jaxtune.load_results(swept_animals).predictions
    shares = softmax([predictions[trial] for trial in usable(swept_animals).trial], axis=-1).mean(0)
    np.testing.assert_allclose(names["logits"].exp(), shares, rtol=0, atol=1e-4)


def test_soup_is_the_better_mean_and_its_score_that_of_the_folder(swept_animals, tmp_path):
    assert export(swept_animals, "soup", tmp_path / "hf", "--arm", LEARNS) == 0
    scores = {name: in_card(tmp_path / "hf", f"{name} soup") for name in ("uniform", "greedy")}
    assert scores["greedy"] >= in_card(tmp_path / "hf", "best single trial")
    logits = torch_logits(tmp_path / "hf", dev_set(swept_animals)[0])
    assert accuracy(swept_animals, logits) == pytest.approx(max(scores.values()), abs=5e-5)


def test_a_failed_trial_is_exported_by_its_number_and_named_so(swept_animals, tmp_path):
    assert export(swept_animals, 1, tmp_path / "hf") == 0
    assert "**This trial failed**" in (tmp_path / "hf" / "README.md").read_text()


def test_help_needs_no_heavy_imports():
    code = (
        "import sys, jaxtune.export.__main__ as e\n"
        "try: e.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'jax', 'flax', 'transformers', 'datasets', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--trial" in done.stdout
