"""Tests that fetch.py fetches once, and says what is wrong when it cannot.

Run: python3 -m unittest discover -s hack/libtensorflow
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from collections import namedtuple
from unittest import mock

import fetch

HERE = os.path.dirname(os.path.abspath(__file__))


class Fetch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = os.path.join(scratch.name, "cache")
        self.wheel = small_wheel(os.path.join(scratch.name, "tensorflow_cpu-test.whl"))
        self.scratch = scratch.name
        with open(self.wheel, "rb") as f:
            pin = {"package": "tensorflow-cpu", "sha256": hashlib.sha256(f.read()).hexdigest(), "disk": 1}
        for target, value in (("fetch.FLAVORS", {"cpu": pin}), ("fetch.say", mock.Mock())):
            patch = mock.patch(target, value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_keeps_only_what_cgo_needs_and_drops_the_wheel(self):
        got = fetch.fetch("cpu", self.cache, self.wheel)
        files = sorted(os.path.relpath(os.path.join(d, f), got) for d, _, names in os.walk(got) for f in names)
        self.assertEqual(files, [
            "env.sh",
            "tensorflow/include/tensorflow/c/c_api.h",
            "tensorflow/include/tensorflow/c/eager/c_api.h",
            "tensorflow/include/tensorflow/c/tf_status.h",
            "tensorflow/libtensorflow.so",
            "tensorflow/libtensorflow_cc.so.2",
            "tensorflow/libtensorflow_framework.so.2",
            "wheel.sha256",
        ])  # fmt: skip
        self.assertEqual(os.readlink(os.path.join(got, "tensorflow/libtensorflow.so")), "libtensorflow_cc.so.2")
        command = f". {got}/env.sh && echo $CGO_CFLAGS"
        shell = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        self.assertEqual(shell.stdout.strip(), f"-O2 -g -I{got}/tensorflow/include")

    def test_fetches_once(self):
        first = fetch.fetch("cpu", self.cache, self.wheel)
        with mock.patch("fetch.unpack") as unpack:
            self.assertEqual(fetch.fetch("cpu", self.cache, self.wheel), first)
        unpack.assert_not_called()

    def test_fetches_again_when_the_pin_has_moved(self):
        got = fetch.fetch("cpu", self.cache, self.wheel)
        with open(os.path.join(got, "wheel.sha256"), "w") as f:
            f.write("of an older pin")
        fetch.fetch("cpu", self.cache, self.wheel)
        with open(os.path.join(got, "wheel.sha256")) as f:
            self.assertEqual(f.read().strip(), fetch.FLAVORS["cpu"]["sha256"])

    def test_two_at_once_fetch_once(self):
        script = f"""
import sys; sys.path.insert(0, {HERE!r})
import fetch
fetch.FLAVORS = {fetch.FLAVORS!r}
unpack = fetch.unpack
def once(*a): print('unpacked'); unpack(*a)
fetch.unpack = once
fetch.fetch('cpu', {self.cache!r}, {self.wheel!r})
"""
        start = lambda: subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        both = [start(), start()]
        out = [p.communicate()[0] for p in both]
        self.assertEqual([p.returncode for p in both], [0, 0])
        self.assertEqual(sorted(out), ["", "unpacked\n"])

    def test_an_error_says_what_to_do(self):
        broken = os.path.join(self.scratch, "broken.whl")
        with open(broken, "wb") as f:
            f.write(b"half a wheel")
        Usage = namedtuple("Usage", "total used free")
        full_disk = mock.patch("shutil.disk_usage", lambda _: Usage(0, 0, 0))
        no_index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.scratch, "PIP_QUIET": "3"}
        cases = {
            "a wheel whose sha256 is not the pinned one": (
                lambda: fetch.fetch("cpu", self.cache, broken),
                "is pinned, so it is not used",
            ),
            "an unknown flavor": (
                lambda: fetch.fetch("tpu", self.cache),
                "TF_FLAVOR=tpu is unknown. Choose one of: cpu.",
            ),
            "another operating system": (
                lambda: fetch.check_platform("Darwin", "arm64", ""),
                "this is Darwin on arm64; the pinned library is for linux/amd64",
            ),
            "musl": (
                lambda: fetch.check_platform("Linux", "x86_64", ""),
                "needs glibc",
            ),
            "a cache path with a space": (
                lambda: fetch.fetch("cpu", os.path.join(self.scratch, "a b"), self.wheel),
                "Set PLUMBLINE_CACHE to a plain path",
            ),
            "a disk with too little space": (
                full_disk(lambda: fetch.fetch("cpu", self.cache, self.wheel)),
                "has 0 MiB free; 1 MiB are needed",
            ),
            "pip that cannot reach an index": (
                mock.patch.dict(os.environ, no_index)(lambda: fetch.fetch("cpu", self.cache)),
                "set TF_WHEEL to the file",
            ),
        }
        for name, (call, want) in cases.items():
            with self.subTest(name):
                with self.assertRaises(fetch.Refused) as caught:
                    call()
                self.assertIn(want, str(caught.exception))
                final = os.path.join(self.cache, "libtensorflow", f"{fetch.VERSION}-cpu")
                self.assertFalse(os.path.exists(final), "fetch kept files")

    def test_an_error_says_that_the_disk_is_full(self):
        full = OSError(28, "No space left on device")
        with mock.patch("fetch.unpack", side_effect=full), self.assertRaises(OSError) as caught:
            fetch.fetch("cpu", self.cache, self.wheel)
        self.assertIn("the disk is full", fetch.explain(caught.exception))
        names = os.listdir(os.path.join(self.cache, "libtensorflow"))
        self.assertEqual([n for n in names if n.startswith(".new")], [])

    def test_an_error_says_that_python_has_no_pip(self):
        bare = os.path.join(self.scratch, "bare")
        venv.create(bare, with_pip=False, symlinks=True)
        got = run([os.path.join(bare, "bin", "python")], {"PLUMBLINE_CACHE": self.cache})
        self.assertEqual(got.returncode, 1)
        self.assertIn("has no pip. Install it", got.stderr)

    def test_an_error_says_that_python_is_missing(self):
        command = ["/bin/sh", os.path.join(HERE, "fetch.sh")]
        got = subprocess.run(command, env={"PATH": self.scratch}, capture_output=True, text=True)
        self.assertEqual(got.returncode, 1)
        self.assertIn("python3 is not on PATH", got.stderr)


def small_wheel(path):
    """Writes a wheel with the library's files, and one header that graft does not need. Returns the path."""
    include = "tensorflow/include/tensorflow/c/"
    with zipfile.ZipFile(path, "w") as z:
        for name, text in {
            "tensorflow/libtensorflow_cc.so.2": "cc",
            "tensorflow/libtensorflow_framework.so.2": "framework",
            include + "c_api.h": '#include "tensorflow/c/tf_status.h"\n#include <stdint.h>\n',
            include + "tf_status.h": "",
            include + "eager/c_api.h": '#include "tensorflow/c/c_api.h"\n',
            include + "unused.h": "",
        }.items():
            z.writestr(name, text)
    return path


def run(python, env):
    command = python + [os.path.join(HERE, "fetch.py")]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)


if __name__ == "__main__":
    unittest.main()
