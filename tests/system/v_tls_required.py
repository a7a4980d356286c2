"""TLSRequired: each of its values with each command (spec/tls.md section 3), per user and in <Anonymous>."""
import pytest

from ftpclient import Ftp
from ftpsclient import Ftps
from v_tls import pki, tls  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours

# value -> (control, data)
VALUES = {
    "off": ("optional", "optional"),
    "on": ("required", "required"),
    "ctrl": ("required", "optional"),
    "data": ("optional", "required"),
    "!data": ("optional", "forbidden"),
    "auth": ("login", "optional"),
    "auth+data": ("login", "required"),
    "auth+!data": ("login", "forbidden"),
    "ctrl+data": ("required", "required"),
    "ctrl+!data": ("required", "forbidden"),
}

ALWAYS = ["FEAT", "CLNT test", "SYST", "NOOP", "HOST 127.0.0.1"]
OTHERS = ["HELP", "STAT", "TYPE I", "LANG", "OPTS UTF8 ON", "REIN", "PBSZ 0", "PROT P", "CCC", "MIC x", "ENC x", "CONF x", "ADAT x", "XYZZY"]
LOGIN = ["USER alice", "PASS alice-pw", "ACCT x"]
AFTER_LOGIN = ["PWD", "CWD /", "PASV", "EPSV", "RETR f", "STOR g", "LIST", "MKD d", "DELE f", "SITE HELP", "SIZE f", "REST 0", "ABOR", "MLST"]
TRANSFERS = ["RETR f", "STOR g", "STOU", "APPE g", "LIST", "NLST", "MLSD"]
CONTROL_NEEDED = "SSL/TLS required on the control channel"


@pytest.fixture(scope="module", params=VALUES)
def required(module_start, pki, request):
    from ftpsclient import tls_conf
    server = module_start(tls_conf(*pki["rsa"]) + f"TLSRequired {request.param}\nAllowStoreRestart on\nAllowOverwrite on\n")
    server.put("f", b"content")
    return (server, *VALUES[request.param])


def test_what_may_be_said_in_clear(required):
    server, control, _ = required
    with Ftp(server.port) as ftp:
        for line in ALWAYS:
            assert ftp.cmd(line).code in (200, 211, 215, 220), line
        for line in OTHERS:
            refused = CONTROL_NEEDED in ftp.cmd(line).text
            assert refused == (control == "required" and line != "XYZZY"), line
        for line in LOGIN:
            reply = ftp.cmd(line)
            assert (CONTROL_NEEDED in reply.text) == (control != "optional"), line
            assert control == "optional" or reply.code == 550
        if control == "optional":
            return
        for line in AFTER_LOGIN:
            assert ftp.cmd(line).code in (530, 550), line
    with Ftp(server.port) as ftp:
        ftp.expect(221, "QUIT")
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")




def test_transfers_in_clear(required):
    server, control, data = required
    if control != "optional":
        with Ftps(server.port, "alice", private=False) as ftp:
            check_clear_transfers(ftp, data)
        return
    with Ftp(server.port, user="alice") as ftp:
        check_clear_transfers(ftp, data)
    with Ftps(server.port, "alice", private=False) as ftp:
        check_clear_transfers(ftp, data)


def check_clear_transfers(ftp, data):
    for line in TRANSFERS:
        if data == "required":
            ftp.expect(229, "EPSV")
            assert "SSL/TLS required on the data channel" in ftp.expect(522, line).text
        elif line.split()[0] in ("STOR", "STOU", "APPE"):
            Ftp.write(ftp, line, b"x")
        else:
            Ftp.read(ftp, line)


def test_protected_transfers(required):
    server, _, data = required
    with Ftps(server.port, "alice", private=False) as ftp:
        if data == "forbidden":
            ftp.expect(534, "PROT P")
            return
        ftp.private = True
        ftp.protect()
        ftp.expect(534 if data == "required" else 200, "PROT C")
        ftp.expect(200, "PROT P")
        for line in TRANSFERS:
            if line.split()[0] in ("STOR", "STOU", "APPE"):
                ftp.write(line, b"x")
            else:
                ftp.read(line)


def test_ccc(required):
    server, control, _ = required
    with Ftps(server.port) as ftp:
        ftp.expect(534, "CCC")  # before the login there is nothing that clear text is good for
        ftp.login()
        if control == "required":
            ftp.expect(534, "CCC")
            return
        ftp.expect(200, "CCC")
        ftp.sock = ftp.sock.unwrap()
        ftp.expect(257, "PWD")


ANONYMOUS = """<Anonymous @DIR@/home/alice>
User alice
UserAlias anonymous alice
RequireValidShell off
%s
</Anonymous>
"""


@pytest.mark.parametrize("outside, inside, works", [
    ("off", "on", False), ("off", "ctrl", False), ("off", "auth", False), ("off", "auth+data", False),
    ("off", "data", True), ("off", "off", True), ("on", "off", None)])
def test_anonymous_logins_in_clear(tls, outside, inside, works):
    """works None: they cannot even say USER."""
    server = tls(f"TLSRequired {outside}\n" + ANONYMOUS % f"TLSRequired {inside}")
    with Ftp(server.port) as ftp:
        if works is None:
            ftp.expect(550, "USER anonymous")
            return
        ftp.expect(331, "USER anonymous")
        reply = ftp.cmd("PASS me@example.org")
        assert reply.code == (230 if works else 530)
        if not works:
            assert reply.text == "530 Login incorrect." and ftp.at_eof()
        elif inside == "data":
            ftp.expect(229, "EPSV")
            ftp.expect(522, "LIST")
    with Ftps(server.port, "anonymous", "me@example.org") as ftp:
        ftp.lines("NLST")


@pytest.mark.parametrize("value, in_clear", [("on", False), ("ctrl", False), ("ctrl+data", False), ("ctrl+!data", False),
                                             ("auth", None), ("auth+data", None), ("data", True)])
def test_with_allow_per_user_the_decision_waits_for_the_login(tls, value, in_clear):
    """in_clear None: the auth values do not wait."""
    server = tls(f"TLSRequired {value}\nTLSOptions AllowPerUser\n" + ANONYMOUS % "TLSRequired off")
    with Ftp(server.port) as ftp:
        if in_clear is None:
            assert CONTROL_NEEDED in ftp.expect(550, "USER alice").text
            return
        ftp.expect(331, "USER bob")
        reply = ftp.cmd("PASS bob-pw")
        assert reply.code == (230 if in_clear else 530)
        assert in_clear or (reply.text == "530 Login incorrect." and ftp.at_eof())
    with Ftp(server.port) as ftp:
        ftp.expect(331, "USER anonymous")
        ftp.expect(230, "PASS me@example.org")
        Ftp.read(ftp, "LIST")
    with Ftps(server.port, "bob", private=value != "ctrl+!data") as ftp:
        ftp.lines("NLST")


def test_tls_can_be_required_of_one_user(tls):
    server = tls("TLSOptions AllowPerUser\n<IfUser bob>\nTLSRequired on\n</IfUser>\n")
    with Ftp(server.port) as ftp:
        ftp.expect(331, "USER bob")
        ftp.expect(530, "PASS bob-pw")
        assert ftp.at_eof()
    with Ftp(server.port, user="alice") as ftp:
        Ftp.read(ftp, "LIST")
    with Ftps(server.port, "bob", private=False) as ftp:
        ftp.expect(229, "EPSV")
        ftp.expect(522, "LIST")
