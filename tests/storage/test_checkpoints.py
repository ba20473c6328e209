"""A checkpoint is restored bit for bit or, where it is damaged, passed over for the one before."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.core.files import digest
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.kept_params import load_params, save_params
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints

LIKE = {"w": jax.ShapeDtypeStruct((4, 3), jnp.float32), "n": jax.ShapeDtypeStruct((), jnp.int32)}


def tree(step):
    return {"w": jnp.full((4, 3), step, jnp.float32), "n": jnp.int32(step)}


@pytest.fixture
def said():
    return []


@pytest.fixture
def saved(tmp_path, said):
    """A folder with the checkpoints of steps 20 and 30."""
    checkpoints = RunCheckpoints(tmp_path / "c", said.append)
    for step in (10, 20, 30):
        checkpoints.save(step, tree(step), {"loss": np.arange(step)})
    checkpoints.close()
    assert said == []
    return tmp_path / "c"


def restore(folder, said):
    checkpoints = RunCheckpoints(folder, said.append)
    restored = checkpoints.restore_latest(LIKE)
    checkpoints.close()
    return restored


def assert_is(restored, step):
    assert restored.step == step
    jax.tree.map(np.testing.assert_array_equal, restored.tree, tree(step))
    np.testing.assert_array_equal(restored.arrays["loss"], np.arange(step))


def test_the_newest_comes_back(saved, said):
    assert_is(restore(saved, said), 30)
    assert said == []
    assert sorted(path.name for path in saved.glob("*.npz")) == ["20.npz", "30.npz"]


def files_of(folder, step):
    own = [folder / f"{step}.npz", folder / f"{step}.json"]
    return [*own, *(p for p in (folder / "states" / str(step)).rglob("*") if p.is_file())]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_a_step_that_is_not_saved_is_said(saved, said):
    """Orbax writes no step before its newest, and raises nothing."""
    checkpoints = RunCheckpoints(saved, said.append)
    checkpoints.save(5, tree(5))
    checkpoints.close()
    assert said == [
        "No checkpoint could be written (there is a later one than of step 5); going on without."
    ]
    assert_is(restore(saved, said), 30)


@pytest.mark.parametrize("damage", [flip, cut, lambda path: path.unlink()])
def test_any_damaged_file_means_the_one_before(saved, said, damage, tmp_path):
    names = [path.relative_to(saved) for path in files_of(saved, 30)]
    assert len(names) > 5
    tried = 0
    for name in names:
        copy = tmp_path / "copy"
        shutil.copytree(saved, copy)
        lost_newline = damage is cut and name.suffix == ".json"
        if not (copy / name).stat().st_size or lost_newline:
            shutil.rmtree(copy)
            continue  # nothing to flip or cut, or no damage
        damage(copy / name)
        said.clear()
        assert_is(restore(copy, said), 20)
        tried += 1
        if name.name != "30.json":  # its own list gone: the step is as if never sealed
            assert str(name) in said[0]
        shutil.rmtree(copy)
    assert tried > 5


def seal_again(folder, step):
    """As if what is there had been written that way."""
    path = folder / f"{step}.json"
    listed = json.loads(path.read_text())
    path.write_text(json.dumps({name: digest(folder / name) for name in listed}))


def test_arrays_that_were_sealed_but_cannot_be_read_mean_the_one_before(saved, said):
    cut(saved / "30.npz")
    seal_again(saved, 30)
    assert_is(restore(saved, said), 20)
    cut(saved / "20.npz")
    seal_again(saved, 20)
    assert restore(saved, said) is None
    assert said == [
        f"The checkpoint of step {step} cannot be used (File is not a zip file)."
        for step in (30, 20)
    ]


def test_none_that_is_whole_is_none(saved, said):
    for step in (20, 30):
        flip(saved / f"{step}.npz")
    assert restore(saved, said) is None
    assert len(said) == 2


def test_an_unsealed_step_does_not_count_and_can_be_written_again(saved, said):
    (saved / "30.json").unlink()
    checkpoints = RunCheckpoints(saved, said.append)
    assert_is(checkpoints.restore_latest(LIKE), 20)
    checkpoints.save(30, tree(30), {"loss": np.arange(30)})
    checkpoints.close()
    assert said == []
    assert_is(restore(saved, said), 30)


def test_a_donated_array_is_saved_as_it_was(tmp_path, said):
    """The next dispatch may overwrite the buffers while the disk is still being written."""
    checkpoints = RunCheckpoints(tmp_path / "c", said.append)
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    state = jnp.zeros((512, 1024))
    for step in range(1, 6):
        state = add(state)
        checkpoints.save(step, state)
        for _ in range(3):
            state = add(state)
        checkpoints.wait()
        like = jax.ShapeDtypeStruct(state.shape, state.dtype)
        restored = checkpoints.restore_latest(like)
        assert restored is not None
        np.testing.assert_array_equal(restored.tree, np.full(state.shape, 4 * step - 3))
    checkpoints.discard()
    assert said == []
    assert not (tmp_path / "c").exists()


def test_a_checkpoint_that_cannot_be_written_costs_nothing_else(tmp_path, said):
    (tmp_path / "c").write_text("in the way")
    checkpoints = RunCheckpoints(tmp_path / "c", said.append)
    checkpoints.save(1, tree(1))
    checkpoints.close()
    assert "No checkpoint could be written" in said[0]


def test_a_writer_s_error_is_the_system_s(tmp_path, said, monkeypatch):
    """orbax's writers spell the system's number in a text of many lines."""
    checkpoints = RunCheckpoints(tmp_path / "c", said.append)
    checkpoints.save(1, tree(1))
    checkpoints.wait()

    def fail(*_, **__):
        raise ValueError("OUT_OF_RANGE: Error writing\n ... [os_error_code='28' ...]")

    monkeypatch.setattr(checkpoints._manager, "save", fail)
    checkpoints.save(2, tree(2))
    checkpoints.close()
    assert said == ["No checkpoint could be written (No space left on device); going on without."]


def test_groups_of_other_sizes_begin_where_their_trials_were(tmp_path, said):
    sweep = SweepCheckpoints(tmp_path / "c", said.append)

    def save(group, step):
        with sweep.of(group) as own:
            stacked = {"w": jnp.stack([jnp.full(3, 10.0 * n + step) for n in group])}
            about = {"trials": np.array(group), "lanes": np.array(len(group))}
            own.save(step, stacked, about)

    def found(group):
        with sweep.of(group) as own:
            restored = own.restore_latest({"w": jnp.zeros((1, 3))})
        return None if restored is None else (restored.step, restored.tree["w"][:, 0].tolist())

    assert sweep.next_group([0, 1, 2, 3], 3) == [0, 1, 2]
    assert found([0, 1, 2]) is None
    save([0, 1, 2], 5)
    assert sweep.next_group([0, 1, 2, 3], 4) == [0, 1, 2]  # not with trial 3, which is at step 0
    assert sweep.next_group([0, 1, 2, 3], 2) == [0, 1]
    assert found([0, 1]) == (5, [5.0, 15.0, 25.0])
    save([0, 1], 7)
    assert sweep.next_group([0, 1, 2, 3], 2) == [0, 1]
    assert found([0, 1]) == (7, [7.0, 17.0])
    sweep.drop([0, 1], [2, 3])
    assert sweep.next_group([2, 3], 2) == [2]
    assert found([2]) == (5, [5.0, 15.0, 25.0])
    sweep.drop([2], [3])
    assert sweep.next_group([3], 2) == [3]
    assert list((tmp_path / "c").iterdir()) == []
    assert said == []


def test_due_by_steps_or_by_the_clock(tmp_path, said, monkeypatch):
    by_steps = RunCheckpoints(tmp_path / "a", said.append, every=5)
    assert [step for step in range(1, 12) if by_steps.due(step)] == [5, 10]
    clock = [0.0]
    monkeypatch.setattr("jaxtune.storage.checkpoints.time.monotonic", lambda: clock[0])
    by_clock = RunCheckpoints(tmp_path / "b", said.append)
    assert not by_clock.due(7)
    clock[0] = 601.0
    assert by_clock.due(8)


def test_params_round_trip(tmp_path):
    params = {"encoder/word/embedding": np.arange(6, dtype=np.float32).reshape(2, 3)}
    save_params(tmp_path / "p", params)
    loaded = load_params(tmp_path / "p")
    assert list(loaded) == list(params)
    np.testing.assert_array_equal(
        loaded["encoder/word/embedding"], params["encoder/word/embedding"]
    )
