"""The cluster files shipped: sound by Ray's own schema, a head that no spot market takes, no idle node kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import fillout_defaults, validate_config

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "configs" / "cluster"
CLOUDS = ("aws", "gcp")


def load(name: str) -> dict[str, Any]:
    content = yaml.safe_load((CLUSTER / f"{name}.yaml").read_text())
    assert isinstance(content, dict)
    return content


def is_spot(node: dict[str, Any]) -> bool:
    return "spot" in str(node["node_config"]).lower()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_s_own_schema_takes_the_file(cloud: str) -> None:
    validate_config(fillout_defaults(load(cloud)))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_s_own_schema_would_notice_a_mistake(cloud: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(fillout_defaults(load(cloud) | {"max_worker": 3}))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_head_stays_and_does_no_work_and_workers_come_and_go_on_spot(cloud: str) -> None:
    config = load(cloud)
    nodes = config["available_node_types"]
    head = nodes.pop(config["head_node_type"])

    assert not is_spot(head)
    assert head["resources"]["CPU"] == 0
    assert set(nodes) == {"render-cpu", "render-gpu", "train-gpu"}
    for node in nodes.values():
        assert is_spot(node)
        assert node["min_workers"] == 0
    assert sum(node["max_workers"] for node in nodes.values()) <= config["max_workers"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_node_wants_the_token_and_has_it(cloud: str) -> None:
    config = load(cloud)

    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    for part in ("head", "worker"):
        (start,) = (line for line in config[f"{part}_start_ray_commands"] if "ray start" in line)
        assert start.index("export RAY_AUTH_MODE=token") < start.index("ray start")


def test_on_aws_the_head_may_do_more_than_its_workers() -> None:
    nodes = load("aws")["available_node_types"]
    profiles = {name: node["node_config"]["IamInstanceProfile"]["Name"] for name, node in nodes.items()}

    assert profiles.pop("head") == "sweeper-head"
    assert set(profiles.values()) == {"sweeper-storage"}


def test_kuberay_s_job_has_the_same_groups_and_a_head_off_spot() -> None:
    spec = load("kuberay-rayjob")["spec"]
    cluster = spec["rayClusterSpec"]

    assert cluster["headGroupSpec"]["template"]["spec"]["nodeSelector"] == {"sweeper/pool": "on-demand"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    assert set(groups) == set(load("aws")["available_node_types"]) - {"head"}
    for group in groups.values():
        assert group["minReplicas"] == 0
        assert group["template"]["spec"]["nodeSelector"] == {"sweeper/pool": "spot"}
    assert f"ray[default,tune,train]=={cluster['rayVersion']}" in (ROOT / "pyproject.toml").read_text()


def test_the_image_has_every_library_that_setup_installs_for_blender() -> None:
    wanted = re.search(r'^packages="([^"]+)"', (ROOT / "setup.sh").read_text(), re.MULTILINE)
    assert wanted is not None
    image = (CLUSTER / "Dockerfile").read_text()

    assert [package for package in wanted[1].split() if package not in image] == []
    # a login shell, in which Ray is started, knows nothing of the image's PATH
    assert re.search(r"PATH=/opt/sweeper/\.venv/bin:\S*' > /etc/profile\.d/", image)
    # and the folder's own environment would lie over the image's
    assert ".venv" in (ROOT / ".dockerignore").read_text().split()
    # without `graphics` the container has CUDA and no OptiX
    assert re.search(r"NVIDIA_DRIVER_CAPABILITIES=\S*graphics", image)
