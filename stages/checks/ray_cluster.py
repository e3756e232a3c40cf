"""Ray: whether it is installed, and whether the cluster that is meant answers and knows this project. Starts none."""

import os
from collections.abc import Iterator
from typing import Any

from stages.checks.finding import Finding
from utils.errors import one_line
from utils.lookup import PROJECT_ROOT
from utils.ray_address import AUTO, host_and_port, require_listener
from utils.versions import installed_version

CONNECT_TIMEOUT_S = 5
TASK_TIMEOUT_S = 30


def look(address: str | None = None) -> Iterator[Finding]:
    """Yield what is said of Ray, at an address or, without one, of a cluster that runs on this machine."""
    version = installed_version("ray")
    if version is None:
        level = "fail" if address else "ok"
        advice = f"{'' if address else 'for --engine ray: '}pip install '{PROJECT_ROOT}[ray]'"
        yield Finding("Ray", level, "not installed", advice)  # type: ignore[arg-type]
        return
    given = address or os.environ.get("RAY_ADDRESS") or AUTO
    refused = _refused(given)
    if refused:
        yield Finding("Ray", "fail", f"{version}; {refused}", _advice(given))
        return
    yield from _of_cluster(version, given, is_asked_for=address is not None)


def _of_cluster(version: str, address: str, *, is_asked_for: bool) -> Iterator[Finding]:
    import ray

    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False, ignore_reinit_error=True)
    except ConnectionError as error:
        if address == AUTO and not is_asked_for:
            yield Finding("Ray", "ok", f"{version}, not running; --engine ray starts it on this machine")
        else:
            yield Finding("Ray", "fail", f"{version}; {address}: {one_line(error)}", _advice(address))
        return
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:  # another version, a wrong token
        yield Finding("Ray", "fail", f"{version}; {address}: {one_line(error)}", _advice(address))
        return
    nodes = [node for node in ray.nodes() if node["Alive"]]
    yield Finding("Ray", "ok", f"{version}, {address}: {_number_of(nodes)}, {_resources(ray.cluster_resources())}")
    yield _of_project(ray, nodes)


def _number_of(nodes: list[dict[str, Any]]) -> str:
    return f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _resources(stated: dict[str, float]) -> str:
    memory_gib = stated.get("memory", 0) / 1024**3
    return f"{stated.get('CPU', 0):g} processors, {stated.get('GPU', 0):g} GPUs, {memory_gib:.0f} GiB"


def _of_project(ray: Any, nodes: list[dict[str, Any]]) -> Finding:
    """Ask each node whether the project lies there at the same path."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    @ray.remote(num_cpus=0)
    def has_project(path: str) -> bool:  # goes over by its text: there it may not be possible to import it
        import os

        return os.path.isfile(os.path.join(path, "utils", "version.py"))  # noqa: PTH113, PTH118

    on_each = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    answers = [has_project.options(scheduling_strategy=on_it).remote(str(PROJECT_ROOT)) for on_it in on_each]
    ready, _ = ray.wait(answers, num_returns=len(answers), timeout=TASK_TIMEOUT_S)
    has_it = [answer in ready and ray.get(answer) for answer in answers]
    missing = [node["NodeManagerHostname"] for node, has in zip(nodes, has_it, strict=True) if not has]
    if not missing:
        return Finding("Ray nodes", "ok", f"{PROJECT_ROOT} is on all of them")
    advice = "put the project at the same path on every node: a shared folder, or the same container image"
    return Finding("Ray nodes", "fail", f"no {PROJECT_ROOT} on {', '.join(missing)}", advice)


def _refused(address: str) -> str:
    """Try the port of an address of the form HOST:PORT."""
    place = host_and_port(address)
    if place is None:
        return ""
    try:
        require_listener(*place, CONNECT_TIMEOUT_S)
    except (OSError, OverflowError) as error:
        return f"{address} cannot be reached ({one_line(error)})"
    return ""


def _advice(address: str) -> str:
    return (
        f"is `ray start --head` running at {address}, is its port open from here, do Ray and Python have the same "
        "versions there, and is RAY_AUTH_TOKEN the same?"
    )
