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
from jaxtune.study.finding import FINDING, HOLDS, read_finding

PAGE = "study.html"
_TEMPLATE = Path(__file__).with_name("page.html")
# What is said of a claim or a study -> its CSS class.
_CLASSES = {
    **{"yes": "agrees", "no": "differs", "in part": "part"},
    **{"cannot say": "open", "not decided": "open"},
}


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


def first_sentence(text: str) -> str:
    """Up to the first full stop that a space follows."""
    return text.split(". ")[0].rstrip(".") + "."


def _row(figure: str, finding: dict[str, Any]) -> str:
    name = escape(figure)
    return (
        f'<tr><th scope="row"><a href="#{name}">{name}</a></th>'
        f"<td>{_mark(finding['agrees'])}</td><td>{escape(first_sentence(finding['here']))}</td>"
        f"<td>{finding['seconds']:.0f} s</td></tr>"
    )


def _section(folder: Path, finding: dict[str, Any]) -> str:
    title = escape(finding["title"])
    pictures = sorted(folder.glob("*.png"), key=lambda file: (file.stem != "figure", file.stem))
    command = escape(" ".join(finding["command"]))
    parts = [
        f'<section id="{escape(folder.name)}"><h2>{title}</h2>',
        f"<p><b>The paper.</b> {escape(finding['paper'])}</p>",
        f"<p><b>Here.</b> {escape(finding['here'])}</p>",
        f"<p><b>The same?</b> {_mark(finding['agrees'])}. {escape(finding['why'])}</p>",
        _claims(finding.get("claims", [])),  # a finding of an earlier version has none
        *(_picture(file, title) for file in pictures),
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in finding['notes'])}</ul>",
        f"<details><summary>{command}</summary><pre>{escape(finding['settings'])}</pre></details>",
    ]
    return "\n".join(part for part in [*parts, "</section>"] if part)


def _claims(claims: Sequence[dict[str, Any]]) -> str:
    if not claims:
        return ""
    rows = "\n".join(
        f"<tr><td>{escape(claim['asks'])}</td><td>{escape(claim['found'])}</td>"
        f"<td>{_mark(HOLDS[claim['holds']])}</td></tr>"
        for claim in claims
    )
    head = "<tr><th>the paper's claim</th><th>here</th><th>holds</th></tr>"
    return f'<table class="claims"><thead>{head}</thead><tbody>\n{rows}\n</tbody></table>'


def _mark(word: str) -> str:
    return f'<span class="{_CLASSES[word]}">{escape(word)}</span>'


def _picture(file: Path, title: str) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{title}: {escape(file.stem)}" src="data:image/png;base64,{data}">'
