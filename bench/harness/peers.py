"""The servers that bench/run compares: each is started from the same tree and account, on a port of its own.

A variant says what is configured: "plain", "tls", "rate" (1 MiB/s for each download), "z" (MODE Z). A server that cannot
do a variant says so by raising Unable; so does one that does not start.

Peers come from build/peers (scripts/setup bench). vsftpd and pure-ftpd take accounts from the system: they run in a mount
namespace of their own where /etc/passwd, /etc/shadow, /etc/group and /etc/pam.d are ours, so nothing of the machine changes.
"""
import crypt
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
from ftpsclient import make_certificate  # noqa: E402
from servers import descendants, free_port, listening  # noqa: E402

PEERS = os.path.join(ROOT, "build", "peers")
USER, PASSWORD, UID = "wherrybench", "bench-pw", 20777
HASH = crypt.crypt(PASSWORD, "$1$wherryb$")
RATE = 1 << 20


class Unable(Exception):
    pass


class Accounting:
    """Processor time of a server with all its processes, dead ones included: a cgroup where one can be made, else the
    sum over the tree of processes (whose parents tell of the children that they have waited for)."""

    def __init__(self, name):
        self.folder = None
        for line in open("/proc/mounts"):
            fields = line.split()
            if fields[2] == "cgroup2":
                folder = os.path.join(fields[1], f"wherry-bench-{os.getpid()}-{name}")
                try:
                    os.mkdir(folder)
                    with open(os.path.join(folder, "cpu.stat")) as f:
                        if "usage_usec" not in f.read():
                            raise OSError
                    with open(os.path.join(folder, "cgroup.procs"), "w"):
                        pass
                    self.folder = folder
                    return
                except OSError:
                    if os.path.isdir(folder):
                        os.rmdir(folder)

    def enter(self):
        """In the child before exec."""
        if self.folder:
            with open(os.path.join(self.folder, "cgroup.procs"), "w") as f:
                f.write("0")

    def pids(self, pid):
        if self.folder:
            with open(os.path.join(self.folder, "cgroup.procs")) as f:
                return [int(line) for line in f]
        return [pid] + descendants(pid)

    def seconds(self, pid):
        if self.folder:
            with open(os.path.join(self.folder, "cpu.stat")) as f:
                return next(int(line.split()[1]) for line in f if line.startswith("usage_usec")) / 1e6
        total = 0
        for p in self.pids(pid):
            try:
                total += time.clock_gettime((~p << 3) | 2)  # CPU clock of a process: clock_getcpuclockid(3)
                with open(f"/proc/{p}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                total += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
            except OSError:
                pass
        return total

    def close(self):
        if self.folder:
            for _ in range(50):
                try:
                    os.rmdir(self.folder)
                    break
                except OSError:
                    time.sleep(0.1)


def pin(core):
    """For preexec_fn: this process and its children run there. Where there is one core there is nothing to choose."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def undisturbed(pids, on):
    """Let these processes run before all others of the machine, whose turns are milliseconds long, or no longer so. Only root can."""
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setscheduler(int(thread), os.SCHED_FIFO | os.SCHED_RESET_ON_FORK if on else os.SCHED_OTHER, os.sched_param(10 if on else 0))
        except OSError:
            pass


class Peer:
    name = None
    program = None
    variants = ("plain",)
    idle_sessions = 2000  # a process for each session: fewer, or the logins take minutes

    def __init__(self, work, tree, build):
        self.tree, self.build = tree, build
        self.dir = os.path.join(work, self.name)
        self.proc = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def start(self, variant):
        if variant not in self.variants:
            raise Unable("has no such thing")
        if self.program and not os.path.exists(self.program):
            raise Unable(f"no {os.path.relpath(self.program, ROOT)} (scripts/setup bench)")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.cert = self.key = None
        if variant == "tls":
            self.cert, self.key = make_certificate(self.dir)
        command = self.command(variant)
        self.accounting = Accounting(self.name)

        def before():
            self.accounting.enter()
            pin(0)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with open(self.path("stderr"), "wb") as err:
            self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=err, stderr=err, cwd=self.dir, start_new_session=True,
                                         preexec_fn=before)
        end = time.monotonic() + 15
        while not listening(self.port):
            if self.proc.poll() is not None or time.monotonic() > end:
                with open(self.path("stderr"), errors="replace") as f:
                    text = f.read()[-400:].strip()
                self.stop()
                raise Unable("does not start: " + (text or "no message"))
            time.sleep(0.05)
        return self

    def cpu(self):
        return self.accounting.seconds(self.proc.pid)

    def pss_kib(self):
        total = 0
        for pid in self.accounting.pids(self.proc.pid):
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
        return total

    def stop(self):
        if self.proc is None:
            return
        pids = self.accounting.pids(self.proc.pid) if self.proc.poll() is None else []
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for pid in pids:  # sessions that outlive their server; nothing else is in its cgroup or was below it
            try:
                if os.path.exists(f"/proc/{pid}") and (self.accounting.folder is None or pid in self.accounting.pids(pid)):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.accounting.close()
        self.proc = None


class Proftpdish(Peer):
    """What ours and proftpd have in common: the language of the configuration."""
    variants = ("plain", "tls", "rate", "z")
    modules = ()

    def command(self, variant):
        self.write("passwd", f"{USER}:{HASH}:{UID}:{UID}::{self.tree}:/bin/sh\n")
        self.write("group", f"{USER}:x:{UID}:\n")
        lines = [f"LoadModule {m}" for m in self.modules]
        lines += ["ServerName bench", "ServerType standalone", "UseIPv6 off", "DefaultAddress 127.0.0.1", f"Port {self.port}", "User nobody",
                  "Group nogroup", "UseReverseDNS off", f"AuthUserFile {self.path('passwd')}", f"AuthGroupFile {self.path('group')}",
                  "AuthOrder mod_auth_file.c", "RequireValidShell off", "UseFtpUsers off", f"ScoreboardFile {self.path('scoreboard')}",
                  f"PidFile {self.path('pid')}", f"TransferLog {self.path('xferlog')}", f"SystemLog {self.path('log')}", "DefaultRoot ~",
                  "AllowOverwrite on", "MaxInstances 10000"]
        if variant == "tls":
            lines += ["TLSEngine on", f"TLSRSACertificateFile {self.cert}", f"TLSRSACertificateKeyFile {self.key}"]
        if variant == "rate":
            lines += [f"TransferRate RETR {RATE // 1024}"]
        if variant == "z":
            lines += ["DeflateEngine on"]
        self.write("server.conf", "\n".join(lines + self.more()) + "\n")
        return [self.program, "-n", "-c", self.path("server.conf")]

    def more(self):
        return []


class Wherry(Proftpdish):
    name = "wherry"

    @property
    def program(self):
        return os.path.join(ROOT, self.build, "src", "master", "wherryd")

    def more(self):
        return [f"ControlsSocket {self.path('ctl.sock')}"]


class Proftpd(Proftpdish):
    name = "proftpd"
    program = os.path.join(PEERS, "usr", "sbin", "proftpd")
    idle_sessions = 200

    @property
    def modules(self):
        return [os.path.basename(m)[:-3] + ".c" for m in glob.glob(os.path.join(PEERS, "usr/lib/proftpd/mod_tls.so"))
                + glob.glob(os.path.join(PEERS, "usr/lib/proftpd/mod_deflate.so"))]

    def more(self):
        return ["WtmpLog off", "DelayEngine off"]

    def command(self, variant):
        super().command(variant)
        with open(self.path("server.conf")) as f:
            text = f.read()
        self.write("server.conf", f"ModulePath {os.path.join(PEERS, 'usr/lib/proftpd')}\n{text}")
        return [self.program, "-n", "-c", self.path("server.conf")]


class Namespaced(Peer):
    variants = ("plain", "tls", "rate")

    def inside(self, command):
        """The command in a mount namespace where the account exists."""
        if os.geteuid() != 0 or not shutil.which("unshare"):
            raise Unable("needs root: the account must be one of the system")
        os.makedirs(self.path("pam.d"))
        for service in ("vsftpd", "pure-ftpd", "other"):
            self.write(os.path.join("pam.d", service), "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n", 0o644)
        for name, line, mode in (("passwd", f"{USER}:x:{UID}:{UID}::{self.tree}:/bin/sh\n", 0o644), ("group", f"{USER}:x:{UID}:\n", 0o644),
                                 ("shadow", f"{USER}:{HASH}:19000:0:99999:7:::\n", 0o600)):
            with open("/etc/" + name) as f:
                self.write(name, f.read() + line, mode)
        binds = " && ".join(f"mount --bind {self.path(n)} /etc/{n}" for n in ("passwd", "group", "shadow", "pam.d"))
        script = f'{binds} && mount -t tmpfs none /run && mkdir -p /run/pure-ftpd && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]


class Vsftpd(Namespaced):
    name = "vsftpd"
    program = os.path.join(PEERS, "usr", "sbin", "vsftpd")
    idle_sessions = 500

    def command(self, variant):
        os.makedirs(self.path("empty"))
        lines = ["listen=YES", "background=NO", "listen_address=127.0.0.1", f"listen_port={self.port}", "anonymous_enable=NO", "local_enable=YES",
                 "write_enable=YES", "chroot_local_user=YES", "allow_writeable_chroot=YES", "isolate_network=NO", "xferlog_enable=YES",
                 f"xferlog_file={self.path('xferlog')}", f"secure_chroot_dir={self.path('empty')}", "pam_service_name=vsftpd", "max_clients=0",
                 "max_per_ip=0", "session_support=NO"]
        if variant == "tls":
            lines += ["ssl_enable=YES", f"rsa_cert_file={self.cert}", f"rsa_private_key_file={self.key}", "ssl_ciphers=HIGH", "ssl_tlsv1=YES",
                      "force_local_logins_ssl=NO", "force_local_data_ssl=NO", "require_ssl_reuse=NO"]
        if variant == "rate":
            lines += [f"local_max_rate={RATE}"]
        return self.inside([self.program, self.write("vsftpd.conf", "\n".join(lines) + "\n")])


class Pureftpd(Namespaced):
    name = "pure-ftpd"
    program = os.path.join(PEERS, "usr", "sbin", "pure-ftpd")
    idle_sessions = 500

    def command(self, variant):
        options = ["-A", "-E", "-H", "-l", "unix", "-c", "10000", "-C", "10000", "-L", "10000000:5", "-S", f"127.0.0.1,{self.port}",
                   "-O", f"clf:{self.path('xferlog')}", "-g", self.path("pid"), "-u", "1000"]
        if variant == "tls":
            options += ["-Y", "1", "-2", f"{self.cert},{self.key}"]
        if variant == "rate":
            options += ["-T", str(RATE // 1024)]
        return self.inside([self.program, *options])


class Pyftpdlib(Peer):
    name = "pyftpdlib"
    variants = ("plain", "tls", "rate")

    def command(self, variant):
        if subprocess.run(["/usr/bin/python3", "-c", "import pyftpdlib" + ", OpenSSL" * (variant == "tls")], capture_output=True).returncode != 0:
            raise Unable("python3-pyftpdlib is not installed (scripts/setup bench)")
        options = [self.cert, self.key] if variant == "tls" else []
        options += ["--rate", str(RATE)] if variant == "rate" else []
        return ["/usr/bin/python3", os.path.join(ROOT, "bench", "pyftpd"), str(self.port), self.tree, USER, HASH, *options]


ALL = [Wherry, Proftpd, Vsftpd, Pureftpd, Pyftpdlib]
