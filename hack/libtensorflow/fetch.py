"""Fetches libtensorflow for the trainer, once.

The trainer links TensorFlow's C library. There is no tarball of 2.18, but TensorFlow's own Python wheel holds the same
library and its headers. This program downloads the pinned wheel with pip, checks its sha256, and keeps only
the files that cgo needs, in a cache outside the tree. A second call finds them there and returns at once.

    fetch.sh            fetch the library if the cache lacks it, and print its directory
    TF_FLAVOR=gpu       the same library with CUDA kernels (README.md)
    TF_WHEEL=file.whl   read this wheel instead of downloading one, for a machine without network
    PLUMBLINE_CACHE     directory of the cache; default ${XDG_CACHE_HOME:-~/.cache}/plumbline
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

VERSION = "2.18.1"

# The wheels for CPython 3.11 on linux/amd64; any Python can fetch them, since only the C library is used.
# disk: the space that the download and the unpacked library need together, in MiB.
FLAVORS = {
    "cpu": {
        "package": "tensorflow-cpu",
        "sha256": "810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298",
        "disk": 1000,
    },
    "gpu": {
        "package": "tensorflow",
        "sha256": "c9f87e5d2a680a4595f5dc30daf6bbaec9d4129b46d7ef1b2af63c46ac7d2828",
        "disk": 2500,
    },
}

LIBRARIES = ["tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"]
HEADERS = ["tensorflow/c/c_api.h", "tensorflow/c/eager/c_api.h"]  # graft includes these; headers() finds the others


class Refused(Exception):
    """An error whose message says what went wrong and what to do."""


def main():
    try:
        flavor = os.environ.get("TF_FLAVOR") or "cpu"
        check_platform(platform.system(), platform.machine(), platform.libc_ver()[0])
        print(fetch(flavor, cache_dir(os.environ), os.environ.get("TF_WHEEL")))
    except Refused as e:
        sys.exit(f"libtensorflow: {e}")
    except OSError as e:
        sys.exit(f"libtensorflow: {explain(e)}")
    except KeyboardInterrupt:
        sys.exit("libtensorflow: interrupted; nothing was kept")


def check_platform(system, machine, libc):
    if (system, machine) != ("Linux", "x86_64"):
        raise Refused(
            f"this is {system} on {machine}; the pinned library is for linux/amd64, where Plumbline is tested. "
            "Build in a linux/amd64 container or virtual machine. "
            "dataset, operator and plumb need no TensorFlow and build on any system."
        )
    if libc != "glibc":
        raise Refused(
            "TensorFlow's library needs glibc, which this system (musl?) does not have. "
            "Use Debian, Ubuntu, Fedora or an image made from them."
        )


def cache_dir(env):
    if env.get("PLUMBLINE_CACHE"):
        return os.path.abspath(env["PLUMBLINE_CACHE"])
    base = env.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.abspath(base), "plumbline")


def fetch(flavor, cache, wheel=None):
    """Fetches the library if the cache lacks it. Returns the directory of the library, its headers and env.sh."""
    if flavor not in FLAVORS:
        raise Refused(f"TF_FLAVOR={flavor} is unknown. Choose one of: {', '.join(FLAVORS)}.")
    pin = FLAVORS[flavor]
    root = os.path.join(cache, "libtensorflow")
    final = os.path.join(root, f"{VERSION}-{flavor}")
    if complete(final, pin):
        return final
    os.makedirs(root, exist_ok=True)
    with one_at_a_time(os.path.join(root, f".{VERSION}-{flavor}.lock")):
        if complete(final, pin):  # another call fetched it while this one waited
            return final
        # A killed call leaves such a directory. No call uses it, because this one holds the lock.
        for leftover in glob.glob(os.path.join(root, f".new-{flavor}-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        check_disk(root, pin["disk"])
        with tempfile.TemporaryDirectory(prefix=f".new-{flavor}-", dir=root) as work:
            if wheel is None:
                wheel = download(pin["package"], work)
            check_sha256(wheel, pin["sha256"])
            say(f"unpacking {os.path.basename(wheel)}")
            tree = os.path.join(work, "tree")
            unpack(wheel, tree)
            write_env(tree, final)
            with open(os.path.join(tree, "wheel.sha256"), "w") as f:  # last: complete() takes it for the whole tree
                f.write(pin["sha256"] + "\n")
            shutil.rmtree(final, ignore_errors=True)  # a tree with another pin or an older layout
            os.rename(tree, final)
    return final


def complete(final, pin):
    """Returns whether the directory holds the whole library with this pin."""
    try:
        with open(os.path.join(final, "wheel.sha256")) as f:
            return f.read().strip() == pin["sha256"]
    except OSError:
        return False


@contextlib.contextmanager
def one_at_a_time(path):
    """Holds a lock on the file while its block runs, and waits for the lock if another call holds it."""
    with open(path, "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another call that is fetching the library")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def check_disk(root, need):
    free = shutil.disk_usage(root).free >> 20
    if free < need:
        raise Refused(
            f"{root} has {free} MiB free; {need} MiB are needed while unpacking. "
            "Free some space, or set PLUMBLINE_CACHE to a directory on another disk."
        )


def download(package, work):
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run(pip + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        raise Refused(
            f"{sys.executable} has no pip. Install it (Debian: apt install python3-pip; "
            f"elsewhere: {sys.executable} -m ensurepip), then run this again."
        )
    say(f"downloading {package}=={VERSION} with pip, once")
    run = subprocess.run(
        pip + ["download", "--disable-pip-version-check", "--no-deps", "--no-cache-dir", "--only-binary=:all:",
               "--python-version", "3.11", "--platform", "manylinux_2_17_x86_64", "--dest", work,
               f"{package}=={VERSION}"],
        stdout=sys.stderr,
        env={**os.environ, "TMPDIR": work},  # pip downloads to TMPDIR first, and /tmp may be small
    )  # fmt: skip
    if run.returncode != 0:
        raise Refused(
            f"pip could not download {package}=={VERSION}; pip's error is above. If this machine cannot reach PyPI, "
            "point pip at your mirror (PIP_INDEX_URL), or copy the wheel from another machine and set TF_WHEEL to the "
            "file (hack/libtensorflow/README.md)."
        )
    return os.path.join(work, next(f for f in os.listdir(work) if f.endswith(".whl")))


def check_sha256(wheel, want):
    digest = hashlib.sha256()
    with open(wheel, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != want:
        raise Refused(
            f"{os.path.basename(wheel)} has sha256 {digest.hexdigest()}, but {want} is pinned, so it is not used. "
            "An incomplete download has another sha256, and so has a file that a proxy rewrote: fetch it again, or "
            "from another mirror (PIP_INDEX_URL). If that does not help, do not change the pin: somebody may have "
            "replaced the file."
        )


def unpack(wheel, tree):
    with zipfile.ZipFile(wheel) as z:
        for name in LIBRARIES + ["tensorflow/include/" + h for h in headers(z)]:
            z.extract(name, tree)
    # graft links with -ltensorflow, but the C symbols are in libtensorflow_cc.
    os.symlink("libtensorflow_cc.so.2", os.path.join(tree, "tensorflow", "libtensorflow.so"))


def headers(z):
    """Returns HEADERS and all headers of the wheel that they include, directly or not: 13 of the wheel's thousands."""
    present, todo, found = set(z.namelist()), list(HEADERS), []
    while todo:
        h = todo.pop()
        if h in found or "tensorflow/include/" + h not in present:
            continue
        found.append(h)
        text = z.read("tensorflow/include/" + h).decode()
        todo += re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)
    return found


def write_env(tree, final):
    """Writes env.sh, for make, a shell or an editor.

    CGO_CFLAGS replaces cgo's default flags, so it repeats them: -O2 -g.
    """
    lib = os.path.join(final, "tensorflow")
    if re.search(r"[\s'\"$#\\]", lib):
        raise Refused(
            f"{lib} holds a character that compiler flags cannot hold. "
            "Set PLUMBLINE_CACHE to a plain path: without blanks, quotes, $, # and backslashes."
        )
    values = {
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"-O2 -g -I{lib}/include",
        "CGO_LDFLAGS": f"-O2 -g -L{lib} -Wl,-rpath,{lib}",
    }
    with open(os.path.join(tree, "env.sh"), "w") as f:
        f.writelines(f"export {k}='{v}'\n" for k, v in values.items())


def explain(e):
    """Returns the message of an OSError, with what to do if that is known."""
    if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"the disk is full ({e}). Free some space, or set PLUMBLINE_CACHE to a directory on another disk. "
            "The incomplete files were removed."
        )
    if e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"the cache cannot be written ({e}). Set PLUMBLINE_CACHE to a directory that you may write to."
    return str(e)


def say(message):
    print(f"libtensorflow: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
