"""What a sweep says of the trackers' command."""

import sys

from jaxtune.sweep import tracking


def test_its_sentence_is_said_whole(tmp_path, monkeypatch, capsys):
    """With these variables a child would believe in a terminal of 80 columns, and fold it."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.setenv(name, "1")
    code = "from jaxtune.core.console import say; say('word ' * 40 + 'end.')"
    monkeypatch.setattr(tracking, "command_line", lambda *_: [sys.executable, "-c", code])
    tracking.track(tmp_path, "mlflow")
    assert capsys.readouterr().out.count("word") == 40
