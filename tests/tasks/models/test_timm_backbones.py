"""timm's networks as backbones: every task that suits them learns, weights are taken whole, the rest is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tasks.base import TaskError, task, task_facts, task_names
from tasks.models.backbone_facts import check_pair
from tasks.models.backbones import build_backbone
from tasks.models.given_weights import given_state
from tasks.models.transfer import backbone_state, load_backbone, seeded_model
from tests.tasks.models.steps import one_step

PYRAMIDS = ("objdet", "insseg", "keypoint")


def test_without_timm_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(TaskError, match=r"timm, which is not installed; install it: uv pip install .*timm.txt$"):
        check_pair("timm:resnet50", task_facts("sinclass"), 64)


class TestWithTimm:
    """What needs the library."""

    @pytest.fixture(autouse=True)
    def _timm(self) -> None:
        pytest.importorskip("timm", reason="timm is not installed: requirements-timm.txt")

    @pytest.mark.parametrize(
        ("backbone", "name"),
        [
            pytest.param(backbone, name, marks=[pytest.mark.slow] if name in PYRAMIDS else [])
            for backbone in ("test_resnet", "test_convnext", "test_efficientnet", "test_vit")
            for name in task_names()
            if not (backbone == "test_vit" and name in PYRAMIDS)
        ],
    )
    def test_every_parameter_of_a_fitting_pair_learns_and_its_predictions_have_a_score(
        self, backbone: str, name: str
    ) -> None:
        """Given images of 64 px, a step reaches every parameter, and the state moves to another model whole."""
        check_pair(f"timm:{backbone}", task(name).facts, 64)

        model = one_step(f"timm:{backbone}", name)

        other = seeded_model(f"timm:{backbone}", task("sinclass"), 3, 1)
        load_backbone(other, backbone_state(model))
        assert all(torch.equal(each, backbone_state(model)[n]) for n, each in backbone_state(other).items())

    @pytest.mark.parametrize("name", ["test_convnext", "test_resnet", "test_vit"])
    def test_a_whole_networks_weights_are_taken_and_seen_as_timm_sees_them(self, tmp_path: Path, name: str) -> None:
        """Given timm's own state dict, the last map is that of timm's network on pixels normalised as it wants."""
        import timm

        torch.manual_seed(0)
        net = timm.create_model(name, pretrained=False, **({"dynamic_img_size": True} if name == "test_vit" else {}))
        save_file(net.state_dict(), tmp_path / "w.safetensors")
        backbone = build_backbone(f"timm:{name}", task_facts("sinclass")).eval()

        backbone.load_state_dict(given_state(tmp_path / "w.safetensors", backbone))

        pixels, told = torch.rand(2, 3, 64, 64), net.pretrained_cfg
        mean, std = (torch.tensor(told[each]).view(1, 3, 1, 1) for each in ("mean", "std"))
        with torch.inference_mode():
            theirs = net.eval().forward_intermediates((pixels - mean) / std, norm=False, intermediates_only=True)[-1]
            torch.testing.assert_close(backbone(2 * pixels - 1)[-1], theirs, rtol=1e-4, atol=1e-4)

    def test_weights_of_another_network_are_refused_in_a_line(self, tmp_path: Path) -> None:
        import timm

        save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.safetensors")

        with pytest.raises(TaskError, match="is of another network") as refused:
            given_state(tmp_path / "w.safetensors", build_backbone("timm:test_convnext", task_facts("sinclass")))
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        ("network", "name", "resolution", "reason"),
        [
            ("timm:nonesuch", "sinclass", 64, "timm has no network 'nonesuch'"),
            ("timm:", "sinclass", 64, "timm has no network ''"),
            ("timm:hf-hub:timm/resnet18", "sinclass", 64, "timm has no network"),
            ("timm:test_resnet.nonesuch", "sinclass", 64, "nonesuch"),
            ("timm:test_vit", "objdet", 64, "feature pyramid.* not four of them; choose one of"),
            ("timm:test_resnet", "objdet", 24, "needs images of 32 px or more, not 24"),
            ("timm:mixer_s16_224", "sinclass", 64, "cannot work on images of 64 px .*224"),
        ],
    )
    def test_what_does_not_suit_is_refused_in_a_line(
        self, network: str, name: str, resolution: int, reason: str
    ) -> None:
        with pytest.raises(TaskError, match=reason) as refused:
            check_pair(network, task_facts(name), resolution)
        assert "\n" not in str(refused.value)

    def test_a_dense_task_reads_an_eighth_and_its_weights_fit_the_plain_network(self) -> None:
        fine, plain = (build_backbone("timm:test_resnet", task_facts(name)).eval() for name in ("semseg", "sinclass"))
        plain.load_state_dict(fine.state_dict())

        sides = [[each.shape[-1] for each in net(torch.zeros(1, 3, 64, 64))] for net in (fine, plain)]

        assert sides == [[16, 8, 8, 8], [16, 8, 4, 2]]

    def test_no_part_of_a_look_ahead_touches_the_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object) -> None:
            raise AssertionError("a look ahead opened a connection")

        monkeypatch.setattr("socket.socket.connect", refuse)
        check_pair("timm:test_resnet.r160_in1k", task_facts("semseg"), 64)
        build_backbone("timm:test_resnet.r160_in1k", task_facts("semseg"))
        assert "timm" in sys.modules
