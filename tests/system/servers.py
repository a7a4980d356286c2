"""Starts and stops a server for tests: ours, or proftpd as the reference, from the same configuration text.

A Server owns a temporary directory: server.conf, passwd, group, the logs, and a home below home/ for each account.
stop() ends it and raises if anything was left behind: a living process, a core, a sanitizer report.
"""
import collections
import crypt
import functools
import glob
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
AM_ROOT = os.geteuid() == 0
PROFTPD = os.path.join(ROOT, "build", "peers", "usr", "sbin", "proftpd")
PROFTPD_MODULES = os.path.join(ROOT, "build", "peers", "usr", "lib", "proftpd")
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: \w+Sanitizer|LeakSanitizer has encountered")

if len(tempfile.gettempdir()) > 50:  # the path of a socket has a maximum
    tempfile.tempdir = "/tmp"

# How long anything that should happen may take: only what hangs takes longer, on whatever machine.
PATIENCE_S = 60

# name: (uid, gid) when the tests run as root; otherwise every account has the uid of the tests.
ACCOUNTS = {"alice": (20001, 20001), "bob": (20002, 20002), "carol": (20003, 20003), "ftp": (20009, 20009)}


@functools.lru_cache(maxsize=None)
def password_hash(password):
    return crypt.crypt(password, "$6$rounds=1000$wherrytest")


def wait_until(condition, what, seconds=PATIENCE_S):
    """Polls until condition() is true and returns its value; bounded. For events no descriptor tells about."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


_reserved = collections.deque()


def reserve(port):
    """Is the port ours from now on? Runs of tests beside this one see its name, and so a server that has yet to listen."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0wherry-test-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    if len(_reserved) > 200:  # long done with
        _reserved.popleft().close()
    return True


def claim(port):
    """Is the TCP port free, and ours from now on?"""
    if not reserve(port):
        return False
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port():
    """A free TCP port below the range that the kernel gives to clients and passive listeners."""
    return free_ports(1)


def free_ports(count):
    """The first of so many in a row."""
    while True:
        first = random.randrange(20000, 30001 - count)
        if all(claim(port) for port in range(first, first + count)):
            return first


def listening(port):
    """True if some process listens on the TCP port (read from /proc, so no session is used up)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as f:
                for line in f:
                    fields = line.split()
                    if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                        return True
        except FileNotFoundError:
            pass
    return False


def process_table():
    """pid -> (ppid, state, start time, name)"""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as f:
                stat = f.read()
        except OSError:
            continue
        comm = stat[stat.index("(") + 1:stat.rindex(")")]
        rest = stat[stat.rindex(")") + 2:].split()
        table[int(name)] = (int(rest[1]), rest[0], int(rest[19]), comm)
    return table


def descendants(pid, table=None):
    table = table or process_table()
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        below = [p for p, row in table.items() if row[0] == parent]
        found += below
        todo += below
    return found


def status(pid):
    """/proc/PID/status as a dict; {} when the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    except OSError:
        return {}


def is_sanitized(build):
    """Is that the folder of a build with sanitizers, which is slower?"""
    return re.search(r"\bbuild-(.*san|.*address|.*thread)", build) is not None


def named_frames(report, program):
    """A sanitizer's report with the lines of the source: confined processes cannot look them up."""
    places = sorted(set(re.findall(r"\(%s\+(0x[0-9a-f]+)\)" % os.path.basename(program), report)))
    if not places or not shutil.which("addr2line"):
        return report
    lines = subprocess.run(["addr2line", "-f", "-p", "-s", "-e", program, *places], text=True, capture_output=True).stdout
    return report + "".join(f"{place}: {line}\n" for place, line in zip(places, lines.splitlines()))


def sha256(path_or_bytes):
    digest = hashlib.sha256()
    if isinstance(path_or_bytes, bytes):
        digest.update(path_or_bytes)
    else:
        with open(path_or_bytes, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()


class Server:
    kind = None
    program = None

    def __init__(self, build="build"):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        os.chmod(self.dir, 0o755)
        self.proc = None
        self.port = free_port()
        self.sanitized = is_sanitized(build)
        self.users = {}
        os.mkdir(self.path("home"))
        os.mkdir(self.path("run"))
        for name in ("alice", "bob", "carol"):
            self.add_user(name)

    # -- files

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def home(self, user="alice", *parts):
        return self.path("home", user, *parts)

    def text(self, name):
        """Content of a file in the server's directory, '' if it does not exist yet."""
        try:
            with open(self.path(name), encoding="utf-8", errors="surrogateescape") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def add_user(self, name, password=None, uid=None, gid=None, home=None, shell="/bin/sh"):
        default = ACCOUNTS.get(name, (20100 + len(self.users),) * 2)
        if not AM_ROOT:
            default = (os.geteuid(), os.getegid())
        uid = default[0] if uid is None else uid
        gid = default[1] if gid is None else gid
        home = home or self.home(name)
        os.makedirs(home, exist_ok=True)
        if AM_ROOT:
            os.chown(home, uid, gid)
        hashed = password_hash(f"{name}-pw" if password is None else password)
        self.users[name] = (uid, gid, home, hashed, shell)
        self.write_accounts()

    def write_accounts(self):
        lines = [f"{n}:{h}:{u}:{g}::{home}:{shell}\n" for n, (u, g, home, h, shell) in self.users.items()]
        groups = [f"g{n}:x:{g}:{n}\n" for n, (_, g, *_rest) in self.users.items()]
        for name, content in (("passwd", lines), ("group", groups)):
            with open(self.path(name), "w") as f:
                f.writelines(content)
            os.chmod(self.path(name), 0o600)

    def put(self, relative, content=b"", user="alice", mode=0o644, mtime=None):
        """Makes a file in a user's home, owned by the user; returns its path."""
        path = self.home(user, relative)
        if isinstance(path, str) and isinstance(relative, bytes):
            path = os.path.join(os.fsencode(self.home(user)), relative)
        missing = os.path.dirname(path)
        made = []
        while not os.path.isdir(missing):
            made.append(missing)
            missing = os.path.dirname(missing)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, mode)
        for p in made + [path]:
            self.own(p, user)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def mkdir(self, relative, user="alice", mode=0o755):
        path = self.home(user, relative)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        self.own(path, user)
        return path

    def own(self, path, user="alice"):
        if AM_ROOT:
            os.chown(path, self.users[user][0], self.users[user][1], follow_symlinks=False)

    # -- configuration

    def defaults(self):
        import grp
        import pwd
        user = "nobody" if AM_ROOT else pwd.getpwuid(os.geteuid()).pw_name
        group = "nogroup" if AM_ROOT else grp.getgrgid(os.getegid()).gr_name
        return {
            "ServerName": '"Test"',
            "ServerType": "standalone",
            "UseIPv6": "off",
            "DefaultAddress": "127.0.0.1",
            "Port": str(self.port),
            "User": user,
            "Group": group,
            "UseReverseDNS": "off",
            "AuthUserFile": self.path("passwd"),
            "AuthGroupFile": self.path("group"),
            "AuthOrder": "mod_auth_file.c",
            "RequireValidShell": "off",
            "UseFtpUsers": "off",
            "ScoreboardFile": self.path("run", "scoreboard"),
            "PidFile": self.path("run", "pid"),
            "ControlsSocket": self.path("run", "ctl.sock"),
            "TransferLog": self.path("xferlog"),
            "SystemLog": self.path("system.log"),
            "DefaultRoot": "~",
            "AllowOverwrite": "on",
            "TimeoutLinger": "5",
        }

    def configure(self, extra="", **values):
        """Writes server.conf: the defaults, changed by values (None removes one), then the extra text."""
        lines = dict(self.defaults())
        for name, value in values.items():
            lines[name] = value
        text = "".join(f"{k} {v}\n" for k, v in lines.items() if v is not None)
        self.write_conf(text + extra.replace("@DIR@", self.dir) + "\n")

    def write_conf(self, text):
        with open(self.path("server.conf"), "w") as f:
            f.write(text)

    # -- life

    def argv(self, *options):
        return [self.program, "-n", "-c", self.path("server.conf"), *options]

    def start(self, *options, env=None, wait=True):
        with open(self.path("stderr"), "ab") as err:
            self.proc = subprocess.Popen(self.argv(*options), stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                         cwd=self.dir, start_new_session=True, env=dict(os.environ, **(env or {})))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, port=None):
        def ready():
            assert self.proc.poll() is None, f"server ended with {self.proc.returncode}:\n{self.output()}"
            return listening(port or self.port)
        wait_until(ready, f"server listens on port {port or self.port}:\n{self.output()}")

    def check(self, *options):
        """Runs the configuration test (-t); returns the finished process with .stdout and .stderr as text."""
        return subprocess.run([self.program, "-t", "-c", self.path("server.conf"), *options], text=True, cwd=self.dir,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)

    def output(self):
        return self.text("stderr") + self.text("system.log")[-4000:]

    def reload(self):
        os.kill(self.proc.pid, signal.SIGHUP)

    def processes(self):
        """Pids of all processes of the server but the first."""
        return [p for p in descendants(self.proc.pid) if status(p).get("State", "Z")[0] != "Z"]

    def stop(self, expect_exit=True, seconds=PATIENCE_S):
        """Stops the server; AssertionError if something was left behind."""
        problems = []
        if self.proc is not None:
            table = process_table()
            below = {p: table[p][2] for p in descendants(self.proc.pid, table)}
            if self.proc.poll() is None:
                self.proc.terminate()
                try:
                    self.proc.wait(seconds)
                except subprocess.TimeoutExpired:
                    problems.append(f"server did not stop within {seconds} s of TERM")
                    self.proc.kill()
                    self.proc.wait()
                if expect_exit and self.proc.returncode not in (0, -signal.SIGTERM) and not problems:
                    problems.append(f"exit status {self.proc.returncode} after TERM")
            elif expect_exit:
                problems.append(f"server had ended with status {self.proc.returncode}")
            problems += self.left_over(below)
            self.proc = None
        problems += self.reports()
        assert not problems, "\n".join(problems) + "\n" + self.output()

    def left_over(self, below, seconds=PATIENCE_S / 2):
        """Processes of `below` (pid -> start time) that still live a moment after the server's end; kills them."""
        def alive():
            table = process_table()
            return [p for p, start in below.items() if p in table and table[p][2] == start and table[p][1] != "Z"]
        end = time.monotonic() + seconds
        while alive() and time.monotonic() < end:
            time.sleep(0.02)
        left = [(p, process_table().get(p)) for p in alive()]
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return [f"process {pid} still there after the server's end: {row}" for pid, row in left]

    def reports(self):
        """What sanitizers and the kernel left: report texts and core files."""
        found = [f"core file {path}" for path in glob.glob(self.path("core*"))]
        errors = self.text("stderr")
        match = SANITIZER_REPORT.search(errors)
        if match:
            report = errors[max(0, match.start() - 500):match.start() + 4000]
            found.append("sanitizer report:\n" + named_frames(report, self.program))
        return found

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Wherry(Server):
    kind = "wherry"

    def __init__(self, build="build"):
        super().__init__(build)
        self.program = os.path.join(ROOT, build, "src", "master", "wherryd")

    def tool(self, name, *options, **more):
        """Runs one of our tools (ftpwho, wherryctl, ...)."""
        program = os.path.join(ROOT, self.build, "src", "tools", name)
        return subprocess.run([program, *options], text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE_S, **more)


class Proftpd(Server):
    kind = "proftpd"
    program = PROFTPD

    def defaults(self):
        values = super().defaults()
        values["WtmpLog"] = "off"
        values["DelayEngine"] = "off"
        values["ControlsInterval"] = "10"
        return values

    def write_conf(self, text):
        modules = "".join(f"LoadModule {m}\n" for m in ("mod_site_misc.c", "mod_copy.c", "mod_ifsession.c"))
        super().write_conf(f"ModulePath {PROFTPD_MODULES}\n{modules}" + text)

    def tool(self, name, *options, **more):
        program = os.path.join(ROOT, "build", "peers", "usr", "bin", name)
        return subprocess.run([program, *options], text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE_S, **more)


KINDS = {"wherry": Wherry, "proftpd": Proftpd}
