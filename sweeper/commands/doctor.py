"""`sweeper doctor`: what this machine can do, what is missing and how to get it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sweeper.config.extras import EXTRAS, OURS, install, shadowed
from sweeper.errors import one_line

LEAST_DISK_GB = 5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `needed`: a sweep cannot run without it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True

    def __str__(self) -> str:
        mark = "ok     " if self.ok else ("MISSING" if self.needed else "absent ")
        return f"{mark} {self.name}: {self.found}{'' if self.ok or not self.remedy else '; ' + self.remedy}"


def examine() -> list[Check]:
    """Every check, in the order in which a sweep would need it."""
    checks: list[Callable[[], Check]] = [
        _python,
        _names,
        _extras,
        _cpus,
        _disk,
        _temporary,
        _ports,
        _blender,
        _gpus,
        _fashion_mnist,
        _trackers,
        _browser,
    ]
    return [_looked(check) for check in checks]


def _looked(check: Callable[[], Check]) -> Check:
    """A check's answer; where what it needs is not installed, or its name is taken, that."""
    try:
        return check()
    except ImportError as error:
        name = check.__name__.removeprefix("_").replace("_", " ")
        return Check(name, False, f"not looked for: {one_line(error)}", "install what is absent above", needed=False)


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", sys.version_info[:2] == (3, 11), version, "Blender's wheels need 3.11: run make setup")


def _names() -> Check:
    """Our packages have common names: another of that name on the path before ours breaks every command."""
    taken = ", ".join(f"{name} is taken from {where}" for name, where in shadowed())
    remedy = "run from another folder, or uninstall what is there"
    return Check("package names", not taken, taken or f"{', '.join(OURS)} are ours", remedy)


def _extras() -> Check:
    """The light part of the package fits and reports; the rest is optional."""
    wanted = ("train", "render", "cluster")
    missing = [extra for extra in wanted if find_spec(EXTRAS[extra][0]) is None]
    found = ", ".join(f"{extra} {'absent' if extra in missing else 'there'}" for extra in wanted)
    remedy = f"`sweeper run` needs them, `sweeper fit` does not: {install(*missing)}"
    return Check("optional parts", not missing, found, remedy, needed=False)


def _cpus() -> Check:
    cores = len(os.sched_getaffinity(0))
    return Check("cores", cores >= 2, str(cores), "configs/quickstart.yaml expects 2; set render.actors=1")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("disk", free >= LEAST_DISK_GB, f"{free:.0f} GB free here", f"free at least {LEAST_DISK_GB} GB")


def _temporary() -> Check:
    """Ray's sockets lie under it, and their paths may not be long."""
    from sweeper.cluster.ray_start import temporary_folder

    folder, excess = temporary_folder()
    writable = os.access(folder, os.W_OK)
    found = folder if writable else f"{folder} cannot be written"
    found += f", {excess} characters too long for Ray's sockets" if excess > 0 else ""
    return Check("temporary folder", writable and excess <= 0, found, "set RAY_TMPDIR=/tmp, or another short folder")


def _ports() -> Check:
    """Ray listens on loopback ports of its own choosing."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return Check("loopback ports", True, f"can listen, for example on {server.getsockname()[1]}")
    except OSError as error:
        return Check("loopback ports", False, str(error), "allow processes to listen on 127.0.0.1")


def _blender() -> Check:
    """Imported in a process of its own: a missing library would crash this one."""
    if find_spec("bpy") is None:
        return Check("Blender", False, "not installed", install("render"), needed=False)
    code = "from render_actors.blender.renderer import blender_version; print(blender_version())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
    ok = done.returncode == 0
    return Check("Blender", ok, (done.stdout.strip().splitlines() or lines)[-1] if ok else lines[-1], "run make setup")


def _gpus() -> Check:
    if find_spec("torch") is None:
        return Check("GPUs", False, "not looked for without torch", install("train"), needed=False)
    import torch

    from tasks.training.evaluation import gpu_has_bf16

    without = " (no bf16: set the recipes' precision to fp16)"
    gpus = range(torch.cuda.device_count())
    names = [torch.cuda.get_device_name(i) + ("" if gpu_has_bf16(i) else without) for i in gpus]
    return Check("GPUs", bool(names), ", ".join(names) or "none", "only needed where a config asks for them", False)


def _fashion_mnist() -> Check:
    from tasks.data.fashion_mnist import PACKAGE_FOLDER

    ok = PACKAGE_FOLDER.is_dir()
    remedy = "apt-get install dataset-fashion-mnist, or set data_root, or let torchvision download it"
    return Check("Fashion-MNIST", ok, str(PACKAGE_FOLDER), remedy, False)


def _trackers() -> Check:
    missing = [name for name in EXTRAS["trackers"] if find_spec(name) is None]
    found = ", ".join(f"{name} {'absent' if name in missing else 'there'}" for name in EXTRAS["trackers"])
    remedy = f"only needed for `log_to`: {install('trackers')}"
    return Check("trackers", not missing, found, remedy, needed=False)


def _browser() -> Check:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    return Check(
        "browser", bool(path), path or "none", "only the test of the report needs one: apt install chromium", False
    )
