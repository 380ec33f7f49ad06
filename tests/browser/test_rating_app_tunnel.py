"""The rating app as a radiologist at another machine sees it: through a tunnel, in the dark, by mouse and keys in turn."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.chromium import browser, in_browser
from tests.helpers.rating_tab import Tab, counted, own
from tests.helpers.rating_toy import Server, write_study

pytestmark = in_browser


class Tunnel:
    """A port of its own whose connections are carried to another, as ssh -L does, `delay` seconds each way."""

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        self.target, self.listener = target, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(self.delay)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    running = Server(write_study(tmp_path_factory.mktemp("tunnel"), raters=("ann",)), forked_jobs)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def tunnel(server: Server) -> Iterator[Tunnel]:
    opened = Tunnel(server.port)
    yield opened
    opened.listener.close()


@pytest.fixture(scope="module")
def page(server: Server, tunnel: Tunnel) -> Iterator[Any]:
    """The page of ann at the near end of the tunnel; the tests below go on where the one before stopped."""
    with browser() as launched:
        url = server.url("ann").replace(f"127.0.0.1:{server.port}", f"localhost:{tunnel.port}")
        tab = Tab(launched.new_context(viewport={"width": 1280, "height": 800}), url)
        tab.wait(0)
        yield tab


def test_only_this_machine_can_reach_it(server: Server) -> None:
    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):  # another address of this machine, as any that is not loopback
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_it_is_dark_and_large_and_says_where_one_is(page: Tab) -> None:
    assert page.page.inner_text(".count") == "Set 1 of 5 0 done"
    assert page.page.evaluate("getComputedStyle(document.querySelector('.desk')).backgroundColor") == "rgb(10, 12, 15)"
    boxes = [box.bounding_box() for box in page.page.locator(".desk canvas").all()]
    assert len(boxes) == 4 and all(box["width"] > 450 and box["height"] > 300 for box in boxes)
    assert page.page.locator(".desk canvas").evaluate_all("all => all.every((one) => one.width > 0)")


def test_a_set_without_a_mask_has_no_outline_to_switch_on(page: Tab) -> None:
    pixels = "document.querySelector('.desk canvas').toDataURL()"
    plain = page.page.evaluate(pixels)
    assert (
        not page.page.is_visible("text=Hold to hide") and page.page.locator('.scores[data-aspect="mask"]').count() == 0
    )
    page.keys("m")
    assert page.page.evaluate(pixels) == plain
    page.keys(["PageDown"])
    page.wait(1)
    hold = page.page.locator("text=Hold to hide")
    assert hold.is_visible() and page.page.locator(".scores").count() == 8
    shown = page.page.evaluate(pixels)
    hold.hover()
    page.page.mouse.down()
    assert hold.get_attribute("aria-pressed") == "true" and page.page.evaluate(pixels) != shown
    page.page.mouse.up()
    assert hold.get_attribute("aria-pressed") == "false" and page.page.evaluate(pixels) == shown
    page.page.click("text=Back")
    page.wait(0)


def hold_the_second(route: Any, sent: list[Any]) -> None:
    sent.append(route)
    if len(sent) != 2:
        route.continue_()


def test_keys_after_clicks_go_where_the_mark_is_however_slow_the_line(
    server: Server, tunnel: Tunnel, page: Tab
) -> None:
    tunnel.delay = 0.1
    sent: list[Any] = []
    page.page.route("**/rate/score", lambda route: hold_the_second(route, sent))
    page.page.click('button[data-image="0"][data-score="3"]')
    page.keys("4")  # goes to the next image
    page.count(".desk .waiting", 1)  # the first one is saved,
    assert page.pressed() == [3, 4]  # and shown as such although the second is under way
    page.page.locator(".desk canvas").nth(3).click()
    page.keys("1")
    tunnel.delay = 0
    page.until(lambda: len(sent) == 2)
    sent[1].continue_()
    page.saved()
    assert page.pressed() == [3, 4, 1] and page.page.inner_text(".count") == "Set 1 of 5 0 done"
    page.keys("5")  # the mark went on to the one image without a score
    page.wait(1)
    assert page.page.inner_text(".count") == "Set 2 of 5 1 done"
    order = [2, 0, 3, 1]
    assert counted(server.study, "ann") == {(0, order[k], "text"): s for k, s in enumerate((3, 4, 5, 1))}


def test_text_and_mask_are_scored_apart_by_the_key_that_chooses(server: Server, page: Tab) -> None:
    page.keys(["t", "2"])  # the mask of the first image
    page.saved()
    assert page.pressed("mask") == [2] and page.pressed("text") == []
    (line,) = [line for line in own(server.study, "ann") if line["place"] == 1]
    assert (line["aspect"], line["score"]) == ("mask", 2)


def test_after_a_restart_the_page_goes_on_at_the_same_place(server: Server, page: Tab) -> None:
    server.stop()
    server.start()
    page.page.reload()
    page.wait(1)
    assert page.pressed("mask") == [2] and page.wrong == []
    assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {page.page.url.split("/")[2]}
