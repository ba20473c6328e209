"""The command on real sweeps: the four files, what is in them, and what is refused."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import write_made_up_sweep
from pages import Page

import jaxtune
from jaxtune.report.__main__ import main
from jaxtune.storage.out_folder import OUTPUTS
from jaxtune.storage.paths import REPORT
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows
from jaxtune.sweep.__main__ import main as sweep


def run(tiny, out, *flags):
    fixed = ["--model", tiny, "--task", "miniature", "--train_examples", "64", "--max_steps", "5"]
    recorded = ["--log_every", "2", "--eval_every", "3", "--out", str(out)]
    assert sweep([*fixed, *recorded, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def swept(tiny, tmp_path_factory):
    """Two arms, three seeds; at a learning rate of 1e4 every trial diverges or fails."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    return run(tiny, out, "--num_seeds", "3", "--grid.learning_rate", "1e-3", "1e4")


@pytest.fixture(scope="module")
def crossed(tiny, tmp_path_factory):
    """One arm, crossed seeds."""
    out = tmp_path_factory.mktemp("crossed") / "out"
    return run(tiny, out, "--init_seeds", "0-1", "--order_seeds", "0-1")


@pytest.fixture(scope="module")
def report(swept, tmp_path_factory):
    """Folder with the report on `swept`."""
    to = tmp_path_factory.mktemp("report")
    assert main([str(swept), "--to", str(to)]) == 0
    return to


def test_four_files_and_the_verdict_on_top(report):
    assert sorted(file.name for file in report.iterdir()) == sorted(REPORT)
    page = (report / "report.html").read_text()
    top, rest = page.split("</nav>")
    verdict, scores = top.split("<h2>Final scores</h2>")
    for sentence in ("No", "after Holm", "trials"):
        assert sentence in verdict
    # What the verdict is about stands right below it.
    assert scores.count("<figure>") == 2
    order = [rest.index(f"<h2>{title}</h2>") for title in TITLES]
    assert order == sorted(order)


TITLES = (
    *("Arms", "Bear in mind", "Differences between arms", "Training"),
    *("Gradient norms", "Effective learning rate", "Agreement between trials", "Throughput"),
    "Provenance",
)


def test_where_the_numbers_come_from_is_folded(report):
    page = (report / "report.html").read_text()
    for title in ("Throughput", "Provenance"):
        # A link leads into what is folded, for then a browser unfolds it.
        start = f'<details><summary><h2>{title}</h2></summary><div id="{title.lower()}">'
        assert start in page
        assert page.count(f'id="{title.lower()}"') == 1
    assert page.count("<details>") == page.count("</details>") == 3  # and config.yaml


@pytest.mark.slow
def test_the_leader_comes_first_and_is_marked(tmp_path):
    arms = {
        "most_fail": [0.6] * 14 + [0.8, 0.9],
        "some_fail": [0.6] * 4 + [0.7 + 0.01 * i for i in range(12)],
        "none_fail": [0.7 + 0.01 * i for i in range(16)],
    }
    out = write_made_up_sweep(tmp_path / "out", arms)
    assert main([str(out), "--to", str(tmp_path / "to")]) == 0
    page = (tmp_path / "to" / "report.html").read_text()
    table = page.split("<h2>Arms</h2>")[1].split("</table>")[0]
    # Broken after the sign, where it has no room as a whole, and never within a word.
    names = re.findall(r'<th scope="row"><span class="name">([a-z]+_<wbr>fail)<', table)
    assert names == ["none_<wbr>fail", "some_<wbr>fail", "most_<wbr>fail"]
    assert "none_<wbr>fail</span><small>more stable</small>" in table
    assert "none_fail: 0 of 16 failed, more stable" in page
    # Its numbers keep the order of the sweep.
    assert pd.read_csv(tmp_path / "to" / "arms.csv").arm.tolist() == list(arms)


def test_the_page_is_whole_and_needs_nothing_else(report):
    text = (report / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert not {"script", "iframe", "img", "object"} & set(page.tags)
    assert all(value.startswith(("#", "data:")) for value in page.loaded), page.loaded
    assert "http" not in text
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert page.tags.count("figure") == 2 + 2 * 2 + 2 * 2 + 1  # scores; curves; two layers; rates
    assert len(text) < 200_000


def test_the_tables_hold_the_numbers(swept, report):
    trials = jaxtune.load_results(swept).trials
    arms = pd.read_csv(report / "arms.csv").set_index("arm")
    for name, rows in trials.groupby("arm"):
        arm = arms.loc[name]
        assert arm["n"] == 3
        assert arm["mean"] == pytest.approx(rows.final.mean())
        assert arm["std"] == pytest.approx(rows.final.std(ddof=1))
        assert arm["failed"] == (rows.failed | rows.diverged).sum()
        assert arm["learning_rate"] == arm["peak_learning_rate"] == rows.learning_rate.iloc[0]
        assert np.isnan(arm["mean_low"])  # three trials have no interval
        page = (report / "report.html").read_text()
        assert f"<td>{rows.final.mean():.3f}</td>" in page
    written = pd.read_csv(report / "trials.csv")
    assert written.final.tolist() == trials.final.tolist()
    assert written.diverged.tolist() == trials.diverged.tolist()
    assert "row_sha256" not in written.columns
    markdown = (report / "report.md").read_text()
    assert "\n| learning_rate=0.001 | " in markdown
    assert "\n## Provenance\n" in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.M):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1


def test_crossed_seeds_have_their_variance_split(crossed, tmp_path):
    assert main([str(crossed), "--to", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "Where the variance comes from" in page
    assert "order+dropout" in page
    assert "There is no verdict about stability: the trials of [all] share seeds" in page
    assert "Pairs of arms" not in page
    assert Page(page).open == []


def test_regression(tmp_path):
    scores = {"all": [0.1, -0.05, 0.8]}
    made = {"metric": "pearson", "trivial": 0.0, "num_labels": 1}
    out = write_made_up_sweep(tmp_path, scores, **made)
    assert main([str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "scored by pearson on 50 dev examples" in page
    assert "1 of 3 trials failed" in page
    assert "Agreement of the predictions" not in page
    assert Page(page).open == []


def test_overwriting_a_sweep_takes_its_report_along():
    assert set(REPORT) <= set(OUTPUTS)


def test_help_is_light_and_a_report_starts_no_jax(swept, tmp_path):
    code = (
        "import sys\n"
        "from jaxtune.report.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'jax', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"assert main([{str(swept)!r}, '--to', {str(tmp_path)!r}]) == 0\n"
        "assert 'jax' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "OUT ..." in done.stdout
    assert "Wrote report.html, report.md, arms.csv, trials.csv" in done.stdout


@pytest.mark.slow
def test_scores_on_further_sets_stand_below_the_arms(tmp_path):
    """Of trials that have one there; a sweep without further sets has no such table."""
    plain = write_made_up_sweep(tmp_path / "plain", {"off": [0.7, 0.8], "on": [0.7, 0.9]})
    assert main([str(plain)]) == 0
    assert "On further sets" not in (plain / "report.md").read_text()
    out = write_made_up_sweep(
        tmp_path / "out", {"off": [0.7, 0.8], "on": [0.7, 0.9]}, **{"ood/accuracy": 0.25}
    )
    rows = read_rows(out)
    rows[0] = respelled(rows[0], {"ood/accuracy": None})
    rows[3] = respelled(rows[3], {"ood/accuracy": 0.75})
    rewrite_rows(out, rows)
    assert main([str(out)]) == 0
    said = (out / "report.md").read_text().split("On further sets")[1]
    assert "ood/accuracy" in said
    lines = {line.split("|")[1].strip(): line for line in said.splitlines() if "|" in line}
    assert "0.250" in lines["off"]
    assert "std -" in lines["off"]
    assert "0.500" in lines["on"]
    assert "std 0.354" in lines["on"]
    assert "On further sets" in (out / "report.html").read_text()
