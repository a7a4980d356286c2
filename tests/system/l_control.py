"""Who may use wherryctl's socket, and for what: ControlsSocketACL, ControlsSocketOwner, ControlsACLs and their kin."""
import os
import stat
import subprocess

import pytest

import holdfs
from servers import PATIENCE_S, wait_until

pytestmark = [pytest.mark.root, pytest.mark.ours]

ALICE, BOB = 20001, 20002
CLIENT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    if len(sys.argv) > 2:
        try:
            s.sendall(sys.argv[2].encode() + b"\\n")
        except BrokenPipeError:
            pass  # refused without a look at the request
        while chunk := s.recv(65536):
            sys.stdout.write(chunk.decode())
    else:
        print("connected", flush=True)
        sys.stdin.read()
except PermissionError:
    print("closed")
"""


def start_client(server, uid, *words, groups=()):
    return subprocess.Popen(["/usr/bin/python3", "-c", CLIENT, server.path("run", "ctl.sock"), *words], user=uid, group=uid,
                            extra_groups=groups, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(server, uid, request, groups=()):
    """The first line of the answer."""
    return start_client(server, uid, request, groups=groups).communicate(timeout=PATIENCE_S)[0].split("\n")[0]


def rights(server):
    st = os.stat(server.path("run", "ctl.sock"))
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def test_without_a_line_for_them_others_cannot_even_connect(start):
    s = start(f"AdminControlsACLs all allow user {ALICE}\n")
    assert rights(s)[:2] == (0o600, 0)
    assert ask(s, ALICE, "status") == "closed"
    assert ask(s, 0, "status") == "OK running"


def test_lines_allow_actions_to_users_and_deny_them(start):
    s = start(f"ControlsSocketACL allow user {ALICE}\nControlsACLs status,kick,explain allow user {ALICE}\n"
              f"ControlsACLs status deny group 20777\n")
    assert rights(s)[0] == 0o666
    assert ask(s, ALICE, "status") == "OK running"
    assert ask(s, ALICE, "kick user nobody") == "ERR no session of user nobody"
    assert ask(s, ALICE, "explain alice@127.0.0.1 /f RETR").startswith("OK allowed")
    assert ask(s, ALICE, "status", groups=[20777]) == f"ERR uid {ALICE} may not ask for 'status' (ControlsACLs)"
    for request in ("shutdown now", "reload", "ban user bob", "rates", "tls reload", "nosuch"):
        assert ask(s, ALICE, request) == f"ERR uid {ALICE} may not ask for '{request.split()[0]}' (ControlsACLs)"
    assert ask(s, BOB, "status") == "ERR you may not use this socket (ControlsSocketACL)"
    log = s.text("system.log")
    assert f"uid {ALICE} asks for 'status'" in log and f"uid {ALICE} may not ask for 'shutdown'" in log
    assert ask(s, 0, "bans") == "OK 0 bans"


def test_the_owner_and_its_group_can_open_the_socket_and_a_reload_changes_that(start):
    s = start(f"ControlsSocketOwner {ALICE} 20500\n")
    assert rights(s) == (0o660, ALICE, 20500)
    assert ask(s, ALICE, "status") == f"ERR uid {ALICE} may not ask for 'status' (ControlsACLs)"
    assert ask(s, BOB, "status") == "closed"
    s.configure(f"ControlsSocketOwner {ALICE} 20500\nAdminControlsACLs all allow group 20500\n")
    assert ask(s, 0, "reload").startswith("OK")
    assert ask(s, BOB, "status", groups=[20500]) == "OK running"
    assert ask(s, ALICE, "status").startswith("ERR")
    s.configure()
    assert ask(s, 0, "reload").startswith("OK")
    assert rights(s)[:2] == (0o600, 0)
    assert ask(s, BOB, "status", groups=[20500]) == "closed"


def test_others_cannot_keep_root_away(start):
    s = start("ControlsSocketACL allow user *\nControlsACLs status allow user *\nControlsMaxClients 2\n")
    waiting = [start_client(s, uid) for uid in (ALICE, BOB)]
    try:
        for client in waiting:
            assert client.stdout.readline() == "connected\n"
        wait_until(lambda: ask(s, ALICE, "status") == "ERR too many requests at the same time (ControlsMaxClients)", "the limit")
        assert ask(s, 0, "status") == "OK running"
    finally:
        for client in waiting:
            client.communicate()
    wait_until(lambda: ask(s, ALICE, "status") == "OK running", "room for others")


def test_one_explain_of_a_user_is_answered_at_a_time(start):
    if holdfs.reason():
        pytest.skip(holdfs.reason())
    s = start("ControlsSocketACL allow user *\nControlsACLs explain,status allow user *\nControlsMaxClients 2\nWrapEngine on\n"
              "WrapTables file:@DIR@/none file:@DIR@/slow/deny\nWrapLog @DIR@/wrap.log\n")
    question = "explain alice@127.0.0.1 /f RETR"
    os.mkdir(s.path("slow"))
    fs = holdfs.HoldFs(s.path("slow"), {"deny": b"ALL: 10.0.0.1\n"})
    try:
        fs.hold("deny", "open")
        slow = [start_client(s, ALICE, question)]
        fs.wait_held(1)
        assert ask(s, ALICE, question) == f"ERR another explain of uid {ALICE} is being answered"
        slow.append(start_client(s, BOB, question))
        fs.wait_held(2)
        assert ask(s, ALICE, "status") == "ERR too many requests at the same time (ControlsMaxClients)"
        assert ask(s, 0, "status") == "OK running"
        fs.release()
        for client in slow:
            assert client.communicate(timeout=PATIENCE_S)[0].startswith("OK allowed")
        wait_until(lambda: ask(s, ALICE, question).startswith("OK allowed"), "room for the next")
    finally:
        fs.unmount()
    assert s.text("wrap.log") == ""  # nobody has connected


def test_a_name_that_nobody_has_is_an_error(start):
    s = start.prepare()
    s.configure("ControlsACLs status allow user no-such-user\n")
    done = s.check()
    assert done.returncode == 1 and "unknown user 'no-such-user'" in done.stderr
