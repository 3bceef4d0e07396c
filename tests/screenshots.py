"""Takes the pictures of the README: the simulator on a desk and on a phone, with a little of the demo played.

`python -m tests.screenshots` starts a demo of its own; with `--at ADDRESS` it uses one that already runs, for
example `http://127.0.0.1:8000/simulator`. What the pictures show is what the bot really answers.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp.test_utils import unused_port
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.moments import TUESDAY_EVENING
from tests.test_simulator_browser import ARGUMENTS, BROWSERS, PHONE

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
START_SECONDS = 30.0
GROUP = "3栋群"
PLAY = [
    ("老赵", "周六早上的清洁家园，咱们3栋还有谁没报名？"),
    ("陈美玲", "我和我家老头子报了，手套自己带不？"),
    ("王秀英", "@小邻 报名 12 2人"),
    ("老赵", "手套社区发，人来就行"),
]
AT_THE_EVENT = [
    ("王秀英", "签到"),
    ("李建国", "签到 12"),
    ("陈美玲", "今天太阳真好，大家辛苦了"),
    ("王秀英", "@小邻 积分"),
]
TALL_DESK = {"width": 1280, "height": 960}


@contextmanager
def demo() -> Iterator[str]:
    """Starts the demo community on a free port and yields the address that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bot", "demo", "--port", str(unused_port())]
        command += ["--at", TUESDAY_EVENING.isoformat(), "--file", f"{folder}/demo.sqlite3"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            yield _printed_address(process)
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def _printed_address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and (line := process.stdout.readline()):
        if found := re.search(r"http://\S+/simulator", line):
            return found.group()
    raise SystemExit("the demo did not print the simulator's address")


def say(page: Page, who: str, text: str) -> None:
    if page.locator("#seat .seat-name").inner_text() != who:
        page.locator("#seat").click()
        page.get_by_role("searchbox").fill(who)
        page.locator(".person", has_text=who).first.click()
    page.get_by_label("消息", exact=True).fill(text)
    page.get_by_label("消息", exact=True).press("Enter")
    expect(page.locator(".line.own .text", has_text=text).last).to_be_visible()


def open_page(browser: Browser, address: str, size: dict[str, int]) -> Page:
    page = browser.new_page(viewport=size, device_scale_factor=2, locale="zh-CN", timezone_id="Asia/Shanghai")
    page.goto(address)
    if page.locator("#nav-open").is_visible():
        page.locator("#nav-open").click()
    page.locator("#groups .conversation", has_text=GROUP).first.click()
    expect(page.locator("#title")).to_have_text(GROUP)
    return page


def take(page: Page, file: str) -> None:
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(300)
    page.screenshot(path=PICTURES / file)
    print(PICTURES / file)


def play(browser: Browser, address: str) -> None:
    """Plays the scene and takes both pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    desk = open_page(browser, address, TALL_DESK)
    for who, text in PLAY:
        say(desk, who, text)
    desk.get_by_role("button", name="周六 8:55").click()
    expect(desk.locator("#pushes-title")).to_contain_text("走到了", timeout=60_000)
    for who, text in AT_THE_EVENT:
        say(desk, who, text)
    take(desk, "simulator.png")
    phone = open_page(browser, address, PHONE)
    take(phone, "simulator-phone.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", metavar="ADDRESS", help="the simulator's address, of a demo that already runs")
    address = parser.parse_args().at
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit(f"no browser found (looked for {', '.join(BROWSERS)})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        if address:
            play(browser, address)
        else:
            with demo() as own:
                play(browser, own)
        browser.close()


if __name__ == "__main__":
    main()
