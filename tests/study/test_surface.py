"""Figures 7 and 13 end to end: exact points, paths that end at the models, barriers with known
answers.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from studying import draw_apart, tiny_study

from jaxtune.export.members import DevSet, read_sweep
from jaxtune.models.names import paths
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.study.drawing.surface import levels
from jaxtune.study.figures import loss_surface
from jaxtune.study.figures.loss_surface import Line, Surveyed, barrier, choose_pair, judge
from jaxtune.study.kept_trials import retrace
from jaxtune.study.measures import Chosen
from jaxtune.study.over_points import over_points
from jaxtune.study.plane import (
    Plane,
    Values,
    first_examples,
    loss_and_norm,
    values_at,
    weights_of,
)

FAILED, SUCCESSFUL = 0, 1  # of seed 0, without and with correction: by the test's arrangement


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("surface"), "loss_surface")


@pytest.fixture(scope="module")
def finding(study):
    return loss_surface.run(study)


@pytest.fixture(scope="module")
def folder(study, finding):
    return study.folder("loss_surface")


@pytest.fixture(scope="module")
def surface(folder):
    with np.load(folder / "surface.npz") as opened:
        return dict(opened)


@pytest.fixture(scope="module")
def sweep(study, finding):
    return read_sweep(study.main(), "final")


@pytest.fixture(scope="module")
def dev(sweep):
    return DevSet(sweep.members[0].trial)


def saved_model(sweep, dev, number):
    model = dev.model(sweep.params(sweep.members[number]))
    return jax.tree.map(jnp.asarray, compact_embedding(model, dev.task.kept_words))


@pytest.mark.storm
def test_the_three_points_have_exactly_the_losses_of_the_three_models(surface, sweep, dev, study):
    """The saved models and the failed trial's start, each alone in the same program, against the
    table and its grid points.

    A program of its own may round the last bit otherwise.
    """
    examples = first_examples(dev.task.train, study.config.surface_examples, 256, 32)
    start = next(retrace([sweep.members[FAILED].trial], 1, 1)).model
    models = [start, *(saved_model(sweep, dev, number) for number in (FAILED, SUCCESSFUL))]
    axis = surface["axis"].tolist()
    for corner, ((a, b), model) in enumerate(zip([(0, 0), (1, 0), (0, 1)], models, strict=True)):
        alone = (Plane(model, model, model), examples)
        loss = over_points(values_at, alone, weights_of(np.zeros((8, 2))), "alone").loss[0]
        assert surface["corner_loss"][corner] == loss
        assert surface["loss"][axis.index(b), axis.index(a)] == loss
        values = [surface[f"corner_{name}"][corner] for name in ("loss", "gradient_norm")]
        np.testing.assert_allclose(values, jax.jit(loss_and_norm)(model, examples), rtol=1e-6)
    assert len(set(surface["corner_loss"].tolist())) == 3


@pytest.mark.storm
def test_the_pretrained_point_is_the_pretrained_encoder(sweep, dev):
    """Bit for bit; only the head, which no checkpoint holds, is the failed trial's own draw."""
    start = paths(next(retrace([sweep.members[FAILED].trial], 1, 1)).model)
    for path, leaf in paths(dev.task.model).items():
        if path.startswith("encoder/"):
            np.testing.assert_array_equal(start[path], leaf)
    assert np.any(start["head/classifier/kernel"])


@pytest.mark.storm
def test_the_paths_end_at_the_models(folder, finding):
    """From (0, 0) to (1, 0) and to (0, 1); both trials are of one seed and began at one point."""
    table = pd.read_parquet(folder / "paths.parquet")
    ends = {FAILED: (1.0, 0.0), SUCCESSFUL: (0.0, 1.0)}
    for number, path in table.groupby("trial"):
        assert path["step"].tolist() == [0, 3, 4]
        first, last = path.iloc[0], path.iloc[-1]
        assert (first["a"], first["b"]) == pytest.approx((0, 0), abs=1e-6)
        assert first["distance"] == 0
        assert (last["a"], last["b"]) == pytest.approx(ends[number], abs=1e-5)
        assert last["outside"] < 1e-5
    assert any("bit for bit" in note for note in finding.notes)
    assert any("where both began" in note for note in finding.notes)


@pytest.mark.storm
def test_lines_between_all_shown_trials(folder, surface):
    """One failed and three successful trials; every line begins at the failed one's loss."""
    lines = pd.read_parquet(folder / "lines.parquet")
    pairs = sorted(set(zip(lines["failed"], lines["successful"], strict=True)))
    assert pairs == [(0, 1), (0, 2), (0, 3)]
    assert lines.groupby("successful")["loss"].first().nunique() == 1
    own = lines[(lines["failed"] == FAILED) & (lines["successful"] == SUCCESSFUL)]
    ends = own["loss"].iloc[[0, -1]].to_numpy()
    np.testing.assert_allclose(ends, surface["corner_loss"][1:], rtol=1e-5)


@pytest.mark.storm
def test_drawn_from_the_files_alone_and_without_jax(folder):
    assert not draw_apart(folder)
    for name in ("figure.png", "figure.svg", "figure_lines.png", "figure_lines.svg"):
        assert (folder / name).stat().st_size > 5000


@pytest.mark.storm
def test_numbers_are_json(finding):
    json.dumps(finding.numbers)
    assert finding.agrees in ("yes", "no", "in part")


@pytest.mark.storm
def test_a_path_seen_at_other_steps_is_the_same_path(sweep):
    """However training is cut, its steps are the same, and its end is what the sweep kept, bit for
    bit.
    """
    trial = sweep.members[FAILED].trial
    fine = {step: model for _, step, model in retrace([trial], 1, 1)}
    coarse = {step: model for _, step, model in retrace([trial], 1, 3)}
    assert [*fine] == [0, 1, 2, 3, 4]
    assert [*coarse] == [0, 3, 4]
    for step, model in coarse.items():
        for one, other in zip(jax.tree.leaves(model), jax.tree.leaves(fine[step]), strict=True):
            np.testing.assert_array_equal(one, other)


def rows_of(*trials):
    return pd.DataFrame(trials, columns=["trial", "init_seed", "failed"])


def test_the_pair_of_the_plane():
    """The lowest failed trial, and a successful one from the same start if there is one."""
    chosen = Chosen((2, 4), (1, 3), "")
    same = rows_of((1, 0, False), (2, 1, True), (3, 1, False), (4, 2, True), (5, 1, False))
    assert choose_pair(same, chosen) == (2, 3)
    none = rows_of((1, 0, False), (2, 1, True), (3, 2, False), (4, 2, True))
    assert choose_pair(none, chosen) == (2, 1)


SHARE = np.linspace(0, 1, 5)


def line_of(*means, spread=0.01):
    """Losses of 64 examples around these means, the same noise everywhere."""
    noise = np.random.default_rng(0).normal(0, spread, 64)
    return Line(0, 1, SHARE, np.array(means)[:, None] + noise * np.arange(5)[:, None])


def test_barriers_with_known_answers():
    high = barrier(line_of(0.7, 0.8, 1.4, 0.5, 0.2))
    assert high.stands
    assert high.share == 0.5
    assert high.height.value == pytest.approx(0.7, abs=0.01)
    assert high.relative == pytest.approx(1.0, abs=0.01)
    assert not barrier(line_of(0.7, 0.6, 0.5, 0.3, 0.2)).stands  # downhill all the way
    assert barrier(line_of(0.7, 0.69, 0.68, 0.3, 0.2)).plateau == 0.75
    assert barrier(line_of(0.7, 0.69, 0.68, 0.67, 0.7)).plateau == 1  # never 5% lower
    assert not barrier(line_of(0.7, 0.71, 0.5, 0.3, 0.2)).stands  # too low to be called one
    assert not barrier(line_of(0.7, 0.8, 0.5, 0.3, 0.2, spread=3)).stands  # noise


@pytest.mark.parametrize(
    ("lines", "norms", "agrees"),
    [
        ([line_of(0.7, 0.8, 1.4, 0.5, 0.2)], (0.1, 0.9), "yes"),
        ([line_of(0.7, 0.8, 1.4, 0.5, 0.2)], (0.9, 0.1), "in part"),
        ([line_of(0.7, 0.6, 0.5, 0.3, 0.2)], (0.9, 0.1), "no"),
        ([line_of(0.7, 0.8, 1.4, 0.5, 0.2), line_of(0.7, 0.6, 0.5, 0.3, 0.2)], (0.9, 0.1), "no"),
    ],
)
def test_the_rule(lines, norms, agrees):
    ends = pd.DataFrame({"trial": [0, 1], "failed": [True, False], "gradient_norm": norms})
    steps = pd.DataFrame({"failed": [True, False], "step": [10, 10], "outside": [0.1, 0.2]})
    corners = Values(np.array([0.7, 0.7, 0.2]), np.array([0.5, *norms]))
    finding = judge(Surveyed(corners, ends.assign(loss=0.5), lines, steps))
    assert finding.agrees == agrees


def test_levels_are_logarithmic_and_hold_everything():
    values = np.array([[0.2, np.inf], [np.nan, 20.0]])
    inside = levels(values)
    assert inside[0] < 0.2
    assert inside[-1] > 20
    np.testing.assert_allclose(np.diff(np.log(inside)), np.log(100) / 12, rtol=1e-3)
    assert np.all(np.diff(levels(np.full((3, 3), 0.7))) > 0)
