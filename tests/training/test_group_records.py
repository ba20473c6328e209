"""What a group has told can be told again."""

import numpy as np

from jaxtune.core.records import StepRecords
from jaxtune.training.group_records import GroupRecords

NAMES = ("a", "b")


class Listener:
    """A recorder that joins what it hears."""

    def __init__(self):
        self.losses, self.rates, self.norms, self.evaluations = [], [], [], []

    def steps(self, trials, start, records):
        assert start == sum(part.shape[1] for part in self.losses)
        self.losses.append(records.loss)
        self.rates.append(records.learning_rate)
        self.norms.append(records.norms)
        assert records.norm_names == NAMES

    def evaluation(self, trials, step, metrics):
        self.evaluations.append((trials, step, metrics))

    def heard(self):
        parts = (self.losses, self.rates, self.norms)
        return [np.concatenate(part, axis=1) for part in parts]


def told(num_steps: int, log_every: int, cuts: list[int]):
    """A records, and a listener that heard the same at first hand."""
    rng = np.random.default_rng(0)
    loss, rates = rng.normal(size=(2, 3, num_steps)).astype(np.float32)
    norms = np.zeros((3, num_steps, 2), np.float32)
    norms[:, ::log_every] = rng.normal(size=norms[:, ::log_every].shape)
    records, listener = GroupRecords(log_every), Listener()
    for start, stop in zip([0, *cuts], [*cuts, num_steps], strict=True):
        part = slice(start, stop)
        report = StepRecords(loss[:, part], rates[:, part], norms[:, part], NAMES)
        records.add_steps(start, report)
        listener.steps([4, 5, 6], start, report)
        scores = [{"f1": 0.1 * stop + i, "accuracy": -i} for i in range(3)]
        logits = rng.normal(size=(3, 5, 2))
        records.add_evaluation(stop, scores, logits, np.array([True, True, stop < 7]))
        listener.evaluation([4, 5, 6], stop, scores)
    return records, listener, rates


def test_a_replay_after_a_round_trip_tells_the_same():
    records, listener, rates = told(600, 7, [1, 8, 300])
    again = Listener()
    back = GroupRecords.from_arrays(7, records.as_arrays())
    back.replay([again], [4, 5, 6], rates, NAMES)
    for expected, actual in zip(listener.heard(), again.heard(), strict=True):
        np.testing.assert_array_equal(expected, actual)
    assert again.evaluations == listener.evaluations
    np.testing.assert_array_equal(back.finite, [True, True, False])
    np.testing.assert_array_equal(back.logits, records.logits)


def test_nothing_told_is_nothing_to_tell():
    listener = Listener()
    GroupRecords(5).replay([listener], [0], np.zeros((1, 3)), NAMES)
    assert (listener.losses, listener.evaluations) == ([], [])


def test_the_best_is_the_first_of_equals_and_never_nan():
    records = GroupRecords(1)
    rows = [(np.nan, 0.2, np.nan), (0.5, 0.2, np.nan), (0.4, 0.1, np.nan)]
    for step, values in enumerate(rows, 1):
        scores = [{"f1": value} for value in values]
        records.add_evaluation(10 * step, scores, np.zeros((3, 1, 2)), np.ones(3, bool))
    best, steps = records.best("f1")
    np.testing.assert_array_equal(best, [0.5, 0.2, np.nan])
    assert steps.tolist() == [20, 10, 0]


def test_the_best_of_errors_is_the_smallest():
    records = GroupRecords(1)
    for step, values in enumerate([(np.nan, 0.2, np.inf), (0.5, 0.3, np.nan), (0.4, 0.2, 7.0)], 1):
        scores = [{"mse": value} for value in values]
        records.add_evaluation(10 * step, scores, np.zeros((3, 1, 1)), np.ones(3, bool))
    best, steps = records.best("mse")
    assert best.tolist() == [0.4, 0.2, 7.0]
    assert steps.tolist() == [30, 10, 30]


def test_a_stopped_trial_keeps_what_it_had_and_is_replayed_that_far():
    rng = np.random.default_rng(0)
    records, heard = GroupRecords(1), {4: [], 5: []}
    for stop, value in ((6, 0.5), (9, 0.9)):
        loss = rng.normal(size=(2, stop - records.num_steps)).astype(np.float32)
        report = StepRecords(loss, loss, loss[..., None].repeat(2, 2), NAMES)
        records.add_steps(records.num_steps, report)
        scores = [{"f1": value + place} for place in range(2)]
        logits, finite = np.full((2, 3, 2), value), np.array([True, stop == 6])
        records.add_evaluation(stop, scores, logits, finite)
        if stop == 6:
            records.stop([1])
    back = GroupRecords.from_arrays(1, records.as_arrays())
    assert (back.running(2), back.steps_taken(0), back.steps_taken(1)) == ([0], 9, 6)
    assert back.scores[-1] == [{"f1": 0.9}, {"f1": 1.5}]
    assert back.best("f1")[1].tolist() == [9, 6]
    assert back.logits[:, 0, 0].tolist() == [0.9, 0.5]
    assert back.finite.tolist() == [True, True]

    class ByTrial:
        def steps(self, trials, start, records):
            for place, number in enumerate(trials):
                heard[number] += records.loss[place].tolist()

        def evaluation(self, trials, step, metrics):
            for number, scores in zip(trials, metrics, strict=True):
                heard[number].append((step, scores["f1"]))

    back.replay([ByTrial()], [4, 5], back.all_losses(), NAMES)
    losses = records.all_losses().tolist()
    assert heard[4] == [*losses[0], (6, 0.5), (9, 0.9)]
    assert heard[5] == [*losses[1][:6], (6, 1.5)]


def test_an_evaluation_that_was_not_due_counts_only_for_who_ends_there():
    """At step 3, where trials may be stopped early: for the second, which is; not for the first."""
    records = GroupRecords(1, eval_every=2, until=6)
    records.losses, records.norms = [np.zeros((2, 6))], [np.zeros((2, 6, 2))]
    for step, value in ((2, 0.5), (3, 0.9), (4, 0.6), (6, 0.4)):
        records.add_evaluation(step, [{"f1": value}] * 2, np.zeros((2, 1, 2)), np.ones(2, bool))
        if step == 3:
            assert records.waited("f1").tolist() == [0, 0]
            assert records.best("f1")[1].tolist() == [2, 2]
            records.stopped = {1: 3}
    back = GroupRecords.from_arrays(1, records.as_arrays(), eval_every=2)
    for each in (records, back):
        best, steps = each.best("f1")
        assert (best.tolist(), steps.tolist()) == ([0.6, 0.9], [4, 3])
        assert each.waited("f1")[0] == 1
    # Of a first leg that step is the end.
    first = GroupRecords(1, eval_every=2, until=3)
    first.add_evaluation(2, [{"f1": 0.5}], np.zeros((1, 1, 2)), np.ones(1, bool))
    first.add_evaluation(3, [{"f1": 0.9}], np.zeros((1, 1, 2)), np.ones(1, bool))
    assert first.best("f1")[1].tolist() == [3]


def test_evaluations_since_the_best_and_what_another_score_chose():
    """Of equals the first is the best; a trial without a score has waited for all of them."""
    records = GroupRecords(1)
    rows = [(0.2, np.nan, 0.5), (0.4, np.nan, 0.5), (0.3, np.nan, 0.6), (0.4, np.nan, 0.6)]
    for step, values in enumerate(rows, 1):
        scores = [{"f1": float(step + place), "held_out/f1": v} for place, v in enumerate(values)]
        records.add_evaluation(10 * step, scores, np.zeros((3, 1, 2)), np.ones(3, bool))
    assert records.waited("held_out/f1").tolist() == [2, 4, 1]
    # Without the first two, or three, of one trial: its better scores there are forgotten.
    assert records.waited("held_out/f1", np.array([20, 30, 0])).tolist() == [0, 1, 1]
    best, steps = records.best("f1", "held_out/f1")
    np.testing.assert_array_equal(best, [2, np.nan, 5])
    assert steps.tolist() == [20, 0, 30]
    records.losses, records.norms = [np.zeros((3, 40))], [np.zeros((3, 40, 2))]
    records.stop([0])
    records.stop([1], out_of_patience=True)
    back = GroupRecords.from_arrays(1, records.as_arrays())
    assert (back.stopped, back.out_of_patience) == ({0: 40, 1: 40}, {1})
    assert back.take([2, 1]).out_of_patience == {1}
    assert back.take([1, 2]).out_of_patience == {0}
