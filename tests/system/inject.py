"""Makes system calls of the server fail as a test says, by a library that is preloaded (inject.c).

    inject = Inject(folder)                       # compiles the library with cc into the folder
    server.start(env=inject.env())
    inject.sendfile(after=3, error=errno.EINVAL)  # from the fourth call on
    inject.calls, inject.largest                  # sendfile calls, and the most that one asked for, since reset()
"""
import mmap
import os
import shutil
import struct
import subprocess

ALWAYS = 0xFFFFFFFF
HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = {"sendfile": 0, "pread": 16, "no_cachestat": 32, "calls": 36, "largest": 40, "loop_calls": 44, "cold_calls": 48,
          "preads": 52, "map": 56, "loop_dirs": 72, "pool_dirs": 76, "wall_s": 80}


class Inject:
    def __init__(self, folder):
        self.library = os.path.join(folder, "inject.so")
        self.plan = os.path.join(folder, "inject.plan")
        if not os.path.exists(self.library):
            compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-14")
            subprocess.run([compiler, "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-shared",
                            "-fPIC", "-o", self.library, os.path.join(HERE, "inject.c"), "-ldl"], check=True)
        with open(self.plan, "wb") as f:
            f.write(bytes(4096))
        with open(self.plan, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 4096)
        self.reset()

    def env(self):
        asan = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": self.library, "INJECT_PLAN": self.plan,
                "ASAN_OPTIONS": (asan + ":" if asan else "") + "verify_asan_link_order=0"}

    def _put(self, name, *values):
        struct.pack_into(f"<{len(values)}I", self.page, FIELDS[name], *values)

    def _get(self, name):
        return struct.unpack_from("<I", self.page, FIELDS[name])[0]

    def _rule(self, name, after, times, error, most):
        self._put(name, 0, 0, 0, 0)
        self._put(name, after, 0, error, most)
        struct.pack_into("<I", self.page, FIELDS[name] + 4, times)

    def sendfile(self, after=0, times=ALWAYS, error=0, most=ALWAYS):
        self._rule("sendfile", after, times, error, most)

    def pread(self, after=0, times=ALWAYS, error=0, most=ALWAYS):
        self._rule("pread", after, times, error, most)

    def map(self, after=0, times=ALWAYS, error=0):
        """Mappings of a MiB or more of files, for reading."""
        self._rule("map", after, times, error, ALWAYS)

    def wall_clock(self, ahead_s):
        """As if somebody had set the clock of the machine."""
        struct.pack_into("<i", self.page, FIELDS["wall_s"], ahead_s)

    def no_cachestat(self, off=True):
        self._put("no_cachestat", int(off))

    def reset(self):
        """No call is changed any more, and the counters begin at 0."""
        self.page[:] = bytes(4096)

    @property
    def calls(self):
        return self._get("calls")

    @property
    def loop_calls(self):
        return self._get("loop_calls")

    @property
    def loop_dirs(self):
        """Directories that were closed in the first thread of a process."""
        return self._get("loop_dirs")

    @property
    def pool_dirs(self):
        """In other threads."""
        return self._get("pool_dirs")

    @property
    def cold_calls(self):
        return self._get("cold_calls")

    @property
    def largest(self):
        return self._get("largest")

    @property
    def preads(self):
        return self._get("preads")
