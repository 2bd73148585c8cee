"""The methods of a client that show what its calls do and where they spend their time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Any

from ._awaiting import may_await
from ._durations import Deadline
from ._errors import PartitaError, trim_traceback
from ._functions import Submitter
from ._session import State
from ._task_futures import TaskFuture, flat_futures
from .utils import key_split

__all__ = ["ProfilingMethods"]

#: Attempts of calls that one answer of the scheduler has.
ATTEMPTS_MAX = 10_000
#: Time to wait until the workers have told where running calls are, in seconds: they look at calls that have run for half
#: a second, and tell once a second.
STACK_WAIT_S = 3.0
#: Time between two questions for it, in seconds.
STACK_INTERVAL_S = 0.1

#: The height of a frame in a drawing, and the width of the whole, in pixels.
FRAME_PX, WIDTH_PX = 18, 1160
#: Frames of at least this part of the whole are drawn.
DRAWN_PART_MIN = 0.001
_COLORS = ("#f3b562", "#f2a154", "#e8c468", "#eda35e", "#f0be6f", "#e59a52")


class ProfilingMethods:
    """What calls do, and where they spend their time."""

    _submitter: Submitter
    _rest: Callable[..., Any]
    _workers: Callable[[], list[dict[str, Any]]]

    @may_await
    @trim_traceback
    def call_stack(self, futures: Any = None, keys: Any = None) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the lines of code at which running calls are, the outermost function first.

        A call is sampled every 10 ms from outside of its process, once it has run for half a second.

        Parameters
        ----------
        futures : Future or collection of these, optional
            The calls; all that run by default.
        keys : list of str, optional
            The keys of further calls.

        Returns
        -------
        dict
            By the address of the worker and the key of the call.
        """
        found = [one._state for one in flat_futures(futures) if isinstance(one, TaskFuture)]
        found += [self._submitter.find(key) for key in keys or ()]
        if futures is None and keys is None:
            found = [state for job in self._submitter.sessions() for state in list(job._states.values())]
        wanted = {(state.stage, state.index, state.job): state for state in (one.running for one in found)}
        deadline = Deadline(STACK_WAIT_S)
        stacks: dict[str, dict[str, tuple[str, ...]]] = {}
        while wanted:
            addresses = {row["name"]: f"tcp://{row['address']}" for row in self._workers()}
            for place, state in list(wanted.items()):
                if state.status != "pending":
                    del wanted[place]
                    continue
                detail = self._detail(state)
                if detail["task"]["state"] not in ("running", "waiting", "ready"):
                    del wanted[place]
                elif detail["stack"] and detail["attempts"]:
                    worker = detail["attempts"][-1]["worker"]
                    lines = tuple(_line(frame) for frame in detail["stack"])
                    stacks.setdefault(addresses.get(worker, worker), {})[state.key] = lines
                    del wanted[place]
            # Those that wait for a slot have no stack soon.
            if deadline.left() == 0 or (stacks and futures is None and keys is None):
                break
            if wanted:
                time.sleep(STACK_INTERVAL_S)
        return stacks

    def _detail(self, state: State) -> dict[str, Any]:
        """Return all that the scheduler knows of a call."""
        detail: dict[str, Any] = self._rest(f"jobs/{state.job}/tasks/{state.stage}.{state.index}")
        return detail

    @may_await
    @trim_traceback
    def profile(
        self,
        key: Any = None,
        start: Any = None,
        stop: Any = None,
        workers: Any = None,
        merge_workers: bool = True,
        plot: bool = False,
        filename: Any = None,
        server: bool = False,
        scheduler: bool = False,
    ) -> Any:
        """Return where the calls of this client spend their time.

        Calls that have run for 0.1 s are sampled every 10 ms, from outside of their processes. The time includes that
        in which they wait.

        Parameters
        ----------
        key : str, optional
            The name of a function, or the beginning of keys; all functions by default.
        plot : bool
            Whether to draw a flame graph.
        filename : str, optional
            Path of an HTML file to which it is written.
        start, stop, workers, merge_workers, server, scheduler
            Not supported: samples of all workers are added up, from the first call on.

        Returns
        -------
        dict
            A tree, as Dask's: each node has ``count`` (samples), ``description`` and ``children``. With ``plot``, the
            tree, and the drawing as an object that notebooks display: a model of Bokeh if that is installed, as with Dask.

        Examples
        --------
        >>> import time
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     wait_for_all = client.gather(client.map(time.sleep, [0.2, 0.3]))
        ...     profile = client.profile()
        >>> sorted(profile)
        ['children', 'count', 'description', 'identifier']
        """
        given = {"start": start, "stop": stop, "workers": workers, "server": server, "scheduler": scheduler}
        refused = [name for name, value in given.items() if value]
        if refused or not merge_workers:
            name = refused[0] if refused else "merge_workers"
            raise NotImplementedError(
                f"profile() does not support {name}=: the samples of all workers are added up, from the first call on"
            )
        root = _node("root", {"filename": "", "name": "", "line_number": 0, "line": ""})
        for session in self._submitter.sessions():
            try:
                profiles = self._rest(f"jobs/{session.job}/profile")["profiles"]
            except PartitaError:
                # The job has ended.
                continue
            for one in profiles:
                if key is None or one["name"] in (str(key), key_split(key)):
                    _merge(root, one["profile"])
        if not plot and filename is None:
            return root
        drawing = _Drawing(root)
        if filename is not None:
            with open(os.fspath(filename), "w", encoding="utf-8") as file:
                file.write(drawing.page())
        return root, drawing.for_bokeh() if plot else drawing

    @may_await
    @trim_traceback
    def get_task_stream(
        self,
        start: Any = None,
        stop: Any = None,
        count: int | None = None,
        plot: Any = False,
        filename: Any = None,
        bokeh_resources: Any = None,
    ) -> list[dict[str, Any]]:
        """Return when and where the calls of this client ran, in the order in which they ended.

        Parameters
        ----------
        start, stop : float, optional
            Times in seconds since the epoch: only calls that ran between them.
        count : int, optional
            Only the last ones.
        plot, filename, bokeh_resources
            Not supported: the dashboard's timeline draws them, and ``performance_report`` writes them to a file.

        Returns
        -------
        list of dict
            ``key``, ``name``, ``worker``, ``thread`` (the slot), ``status``, and ``startstops``.
        """
        if plot or filename:
            raise NotImplementedError(
                "get_task_stream() does not draw; see the dashboard's timeline, or use performance_report"
            )
        addresses = {row["name"]: f"tcp://{row['address']}" for row in self._workers()}
        found: list[dict[str, Any]] = []
        for session in self._submitter.sessions():
            rows = self._rest(f"jobs/{session.job}/attempts?limit={ATTEMPTS_MAX}")["attempts"]
            for row in rows:
                stage, index = row["task"]["stage"]["index"], row["task"]["index"]
                state = session._states.get((stage, index))
                began = row["started_ms"] / 1000
                ended = began + row["busy_us"] / 1e6
                if (start is not None and ended < start) or (stop is not None and began > stop):
                    continue
                name = session.stage_name(stage)
                found.append(
                    {
                        "key": state.key if state is not None else f"{name}-{stage}-{index}",
                        "name": name,
                        "worker": addresses.get(row["worker"], row["worker"]),
                        "thread": row["slot"],
                        "status": "OK" if row["state"] == "finished" else row["state"],
                        "startstops": ({"action": "compute", "start": began, "stop": ended},),
                    }
                )
        found.sort(key=lambda one: one["startstops"][-1]["stop"])
        return found if count is None else found[-count:] if count else []

    @may_await
    @trim_traceback
    def story(self, *keys_or_futures: Any, on_error: str = "raise") -> list[tuple[str, float, str]]:
        """Return what became of calls, in the order of time.

        Parameters
        ----------
        *keys_or_futures : str, Future
            The calls.
        on_error : str
            Accepted for compatibility with Dask; no effect.

        Returns
        -------
        list of tuple
            The key, the time in seconds since the epoch, and what happened.
        """
        story = []
        for one in keys_or_futures:
            state = self._submitter.find(one) if isinstance(one, str) else one._state
            state = state.running
            story += [(state.key, at_ms / 1000, text) for at_ms, text in self._detail(state)["story"]]
        return sorted(story, key=lambda entry: entry[1])


def _line(frame: dict[str, Any]) -> str:
    return f'File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}'


def _node(identifier: str, description: dict[str, Any]) -> dict[str, Any]:
    return {"count": 0, "identifier": identifier, "description": description, "children": {}}


def _merge(root: dict[str, Any], profile: dict[str, Any]) -> None:
    """Add the samples of a stage to a tree."""
    made: list[dict[str, Any]] = []
    for node in profile["nodes"]:
        frame = profile["frames"][node["frame"]]
        above = root if node["parent"] is None else made[node["parent"]]
        identifier = f"{frame['function']};{frame['file']};{frame['line']}"
        description = {
            "filename": frame["file"],
            "name": frame["function"],
            "line_number": frame["line"],
            "line": "",
        }
        made.append(above["children"].setdefault(identifier, _node(identifier, description)))
    totals = [node["samples"] for node in profile["nodes"]]
    for at in range(len(totals) - 1, -1, -1):
        made[at]["count"] += totals[at]
        parent = profile["nodes"][at]["parent"]
        if parent is None:
            root["count"] += totals[at]
        else:
            totals[parent] += totals[at]


class _Drawing:
    """A flame graph, from above: each function lies below the one that called it, as wide as its part of the samples."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def _frames(self) -> Iterator[tuple[dict[str, Any], float, float, int]]:
        """Yield nodes with their left edge and width as parts of the whole, and their depth."""
        whole = max(self._root["count"], 1)
        open_nodes: list[tuple[dict[str, Any], float, int]] = [(self._root, 0.0, 0)]
        while open_nodes:
            node, left, depth = open_nodes.pop()
            width = node["count"] / whole
            if width < DRAWN_PART_MIN:
                continue
            yield node, left, width, depth
            for child in _by_count(node["children"].values()):
                open_nodes.append((child, left, depth + 1))
                left += child["count"] / whole

    def _repr_svg_(self) -> str:
        frames = list(self._frames())
        height = FRAME_PX * (1 + max((depth for *_, depth in frames), default=0))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" width="100%" '
            'font-family="sans-serif" font-size="11">'
        ]
        whole = max(self._root["count"], 1)
        for node, left, width, depth in frames:
            described = node["description"]
            name = described["name"] or f"all calls: {node['count']} samples"
            place = f" ({described['filename']}:{described['line_number']})" if described["filename"] else ""
            share = f"{node['count'] / whole:.1%}, {node['count']} samples"
            x, y, w = left * WIDTH_PX, depth * FRAME_PX, width * WIDTH_PX
            shown = name[: int(w / 6.5)]
            parts.append(
                f"<g><title>{escape(name)}{escape(place)}: {share}</title>"
                f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{FRAME_PX - 1}" '
                f'fill="{_COLORS[hash_of(name) % len(_COLORS)]}"/>'
                f'<text x="{x + 3:.1f}" y="{y + 13}" fill="#222">{escape(shown)}</text></g>'
            )
        return "".join([*parts, "</svg>"])

    def for_bokeh(self) -> Any:
        """Return the drawing as a model of Bokeh, for its layouts and ``show``; as it is if Bokeh is not installed."""
        try:
            from bokeh.models import Div  # type: ignore[import-not-found]
        except ImportError:
            return self
        model = Div(text=self._repr_svg_())
        # Notebooks show a model only after `output_notebook`, but this without more.
        model._repr_html_ = model._repr_svg_ = self._repr_svg_
        return model

    def page(self) -> str:
        """Return an HTML page with the drawing."""
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Profile</title>'
            '<body style="margin:2em;font-family:sans-serif"><h1>Profile</h1>'
            "<p>Each function lies below the one that called it, as wide as its part of the samples.</p>"
            f"{self._repr_svg_()}</body></html>"
        )


def hash_of(text: str) -> int:
    """Return a number that is the same in each process."""
    return sum(text.encode())


def _by_count(nodes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(nodes, key=lambda node: -node["count"])
