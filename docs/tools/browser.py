"""Control a page in headless Chromium through its DevTools protocol over a pipe.

For tests and pictures of reports. Needs an installed Chromium, and nothing else.

    python docs/tools/browser.py report.html picture.png --width 1000 --dark
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe"),
)


def chromium() -> str | None:
    """Return the path of Chromium, None if it is not installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page, with the addresses it requested, except `data:`, and its errors."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._rest, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._handle_event(answer)

    def show(self, path: Path, *, width: int = 1000, height: int = 900, dark: bool = False) -> None:
        """Open a file at a window size, in light or dark mode."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1.5, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression, awaiting promises."""
        answer = self.call(
            "Runtime.evaluate",
            expression=script, returnByValue=True, awaitPromise=True, userGesture=True,
        )  # fmt: skip
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait_for(self, script: str, *, timeout_s: float = 20.0) -> None:
        """Wait until an expression is true. Raises `TimeoutError`."""
        end = time.monotonic() + timeout_s
        while not self.evaluate(script):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.05)

    def press(self, key: str, code: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, text=key)

    def screenshot(self, path: Path) -> None:
        """Write a screenshot as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self) -> dict[str, Any]:
        """Return the next message of the browser."""
        while b"\0" not in self._rest:
            read = os.read(self._receive, 1 << 16)
            if not read:
                raise RuntimeError("the browser has exited")
            self._rest += read
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))

    def _handle_event(self, event: dict[str, Any]) -> None:
        """Record requests and errors."""
        params = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith("data:"):
                self.requests.append(url)
        elif event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.errors.append(json.dumps(params))


@contextmanager
def tab() -> Iterator[Tab]:
    """Start a browser with one empty page; close it after the block."""
    program = chromium()
    if program is None:
        raise RuntimeError("Chromium is not installed")
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()

    def move_pipes() -> None:
        # To other numbers first: the pipes may be 3 and 4 in reverse order.
        inside, outside = (fcntl(fd, F_DUPFD, 64) for fd in (to_browser, from_browser))
        os.dup2(inside, 3)
        os.dup2(outside, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={folder}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=move_pipes,
            close_fds=False,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Tab(from_us, to_us)
        finally:
            process.terminate()
            process.wait(timeout=20)
            os.close(from_us)
            os.close(to_us)


def main() -> None:
    """Parse the options, open the page and write the screenshot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    with tab() as page:
        page.show(args.page, width=args.width, height=args.height, dark=args.dark)
        time.sleep(0.5)
        page.screenshot(args.picture)


if __name__ == "__main__":
    main()
