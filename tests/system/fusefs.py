"""A writable file system whose operations can be held, delayed or made to fail: what a bad disk or file server looks
like to an upload. (For reading, holdfs.py needs no library and holds single paths.)

    with fusefs.SlowFs(mount) as slow:          # mount: an existing folder; its content is kept in a folder of its own
        slow.hold("write")                      # every write waits from now on ...
        wait_until(lambda: slow.held("write") == 2, "two writes hang")
        slow.release("write")                   # ... until now
        slow.delay("read", 2)                   # every read takes 2 s
        slow.fail("write", errno.EIO)           # every write fails

Operations: open, create, getattr, readdir, read, write, flush, truncate, chown. Needs root, /dev/fuse and python3-fusepy;
reason() says what is missing. The file system is a process of its own (this file run as a program), so that a test
that fails cannot hang in it. Its end releases everything.
"""
import contextlib
import glob
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

OPERATIONS = ("open", "create", "getattr", "readdir", "read", "write", "flush", "truncate", "chown")
POLL_S = 0.01


def reason():
    """Why there can be no such file system here; None: there can."""
    if os.geteuid() != 0:
        return "needs root to mount"
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    if importlib.util.find_spec("fusepy") is None:
        return "no python3-fusepy (scripts/setup test)"
    return None


class SlowFs:
    def __init__(self, mount, owner=None):
        """mount: an existing folder; owner: (uid, gid) of its root folder, default as the mount point has it."""
        self.mount = mount
        self.dir = tempfile.mkdtemp(prefix="wherry-fuse-")
        self.proc = None
        st = os.stat(mount)
        self.owner = owner or (st.st_uid, st.st_gid)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def backing(self, *parts):
        """Where the content is, reached without the file system."""
        return self.path("files", *parts)

    def __enter__(self):
        os.chmod(self.dir, 0o755)
        for name in ("files", "ctl", "held"):
            os.mkdir(self.path(name))
        os.chown(self.path("files"), *self.owner)
        with open(self.path("log"), "wb") as log:
            self.proc = subprocess.Popen([sys.executable, __file__, self.dir, self.mount], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not os.path.ismount(self.mount):
            if self.proc.poll() is not None or time.monotonic() > end:
                with open(self.path("log"), encoding="utf-8", errors="replace") as log:
                    message = log.read()
                self.__exit__()
                raise AssertionError("the slow file system did not start:\n" + message)
            time.sleep(POLL_S)
        return self

    def __exit__(self, *_):
        for op in OPERATIONS:
            self.release(op)
        subprocess.run(["umount", "-l", self.mount], capture_output=True)
        if self.proc is not None:
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:  # somebody still has a file open
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _set(self, op, text):
        assert op in OPERATIONS, op
        with open(self.path("ctl", "new"), "w") as f:
            f.write(text)
        os.rename(self.path("ctl", "new"), self.path("ctl", op))

    def hold(self, op):
        self._set(op, "hold")

    def delay(self, op, seconds):
        self._set(op, f"delay {seconds}")

    def fail(self, op, error):
        self._set(op, f"fail {error}")

    def release(self, op):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("ctl", op))

    def held(self, op):
        """How many operations of that kind wait now, held or delayed."""
        return len(glob.glob(self.path("held", op + ".*")))


def serve(base, mount):
    import fusepy as fuse

    files = os.path.join(base, "files")

    class Slow(fuse.Operations):
        def __init__(self):
            self.count = 0
            self.lock = threading.Lock()

        def wait(self, op):
            ctl = os.path.join(base, "ctl", op)
            mark = None
            start = time.monotonic()
            try:
                while True:
                    try:
                        with open(ctl) as f:
                            word, _, value = f.read().partition(" ")
                    except FileNotFoundError:
                        return
                    if word == "fail":
                        raise fuse.FuseOSError(int(value))
                    if word == "delay" and time.monotonic() - start >= float(value):
                        return
                    if mark is None:
                        with self.lock:
                            self.count += 1
                            mark = os.path.join(base, "held", f"{op}.{self.count}")
                        with open(mark, "w"):
                            pass
                    time.sleep(POLL_S)
            finally:
                if mark is not None:
                    os.unlink(mark)

        def at(self, path):
            return files + path

        def own(self, path):
            uid, gid, _ = fuse.fuse_get_context()
            os.chown(self.at(path), uid, gid, follow_symlinks=False)

        def getattr(self, path, fh=None):
            self.wait("getattr")
            st = os.lstat(self.at(path))
            return {name: getattr(st, name) for name in ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime",
                                                         "st_nlink", "st_size", "st_uid", "st_ino", "st_blocks")}

        def readdir(self, path, fh):
            self.wait("readdir")
            return [".", ".."] + os.listdir(self.at(path))

        def create(self, path, mode, fi=None):
            self.wait("create")
            fd = os.open(self.at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            self.own(path)
            return fd

        def open(self, path, flags):
            self.wait("open")
            return os.open(self.at(path), (flags & (os.O_ACCMODE | os.O_TRUNC)))

        def read(self, path, size, offset, fh):
            self.wait("read")
            return os.pread(fh, size, offset)

        def write(self, path, data, offset, fh):
            self.wait("write")
            return os.pwrite(fh, data, offset)

        def flush(self, path, fh):
            self.wait("flush")
            return 0

        def release(self, path, fh):
            os.close(fh)
            return 0

        def truncate(self, path, length, fh=None):
            self.wait("truncate")
            os.truncate(self.at(path), length)

        def mkdir(self, path, mode):
            os.mkdir(self.at(path), mode)
            self.own(path)

        def rmdir(self, path):
            os.rmdir(self.at(path))

        def unlink(self, path):
            os.unlink(self.at(path))

        def rename(self, old, new):
            os.rename(self.at(old), self.at(new))

        def chmod(self, path, mode):
            os.chmod(self.at(path), mode)

        def chown(self, path, uid, gid):
            self.wait("chown")
            os.chown(self.at(path), uid, gid, follow_symlinks=False)

        def utimens(self, path, times=None):
            os.utime(self.at(path), times)

        def statfs(self, path):
            vfs = os.statvfs(files)
            return {name: getattr(vfs, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail",
                                                          "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")}

    fuse.FUSE(Slow(), mount, foreground=True, allow_other=True, default_permissions=True, big_writes=True,
              fsname="wherry-slow")


if __name__ == "__main__":
    serve(*sys.argv[1:3])
