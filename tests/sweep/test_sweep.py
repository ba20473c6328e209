"""The command, end to end on a tiny model: what it leaves, what it refuses, how it goes on."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from small_sweep import EVERYTHING, command

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.core.metrics import evaluate
from jaxtune.data.miniature.task import read_miniature
from jaxtune.storage.kept_params import load_params
from jaxtune.storage.trial_rows import CHECKSUMS
from jaxtune.sweep.__main__ import main

ROW_KEYS = [
    "trial",
    "arm",
    "seed",
    "init_seed",
    "order_seed",
    "dropout_seed",
    "model",
    "task",
    "metric",
    "final",
    "best",
    "best_step",
    "train_loss",
    "trivial",
    "failed",
    "diverged",
    "constant_prediction",
    "num_steps",
    "seconds",
]


def test_rows(swept):
    rows = [json.loads(line) for line in (swept / "trials.jsonl").read_text().splitlines()]
    assert [row["trial"] for row in sorted(rows, key=lambda r: r["trial"])] == list(range(6))
    for row in rows:
        assert list(row)[: len(ROW_KEYS)] == ROW_KEYS
        assert row["learning_rate"] == 2e-5
        assert row["num_steps"] == 5
        assert row["failed"] == (row["final"] <= row["trivial"])
        assert row["best"] >= row["final"]
    assert {row["arm"] for row in rows} == {"bias_correction=false", "bias_correction=true"}


def test_predictions_give_the_reported_score(swept):
    labels = read_miniature().dev.labels
    for row in jaxtune.load_results(swept).trials.to_dict("records"):
        logits = np.load(swept / "predictions" / f"{row['trial']:05d}.npy")
        assert logits.dtype == np.float32
        assert logits.shape == (300, 2)
        assert evaluate(["accuracy"], logits, labels)["accuracy"] == row["final"]


def test_history(swept):
    history = jaxtune.load_results(swept).history
    one = history[history.trial == 4]
    assert sorted(one[one.name == "loss"].step) == [0, 1, 2, 3, 4]
    assert sorted(one[one.name == "learning_rate"].step) == [0, 2, 4]
    assert sorted(one[one.name == "dev/accuracy"].step) == [3, 5]
    norms = one[one.name.str.startswith("grad_norm/") & (one.step == 2)]
    assert len(norms) == 2 * 7 + 4
    assert (norms.value > 0).all()
    squares = norms.set_index("name").value ** 2
    parts = ["layer_00/layer", "layer_01/layer", "embeddings", "pooler", "classifier"]
    total = sum(squares[f"grad_norm/{part}"] for part in parts)
    assert squares["grad_norm/all"] == pytest.approx(total, rel=1e-5)


def test_summary_and_manifest(swept):
    summary = json.loads((swept / "summary.json").read_text())
    results = jaxtune.load_results(swept)
    for arm, rows in results.trials.groupby("arm"):
        assert summary["arms"][arm]["mean"] == pytest.approx(rows.final.mean())
        assert summary["arms"][arm]["std"] == pytest.approx(rows.final.std(ddof=1))
        assert summary["arms"][arm]["failed"] == rows.failed.sum()
    assert summary["throughput"]["trials"] == 6
    manifest = json.loads((swept / "manifest.json").read_text())
    assert manifest["packages"]["jax"]
    for plan in manifest["groups"]:
        assert plan["drawn_anew"] == ["pooler", "classifier"]
        assert plan["checkpoint"] == [
            "The checkpoint has no pooler.",
            "Not of the encoder, and left out of the weights: cls.",
        ]
    assert any(name.endswith("model.safetensors") for name in manifest["sha256"])
    assert sum(len(group) for plan in manifest["groups"] for group in plan["groups"]) == 6


def test_saved_params_reproduce_the_predictions(swept, tiny):
    """Every word's row is there, and the parameters are those that made the logits."""
    import jax
    import jax.numpy as jnp

    from jaxtune.config.parse import parse
    from jaxtune.models.names import path_of
    from jaxtune.models.pretrained import load_classifier, locate, read_config
    from jaxtune.training.prepare import prepare
    from jaxtune.training.step import StepPlan, gather_batch

    saved = load_params(swept / "params" / "00002" / "final")
    assert saved["encoder/word/embedding"].shape == (121, 32)
    settings = parse(command(tiny, swept))
    task = prepare(settings.base)
    config, _ = read_config(locate(tiny))
    model, *_ = load_classifier(locate(tiny), config, 2)
    model = jax.tree_util.tree_map_with_path(lambda key, _: saved[path_of(key)], model)
    tokens = task.dev.as_tokens()._replace(ids=jnp.asarray(task.kept_words[task.dev.ids]))
    first = StepPlan._make(jnp.asarray(part[0]) for part in task.eval_plan)
    logits = model(gather_batch(tokens, first, task.eval_shape.ladder[-1]).rows)
    expected = np.load(swept / "predictions" / "00002.npy")[:64]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_the_same_command_goes_on_and_leaves_what_is_there(swept, tiny, tmp_path, capsys):
    out = shutil.copytree(swept, tmp_path / "out")
    before = (out / "trials.jsonl").read_bytes()
    assert main(command(tiny, out, *EVERYTHING)) == 0
    assert (out / "trials.jsonl").read_bytes() == before
    said = capsys.readouterr().out
    # The last words are the report's verdict, and no second test of the same question.
    assert "\n".join(jaxtune.load_results(out).findings.verdict.sentences) in said


def test_a_missing_trial_is_run_again_with_the_same_result(swept, tiny, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(swept, out)
    lines = (out / "trials.jsonl").read_text().splitlines()
    removed = json.loads(lines[1])
    (out / "trials.jsonl").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    assert main(command(tiny, out, *EVERYTHING)) == 0
    rows = jaxtune.load_results(out).trials.to_dict("records")
    assert (out / "tb" / "bias_correction=true" / "aggregate").is_dir()
    manifest = json.loads((out / "manifest.json").read_text())
    assert [len(run["groups"]) for run in (manifest, *manifest["continued"])] == [1, 1]
    again = next(row for row in rows if row["trial"] == removed["trial"])
    for row in (removed, again):
        for name in ("seconds", "group_size", *CHECKSUMS):
            row.pop(name, None)
    assert json.loads(json.dumps(again)) == removed
    kept = np.load(swept / "predictions" / f"{removed['trial']:05d}.npy")
    assert np.array_equal(kept, np.load(out / "predictions" / f"{removed['trial']:05d}.npy"))


def test_another_config_is_refused_with_the_difference(swept, tiny, capsys):
    assert main(command(tiny, swept, "--num_seeds", "3", "--learning_rate", "1e-4")) == 1
    error = capsys.readouterr().err
    assert "learning_rate: 2.0e-05" in error
    assert "learning_rate: 0.0001" in error


@pytest.mark.slow
def test_overwrite_replaces_a_sweep_and_nothing_else(tiny, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.yaml").write_text("mine: true\n")
    flags = ["--num_seeds", "1", "--overwrite", "true"]
    assert main(command(tiny, out, *flags)) == 1
    assert "no sweep's folder" in capsys.readouterr().err
    assert (out / "config.yaml").read_text() == "mine: true\n"
    (out / "config.yaml").unlink()
    assert main(command(tiny, out, *flags)) == 0
    (out / "notes.txt").write_text("kept")
    assert main(command(tiny, out, *flags, "--model", "/none")) == 1
    assert len(jaxtune.load_results(out).trials) == 1  # a mistake costs no results
    assert main(command(tiny, out, *flags, "--learning_rate", "1e-4")) == 0
    assert jaxtune.load_results(out).trials.learning_rate.tolist() == [1e-4]
    assert (out / "notes.txt").exists()


def test_the_written_config_repeats_the_sweep(swept, tmp_path):
    out = tmp_path / "again"
    assert main(["--config", str(swept / "config.yaml"), "--out", str(out)]) == 0
    first, second = (jaxtune.load_results(folder).trials for folder in (swept, out))
    assert first.drop(columns="seconds").equals(second.drop(columns="seconds"))


def test_dry_run_plans_and_writes_nothing(tiny, tmp_path, capsys):
    assert main(command(tiny, tmp_path / "none", "--dry_run", "true", "--num_seeds", "3")) == 0
    text = capsys.readouterr().out
    assert "3 trials, 15 trial-steps" in text
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("regression", "header", "values"),
    [("false", "label", ["yes", "no"]), ("true", "score", ["0.5", "2.25"])],
)
def test_custom_files(tiny, tmp_path, regression, header, values):
    sentences = ["the dog sleeps", "two mice sing", "a chef cooks", "many wolves run"] * 5
    for name in ("train", "dev"):
        rows = [f"{text},{values[i % 2]}" for i, text in enumerate(sentences)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"text,{header}", *rows]) + "\n")
    out = tmp_path / "out"
    flags = [
        *("--model", tiny, "--task", "custom", "--label_column", header, "--max_steps", "3"),
        *("--train_file", str(tmp_path / "train.csv"), "--dev_file", str(tmp_path / "dev.csv")),
        *("--regression", regression, "--num_seeds", "1", "--out", str(out)),
    ]
    assert main(flags) == 0
    results = jaxtune.load_results(out)
    assert results.predictions[0].shape == (20, 1 if regression == "true" else 2)
    assert results.trials.metric[0] == ("pearson" if regression == "true" else "accuracy")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model", "/no/such/folder", "--task", "rte"], "no folder /no/such/folder"),
        (["--model", "{tiny}", "--task", "nope"], "unknown"),
        (["--model", "{tiny}", "--task", "rte", "--data_dir", "/none"], "/none"),
        (["--model", "{tiny}", "--task", "miniature", "--batch_size", "2000"], "batch_size 2000"),
        (["--model", "{tiny}", "--task", "miniature", "--train_examples", "9999"], "9999"),
    ],
)
def test_mistakes_are_one_sentence_and_status_1(tiny, tmp_path, capsys, flags, sentence):
    flags = [flag.format(tiny=tiny) for flag in flags]
    assert main([*flags, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_wrong_usage_is_status_2(tiny, tmp_path):
    assert main(command(tiny, tmp_path / "out", "--learning_rat", "1")) == 2


def test_help_needs_no_heavy_imports():
    code = (
        "import sys, jaxtune.sweep.__main__ as s\n"
        "try: s.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'jax', 'flax', 'transformers', 'datasets', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--num_seeds" in done.stdout


def test_load_results_of_nothing(tmp_path):
    with pytest.raises(UserError, match="no finished trial"):
        jaxtune.load_results(tmp_path)


def test_real_glue_trains(tiny, real_data, tmp_path):
    """RTE's real files through the real command (the miniature's words know next to none of it)."""
    out = tmp_path / "out"
    flags = ["--model", tiny, "--task", "rte", "--data_dir", str(real_data / "glue")]
    small = ["--max_steps", "2", "--num_seeds", "1", "--train_examples", "40"]
    assert main([*flags, *small, "--out", str(out)]) == 0
    results = jaxtune.load_results(out)
    assert results.predictions[0].shape == (277, 2)
    assert results.trials.trivial[0] == pytest.approx(146 / 277)
    assert yaml.safe_load((out / "config.yaml").read_text())["task"] == "rte"
