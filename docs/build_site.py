"""What `make docs` adds to the pages of this folder: the settings, read from the config dataclass
so that they cannot drift; pages that lie elsewhere in the repository; notebooks.

Needs mkdocs only inside its hooks, so that the tests can ask for the settings without it.
"""

import base64
import dataclasses
import html
import json
import posixpath
import re
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from jaxtune.config.field_groups import MITIGATIONS, NOT_SWEPT, TRACED_FIELDS
from jaxtune.config.settings import SweepConfig
from jaxtune.core.fields import choices, hints_of, is_list
from jaxtune.core.help import docs_of
from jaxtune.core.words import any_of

ROOT = Path(__file__).parents[1]
MARK = "<!-- the settings -->"
# Pages of the site that lie outside of docs/, by their path in the repository.
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null"}
FIRST_GROUP = "Model, task and folder"
LINK = re.compile(r"(\]\(|<img src=\")([^)#:\s\"]+)")
MERMAID = re.compile(r"```mermaid\n.*?```", re.DOTALL)


class Setting(NamedTuple):
    """One field of the config dataclass, in words."""

    group: str
    name: str
    type: str
    default: str
    help: str


def settings(config: type = SweepConfig) -> list[Setting]:
    """The fields of a config dataclass; a comment between them names the group of those below."""
    hints, docs = hints_of(config), docs_of(config)
    return [
        Setting(
            group=docs[field.name].heading or FIRST_GROUP,
            name=field.name,
            type=_type(hints[field.name]),
            default=_default(field.default),
            help=docs[field.name].text,
        )
        for field in dataclasses.fields(config)
    ]


def _type(hint: Any) -> str:
    """What a field takes, a word to be typed as code."""
    words = any_of(WORDS.get(choice) or f"`{choice}`" for choice in choices(hint))
    return f"one or more: {words}" if is_list(hint) else words


def _default(value: Any) -> str:
    """A default as one types it on the command line or in YAML; nothing can be typed for no entry
    of a list.
    """
    if isinstance(value, tuple):
        return f"`{' '.join(map(str, value))}`" if value else "none given"
    if value is None or isinstance(value, bool):
        return "`null`" if value is None else f"`{str(value).lower()}`"
    return f"`{value}`"


def settings_tables(fields: list[Setting]) -> str:
    """One table per group, as Markdown."""
    parts: list[str] = []
    for group in dict.fromkeys(field.group for field in fields):
        rows = [
            f"| `{f.name}`{{ #{f.name} }} | {f.help}<br>Default: {f.default}; {f.type};"
            f" {swept(f.name)}. |"
            for f in fields
            if f.group == group
        ]
        head = "| setting | what it does |\n|---|---|"
        parts.append("\n".join([f"## {group}", "", head, *rows]))
    return "\n\n".join(parts)


def swept(name: str) -> str:
    """What a grid over a setting compiles."""
    if name in NOT_SWEPT:
        return "not swept"
    if name in (*MITIGATIONS, "lora_rank"):
        return "one program, another for the default"
    return "one program" if name in TRACED_FIELDS else "a program each"


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook's cells and kept outputs as Markdown with HTML in it."""
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts += [f"```python\n{source}\n```", *map(_output, cell["outputs"])]
    return "\n\n".join(parts)


def _output(output: dict[str, Any]) -> str:
    """The richest form of an output that a page can show."""
    data = output.get("data", {})
    text = "".join(output.get("text", data.get("text/plain", "")))
    if "text/html" in data:
        shown = "".join(data["text/html"])
    elif "image/svg+xml" in data:
        picture = base64.b64encode("".join(data["image/svg+xml"]).encode()).decode()
        shown = f'<img alt="output" src="data:image/svg+xml;base64,{picture}">'
    elif "image/png" in data:
        picture = "".join("".join(data["image/png"]).split())
        shown = f'<img alt="output" src="data:image/png;base64,{picture}">'
    else:
        shown = f"<pre>{html.escape(text)}</pre>"
    whole = re.sub(r"\n\s*\n", "\n", shown)  # a blank line would end the HTML block
    return f'<div class="output">{whole}</div>'


def with_site_links(markdown: str, source: str, page: str) -> str:
    """Relative links of a file of the repository, as the site has them."""

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        place = OUTSIDE.get(target, target.removeprefix("docs/"))
        if place == target:  # not of the site: the strict build names it
            return match[0]
        return match[1] + posixpath.relpath(place, posixpath.dirname(page) or ".")

    return LINK.sub(moved, markdown)


def on_files(files: Any, config: Any) -> Any:
    """mkdocs: adds the pages that lie outside, and a page for every notebook."""
    from mkdocs.structure.files import File

    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_page(json.loads(Path(file.abs_src_path).read_text(encoding="utf-8")))
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs: fills in the settings, and mends links between the inside and the outside."""
    place = page.file.src_uri
    sources = {page: source for source, page in OUTSIDE.items()}
    if place == "settings.md":
        markdown = markdown.replace(MARK, settings_tables(settings()))
    if place == "contributing.md":
        # GitHub draws the diagram; here it would need a script from elsewhere.
        markdown = MERMAID.sub("![The folders of jaxtune](docs/house.svg)", markdown)
    return with_site_links(markdown, sources.get(place, f"docs/{place}"), place)
