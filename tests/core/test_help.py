"""The page that `--help` prints fits the terminal and calls the command as its user did."""

import sys

import pytest

from jaxtune.__main__ import COMMANDS, main
from jaxtune.core import help as help_page


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_no_wider_than_the_terminal(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "argv", ["/site/jaxtune/__main__.py", command])
    with pytest.raises(SystemExit):
        main([command, "--help"])
    page = capsys.readouterr().out.splitlines()
    assert page[0].startswith(f"usage: python -m jaxtune {command} ")
    assert max(map(len, page)) <= 60


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("/site/jaxtune/sweep/__main__.py", "python -m jaxtune.sweep"),
        ("/site/jaxtune/__main__.py", "python -m jaxtune sweep"),
        ("/bin/jaxtune", "jaxtune sweep"),
        ("/site/pytest/__main__.py", "jaxtune sweep"),
    ],
)
def test_help_names_the_call(script, name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script])
    assert help_page.called("sweep") == name


@pytest.mark.parametrize("columns", ["1", "26", "27"])
def test_help_has_room_for_a_word_in_any_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    assert "--learning_rate NUMBER" in capsys.readouterr().out
