"""The report as one HTML page that needs nothing else: no script, font or picture from anywhere.

What came from data or settings passes through `escape`; drawings are escaped where they are made.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from jaxtune.core.metrics import direction
from jaxtune.core.version import __version__
from jaxtune.core.words import plural
from jaxtune.report.contents import Key, Panel, Section
from jaxtune.report.findings import Findings
from jaxtune.report.sources import Source, printable
from jaxtune.report.tables import Table, score

_TEMPLATE = Path(__file__).with_name("page.html")
_FLAG = r"(?<![\w-])--[\w.]*\w"
_SIGN = r"(?:[=/:_]|,(?!\d{3}\b))(?=\w)|\.(?=[^\W\d])"
# A word that could be broken; a longer one would leave half a line empty.
_SHORT_NAME = r"(?<!\S)(?=\S*<wbr>)(?:<wbr>|[^\s<>]){1,40}(?!\S)"


class Head(NamedTuple):
    """What stands above the sections, and the configs below them."""

    title: str
    facts: str  # what the numbers are based on
    status: tuple[str, ...]  # of the sweeps that have not finished
    verdict: tuple[str, ...]
    configs: tuple[tuple[str, str], ...]  # a sweep's name, the text of its config.yaml


def head_of(sources: Sequence[Source], facts: str, verdict: tuple[str, ...]) -> Head:
    """Of a report on these sweeps."""
    return Head(
        _title(sources),
        facts,
        tuple(source.status for source in sources if source.status),
        verdict,
        tuple((source.name, source.config) for source in sources if source.config),
    )


def html(head: Head, sections: Sequence[Section]) -> str:
    """The whole page."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        version=escape(__version__),
        title=_text(head.title),
        facts=_text(head.facts),
        status=_paragraphs(head.status, "status"),
        verdict=_sentences(head.verdict),
        links="\n".join(
            f'<a href="#{_anchor(section)}">{_text(section.title)}</a>' for section in sections[1:]
        ),
        # What the verdict is about comes before anything else.
        first=_section(sections[0]),
        sections="\n".join(map(_section, sections[1:])) + _configs(head),
        footer=_text(f"Written by jaxtune {__version__} on {now}."),
    )


def _sentences(verdict: Sequence[str]) -> str:
    # A verdict that lists arms is no headline.
    kind = "long" if len(verdict[0]) > 140 else ""
    return _paragraphs(verdict[:1], kind) + _paragraphs(verdict[1:])


def _points(points: Iterable[str]) -> str:
    return "\n".join(["<ul>", *(f"<li>{_breakable(point)}</li>" for point in points), "</ul>"])


def _title(sources: Sequence[Source]) -> str:
    """What was fine-tuned on what, as far as that is known."""
    rows = [row for source in sources for row in source.rows]
    tasks = _each(row.get("task") for row in rows)
    models = _each(Path(str(row["model"])).name for row in rows if row.get("model"))
    on = f" on {tasks}" if tasks else ""
    if not models:
        return f"Stability of {_each(source.name for source in sources)}{on}"
    return f"Stability of fine-tuning {models}{on}"


def _each(names: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in names if name is not None))


def facts(found: Findings) -> str:
    """What the numbers are based on, in a line."""
    trials = plural(sum(len(arm.arm) for arm in found.arms), "trial")
    arms = plural(len(found.arms), "arm")
    dev = "the dev set" if found.num_dev is None else f"{found.num_dev} dev examples"
    arm = found.arms[0].arm
    positive = arm.settings.get("positive_class")
    of = f" of the class {positive!r}" if found.metric == "f1" and positive is not None else ""
    way = direction(arm.higher_is_better)
    # Of another trainer's runs it is not known when they were scored.
    when = "" if any(source.reading for source in found.sources) else " after the last step"
    floor = "No floor is given."
    if found.trivial is not None:
        floor = f"The best constant prediction scores {score(found.trivial, found)}."
    return f"{trials} in {arms}, scored by {found.metric}{of}{way} on {dev}{when}. {floor}"


def _text(text: str) -> str:
    return escape(printable(text))


def _paragraphs(texts: Iterable[str], kind: str = "") -> str:
    start = f'<p class="{kind}">' if kind else "<p>"
    return "\n".join(f"{start}{_breakable(text)}</p>" for text in texts if text)


def _anchor(section: Section) -> str:
    return re.sub(r"[^a-z0-9]+", "-", section.title.lower())


def _section(section: Section) -> str:
    anchor, heading = f'id="{_anchor(section)}"', f"<h2>{_text(section.title)}</h2>"
    start = f"<section {anchor}>{heading}"
    if section.folded:
        # A browser unfolds what a link leads into, and not what it leads to.
        start = f"<section><details><summary>{heading}</summary><div {anchor}>"
    parts = [start, _paragraphs([section.lede], "lede")]
    if section.points:
        parts.append(_points(section.points))
    if section.panels:
        kind = "panels three" if section.columns == 3 else "panels"
        start, keys = f'<div class="{kind}">', _keys(section.keys)
        # A lone panel has room for its legend beside it.
        above, beside = ("", keys) if len(section.panels) == 1 else (keys, "")
        parts += [above, start, *map(_panel, section.panels), beside, "</div>"]
    for table in section.tables:
        heading = f"<h3>{_text(table.title)}</h3>" if len(section.tables) > 1 else ""
        parts += [heading, _table(table)]
    parts.append(_paragraphs([section.note], "note"))
    end = "</div></details></section>" if section.folded else "</section>"
    return "\n".join(part for part in [*parts, end] if part)


def _table(table: Table) -> str:
    named = any(table.columns)
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{_cell(first)}</th>'
        f"{''.join(f'<td>{_cell(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in table.rows
    )
    kind = "" if named else ' class="things"'
    head = f"<thead><tr>{head}</tr></thead>" if named else ""
    # Focusable, so that the keyboard scrolls it too.
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(table.title)}">'
    note = _paragraphs([table.note], "note")
    return f"{box}<table{kind}>{head}<tbody>\n{rows}\n</tbody></table></div>\n{note}"


def _cell(cell: str) -> str:
    first, *below = map(_breakable, cell.split("\n"))
    return first + "".join(f"<small>{line}</small>" for line in below)


def _breakable(text: str) -> str:
    """Names such as `learning_rate=2e-05` may be broken after a sign, and never within a word;
    `p = 0.01`, `10,000` and `--until_decided` nowhere.
    """
    text = re.sub(r"\bp (=|≤|&lt;) (?=\d)", r"p&nbsp;\1&nbsp;", _text(text))
    text = re.sub(rf"{_FLAG}|{_SIGN}", _whole_or_broken, text)
    return re.sub(_SHORT_NAME, r'<span class="name">\g<0></span>', text)


def _whole_or_broken(found: re.Match[str]) -> str:
    whole = found[0]
    return f'<span class="flag">{whole}</span>' if whole.startswith("--") else f"{whole}<wbr>"


def _panel(panel: Panel) -> str:
    # No image: of one nothing is read aloud but its name, which is the caption's, and not the words
    # and numbers that are drawn.
    drawing = panel.svg.replace("<svg ", '<svg role="group" ', 1)
    caption = _breakable(panel.title)
    start = '<figure class="tall">' if _is_tall(panel.svg) else "<figure>"
    return f"{start}<figcaption>{caption}</figcaption>{_keys(panel.keys)}{drawing}</figure>"


def _is_tall(svg: str) -> bool:
    """Such as the scores of many arms: cut to the height of others it would be too small to read on
    paper.
    """
    *_, width, height = re.findall(r"[\d.]+", svg[: svg.index(">")])
    return float(height) > float(width)


def _keys(keys: Sequence[Key]) -> str:
    return f'<ul class="keys">{"".join(map(_key, keys))}</ul>' if keys else ""


def _key(key: Key) -> str:
    colour = key.style.colour
    dashes = " ".join(f"{2 * dash:g}" for dash in key.style.dashes)
    marks = {
        "line": (
            f'<path d="M1 7H29" stroke="{colour}" stroke-width="2.5"'
            f' stroke-dasharray="{dashes or "none"}"/>'
        ),
        "dot": f'<circle cx="15" cy="7" r="4.5" fill="{colour}"/>',
        "cross": f'<path d="M10 2L20 12M10 12L20 2" stroke="{colour}" stroke-width="1.8"/>',
        "diamond": (
            f'<path d="M15 1L21 7L15 13L9 7Z" fill="#fff" stroke="{colour}" stroke-width="1.5"/>'
        ),
    }
    return (
        '<li><svg viewBox="0 0 30 14"'
        f' aria-hidden="true">{marks[key.mark]}</svg><span>{_breakable(key.label)}</span></li>'
    )


def _configs(head: Head) -> str:
    """The text of every config.yaml, folded away."""
    return "".join(
        f"\n<details><summary>config.yaml of {_text(name)}: --config of it repeats the"
        f" sweep</summary><pre>{escape(config)}</pre></details>"
        for name, config in head.configs
    )
