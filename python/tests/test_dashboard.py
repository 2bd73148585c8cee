"""Panels of the dashboard in notebooks: the address under each proxy, and no token."""

from __future__ import annotations

import socket
from xml.etree import ElementTree

import pytest

from partita._dashboard import PANELS, Dashboard, base_address, page_address, page_link


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the variables of a hub."""
    for name in ("PARTITA_DASHBOARD_LINK", "JUPYTERHUB_SERVICE_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def test_hub_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook of a hub uses the hub's proxy: by port on the same machine, else by host and port."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    assert base_address("127.0.0.1", 8786) == "/user/mara/proxy/8786/"
    assert base_address(socket.gethostname(), 8786) == "/user/mara/proxy/8786/"
    assert base_address("n17", 8786) == "/user/mara/proxy/n17:8786/"


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("/rnode/{host}/{port}/", "/rnode/n17/8786/"),
        ("/node/{host}/{port}", "/node/n17/8786/"),
        ("https://hub/{SITE}/proxy/{port}/", "https://hub/west/proxy/8786/"),
    ],
)
def test_template(monkeypatch: pytest.MonkeyPatch, template: str, address: str) -> None:
    """The template comes before the hub's prefix and may name environment variables."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    monkeypatch.setenv("SITE", "west")
    monkeypatch.setenv("PARTITA_DASHBOARD_LINK", template)
    assert base_address("n17", 8786) == address


@pytest.mark.parametrize("template", ["/{missing_variable}/", "/{", "/{0}/"])
def test_invalid_template(monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    """A template with an unknown name or unbalanced braces is an error that names it."""
    monkeypatch.setenv("PARTITA_DASHBOARD_LINK", template)
    with pytest.raises(ValueError, match="invalid PARTITA_DASHBOARD_LINK"):
        base_address("n17", 8786)


def test_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy the panel is a frame; directly it is a link, since other origins must not frame it."""
    direct = Dashboard("timeline", "n17:8786", 400)
    assert direct._repr_html_() == (
        "<p>Dashboard: <a href='http://n17:8786/#/panel/timeline/timeline' target='_blank'>timeline</a></p>"
    )
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    framed = Dashboard("timeline", "n17:8786", 400)._repr_html_()
    assert "<object data='/user/mara/proxy/n17:8786/#/panel/timeline/timeline'" in framed
    assert "height='400'" in framed


def test_text_in_place_of_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that gets no panel, as in a saved notebook whose cluster has ended, shows the text of the object."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    shown = ElementTree.fromstring(f"<div>{Dashboard('workers', 'n17:8786')._repr_html_()}</div>")
    instead = "".join(shown.find("object").itertext())
    assert instead.startswith("The panel is not available here: its cluster has ended or cannot be reached,")


def test_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame has a ticket, a new one each time it is shown; the link, which stays, has none."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    tickets = iter(["a1", "b2"])
    panel = Dashboard("timeline", "n17:8786", make_ticket=lambda: next(tickets))
    assert "data='/user/mara/proxy/n17:8786/#/panel/timeline/timeline&amp;ticket=a1'" in panel._repr_html_()
    assert panel._repr_html_().count("ticket=") == 1
    assert "ticket" not in panel.address


def test_height(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel has a height of its own, and another one if it is given."""
    assert Dashboard("memory", "n17:8786").height < Dashboard("timeline", "n17:8786").height
    assert Dashboard("memory", "n17:8786", 640).height == 640


@pytest.mark.parametrize("panel", sorted(PANELS))
def test_no_token(panel: str) -> None:
    """No form of a panel contains a token."""
    shown = Dashboard(panel, "n17:8786", 400)
    assert "token" not in repr(shown) + shown._repr_html_()


def test_unknown_panel() -> None:
    """An unknown panel is an error that lists the known ones."""
    with pytest.raises(ValueError, match="unknown panel 'gpu'; supported: attention"):
        Dashboard("gpu", "n17:8786", 400)


def test_links_are_those_of_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link to the whole dashboard goes through the same proxy as its panels."""
    assert page_link("tcp://n17:8786", "secret").startswith("http://n17:8786/#token=")
    assert page_address("[::1]:8786") == "http://[::1]:8786/"
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    assert page_address("tcp://n17:8786") == "/user/mara/proxy/n17:8786/"
    assert page_link("n17:8786", "secret").startswith("/user/mara/proxy/n17:8786/#token=")
    assert page_link("[::1]:8786", "secret").startswith("/user/mara/proxy/8786/#token=")
