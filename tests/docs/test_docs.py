"""The documentation points at what is there: links, paths, make targets, flags, settings and the
picture of the house. `make docs` checks the built site; this needs no mkdocs.
"""

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Literal

import pytest
import yaml

from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import program_config

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("configs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)
NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what is gone
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]+`")
PATH = re.compile(r"(?<![\w/.])(?:jaxtune|tests|docs|configs|benchmarks)/[\w./-]*")
# Flags of a sweep that are no settings of their own.
NOT_FIELDS = {"config", "recipe", "help"}


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def code_of(page: Path) -> list[str]:
    """Code blocks and code spans, a command of several lines as one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return [*FENCE.findall(text), *CODE.findall(FENCE.sub("", text))]


def anchors(page: Path) -> set[str]:
    """Where a link into the page may point, as GitHub and the site spell it."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def site():
    """docs/build_site.py, which mkdocs runs."""
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", names(PAGES))
def test_links_lead_somewhere(page):
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", names(NOW))
def test_paths_in_code_exist(page):
    """Capitals are placeholders."""
    for code in code_of(ROOT / page):
        for path in PATH.findall(code):
            assert (ROOT / path).exists() or re.search(r"[A-Z]{3}", path), path


@pytest.mark.parametrize("page", names(NOW))
def test_make_targets_and_flags_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    fields = {field.name for field in dataclasses.fields(SweepConfig)} | NOT_FIELDS
    for code in code_of(ROOT / page):
        assert set(re.findall(r"(?:^|`)make ([a-z]\w*)", code, re.M)) <= targets, code
        for command in re.findall(r"jaxtune[ .]sweep (.*)", code):
            flags = re.findall(r"--(?:grid\.)?([a-z]\w*)", command.split("#")[0])
            assert set(flags) <= fields, command


def test_every_recipe_is_listed():
    table = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", table, re.M)
    recipes = [file.stem for file in (ROOT / "jaxtune" / "config" / "recipes").glob("*.yaml")]
    assert sorted(listed) == sorted(recipes)


def test_readme_is_a_page():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    first = lines.index(
        "make sweep     # makes .venv, installs, runs the quickstart: 2 x 32 trials, offline"
    )
    assert first < 25  # one screen


def test_settings_page_has_every_field(site):
    fields = site.settings()
    assert [f.name for f in fields] == [f.name for f in dataclasses.fields(SweepConfig)]
    assert all(field.group and field.type and field.default and field.help for field in fields)
    page = site.settings_tables(fields)
    assert all(f"| `{field.name}`" in page for field in fields)
    assert "Literal" not in page
    assert "MetricName" not in page
    assert "Default: none given; one or more: text; not swept. |" in page
    assert "Default: `null`; `none`, `elementwise`, `block` or null; a program each. |" in page
    assert site.MARK in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "values", "programs", "says"),
    [
        ("learning_rate", (1e-5, 2e-5, 3e-5), 1, "one program"),
        ("mixout", (0.0, 0.5, 0.9), 2, "one program, another for the default"),
        ("lora_rank", (0, 4, 8), 2, "one program, another for the default"),
        ("dropout", (0.0, 0.1, 0.2), 3, "a program each"),
        ("schedule", ("linear", "cosine"), 2, "a program each"),
    ],
)
def test_settings_page_says_what_a_grid_compiles(site, name, values, programs, says):
    configs = [dataclasses.replace(SweepConfig(), **{name: value}) for value in values]
    assert len({program_config(config) for config in configs}) == programs
    assert site.swept(name) == says
    assert site.swept("patience") == "not swept"


@dataclasses.dataclass
class Few:
    """What a page of settings is made of."""

    a: int | None = None
    """A."""

    # More
    b: tuple[str, ...] = ("x", "y")
    """B."""
    c: Literal["u", "v", "w"] | None = "u"
    """C."""
    d: bool = False
    """D,
    on two lines."""
    e: tuple[str, ...] = ()
    """E."""


def test_defaults_are_spelled_as_flags_are(site):
    assert [tuple(field) for field in site.settings(Few)] == [
        (site.FIRST_GROUP, "a", "whole number or null", "`null`", "A."),
        ("More", "b", "one or more: text", "`x y`", "B."),
        ("More", "c", "`u`, `v`, `w` or null", "`u`", "C."),
        ("More", "d", "true or false", "`false`", "D, on two lines."),
        ("More", "e", "one or more: text", "none given", "E."),
    ]


def test_site_has_every_page_once(site):
    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        values = entry.values() if isinstance(entry, dict) else entry
        return [page for value in values for page in pages(value)]

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    written = [str(page.relative_to(docs)) for page in docs.rglob("*.md")]
    notebooks = [str(page.relative_to(docs).with_suffix(".md")) for page in docs.rglob("*.ipynb")]
    assert sorted(pages(config["nav"])) == sorted([*written, *notebooks, *site.OUTSIDE.values()])


def test_links_between_inside_and_outside(site):
    given = "[a](docs/api.md#results) [b](../CHANGELOG.md) ![c](study/x.png) [d](https://e.org/f)"
    assert site.with_site_links(given, "CONTRIBUTING.md", "contributing.md").startswith(
        "[a](api.md#results)"
    )
    assert "[b](../changelog.md)" in site.with_site_links(
        "[b](../../CHANGELOG.md)", "docs/study/index.md", "study/index.md"
    )
    kept = "![c](x.png) [d](https://e.org/f) [e](#here)"
    assert site.with_site_links(kept, "docs/study/index.md", "study/index.md") == kept


def test_a_notebook_is_a_page(site):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {
            "cell_type": "code",
            "source": ["1 < 2"],
            "outputs": [
                {"output_type": "stream", "text": ["a < b\n"]},
                {"data": {"text/plain": ["x"], "text/html": ["<b>x</b>\n", "\n", "y"]}},
                {"data": {"text/plain": ["fig"], "image/png": "QUJD\n"}},
            ],
        },
    ]
    page = site.notebook_page({"cells": cells})
    assert page.startswith("# Title\nwords\n\n```python\n1 < 2\n```")
    assert "<pre>a &lt; b\n</pre>" in page
    assert '<div class="output"><b>x</b>\ny</div>' in page
    assert "data:image/png;base64,QUJD" in page


def test_the_picture_of_the_house_is_the_diagram():
    """docs/house.svg is the mermaid block of CONTRIBUTING.md, drawn."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", contributing, re.DOTALL)
    texts = re.findall(r'"(?:`)?(.*?)(?:`)?"', diagram, re.DOTALL)
    svg = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")
    drawn = re.sub(r"\s", "", re.sub(r"<style>.*?</style>|<[^>]*>", "", svg, flags=re.DOTALL))
    assert len(texts) > 15
    for text in texts:
        assert re.sub(r"\s|\*|<br>", "", text) in drawn, text
    folders = {path.parent.name for path in (ROOT / "jaxtune").glob("*/__init__.py")}
    assert folders == set(re.findall(r"\*\*\d+ (\w+)\*\*", diagram))
