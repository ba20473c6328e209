"""Tables of trackers, as W&B's guide, its website and MLflow write them."""

import csv

import pandas as pd
import pytest
from other_runs import runs, said

WANDB = ["Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "_step"]


def test_an_export_of_wandb(tmp_path, capsys):
    """Groups are arms, names stand in for seeds, what did not finish is left out."""
    lines = [
        dict.fromkeys(WANDB, "-")
        | {"Name": f"run-{arm}-{seed}", "State": "finished", "Group": arm, "eval/accuracy": score}
        | {"weight_decay": 0.1 if arm == "wd=0.1" else 0.0}
        for arm, seed, score in runs()
    ]
    lines.append(lines[0] | {"Name": "again", "State": "crashed", "eval/accuracy": None})
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    text = said(capsys, file, "--metric", "eval/accuracy", "--floor", "0.5")
    assert "The columns are W&B's. Left out: 1 run not finished (1 crashed)." in text
    assert "Taken for settings of the arms: weight_decay." in text
    assert "[wd=0.1] is more stable than [wd=0]" in text
    for table in (pd.DataFrame(lines).drop(columns="Group"), pd.DataFrame(lines).assign(Group="-")):
        table.to_csv(file, index=False)
        error = said(capsys, file, "--metric", "eval/accuracy", status=1)
        assert "has no column 'arm'" in error
    assert "--arm_column" in error
    words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    assert "[weight_decay=0.1] is more stable than [weight_decay=0]" in said(capsys, file, *words)
    pd.DataFrame(lines[-1:]).to_csv(file, index=False)
    assert "holds no run that has finished" in said(capsys, file, status=1)


def test_names_of_runs_are_no_seeds(tmp_path, capsys):
    """run-1 of one arm and of another have nothing in common; two of an arm may be called so."""
    lines = [
        dict.fromkeys(WANDB, "-")
        | {"Name": f"run-{seed // 2}", "State": "finished", "Group": arm, "accuracy": score}
        | {"Runtime": 60 + seed}
        for arm, seed, score in runs()
    ]
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    words = ["--metric", "accuracy", "--floor", "0.5"]
    assert "seed by seed" not in said(capsys, file, *words, "--to", tmp_path)
    rows = pd.read_csv(tmp_path / "trials.csv")
    assert rows.seed.tolist() == [line["Name"] for line in lines]
    assert rows.init_seed.is_unique
    pd.DataFrame([*lines, lines[3]]).to_csv(file, index=False)
    error = said(capsys, file, *words, status=1)
    assert f"is {file}, line 5 once more; take one out." in error


# Some of the columns, in their order, of a table of runs that W&B's website wrote (November 2025).
WEBSITE = [
    *("Name", "Agent", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep"),
    *("batch_size", "csv_index", "lr", "metric.goal", "parameters.lr", "wavelet"),
    *("artifact/name", "avg_epoch_loss", "dataloader/pin_memory", "dataset/length"),
    *("error/exception", "eval/ssim_mean", "learning_rate", "val_loss"),
]


def test_a_table_that_wandbs_website_has_written(tmp_path, capsys):
    """Every cell in quotes; `none` names a recipe; text, truths and counts were logged with a /."""
    logged = {"artifact/name": "unet_best", "dataloader/pin_memory": "true"}
    logged |= {"dataset/length": 7440, "error/exception": "'mse_t1n_mean'"}
    lines = [
        dict.fromkeys(WEBSITE, "")
        | {"Name": f"unet_{wavelet}_{index}", "State": "finished" if index else "failed"}
        | {"Notes": "-", "Created": "2025-11-13T09:48:11.000Z", "Runtime": 9910, "lr": 0.0001}
        | {"wavelet": wavelet, "avg_epoch_loss": 0.0003 + index, "eval/ssim_mean": score}
        | logged
        for wavelet, scores in {"haar": (0.6, 0.91, 0.92), "none": (0.6, 0.95, 0.97)}.items()
        for index, score in enumerate(scores)
    ]
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False, quoting=csv.QUOTE_ALL)
    words = ["--metric", "eval/ssim_mean", "--arm_column", "wavelet", "--floor", "0.5"]
    text = said(capsys, file, *words, "--to", tmp_path)
    assert "Read 4 runs in 2 arms" in text
    assert "Left out: 2 runs not finished (2 failed)." in text
    assert "5 columns with a / in the name: logged, and no settings." in text
    assert "Taken for settings of the arms: lr, wavelet." in text
    assert "Left aside, for they vary within an arm: avg_epoch_loss." in text
    means = pd.read_csv(tmp_path / "arms.csv").set_index("arm")["mean"]
    assert dict(means) == pytest.approx({"haar": 0.915, "wavelet=none": 0.96})
    assert "further" not in (tmp_path / "report.md").read_text().lower()
    words = ["--metric", "eval/ssim_mean", "--arm_column", "wavelet", "lr", "--floor", "0.5"]
    assert "wavelet=none lr=0.0001" in said(capsys, file, *words, "--to", tmp_path)


@pytest.mark.storm  # for the library's own start
def test_the_csv_of_wandbs_guide_from_runs_that_wandb_has_written(tmp_path, monkeypatch, capsys):
    """Columns summary and config hold a dict each; a score that is no number, and what is none."""
    wandb = pytest.importorskip("wandb")
    from wandb_files import run_of

    for name, value in (("MODE", "offline"), ("SILENT", "true"), ("DIR", str(tmp_path))):
        monkeypatch.setenv(f"WANDB_{name}", value)
    for arm, seed, score in [*runs(), ("wd=0", 9, float("nan"))]:
        config = {"weight_decay": float(arm.removeprefix("wd=")), "seed": seed, "layers": [1]}
        run = wandb.init(project="x", name=f"run-{seed}", config=config, reinit="create_new")
        for step in (1, 2):
            run.log({"eval/accuracy": score * step / 2, "train/loss": 0.5})
        run.finish()
    wandb.teardown()  # its service writes on after a run has finished
    found = [run_of(folder) for folder in tmp_path.glob("wandb/offline-run-*")]
    found.sort(key=lambda run: (run["config"]["weight_decay"], run["config"]["seed"]))
    assert {"_step", "_runtime"} <= found[0]["summary"].keys()
    frame = pd.DataFrame(found)[["summary", "config", "name"]]
    assert "'eval/accuracy': nan" in str(found[9]["summary"])
    file = tmp_path / "project.csv"
    frame.to_csv(file)
    words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    text = said(capsys, file, *words)
    assert "The columns are W&B's." in text
    assert "Read 19 runs in 2 arms" in text
    assert "[weight_decay=0.1] is more stable than [weight_decay=0]" in text
    trials = pd.read_csv(tmp_path / "project_report" / "trials.csv")
    assert sorted(trials.seed[trials.arm == "weight_decay=0"]) == [*range(10)]
    frame["state"] = ["finished"] * 18 + ["crashed"]
    frame["group"] = [f"decay {config['weight_decay']}" for config in frame["config"]]
    frame.to_csv(file)
    text = said(capsys, file, "--metric", "eval/accuracy", "--floor", "0.5")
    assert "Left out: 1 run not finished (1 crashed)." in text
    assert "[decay 0.1] is more stable than [decay 0.0]" in text
    frame["summary"] = frame["summary"].map(str)
    frame.loc[3, "summary"] = "__import__('os')"
    frame.to_csv(file)
    assert "project.csv, line 5 has no dict in the column summary" in said(capsys, file, status=1)


@pytest.mark.parametrize("frame", [True, False])
def test_an_export_of_mlflow(frame, tmp_path, capsys):
    """The page's CSV, and that of `search_runs`."""
    lines = []
    for arm, seed, score in runs():
        settings = {"weight_decay": arm.removeprefix("wd="), "seed": seed}
        if frame:
            about = {"run_id": f"{arm}{seed}", "experiment_id": 1, "status": "FINISHED"}
            about |= {"artifact_uri": "x", "start_time": seed, "tags.mlflow.user": "me"}
            settings = {f"params.{name}": value for name, value in settings.items()}
            lines.append(about | {"metrics.accuracy": score} | settings)
        else:
            about = {"Start Time": seed, "Duration": seed, "Run ID": f"{arm}{seed}", "Name": "a"}
            about |= {"Source Type": "LOCAL", "Source Name": "x.py", "User": "me"}
            lines.append(about | {"Status": "FINISHED"} | settings | {"accuracy": score})
    file = tmp_path / "mlflow.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    words = ["--metric", "accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    text = said(capsys, file, *words)
    assert "The columns are MLflow's." in text
    assert "Read 18 runs in 2 arms" in text
    assert pd.read_csv(tmp_path / "mlflow_report" / "trials.csv").seed.tolist() == [*range(9)] * 2


@pytest.mark.storm  # for the library's own start
def test_a_frame_that_mlflow_itself_has_written(tmp_path, monkeypatch, capsys):
    """The CSV of `search_runs` and of `mlflow experiments csv`, with the index and without: a run
    that was killed, one that still runs, a score that is no number, tags of its user.
    """
    for module in ("sqlalchemy", "alembic"):
        pytest.importorskip(module)
    mlflow = pytest.importorskip("mlflow")
    of = pytest.importorskip("mlflow.entities")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("x", artifact_location=tmp_path.as_uri())
    given = [*runs(), ("wd=0", 9, float("nan")), ("wd=0", 10, 0.9), ("wd=0.1", 11, 0.1)]
    for arm, seed, score in given:
        own = client.create_run(experiment, run_name=f"run {seed}", tags={"team": "a"}).info.run_id
        settings = {"weight_decay": arm.removeprefix("wd="), "seed": str(seed)}
        client.log_batch(
            own,
            [of.Metric("eval/accuracy", score * (step + 1) / 2, 0, step) for step in range(2)],
            [of.Param(name, value) for name, value in settings.items()],
        )
        if seed < 10:
            client.set_terminated(own, "FINISHED")
    client.set_terminated(own, "KILLED")
    frame = mlflow.search_runs(experiment_names=["x"])
    for index in (True, False):
        file = tmp_path / f"mlflow_{index}.csv"
        frame.to_csv(file, index=index)
        words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
        text = said(capsys, file, *words)
        assert "Left out: 2 runs not finished (1 killed, 1 running)." in text
        assert "Read 19 runs in 2 arms" in text
        assert "Taken for settings of the arms: weight_decay." in text
        assert "[weight_decay=0.1] is more stable than [weight_decay=0]: 0 of 9 trials failed" in (
            text
        )
        trials = pd.read_csv(tmp_path / f"mlflow_{index}_report" / "trials.csv")
        assert sorted(trials.seed[trials.arm == "weight_decay=0"]) == [*range(10)]
