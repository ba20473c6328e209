"""DIR/study.html: all findings and pictures on one page that needs nothing else. Imports no jax."""

import base64
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from jaxtune.core.files import write_text
from jaxtune.core.version import __version__
from jaxtune.study.finding import FINDING, read_finding

PAGE = "study.html"
_TEMPLATE = Path(__file__).with_name("page.html")
_AGREES = {"yes": "agrees", "no": "differs", "in part": "part", "cannot say": "open"}


def write_page(out: Path, figures: Sequence[str]) -> Path:
    """The page of the studies that have a finding, in this order."""
    found = [figure for figure in figures if (out / figure / FINDING).exists()]
    findings = {figure: read_finding(out / figure) for figure in found}
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        version=escape(__version__),
        rows="\n".join(_row(figure, finding) for figure, finding in findings.items()),
        sections="\n".join(_section(out / figure, finding) for figure, finding in findings.items()),
        footer=escape(f"Written by jaxtune {__version__} on {now}."),
    )
    write_text(out / PAGE, text)
    return out / PAGE


def _row(figure: str, finding: dict[str, Any]) -> str:
    return (
        '<tr><th scope="row"><a'
        f' href="#{escape(figure)}">{escape(figure)}</a></th><td>{escape(finding["title"])}</td>'
        f"<td>{_verdict(finding)}</td><td>{finding['seconds']:.0f} s</td></tr>"
    )


def _verdict(finding: dict[str, Any]) -> str:
    agrees = finding["agrees"]
    return f'<span class="{_AGREES[agrees]}">{escape(agrees)}</span>'


def _section(folder: Path, finding: dict[str, Any]) -> str:
    parts = [
        f'<section id="{escape(folder.name)}"><h2>{escape(finding["title"])}</h2>',
        f"<p><b>The paper.</b> {escape(finding['paper'])}</p>",
        f"<p><b>Here.</b> {escape(finding['here'])}</p>",
        f"<p><b>The same?</b> {_verdict(finding)}. {escape(finding['why'])}</p>",
        *(_picture(file, finding["title"]) for file in sorted(folder.glob("*.png"), key=_order)),
    ]
    if finding["notes"]:
        parts.append(f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in finding['notes'])}</ul>")
    command = escape(" ".join(finding["command"]))
    settings = escape(finding["settings"])
    parts.append(f"<details><summary>{command}</summary><pre>{settings}</pre></details></section>")
    return "\n".join(parts)


def _order(file: Path) -> tuple[bool, str]:
    return file.stem != "figure", file.stem


def _picture(file: Path, title: str) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{escape(title)}: {escape(file.stem)}" src="data:image/png;base64,{data}">'
