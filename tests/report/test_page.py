"""The page as a browser gets it: where its lines may break, and what is read aloud."""

import re

import pytest
from made_up import write_made_up_sweep

from jaxtune.core.folding import fold
from jaxtune.report.__main__ import main
from jaxtune.report.page import _breakable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bias_correction=true", '<span class="name">bias_<wbr>correction=<wbr>true</span>'),
        ("lr=2e-05", '<span class="name">lr=<wbr>2e-05</span>'),
        ("wd0.01.bs32", '<span class="name">wd0.01.<wbr>bs32</span>'),
        ("10,000 and 1,234,567", "10,000 and 1,234,567"),
        ("a,b 1,2", '<span class="name">a,<wbr>b</span> <span class="name">1,<wbr>2</span>'),
        ("(97.5% interval)", "(97.5% interval)"),
        ("p = 0.00038, p < 0.0001", "p&nbsp;=&nbsp;0.00038, p&nbsp;&lt;&nbsp;0.0001"),
        ("p ≤ 0.0002", "p&nbsp;≤&nbsp;0.0002"),
        ("step = 3", "step = 3"),
        ("with --until_decided).", 'with <span class="flag">--until_decided</span>).'),
        ("a=" + "b" * 50, "a=<wbr>" + "b" * 50),  # too long to be kept whole
        ("<b>_c", '<span class="name">&lt;b&gt;_<wbr>c</span>'),
    ],
)
def test_lines_break_where_nothing_is_torn(text, shown):
    assert _breakable(text) == shown


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("short", 9, ["short"]),
        ("", 9, [""]),
        ("lr=2e-05 num_epochs=3", 14, ["lr=2e-05", "num_epochs=3"]),
        ("lr=2e-05,num_epochs=3", 14, ["lr=2e-05,", "num_epochs=3"]),
        ("num_epochs=3", 8, ["num_", "epochs=3"]),
        ("a.lr2e5.wd0.01.bs32", 11, ["a.lr2e5.", "wd0.01.bs32"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
    ],
)
def test_names_fold_at_spaces_then_after_signs(name, width, lines):
    assert fold(name, width) == lines


@pytest.mark.slow
def test_what_is_drawn_is_read_aloud_and_tall_pictures_print_tall(tmp_path):
    arms = {f"arm{number}": [0.6, 0.7, 0.8] for number in range(9)}
    out = write_made_up_sweep(tmp_path, arms)
    assert main([str(out)]) == 0
    page = (out / "report.html").read_text()
    figures = re.findall("<figure.*?</figure>", page)
    # An image would be its title alone; the caption is what names the figure.
    assert all('<svg role="group" viewBox' in figure for figure in figures)
    assert 'role="img"' not in page
    assert [figure.startswith('<figure class="tall">') for figure in figures[:2]] == [True, False]
