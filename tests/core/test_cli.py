"""How words of a command line are read, the same by all commands; what the terminal shows."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jaxtune.__main__ import COMMANDS, main
from jaxtune.config.parse import parse
from jaxtune.core import help as help_page
from jaxtune.core.cli import run
from jaxtune.core.errors import UsageError
from jaxtune.core.flags import parse_flags
from jaxtune.core.quiet import SWITCHES
from jaxtune.export.__main__ import ExportConfig
from jaxtune.merge.__main__ import MergeConfig
from jaxtune.predict.settings import PredictConfig
from jaxtune.pretrain.settings import PretrainConfig
from jaxtune.report.__main__ import ReportConfig
from jaxtune.study.settings import parse as parse_study
from jaxtune.track.__main__ import TrackConfig

LEAST = {
    "sweep": [],
    "report": ["OUT"],
    "export": ["OUT", "--trial", "best", "--to", "x"],
    "merge": ["A", "B", "--out", "x"],
    "track": ["OUT", "--to", "mlflow"],
    "predict": ["OUT", "--file", "x"],
    "pretrain": ["--data", "miniature", "--out", "x"],
    "study": ["depth", "--out", "x"],
}


def settings_of(command: str, words: list[str]) -> Any:
    """What a command makes of its words."""
    if command == "sweep":
        return parse(words).base
    if command == "study":
        return parse_study(words)
    settings = {
        "report": ReportConfig,
        "export": ExportConfig,
        "merge": MergeConfig,
        "track": TrackConfig,
        "predict": PredictConfig,
        "pretrain": PretrainConfig,
    }
    return parse_flags(command, settings[command], words)


@pytest.mark.parametrize(
    ("command", "field", "words", "value"),
    [
        (command, field, spelling.format(field, field.replace("_", "-")).split(), value)
        for command, field in [
            *(("sweep", name) for name in ("dry_run", "overwrite", "packing", "random_weights")),
            *(("study", name) for name in ("dry_run", "smoke", "random_weights")),
        ]
        for spelling, value in [
            ("--{0}", True),
            ("--{1}", True),
            ("--{0} true", True),
            ("--{0} TRUE", True),
            ("--{1}=True", True),
            ("--{0} false", False),
            ("--{1} False", False),
            ("--{0}=FALSE", False),
            ("--no_{0}", False),
            ("--no-{1}", False),
            ("--no_{0} --{0}", True),
            ("--{0} --no_{0}", False),
        ]
    ],
)
def test_spellings_of_true_and_false(command, field, words, value):
    assert getattr(settings_of(command, [*LEAST[command], *words]), field) is value


@pytest.mark.parametrize(
    ("command", "words", "field", "value"),
    [
        ("sweep", "--learning-rate=-1e-3", "learning_rate", UsageError),
        ("sweep", "--max_grad_norm none", "max_grad_norm", None),
        ("sweep", "--max-grad-norm=NULL", "max_grad_norm", None),
        ("sweep", "--seeds 1-3,7", "seeds", "1-3,7"),
        ("sweep", "--save_params none", "save_params", "none"),
        (
            "sweep",
            "--label_column true --task custom --train_file a --dev_file b --model m",
            "label_column",
            "true",
        ),
        ("study", "--surface_low -1.5", "surface_low", -1.5),
        ("study", "--surface-low=-1e-3", "surface_low", -1e-3),
        ("study", "--eval_every null", "eval_every", None),
        ("study", "--tasks rte mrpc", "tasks", ("rte", "mrpc")),
        ("study", "--tasks=rte --tasks mrpc", "tasks", ("rte", "mrpc")),
        ("study", "--learning-rates 1e-4 2 --out y", "learning_rates", (1e-4, 2.0)),
        ("report", "--to x", "to", Path("x")),
        ("report", "--to=x more", "outs", (Path("OUT"), Path("more"))),
        ("export", "--step=best", "step", "best"),
        ("export", "--trial 7", "trial", "7"),
        ("pretrain", "--layers 1 2 --max-length 5", "layers", (1, 2)),
        ("pretrain", "--max-length=5", "max_length", 5),
    ],
)
def test_spellings_of_values(command, words, field, value):
    words = [*LEAST[command], *words.split()]
    if value is UsageError:  # the number is read, and refused for its range
        with pytest.raises(ValueError, match=r"is -0.001; give a finite number above 0"):
            settings_of(command, words)
    else:
        assert getattr(settings_of(command, words), field) == value


def test_a_bare_flag_leaves_the_next_word_to_the_positional():
    config = parse_study(["--smoke", "depth", "--dry-run", "--out=x"])
    assert (config.figure, config.smoke, config.dry_run) == ("depth", True, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("sweep --num_sedes 3", "--num_sedes is no flag; did you mean --num_seeds?"),
        ("report OUT --too x", "--too is no flag; did you mean --to?"),
        (
            "report",
            "OUT is not given; give folders that sweeps have left, tables of runs, or --scores.",
        ),
        ("report OUT --to", "--to has no value; give a path or null."),
        (
            "export OUT --to x",
            "--trial is not given; give a text: `best` (by the dev metric), a trial's number,",
        ),
        (
            "export OUT MORE --to x",
            "'MORE' is one word too many; values go after their flag, --name value.",
        ),
        ("export OUT --step last", "--step is 'last'; give final or best."),
        ("report OUT --to=", "--to is ''; give a path or null."),
        ("study all --out=", "--out is ''; give a path."),
        ("study all --out x --text=", "--text is ''; give a text or null."),
        ("pretrain --data= --out x", "--data is ''; give a text."),
        ("pretrain --layer 1", "--layer is no flag; did you mean --layers?"),
        ("pretrain --steps 1 x", "--steps is 'x'; give a whole number, or a list of them."),
        ("study dept", "FIGURE is 'dept'; did you mean depth?"),
        ("study figure_3", "FIGURE is 'figure_3'; give baselines, forgetting, small_data,"),
        (
            "study depth depth",
            "'depth' is one word too many; values go after their flag, --name value.",
        ),
        ("study depth --smok", "--smok is no flag; did you mean --smoke?"),
        (
            "study depth --smoke maybe",
            "'maybe' after --smoke is one word too many; --smoke takes true or false.",
        ),
        ("swep", "swep is no command; did you mean sweep?"),
        (
            "nonsense",
            "nonsense is no command; accepted are sweep, merge, report, export, track, predict,"
            " pretrain, study.",
        ),
    ],
)
def test_wrong_words_are_one_sentence_and_status_2(words, says, capsys):
    assert main(words.split()) == 2
    said, error = capsys.readouterr()
    assert said == ""
    assert error.startswith(f"error: {says}")
    assert error.count("\n") == 1


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that no command has made quiet."""
    env = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=False
    )


def test_jaxtune_alone_says_its_commands_and_loads_little():
    code = (
        "import sys\n"
        "from jaxtune.__main__ import main\n"
        "assert main([]) == 2 and main(['--help']) == 0 and main(['nonsense']) == 2\n"
        "heavy = {'jax', 'numpy', 'pandas', 'scipy', 'transformers', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert done.stdout in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_field_and_how_it_was_called(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/jaxtune", command])
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: jaxtune {command} ")
    for field in vars(settings_of(command, LEAST[command])):
        assert f"--{field}" in page or field in help_page.positionals(
            type(settings_of(command, LEAST[command]))
        )


@pytest.mark.slow
def test_libraries_log_nothing():
    """Without the call they do: that there is no PyTorch, and what they say on the way."""
    code = (
        "import logging, sys\n"
        "sys.modules['torch'] = None\n"
        "if sys.argv[1:]:\n"
        "    from jaxtune.core.quiet import quiet\n"
        "    quiet()\n"
        "import absl.logging, datasets, huggingface_hub, jax, orbax.checkpoint, transformers\n"
        "for name in ('jax', 'orbax', 'transformers', 'datasets', 'huggingface_hub'):\n"
        "    logging.getLogger(name + '.x').error('said by %s', name)\n"
        "absl.logging.error('said by absl')\n"
    )
    loud = python(code).stderr
    assert "PyTorch was not found" in loud
    for name in ("jax", "orbax", "transformers", "datasets", "huggingface_hub", "absl"):
        assert f"said by {name}" in loud
    assert python(code, "quiet").stderr == ""


def test_a_call_quiets_the_libraries_and_leaves_logging_alone():
    code = (
        "import logging, os, jaxtune\n"
        "try:\n"
        "    jaxtune.run_sweep(num_seeds=0)\n"
        "except jaxtune.UserError:\n"
        "    print(os.environ['TRANSFORMERS_VERBOSITY'], logging.getLogger().handlers)\n"
    )
    assert python(code).stdout == "critical []\n"


def test_callbacks_show_their_exceptions_but_those_of_writes_that_failed():
    """orbax's threads raise dozens of these after a full disk, into the middle of our sentence."""
    code = (
        "import sys; from jaxtune.core.quiet import quiet; quiet()\n"
        "class Callback:\n"
        "    def __del__(self): raise RuntimeError(sys.argv[1])\n"
        "Callback()\n"
    )
    assert "RuntimeError: a mistake of ours" in python(code, "a mistake of ours").stderr
    assert python(code, "Event loop is closed").stderr == ""


@pytest.mark.parametrize("write", ["print", "say"])
def test_a_reader_that_has_gone_is_no_traceback(write):
    """As with `jaxtune sweep --help | head -1`, when more is to come than a pipe holds; what goes
    through rich, too, which by itself would end the process with 1.
    """
    code = (
        "import sys; from jaxtune.core.cli import run; from jaxtune.core.console import say\n"
        f"sys.exit(run(lambda words: [{write}('x' * 10_000) for _ in range(100)], [], ''))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_a_process_without_an_output_ends_well():
    code = (
        "import sys; from jaxtune.core.cli import run; from jaxtune.core.console import say\n"
        "sys.exit(run(lambda words: say('done'), [], ''))"
    )
    closed = ["sh", "-c", 'exec "$0" "$@" >&-', sys.executable, "-c", code]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--help"], ["merge", "--help"]])
def test_a_page_that_nobody_reads_is_no_traceback(words):
    """Short pages, which are written at the end."""
    code = "import sys; from jaxtune.__main__ import main; sys.stdin.read(); sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_a_number_of_devices_that_is_none_is_one_sentence():
    """JAX cannot be imported with it."""
    code = "import os, sys\nos.environ['JAX_NUM_CPU_DEVICES'] = 'abc'\n"
    said = "JAX_NUM_CPU_DEVICES is 'abc'; set it to a whole number, or unset it."
    done = python(code + "from jaxtune.sweep.__main__ import main\nsys.exit(main([]))")
    assert (done.returncode, done.stderr) == (1, f"error: {said}\n")
    done = python(code + "import jaxtune\njaxtune.run_sweep()")
    assert done.stderr.splitlines()[-1] == f"jaxtune.core.errors.UserError: {said}"


@pytest.mark.parametrize(
    "number",
    [
        *(errno.ENOSPC, errno.ESTALE, errno.ETIMEDOUT, errno.EISDIR),
        *(errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    ],
)
def test_a_disk_that_fails_is_one_sentence(number, capsys):
    def command(_):
        raise OSError(number, os.strerror(number), "out/trials.jsonl")

    assert run(command, [], "make room") == 1
    why = f"cannot be read or written ({os.strerror(number)})"
    assert capsys.readouterr().err == f"error: out/trials.jsonl {why}; make room.\n"


def test_a_file_that_is_not_there_is_a_fault_of_ours():
    with pytest.raises(FileNotFoundError):
        run(lambda _: open("no such file"), [], "make room")  # noqa: SIM115
