#!/usr/bin/python3
"""Boots Debian's user-mode-linux over this machine's root file system (read-only) and runs a script in it.

    boot.py LINUX ARGUMENT...     become that program, as below

user-mode-linux 6.1 has too little room for the registers of processors with AMX and ends at its first program. It goes on
without them when ptrace(2) does not offer them, so a filter says so (harmless elsewhere). Then the registers of AVX are lost
at each switch; what runs inside is told by its environment not to use them.
"""
import ctypes
import errno
import glob
import os
import shutil
import subprocess
import sys

LINUX = "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules"
WANTED = ["crypto/ctr", "crypto/gcm", "crypto/ghash-generic", "crypto/ccm", "crypto/chacha_generic", "crypto/poly1305_generic",
          "crypto/chacha20poly1305", "net/tls/tls"]
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export OPENSSL_ia32cap="~0x1c00000000000000:~0xffffffffffffffff"
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-XSAVE,-XSAVEC,-AVX_Fast_Unaligned_Load,-AVX2_Usable,-AVX_Usable
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir /run/host /run/tmp
mount -t hostfs none /run/host -o @WORK@
export TMPDIR=/run/tmp
ip link set lo up
/usr/bin/python3 @SCRIPT@ /run/host >/run/host/output 2>&1
echo o >/proc/sysrq-trigger
sleep 60
"""
MEMORY = "512M"
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_CMP_EQ = 0x7fff0000, 0x00050000, 4
PTRACE_GETREGSET, PTRACE_SETREGSET, NT_X86_XSTATE = 0x4204, 0x4205, 0x202


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def hide_registers():
    """seccomp_rule_add_array(3) for this process and what it executes."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(SCMP_ACT_ALLOW)))
    number = seccomp.seccomp_syscall_resolve_name(b"ptrace")
    for request in (PTRACE_GETREGSET, PTRACE_SETREGSET):
        rule = (Comparison * 2)(Comparison(0, SCMP_CMP_EQ, request, 0), Comparison(2, SCMP_CMP_EQ, NT_X86_XSTATE, 0))
        if seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(SCMP_ACT_ERRNO | errno.EINVAL), number, ctypes.c_uint(2), rule) < 0:
            raise OSError("seccomp_rule_add_array")
    if seccomp.seccomp_load(context) < 0:
        raise OSError("seccomp_load")


def missing():
    """Why it cannot be tried; None: it can."""
    if not os.access(LINUX, os.X_OK):
        return "no user-mode-linux here (Debian's package of that name; scripts/setup test)"
    if not glob.glob(MODULES + "/*/modules.dep"):
        return f"no modules below {MODULES}"
    return None


def modules():
    """Paths of the modules to load, what they need before them."""
    folder = os.path.dirname(glob.glob(MODULES + "/*/modules.dep")[0])
    needs = {}
    with open(os.path.join(folder, "modules.dep")) as f:
        for line in f:
            name, rest = line.split(":")
            needs[name] = rest.split()
    found = []

    def add(name):
        if name not in found:
            for other in needs.get(name, []):
                add(other)
            found.append(name)
    for name in WANTED:
        if f"kernel/{name}.ko" in needs:
            add(f"kernel/{name}.ko")
    return [os.path.join(folder, name) for name in found]


def run(work, script, seconds):
    """Runs the Python script inside, with /run/host (the folder work of this side, writable) as its argument; its output is in
    work/output. Returns what the console said."""
    with open(os.path.join(work, "modules"), "w") as f:
        f.write("\n".join(modules()))
    init = os.path.join(work, "init")
    with open(init, "w") as f:
        f.write(INIT.replace("@WORK@", work).replace("@SCRIPT@", script))
    command = [sys.executable, os.path.abspath(__file__), LINUX, "root=/dev/root", "rootfstype=hostfs", "ro", "mem=" + MEMORY,
               "con=null", "con0=fd:0,fd:1", "quiet", "random.trust_cpu=on", f"uml_dir={work}/", "init=/bin/sh", "--", init]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True, cwd=work) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return process.communicate()[0] + f"\nnot over after {seconds} s"


if __name__ == "__main__":
    if shutil.which(sys.argv[1]) is None:
        sys.exit(f"{sys.argv[1]}: no such program")
    hide_registers()
    os.execv(sys.argv[1], sys.argv[1:])
