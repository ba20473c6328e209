"""What `--dry_run --device` says, and when it refuses."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from small_groups import plans_for

from jaxtune.config.parse import parse
from jaxtune.core import console
from jaxtune.core.accelerators import GIB, accelerator
from jaxtune.core.errors import UserError
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.device_table import show_devices
from jaxtune.training import ahead
from jaxtune.training.device_plan import Outlook, Size
from jaxtune.training.roofline import Cost


def made(name, plan, *sizes, best=None):
    sizes = tuple(
        Size(
            n, int(8.5 * n * GIB), int((8.5 * n + 1.2) * GIB), again, fits, Cost(s, 900.0 * n, 0, 0)
        )
        for n, s, fits, again in sizes
    )
    chosen = next((size for size in sizes if size.trials == best), None)
    return Outlook(accelerator(name), plan, sizes, chosen, 0.001)


def shown(plans, found, capsys, monkeypatch, width=80):
    monkeypatch.setattr(console.console, "_width", width)
    show_devices(plans, found)
    return capsys.readouterr().out


def test_the_table_is_readable_at_80_columns(tiny, capsys, monkeypatch):
    plans = plans_for(tiny, "--num_seeds", "25")
    sizes = [(1, 0.02, True, 0), (4, 0.1, True, 0), (9, 0.5, False, 1234)]
    found = [
        made("a100_40gb", plans[0], *sizes, best=4),
        made("v5e", plans[0], (1, 0.02, False, 0)),
    ]
    text = shown(plans, found, capsys, monkeypatch)
    table = [line for line in text.splitlines() if "a100_40gb  yes" in line or "v5e" in line]
    assert table[0].split()[:6] == ["a100_40gb", "yes", "8.50", "35/39", "4", "25"]
    assert table[1].split() == ["v5e", "no"]
    rows = [line for line in text.splitlines() if line.startswith(("device ", "a100_40gb "))]
    assert len(rows) == 2
    assert all(len(line) <= 80 for line in rows)
    assert "…" not in text
    assert "By the model, not measured" in text
    assert "program 1: 25 trials to run, 21 steps each, float32" in text
    assert "a100_40gb: seeds an hour by the model, by trials at once: 1: " in text
    assert "9 trials at once would run only because XLA computes 1,234 arrays again" in text
    assert "v5e: give a smaller batch_size or max_length, --remat, or" in text
    assert "v5e: 1 trial would take 9.7 GiB, more than 90% of the 16 that JAX has." in text
    assert "float32 costs: " in text
    assert "a100_40gb 16, v5e 6; give --precision bfloat16." in text
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" in text


def test_several_programs_have_a_row_each_and_a_total(tiny, capsys, monkeypatch):
    flags = ["--num_seeds", "8", "--grid.precision", "float32", "bfloat16"]
    plans = plans_for(tiny, *flags)
    found = [made("a100_40gb", plan, (1, 0.02, True, 0), best=1) for plan in plans]
    text = shown(plans, found, capsys, monkeypatch)
    rows = re.findall(r"^a100_40gb (\S+) +yes .* ([\d,]+) +([<\d.]+) *$", text, re.M)
    assert [row[0] for row in rows] == ["1", "2", "all"]
    assert rows[0][1] == rows[2][1]  # twice the trials in twice the time
    assert "…" not in text
    assert [row[2] for row in rows][:2] == ["<0.01", "<0.01"]
    full = made("v5e", plans[0], (8, 0.1, False, 0))
    refused = full._replace(sizes=(full.sizes[0]._replace(program_bytes=0),))
    said = shown(plans, [refused], capsys, monkeypatch)
    assert "v5e: the compiler finds no room for 8 trials at once." in said
    assert "v5e: give a smaller trials_per_device, a smaller batch_size" in said
    only = [made("v6e", plan, (1, 0.02, True, 0), best=1) for plan in plans]
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in shown(plans, only, capsys, monkeypatch)


def test_device_goes_with_dry_run_alone():
    flags = ["--model", "m", "--task", "rte", "--device", "h100"]
    with pytest.raises(UserError, match=r"^device is given without dry_run; .* --dry_run too"):
        parse(flags)
    assert parse([*flags, "v5e", "--dry_run"]).base.device == ("h100", "v5e")
    with pytest.raises(UserError, match=r"'h10' is unknown; did you mean h100\?"):
        parse([*flags[:-1], "h10", "--dry_run"])


def test_device_is_no_part_of_a_sweeps_identity():
    flags = ["--model", "m", "--task", "rte", "--dry_run"]
    assert parse([*flags, "--device", "l4"]).as_yaml() == parse(flags).as_yaml()


@pytest.mark.parametrize(("device", "extra"), [("h100", "ahead-gpu"), ("v5e", "ahead-tpu")])
def test_without_its_compiler_a_device_is_one_sentence(
    device, extra, tiny, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(ahead, "find_spec", lambda module: None)
    flags = ["--model", tiny, "--task", "miniature", "--out", str(tmp_path / "o")]
    assert main([*flags, "--dry_run", "--device", device]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"error: The compiler for {device} is not installed; pip install 'jaxtune[{extra}]', which"
        " needs no such device."
    ]
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_call_plans_in_a_process_of_its_own(tiny, tmp_path, capsys):
    """What is wrong there is the call's own error."""
    import jaxtune

    settings = {"model": tiny, "task": "miniature", "out": str(tmp_path / "o"), "dry_run": True}
    missing = str(tmp_path / "none")
    with pytest.raises(UserError, match=f"There is no folder {missing};"):
        jaxtune.run_sweep(**settings | {"model": missing}, device=["h100"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("rank", [0, 2])
def test_the_command_plans_for_every_device_it_names(tiny, tmp_path, capsys, monkeypatch, rank):
    """With a compiler that says little: all but the compilation itself."""
    from jaxtune.training import device_plan

    monkeypatch.setattr(ahead, "find_spec", lambda module: SimpleNamespace())
    monkeypatch.setattr(device_plan, "described_devices", lambda device: np.array([device]))
    held = ahead.Described(GIB, "ENTRY %main (a: f32[8]) -> f32[8] {\n}\n")
    monkeypatch.setattr(device_plan, "compile_train", lambda *_: held)
    monkeypatch.setattr(device_plan, "compile_evaluate", lambda *_: held)
    step = Cost(0.01, 100.0, 1e9, 1e9)
    monkeypatch.setattr(device_plan, "cost", lambda *_: step)
    flags = ["--model", tiny, "--task", "miniature", "--out", str(tmp_path / "o")]
    flags += ["--lora_rank", str(rank), "--num_seeds", "3", "--dry_run", "--device"]
    assert main([*flags, "h100", "v5e", "h100"]) == 0
    said = capsys.readouterr().out
    assert bool(re.search(r" parameters trained beside [\d,]+ that all trials share", said)) == (
        rank > 0
    )
    assert "Compiling for h100, v5e ...\n" in said
    assert said.count("--trials_per_device 3") == 2
    assert not (tmp_path / "o").exists()
