"""What `make docs` adds to the pages of this folder: the settings, read from the source of the
config dataclass so that they cannot drift; pages that lie elsewhere in the repository; notebooks.

Needs mkdocs only inside its hooks, so that the tests can ask for the settings without it.
"""

import ast
import base64
import html
import json
import posixpath
import re
from pathlib import Path
from typing import Any, NamedTuple

from jaxtune.config.field_groups import MITIGATIONS, NOT_SWEPT, TRACED_FIELDS

ROOT = Path(__file__).parents[1]
SETTINGS = ROOT / "jaxtune" / "config" / "settings.py"
MARK = "<!-- the settings -->"
# Pages of the site that lie outside of docs/, by their path in the repository.
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
WORDS["None"] = "null"
FIRST_GROUP = "Model, task and folder"
LINK = re.compile(r"(\]\(|<img src=\")([^)#:\s\"]+)")
MERMAID = re.compile(r"```mermaid\n.*?```", re.DOTALL)


class Setting(NamedTuple):
    """One field of the config dataclass, as its source spells it."""

    group: str
    name: str
    type: str
    default: str
    help: str


def settings(source: str) -> list[Setting]:
    """The fields of `SweepConfig`; a comment between them names the group of those that follow."""
    tree = ast.parse(source)
    (config,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "SweepConfig")
    lines = source.splitlines()
    found: list[Setting] = []
    group, seen = FIRST_GROUP, config.lineno
    for field, text in zip(config.body, config.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign):
            continue
        for line in lines[seen : field.lineno]:
            group = line.strip().removeprefix("# ") if line.startswith("    # ") else group
        seen = field.lineno
        said = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        found.append(
            Setting(
                group=group,
                name=ast.unparse(field.target),
                type=_type(field.annotation),
                default=_default(field.value) if field.value else "none",
                help=" ".join(str(text.value.value).split()) if said else "",
            )
        )
    return found


def _type(annotation: ast.expr) -> str:
    """A type in words, as messages about wrong settings have them."""
    text = ast.unparse(annotation)
    if several := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", text):
        return f"one or more: {WORDS[several[1]]}"
    if choice := re.fullmatch(r"Literal\[(.*)\]", text):
        return " or ".join(f"`{word}`" for word in ast.literal_eval(f"[{choice[1]}]"))
    return " or ".join(WORDS.get(part, part) for part in text.split(" | "))


def _default(value: ast.expr) -> str:
    """A default as one types it on the command line or in YAML."""
    default = ast.literal_eval(value)
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or "none"
    if default is None or isinstance(default, bool):
        return "null" if default is None else str(default).lower()
    return ast.unparse(value).strip("'")


def settings_tables(fields: list[Setting]) -> str:
    """One table per group, as Markdown."""
    parts: list[str] = []
    for group in dict.fromkeys(field.group for field in fields):
        rows = [
            f"| `{f.name}`{{ #{f.name} }} | {f.help}<br>Default: `{f.default}`; {f.type};"
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
        tables = settings_tables(settings(SETTINGS.read_text(encoding="utf-8")))
        markdown = markdown.replace(MARK, tables)
    if place == "contributing.md":
        # GitHub draws the diagram; here it would need a script from elsewhere.
        markdown = MERMAID.sub("![The folders of jaxtune](docs/house.svg)", markdown)
    return with_site_links(markdown, sources.get(place, f"docs/{place}"), place)
