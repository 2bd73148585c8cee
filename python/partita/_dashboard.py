"""Panels of the dashboard in notebooks."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from html import escape

from ._tls import page_token

__all__ = ["PANELS", "Dashboard"]

#: Addresses of panels and pages, by name: `panel/ID/PAGE` shows only the panel.
PANELS = {
    "overview": "",
    "attention": "panel/attention/",
    "data": "data",
    "events": "events",
    "jobs": "panel/jobs/jobs",
    "memory": "panel/memory/",
    "progress": "panel/progress/",
    "scheduler": "scheduler",
    "tables": "panel/tables/tables",
    "tasks": "panel/tasks/tasks",
    "timeline": "panel/timeline/timeline",
    "workers": "panel/workers-grid/workers",
}

#: Heights in pixels of the frames of panels; of the others it grows with the cluster, and what does not fit scrolls.
_HEIGHTS = {"attention": 240, "memory": 200, "overview": 640, "progress": 280, "workers": 300}
_HEIGHT = 480

#: The environment variable with the template of the dashboard's address behind a proxy.
TEMPLATE_VARIABLE = "PARTITA_DASHBOARD_LINK"


def base_address(host: str, port: int) -> str:
    """Return the address of the dashboard as the browser of this notebook reaches it.

    The template in ``PARTITA_DASHBOARD_LINK`` comes first: ``{host}`` and ``{port}`` are those of the scheduler, and
    other names in braces are environment variables. Without it, a notebook of a JupyterHub uses the hub's proxy, and any
    other notebook connects directly.

    Examples
    --------
    >>> os.environ["PARTITA_DASHBOARD_LINK"] = "/rnode/{host}/{port}"
    >>> base_address("n17", 8786)
    '/rnode/n17/8786/'
    >>> del os.environ["PARTITA_DASHBOARD_LINK"]
    """
    template = os.environ.get(TEMPLATE_VARIABLE)
    if template:
        names = {**os.environ, "host": host, "port": str(port)}
        try:
            address = template.format_map(names)
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"invalid {TEMPLATE_VARIABLE} {template!r}: cannot replace {error}") from None
        return address if address.endswith("/") else address + "/"
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if prefix:
        target = str(port) if _is_here(host) else f"{host}:{port}"
        return f"{prefix.rstrip('/')}/proxy/{target}/"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def page_address(scheduler: str) -> str:
    """Return the address of the dashboard of a scheduler as the browser of this notebook reaches it, without a token.

    Parameters
    ----------
    scheduler : str
        The address of the scheduler, with or without ``tcp://``.

    Raises
    ------
    ValueError
        If ``PARTITA_DASHBOARD_LINK`` is invalid.

    Examples
    --------
    >>> page_address("tcp://[fe80::7]:8786")
    'http://[fe80::7]:8786/'
    """
    host, _, port = scheduler.removeprefix("tcp://").rpartition(":")
    return base_address(host.strip("[]"), int(port))


def page_link(scheduler: str, token: str) -> str:
    """Return the link to the dashboard of a scheduler, with the token that opens the dashboard and nothing else.

    Parameters
    ----------
    scheduler : str
        The address of the scheduler, with or without ``tcp://``.
    token : str
        The token of the cluster.

    Raises
    ------
    ValueError
        If ``PARTITA_DASHBOARD_LINK`` is invalid.

    Examples
    --------
    >>> page_link("n17:8786", "secret").startswith("http://n17:8786/#token=")
    True
    """
    return f"{page_address(scheduler)}#token={page_token(token)}"


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    name = socket.gethostname()
    return host in ("localhost", "127.0.0.1", "::1", name, name.partition(".")[0])


#: What a saved notebook shows in place of a panel.
_ABSENT = (
    "The panel is not available here: its cluster has ended or cannot be reached, or the notebook is not trusted. "
    "Run the cell again to show it."
)


class Dashboard:
    """A panel of the dashboard, which a notebook shows in a frame.

    Neither the frame nor a saved notebook contains the token. The frame has a ticket, which opens the dashboard once and
    within two minutes; a panel without a valid one takes the token from another tab of the dashboard under the same
    address, or asks for it.

    Parameters
    ----------
    panel : str
        The name of the panel.
    scheduler : str
        The address of the scheduler.
    height : int, optional
        The height of the frame in pixels.
    make_ticket : callable, optional
        Returns a new ticket, or None where the cluster gives no tickets.
    """

    def __init__(
        self,
        panel: str,
        scheduler: str,
        height: int | None = None,
        make_ticket: Callable[[], str | None] | None = None,
    ) -> None:
        if panel not in PANELS:
            raise ValueError(f"unknown panel {panel!r}; supported: {', '.join(sorted(PANELS))}")
        self.panel = panel
        self.height = _HEIGHTS.get(panel, _HEIGHT) if height is None else height
        self.base = page_address(scheduler)
        self._make_ticket = make_ticket

    @property
    def address(self) -> str:
        """The address of the panel, without the token."""
        return f"{self.base}#/{PANELS[self.panel]}"

    def __repr__(self) -> str:
        return f"<Dashboard: {self.address}>"

    def _repr_html_(self) -> str:
        address = escape(self.address, quote=True)
        link = f"<a href='{address}' target='_blank'>{escape(self.panel)}</a>"
        if self.base.startswith("http"):
            # The dashboard does not let pages of another origin frame it.
            return f"<p>Dashboard: {link}</p>"
        ticket = self._make_ticket() if self._make_ticket else None
        framed = address + escape(f"&ticket={ticket}", quote=True) if ticket else address
        title = escape(f"Partita: {self.panel}", quote=True)
        # An object, not an iframe: where the proxy answers with an error page, and where a viewer of saved notebooks
        # removes frames, it shows the text instead.
        return (
            f"<object data='{framed}' type='text/html' title='{title}' width='100%' height='{self.height}'>"
            f"<p>{_ABSENT}</p></object><p>Dashboard: {link}</p>"
        )
