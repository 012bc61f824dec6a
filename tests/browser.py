"""Chromium without a window, told by its own protocol over a pipe what to do."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required")
OPTIONS += ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # a microphone that beeps, and may be used
BEGIN = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""  # the browser listens at 3 and answers at 4


class Page:
    """A browser with one page.

    Attributes:
        said: What the page wrote on its console, and its errors.
    """

    def __init__(self, url, width=1100, height=900):
        self.said, self._count, self._loaded = [], 0, False
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        reads, told = os.pipe()
        heard, writes = os.pipe()
        own = [f"--user-data-dir={self._folder.name}", "--remote-debugging-pipe", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", BEGIN, str(reads), str(writes), CHROMIUM, *OPTIONS, *own],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._told, self._heard = os.fdopen(told, "wb", 0), os.fdopen(heard, "rb")
        self._session = None
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Runtime.enable")
            self.call("Page.enable")
            self.size(width, height)
            self.go(url)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._told.close()
        self._heard.close()
        self._folder.cleanup()

    def call(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._told.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        method, told = event.get("method"), event.get("params")
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(a.get("value")) for a in told["args"]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(told["exceptionDetails"]["exception"].get("description"))

    def _message(self):
        out = bytearray()
        while (byte := self._heard.read(1)) != b"\0":
            assert byte, "the browser is gone"
            out += byte
        return json.loads(out)

    def go(self, url):
        """Open another page."""
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._note(self._message())
        self.said.clear()

    def until(self, script, seconds=10):
        """Wait until a script is true."""
        for _ in range(seconds * 20):
            if self.run(script):
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {script}; the page said {self.said}")

    def key(self, kind, letter):
        code = {"code": f"Key{letter.upper()}", "text": letter} if kind == "keyDown" else {"code": f"Key{letter.upper()}"}
        self.call("Input.dispatchKeyEvent", type=kind, key=letter, **code)

    def mouse(self, kind, x, y):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def run(self, script):
        """The value of a script, awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self):
        """A screenshot of all of the page, as the text of a PNG in base64."""
        return self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
