"""A folder that is made whole or not at all, where nothing else is."""

import stat

import pytest

from jaxtune.core.errors import UserError
from jaxtune.storage.new_folder import check_new, new_folder


@pytest.mark.parametrize("name", ["new", "empty", "deep/in/new"])
def test_it_comes_whole_with_the_rights_of_any_folder(tmp_path, name):
    (tmp_path / "empty").mkdir()
    check_new(tmp_path / name)
    with new_folder(tmp_path / name) as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / name / "file").exists()
    assert (tmp_path / name / "file").read_text() == "x"
    assert not [*(tmp_path / name).parent.glob(".*")]
    (tmp_path / "plain").mkdir()
    modes = [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in (name, "plain")]
    assert modes[0] == modes[1]


def test_an_error_leaves_nothing(tmp_path):
    def interrupted():
        with new_folder(tmp_path / "new") as folder:
            (folder / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_made(tmp_path, there):
    if there:
        (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    check_new(link)
    with new_folder(link) as folder:
        (folder / "file").write_text("x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "x"


def test_what_cannot_give_way_is_refused(tmp_path, monkeypatch):
    (tmp_path / "full" / "here").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for name in ("full", "file"):
        with pytest.raises(UserError, match=f"{name} exists and is not an empty folder"):
            check_new(tmp_path / name)
    with pytest.raises(UserError, match="in cannot be written"):
        check_new(tmp_path / "file" / "in")
    with monkeypatch.context() as patch:
        patch.setattr("os.path.ismount", lambda path: path == tmp_path / "mount")
        with pytest.raises(UserError, match="is a mount point, which cannot be replaced"):
            check_new(tmp_path / "mount")
    monkeypatch.chdir(tmp_path / "full" / "here")
    with pytest.raises(UserError, match="is the working directory"):
        check_new(tmp_path / "full" / "here")


def test_what_came_meanwhile_stays(tmp_path):
    def late():
        with new_folder(tmp_path / "new"):
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "others").write_text("x")

    with pytest.raises(UserError, match="not an empty folder"):
        late()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "others"]
