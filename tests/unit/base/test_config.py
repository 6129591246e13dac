from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmctl.base import config, settings_files
from fmctl.base.config import SETTINGS, resolve
from fmctl.base.errors import UnknownName, UnreadableFile, UnwritableFile, UsageError


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own settings folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "fmctl" / "config.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a folder deep inside, which is where fmctl runs."""
    (tmp_path / "project" / "deep" / "down").mkdir(parents=True)
    return tmp_path / "project"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults_are_of_their_own_type(user: Path, project: Path) -> None:
    found = resolve(env={}, cwd=project)
    assert set(found) == set(SETTINGS)
    assert len(found) == len(SETTINGS)
    for name, setting in SETTINGS.items():
        assert found[name].origin == "default"
        if setting.default is not None:
            assert config.find(name).default == found[name].value
            assert not setting.choices or setting.default in setting.choices


def test_every_setting_is_documented_and_has_its_variable() -> None:
    for name, setting in SETTINGS.items():
        assert setting.doc
        assert setting.env[0] == f"FMCTL_{name.upper()}"


def test_nearest_source_wins_and_says_so(user: Path, project: Path) -> None:
    deep = project / "deep" / "down"

    def found(name: str, **sources: dict[str, str]) -> tuple[object, str]:
        one = resolve(sources.get("flags"), env=sources.get("env", {}), cwd=deep)[name]
        return one.value, one.origin

    assert found("precision") == ("bf16", "default")
    write(user, 'precision = "fp8"\n')
    assert found("precision") == ("fp8", f"user {user}")
    file = write(project / "fmctl.toml", 'precision = "mxfp8"\n')
    assert found("precision") == ("mxfp8", f"project {file}")
    env = {"FMCTL_PRECISION": "nvfp4"}
    assert found("precision", env=env) == ("nvfp4", "environment FMCTL_PRECISION")
    assert found("precision", env=env, flags={"precision": "bf16"}) == ("bf16", "flag")
    assert found("region", env={"AWS_REGION": "eu-west-3"}) == ("eu-west-3", "environment AWS_REGION")
    both = {"AWS_REGION": "eu-west-3", "FMCTL_REGION": "eu-north-1"}
    assert found("region", env=both) == ("eu-north-1", "environment FMCTL_REGION")


def test_flags_that_were_not_given_do_not_count(user: Path, project: Path) -> None:
    found = resolve({"region": None, "tokens": "15T"}, env={"FMCTL_REGION": ""}, cwd=project)
    assert found["region"].origin == "default"


def test_types(user: Path, project: Path) -> None:
    write(
        project / "fmctl.toml", 'instances = ["p5.48xlarge", "p4d.24xlarge"]\ncarbon-g-per-kwh = 12\nread_only = true\n'
    )
    found = resolve({"purchase": "spot,on-demand"}, env={"FMCTL_POWER_USAGE_EFFECTIVENESS": "1.3"}, cwd=project)
    assert found.texts("instances") == ("p5.48xlarge", "p4d.24xlarge")
    assert found.texts("purchase") == ("spot", "on-demand")
    assert found.number("carbon_g_per_kwh") == 12.0
    assert found.number("power_usage_effectiveness") == 1.3
    assert found.number("max_hours") is None
    assert found.switch("read_only") is True
    assert found.text("framework") == "megatron"
    assert found.text("profile") is None


@pytest.mark.parametrize(("word", "value"), [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("off", False)])
def test_switches_in_the_environment(word: str, value: bool, user: Path, project: Path) -> None:
    assert resolve(env={"FMCTL_READ_ONLY": word}, cwd=project).switch("read_only") is value


@pytest.mark.parametrize(
    ("env", "color"),
    [
        ({"NO_COLOR": "1"}, "never"),
        ({"CLICOLOR_FORCE": "1"}, "always"),
        ({"CLICOLOR_FORCE": "0"}, "auto"),
        ({"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, "never"),
        ({"NO_COLOR": "1", "FMCTL_COLOR": "always"}, "always"),
    ],
)
def test_colour_follows_the_common_variables(env: dict[str, str], color: str, user: Path, project: Path) -> None:
    assert resolve(env=env, cwd=project).text("color") == color


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("framework = 3", "another type"),
        ('precision = "fp7"', "set by"),
        ("carbon_g_per_kwh = -1", "negative"),
        ("carbon_g_per_kwh = nan", "finite"),
        ("carbon_g_per_kwh = true", "another type"),
        ('ui_ascii = "maybe"', "another type"),
        ("instances = [1]", "another type"),
        ("instances = 5", "another type"),
        ("framework = ''", "another type"),
    ],
)
def test_a_wrong_value_names_the_file(line: str, why: str, user: Path, project: Path) -> None:
    file = write(project / "fmctl.toml", line + "\n")
    with pytest.raises(UsageError) as caught:
        resolve(env={}, cwd=project)
    assert why in (caught.value.why or "")
    assert str(file) in (caught.value.why or "")


def test_an_unknown_key_is_answered_with_the_nearest(user: Path, project: Path) -> None:
    file = write(project / "fmctl.toml", 'regoin = "eu-west-1"\n')
    with pytest.raises(UnknownName) as caught:
        resolve(env={}, cwd=project)
    assert "region" in caught.value.suggestions
    assert str(file) in (caught.value.why or "")
    assert caught.value.next == f"edit {file}"


@pytest.mark.parametrize("content", [b"region = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_broken_file_is_one_error(content: bytes, user: Path, project: Path) -> None:
    (project / "fmctl.toml").write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"fmctl\.toml"):
        resolve(env={}, cwd=project)


def test_a_folder_in_place_of_the_file_is_one_error(user: Path, project: Path) -> None:
    user.mkdir(parents=True)
    with pytest.raises(UnreadableFile):
        resolve(env={}, cwd=project)


def test_pyproject_counts_only_with_our_table(user: Path, project: Path) -> None:
    inner = write(project / "deep" / "pyproject.toml", "[tool.other]\nbroken = \n")
    outer = write(project / "pyproject.toml", '[tool.fmctl]\ncarbon-g-per-kwh = 5\n[tool.x]\na = "b"\n')
    found = resolve(env={}, cwd=project / "deep" / "down")["carbon_g_per_kwh"]
    assert (found.value, found.origin) == (5.0, f"project {outer}")
    inner.write_text("[tool.fmctl]\nbroken = \n")
    with pytest.raises(UnreadableFile):
        resolve(env={}, cwd=project / "deep" / "down")


def test_no_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert settings_files.user_file() is None
    assert resolve(env={}, cwd=project).text("region") == "us-east-1"
    with pytest.raises(UsageError, match="no user settings file"):
        config.set_value("region", "eu-west-1")


def test_a_working_folder_that_is_gone(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert resolve(env={}).text("output") == "table"


def test_set_and_unset(user: Path, project: Path) -> None:
    assert config.set_value("max-hours", "36") == user
    assert config.set_value("instances", "p5.48xlarge,p4d.24xlarge") == user
    assert tomllib.loads(user.read_text()) == {"max_hours": 36.0, "instances": ["p5.48xlarge", "p4d.24xlarge"]}
    assert config.unset("max_hours") is True
    assert config.unset("max_hours") is False
    assert resolve(env={}, cwd=project).texts("instances") == ("p5.48xlarge", "p4d.24xlarge")
    file = config.set_value("precision", "fp8", "project", project / "deep")
    assert file == project / "deep" / "fmctl.toml"
    assert config.set_value("precision", "bf16", "project", project / "deep" / "down") == file


def test_setting_one_keeps_comments_and_the_rest(user: Path) -> None:
    write(user, '# mine\nregion = "eu-west-1" # home\n\nmax-hours = 3\nread_only = true')
    config.set_value("max_hours", "4")
    config.set_value("profile", 'a"b\\c')
    assert user.read_text() == (
        '# mine\nregion = "eu-west-1" # home\n\nmax-hours = 4.0\nread_only = true\nprofile = "a\\"b\\\\c"\n'
    )


def test_a_value_over_several_lines_is_replaced_whole(user: Path) -> None:
    write(user, 'instances = [\n  "p5.48xlarge",\n]\nregion = "eu-west-1"\n')
    config.set_value("instances", "p4d.24xlarge")
    assert tomllib.loads(user.read_text()) == {"instances": ["p4d.24xlarge"], "region": "eu-west-1"}


def test_what_cannot_be_changed_safely_is_left_alone(user: Path, project: Path) -> None:
    file = write(project / "pyproject.toml", "[tool.fmctl]\ncarbon_g_per_kwh = 5\n")
    with pytest.raises(UsageError, match="settings of this project"):
        config.set_value("carbon_g_per_kwh", 6, "project", project)
    assert "= 5" in file.read_text()


def test_tables_of_others_stay(user: Path) -> None:
    write(user, "[table]\nx = 1 # theirs\n")
    config.set_value("region", "eu-west-1")
    assert user.read_text() == 'region = "eu-west-1"\n\n[table]\nx = 1 # theirs\n'
    config.unset("region")
    assert tomllib.loads(user.read_text()) == {"table": {"x": 1}}


def test_wrong_names_and_values_are_never_written(user: Path) -> None:
    with pytest.raises(UnknownName):
        config.set_value("regoin", "x")
    with pytest.raises(UsageError):
        config.set_value("output", "word")
    assert not user.exists()


def test_a_file_that_cannot_be_written(user: Path) -> None:
    write(user.parent.parent / "fmctl", "a file where the folder should be")
    with pytest.raises(UnwritableFile):
        config.set_value("region", "eu-west-1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip())))
def test_any_text_written_reads_back(text: str, user: Path, project: Path) -> None:
    config.set_value("profile", text)
    assert resolve(env={}, cwd=project).text("profile") == text.strip()


@pytest.mark.parametrize(("value", "left"), [(True, "read-only = true\n"), (None, "")])
def test_a_setting_that_is_spelled_twice_is_changed_once_and_for_all(
    tmp_path: Path, value: bool | None, left: str
) -> None:
    path = write(tmp_path / "fmctl.toml", "read-only = false\nread_only = false\n")
    assert settings_files.change(path, "read_only", value)
    assert path.read_text() == left
    assert settings_files.load(path).get("read_only") is value
