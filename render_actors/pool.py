"""A pool of render actors that turns missing shards into committed ones, inside a Ray that the caller started."""

import contextlib
import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from render_actors.actor import RenderActor, shard_identity
from render_actors.kept_actors import Kept, KeptActors
from render_actors.lost_nodes import MOST_LOSSES, is_lost_node
from render_actors.setting.setting import RenderSetting
from render_actors.sinks import ArtifactSink

# Ray may have to find a free CPU or a node for an actor, which is no failure: others may be at work for hours.
PLACE_TIMEOUT_S = 24 * 3600.0
# Blender itself starts in about 10 s, on a busy machine in minutes.
START_TIMEOUT_S = 600.0
ASK_ROOM_S = 1.0


class RenderFailedError(RuntimeError):
    """A shard could not be rendered within the allowed retries."""


@dataclass
class _Worker:
    """A running actor, the shard it makes and the one call it is busy with.

    `place`: what holds the CPU cores of an actor that may outlive the job.
    """

    handle: Any
    pending: ray.ObjectRef
    deadline: float
    place: PlacementGroup | None = None
    placed: bool = False
    since: float | None = None
    started: bool = False
    kept_before: bool = False
    shard: int | None = None
    next_scene: int = 0
    committing: bool = False
    images: int = 0
    scenes: int = 0


@dataclass(frozen=True)
class RenderJob:
    """What is rendered, and by how many actors.

    Shard k holds scenes [k * scenes_per_shard, (k + 1) * scenes_per_shard). At most `actors` actors run, never more
    than missing shards, each taking cpus_per_actor CPUs and gpus_per_actor GPUs. on_progress gets the number of images
    just rendered and the actor seconds they took; a negative number takes back the images of a shard that was lost. A
    scene over scene_timeout_s or a dead actor costs the shard one of its `retries` and the actor is replaced. One that
    has rendered recycle_after scenes is replaced when its shard is done. `kept`: actors that earlier jobs have left and
    this one leaves; without it, and with GPUs or a source that is not Blender, all end with the job. `room`: how many
    actors may run now, of so many that could be used; asked once a second; None: all. `on_held` gets the seconds that
    an actor held its cores, as it gives them back. Raises ValueError for a number out of range.
    """

    setting: RenderSetting
    seed: int
    scenes_per_shard: int
    sink: ArtifactSink
    actors: int
    cpus_per_actor: float
    scene_timeout_s: float
    retries: int
    on_progress: Callable[[int, float], None]
    gpus_per_actor: float = 0.0
    recycle_after: int = 1000
    kept: KeptActors | None = None
    room: Callable[[int], int] | None = None
    on_held: Callable[[float], None] = lambda seconds: None

    @property
    def keeper(self) -> KeptActors | None:
        """`kept`, where this job's actors can be kept."""
        return None if self.gpus_per_actor or self.setting.source is not None else self.kept

    def __post_init__(self) -> None:
        least = min(self.actors, self.scenes_per_shard, self.recycle_after)
        if least < 1 or self.scene_timeout_s <= 0 or self.retries < 0:
            names = ("actors", "scenes_per_shard", "recycle_after", "scene_timeout_s", "retries")
            given = ", ".join(f"{name} = {getattr(self, name)}" for name in names)
            raise ValueError(f"render pool: {given}; all must be above 0, retries may be 0")


@dataclass
class _Pool:
    """A job at work: its actors, what is queued, what is done and what has failed how often."""

    job: RenderJob
    queue: deque[int]
    manifests: dict[int, Any]
    failures: Counter[int] = field(default_factory=Counter)
    losses: int = 0
    workers: list[_Worker] = field(default_factory=list)
    asked: float = -math.inf


def render_shards(job: RenderJob, shards: Sequence[int]) -> list[Any]:
    """Manifests of the shards, in the order asked for; only those the sink lacks are rendered.

    All actors end with the call, but for those that are kept. Raises RenderFailedError (a RuntimeError) naming setting,
    seed, shard and scene when the retries are used up; ValueError for a GPU that is asked for and not there;
    MissingAssetError (a FileNotFoundError) when a pool package is absent.
    """
    _refuse_without_gpu(job.setting, job.gpus_per_actor)
    wanted = dict.fromkeys(shards)
    found = {k: job.sink.find(shard_identity(job.setting, job.seed, k, job.scenes_per_shard)) for k in wanted}
    pool = _Pool(
        job,
        queue=deque(k for k, manifest in found.items() if manifest is None),
        manifests={k: manifest for k, manifest in found.items() if manifest is not None},
    )
    try:
        _take_room(pool)
        while pool.workers:
            _wait_and_advance(pool)
            _take_room(pool)
            _end_spare(pool)
    finally:
        _end(job, pool.workers)
    return [pool.manifests[k] for k in shards]


def _refuse_without_gpu(setting: RenderSetting, gpus_per_actor: float) -> None:
    """An actor would wait for ever for a GPU that no node has, and one without a GPU would render on the CPU."""
    if setting.device == "cpu":
        return
    there = ray.cluster_resources().get("GPU", 0.0)
    if gpus_per_actor <= 0 or there < gpus_per_actor:
        raise ValueError(
            f"render pool: device = {setting.device!r} with {gpus_per_actor:g} GPUs an actor, but the nodes of this "
            f"Ray have {there:g}; run where there is a GPU, or set device to cpu"
        )


def _take_room(pool: _Pool) -> None:
    """Start as many actors as there is room for and shards are left for; room is asked for once a second."""
    job, now = pool.job, time.monotonic()
    if now - pool.asked < ASK_ROOM_S:
        return
    pool.asked = now
    starting = sum(worker.shard is None for worker in pool.workers)
    wanted = min(job.actors, len(pool.workers) + max(0, len(pool.queue) - starting))
    room = wanted if job.room is None or not wanted else job.room(wanted)
    for _ in range(min(room, wanted) - len(pool.workers)):
        pool.workers.append(_start(pool))


def _start(pool: _Pool) -> _Worker:
    job, deadline = pool.job, time.monotonic() + PLACE_TIMEOUT_S
    if job.keeper is not None:
        place = placement_group([{"CPU": job.cpus_per_actor}])
        return _Worker(None, place.ready(), deadline, place)
    handle = _new_actor(job, num_cpus=job.cpus_per_actor, num_gpus=job.gpus_per_actor)
    return _Worker(handle, handle.__ray_ready__.remote(), deadline)


def _new_actor(job: RenderJob, **options: Any) -> Any:
    # An actor is not restarted by Ray: a shard in memory would be lost without a word. The pool replaces it.
    actor_class = ray.remote(RenderActor).options(max_restarts=0, max_task_retries=0, **options)
    return actor_class.remote(job.setting, job.seed, job.scenes_per_shard, job.sink)


def _take_or_make(job: RenderJob, keeper: KeptActors, worker: _Worker) -> None:
    """Give a worker whose cores are held an actor on their node: one that waits there, or a new one."""
    node = placement_group_table(worker.place)["bundles_to_node_id"][0]
    kept = keeper.take(node, job.setting)
    if kept is not None:
        worker.handle, worker.scenes, worker.kept_before = kept.handle, kept.scenes, True
        return
    here = NodeAffinitySchedulingStrategy(node, soft=False)
    worker.handle = _new_actor(job, num_cpus=0, scheduling_strategy=here)


def _wait_and_advance(pool: _Pool) -> None:
    """Wait for the next call to end or to run out of time, and give each worker concerned its next call."""
    pending = [worker.pending for worker in pool.workers]
    first_deadline = min(worker.deadline for worker in pool.workers)
    done, _ = ray.wait(pending, num_returns=1, timeout=max(0.0, first_deadline - time.monotonic()))
    for worker in list(pool.workers):
        if worker.pending in done:
            try:
                result = ray.get(worker.pending)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, (ValueError, FileNotFoundError)):
                    raise error.cause from None
                _replace(pool, worker, f"{type(error.cause).__name__}: {error.cause}", error)
            except ray.exceptions.RayError as error:
                # What had waited may be gone since, as with its node: no fault of the shard.
                lost = is_lost_node(error) or (worker.kept_before and not worker.started)
                _replace(pool, worker, f"its actor died ({type(error).__name__})", error, lost)
            else:
                _advance(pool, worker, result)
        elif time.monotonic() >= worker.deadline:
            _replace(pool, worker, "it ran past its time limit")


def _advance(pool: _Pool, worker: _Worker, result: Any) -> None:
    """A call of the worker ended well: note its result and make the next call, or end the worker."""
    job = pool.job
    if not worker.placed:
        if job.keeper is not None:
            _take_or_make(job, job.keeper, worker)
        worker.placed, worker.since = True, time.monotonic()
        worker.pending = _started(job, worker)
        worker.deadline = time.monotonic() + START_TIMEOUT_S
        return
    worker.started = True
    if worker.committing and worker.shard is not None:
        pool.manifests[worker.shard] = result
        worker.shard, worker.committing, worker.images = None, False, 0
        if worker.scenes >= job.recycle_after and pool.queue:
            pool.workers.remove(worker)
            _end(job, [worker])
            pool.workers.append(_start(pool))
            return
    elif worker.shard is not None:
        images, seconds = result
        worker.images += images
        worker.next_scene += 1
        worker.scenes += 1
        job.on_progress(images, seconds)
    if worker.shard is None:
        if not pool.queue:
            return
        worker.shard = pool.queue.popleft()
        worker.next_scene = worker.shard * job.scenes_per_shard
    if worker.next_scene < (worker.shard + 1) * job.scenes_per_shard:
        worker.pending = worker.handle.render_scene.remote(worker.next_scene)
    else:
        worker.committing = True
        worker.pending = worker.handle.commit_shard.remote(worker.shard)
    worker.deadline = time.monotonic() + job.scene_timeout_s


def _end_spare(pool: _Pool) -> None:
    """With nothing queued, end the workers without a shard: idle ones, and ones whose start others have outrun."""
    if not pool.queue:
        spare = [worker for worker in pool.workers if worker.shard is None]
        pool.workers = [worker for worker in pool.workers if worker.shard is not None]
        _end(pool.job, [worker for worker in spare if not _keep(pool.job, worker)])


def _replace(
    pool: _Pool, worker: _Worker, reason: str, error: BaseException | None = None, lost_node: bool = False
) -> None:
    """End a failed worker, put its shard back in front of the queue and start another; or give up on the shard.

    A shard that was lost with its node has not failed. `error`: what Ray raised, if it raised anything.
    """
    job = pool.job
    pool.workers.remove(worker)
    _kill(job, worker)
    if worker.shard is None and not pool.queue:
        return
    # A worker that dies while starting fails the shard it would have taken.
    shard = pool.queue.popleft() if worker.shard is None else worker.shard
    pool.losses += lost_node
    if not lost_node or pool.losses > MOST_LOSSES:
        pool.failures[shard] += 1
    if worker.images:
        job.on_progress(-worker.images, 0.0)
    if pool.failures[shard] > job.retries:
        where = "at its commit" if worker.committing else f"at scene {worker.next_scene}"
        if worker.shard is None:
            where = "while its actor started"
        content = json.dumps(job.setting.content(), sort_keys=True)
        raise RenderFailedError(
            f"rendering failed {pool.failures[shard]} times: shard {shard} of seed {job.seed} {where}: {reason}; "
            f"setting {content}"
        ) from error
    pool.queue.appendleft(shard)
    pool.workers.append(_start(pool))


def _started(job: RenderJob, worker: _Worker) -> ray.ObjectRef:
    """The call by which an actor loads what draws, or takes up this job after another."""
    if worker.kept_before:
        return worker.handle.take_up.remote(job.setting, job.seed, job.scenes_per_shard, job.sink)
    return worker.handle.start.remote()


def _keep(job: RenderJob, worker: _Worker) -> bool:
    """Let an actor wait for another job, if it can: it gives back its cores."""
    if job.keeper is None or worker.place is None or not worker.started or worker.scenes >= job.recycle_after:
        return False
    node = placement_group_table(worker.place)["bundles_to_node_id"][0]
    job.keeper.put(Kept(worker.handle, node, job.setting, worker.scenes))
    remove_placement_group(worker.place)
    _tell_held(job, worker)
    return True


def _tell_held(job: RenderJob, worker: _Worker) -> None:
    if worker.since is not None:
        job.on_held(time.monotonic() - worker.since)
        worker.since = None


def _end(job: RenderJob, workers: Sequence[_Worker]) -> None:
    """Let actors clean up, then end them; one that cannot answer at once is ended all the same."""
    if not workers:
        return
    handles = [worker.handle for worker in workers if worker.handle is not None]
    # Blender may crash at interpreter exit: actors are killed, and success is a committed manifest only.
    with contextlib.suppress(ray.exceptions.RayError):
        ray.get([handle.close.remote() for handle in handles], timeout=2.0)
    for worker in workers:
        _kill(job, worker)


def _kill(job: RenderJob, worker: _Worker) -> None:
    _tell_held(job, worker)
    if worker.handle is not None:
        ray.kill(worker.handle)
    if worker.place is not None:
        remove_placement_group(worker.place)
