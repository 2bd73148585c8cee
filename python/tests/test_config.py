"""Configuration values."""

import os
import subprocess
import sys

import pytest
from partita import config


def test_nested_keys():
    with config.set({"a.b-c": 1, "a": {"d": 2}}):
        pass
    with config.set({"array.chunk-size": "1MiB", "array.slicing": {"split": True}}):
        assert config.get("array.chunk_size") == "1MiB" and config.get("array.slicing.split") is True
        assert config.get("array") == {"chunk-size": "1MiB", "slicing": {"split": True}}
        with config.set(array__chunk_size=5):
            assert config.get("array.chunk-size") == 5
        assert config.get("array.chunk-size") == "1MiB"
    assert config.get("array", None) is None


def test_missing_values():
    with pytest.raises(KeyError, match=r"no\.such"):
        config.get("no.such")
    assert config.get("no.such", 5) == 5 and config.get("no", default=None) is None
    assert config.get("scheduler", override_with="x") == "x"


def test_set_without_a_block():
    try:
        config.set({"own.value": 1})
        assert config.get("own.value") == 1
    finally:
        assert config.pop("own.value") == 1
    assert config.pop("own.value", 2) == 2
    config.pop("own")


def test_former_values_return_after_an_error():
    with pytest.raises(ZeroDivisionError), config.set({"own": {"a": 1}}), config.set({"own.a.b": 2}):
        assert config.get("own.a.b") == 2
        raise ZeroDivisionError
    assert config.get("own", None) is None


def test_update_and_merge():
    old = {"x": 1, "y": {"a": 2}}
    assert config.update(old, {"x": 5, "y": {"b": 3}}, priority="old") == {"x": 1, "y": {"a": 2, "b": 3}}
    assert config.merge({"x_y": 1}, {"x-y": 2, "z": 3}) == {"x_y": 2, "z": 3}
    current = {"x": 1, "y": 2}
    config.update(current, {"x": 3, "y": 3}, priority="new-defaults", defaults={"x": 1, "y": 1})
    assert current == {"x": 3, "y": 2}


def test_environment():
    """Both prefixes are read; variables of the program, such as the token, are not."""
    found = config.collect_env(
        {
            "DASK_A__B_C": "12",
            "PARTITA_A__D": "[1, 2]",
            "DASK_SCHEDULER": "threads",
            "PARTITA_SCHEDULER": "tcp://host:1",
            "PARTITA_TOKEN": "secret",
            "PARTITA_DELAYED_PURE": "true",
        }
    )
    assert found == {"a": {"b-c": 12, "d": [1, 2]}, "scheduler": "threads", "delayed-pure": True}


def test_environment_of_a_process():
    code = "import partita; print(partita.config.get('own.value'), partita.delayed(abs)(-3).compute())"
    environment = {**os.environ, "PARTITA_OWN__VALUE": "7", "DASK_SCHEDULER": "synchronous"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["7", "3"]


def test_files(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "a.yaml").write_text("x: 1\ny: {z: 2}\n")
    (tmp_path / "b.yaml").write_text("x: 3\n")
    assert config.collect(paths=[str(tmp_path)], env={}) == {"x": 3, "y": {"z": 2}}
    (tmp_path / "c.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="expected a mapping"):
        config.collect(paths=[str(tmp_path)], env={})


def test_serialize():
    assert config.deserialize(config.serialize({"a": [1, "x"]})) == {"a": [1, "x"]}
