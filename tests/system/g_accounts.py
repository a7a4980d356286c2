"""Accounts of the system and PAM through the whole server: what auth does must pass its filter of system calls."""
import os
import pwd

import pytest

from ftpclient import Ftp
from servers import password_hash

pytestmark = [pytest.mark.root, pytest.mark.ours]

ACCOUNT = "games"  # of every Debian: no password of its own, a home that everybody may enter


def server_with(start, **values):
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        pytest.skip(f"the system has no account {ACCOUNT}")
    s = start.prepare()
    s.configure(DefaultRoot="/usr", **values)
    s.start()
    return s


def no_complaint(server):
    log = server.text("system.log")
    assert "not in this process's list" not in log and "does not answer" not in log, log


def test_system_account_logs_in_with_a_password_of_the_configuration(start):
    s = server_with(start, AuthOrder="mod_auth_unix.c", UserPassword=f"{ACCOUNT} {password_hash('pw')}")
    with Ftp(s.port, user=ACCOUNT, password="pw") as c:
        assert c.cmd("PWD").code == 257
    with Ftp(s.port) as c:
        c.cmd(f"USER {ACCOUNT}")
        assert c.cmd("PASS wrong").code == 530
    no_complaint(s)


def test_locked_system_account_stays_out(start):
    s = server_with(start, AuthOrder="mod_auth_unix.c")
    with Ftp(s.port) as c:
        c.cmd(f"USER {ACCOUNT}")
        assert c.cmd("PASS x").code == 530
    no_complaint(s)


def pam_service(name, *words):
    """Skips unless a PAM service of the system has such a line: nothing of ours is put into /etc."""
    path = f"/etc/pam.d/{name}"
    lines = [line.split() for line in open(path)] if os.path.exists(path) else []
    if not any(line[:len(words)] == list(words) for line in lines):
        pytest.skip(f"{path} has no line {' '.join(words)}")
    return name


def test_pam_lets_in(start):
    # pam_rootok says yes to whoever runs as root, as auth does: so any password is right here.
    service = pam_service("su", "auth", "sufficient", "pam_rootok.so")
    s = server_with(start, AuthOrder="mod_auth_pam.c* mod_auth_unix.c", AuthPAMConfig=service)
    for _ in range(3):
        with Ftp(s.port, user=ACCOUNT, password="any") as c:
            assert c.cmd("PWD").code == 257
    no_complaint(s)


def test_pam_keeps_out(start):
    # A service that does not exist is "other": shadow, where the account is locked.
    s = server_with(start, AuthOrder="mod_auth_pam.c mod_auth_unix.c", AuthPAMConfig="no-such-service")
    with Ftp(s.port) as c:
        c.cmd(f"USER {ACCOUNT}")
        assert c.cmd("PASS any").code == 530
    no_complaint(s)
