"""Certificates that change while the server runs: HUP, wherryctl tls reload, changed files; and those that expire."""
import json
import os
import shutil
import ssl
import time

import pytest

from ftpclient import Ftp, read_all
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import wait_until

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("pairs"))
    return [make_certificate(folder, f"c{i}", subject=f"number{i}", names=(f"number{i}.test",), days=days)
            for i, days in enumerate((30, 30, 3))]


@pytest.fixture
def served(start, pairs):
    server = start.prepare()
    server.pair = server.path("own.pem"), server.path("own.key")
    put(server, pairs[0])
    server.configure(tls_conf(*server.pair))
    server.start()
    server.put("f", b"x" * 1_000_000)
    return server


def put(server, pair):
    """Replace certificate and key as renewing tools do: by rename."""
    for new, path in zip(pair, server.pair):
        shutil.copy(new, path + ".new")
        os.chmod(path + ".new", 0o600)
        os.rename(path + ".new", path)


def shown(server):
    """Number of the certificate that a new connection gets."""
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(ftp.sock) as sock:
            der = sock.getpeercert(True)
            ftp.sock = sock
    return int(der[der.index(b"number") + 6:][:1])


def by_hangup(server):
    server.reload()


def by_tool(server):
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "tls", "reload")
    assert done.returncode == 0, done.stderr


def by_itself(server):
    pass


@pytest.mark.parametrize("how", [by_hangup, by_tool, by_itself])
def test_new_connections_get_the_new_certificate_and_sessions_go_on(served, pairs, how):
    with Ftps(served.port, "alice", version="1.3") as old, Ftps(served.port, "alice", version="1.2") as loading:
        with loading.start("RETR f") as data:
            assert shown(served) == 0
            put(served, pairs[1])
            how(served)
            wait_until(lambda: shown(served) == 1, "the new certificate")
            assert read_all(data) == b"x" * 1_000_000
        loading.expect(226)
        for ftp in (old, loading):
            ftp.expect(257, "PWD")
            assert ftp.read("RETR f") == b"x" * 1_000_000  # resumes, or asks the key of the old generation
    with Ftps(served.port, "alice") as ftp:
        assert len(ftp.read("RETR f")) == 1_000_000


def test_a_key_of_another_certificate_leaves_the_old_pair_in_force(served, pairs):
    with Ftps(served.port, "alice") as ftp:
        shutil.copy(pairs[1][0], served.pair[0])  # without its key
        done = served.tool("wherryctl", "-s", served.path("run", "ctl.sock"), "tls", "reload")
        assert done.returncode == 1 and "does not belong to the certificate" in done.stderr + done.stdout
        assert shown(served) == 0
        wait_until(lambda: "certificates in force stay" in served.text("system.log"), "the change was noticed")
        assert shown(served) == 0
        assert len(ftp.read("RETR f")) == 1_000_000
        put(served, pairs[1])
        wait_until(lambda: shown(served) == 1, "the pair that belongs together")


def test_a_link_that_leads_elsewhere_is_a_change(start, pairs):
    server = start.prepare()
    os.mkdir(server.path("archive"))
    os.mkdir(server.path("live"))

    def turn(number):
        for path, name in zip(pairs[number], ("cert", "key")):
            shutil.copy(path, server.path("archive", f"{name}{number}"))
            os.chmod(server.path("archive", f"{name}{number}"), 0o600)
            os.symlink(f"../archive/{name}{number}", server.path("live", "new"))
            os.rename(server.path("live", "new"), server.path("live", name))
    turn(0)
    server.configure(tls_conf(server.path("live", "cert"), server.path("live", "key")))
    server.start()
    assert shown(server) == 0
    turn(1)
    wait_until(lambda: shown(server) == 1, "the new certificate")


def test_other_files_beside_a_certificate_do_not_matter(served):
    with open(served.path("other"), "w") as f:
        f.write("x")
    shutil.copy(served.path("other"), served.path("other.pem"))
    time.sleep(6)  # longer than the server waits after a change: it is the absence of an event that is tested
    assert "certificate files have changed" not in served.text("system.log")


def test_a_certificate_that_expires_soon_is_told(start, pairs):
    server = start(tls_conf(*pairs[2]))
    checked = server.check()
    assert "expires in 2 days" in checked.stdout + checked.stderr
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "status", "--json")
    assert abs(int(json.loads(done.stdout)["tls_expires"]) - time.time() - 3 * 86400) < 600


def test_reloading_certificates_without_tls_is_refused(server):
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "tls", "reload")
    assert done.returncode == 1 and "no server has a certificate" in done.stderr + done.stdout


def test_many_renewals_leave_nothing_behind_and_log_files_open(start, pairs):
    server = start.prepare()
    server.pair = server.path("own.pem"), server.path("own.key")
    put(server, pairs[0])
    server.configure(tls_conf(*server.pair) + "TLSLog @DIR@/tls.log\n")
    server.start()
    server.put("f", b"x" * 100_000)

    def status():
        return json.loads(server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "status", "--json").stdout)

    def settled():
        now = status()
        return (now["login_processes"], now["auth_processes"]) == (want, want) and now["descriptors"]
    want = 1
    before = wait_until(settled, "the start")
    with Ftps(server.port, "alice") as ftp:
        for i in range(6):
            put(server, pairs[(i + 1) % 2])
            by_tool(server)
            assert shown(server) == (i + 1) % 2
        assert ftp.read("RETR f") == b"x" * 100_000
        want = 2  # of the session, and of now
        wait_until(settled, "the end of those between")
    want = 1
    wait_until(lambda: settled() == before, "the end of the first", seconds=30)
    lines = len(server.text("tls.log").splitlines())
    with Ftps(server.port, "alice") as ftp:
        assert ftp.read("RETR f") == b"x" * 100_000
    assert len(server.text("tls.log").splitlines()) >= lines + 2
    os.rename(server.path("tls.log"), server.path("tls.log.1"))
    server.reload()
    with Ftps(server.port, "alice") as ftp:
        ftp.expect(257, "PWD")
    assert "control" in server.text("tls.log")


# --- what is not a certificate stays as it was loaded

def greeting(server):
    with Ftp(server.port, greet=False) as ftp:
        return ftp.expect(220).text


@pytest.mark.parametrize("how", [by_tool, by_itself])
@pytest.mark.parametrize("half", ["ServerIdent on \"half done\"\n", "ServerIdent on \"half\n<Directory"])
def test_a_configuration_that_is_being_edited_neither_comes_into_force_nor_hinders(served, pairs, how, half):
    before = greeting(served)
    served.configure(tls_conf(*served.pair) + half)
    put(served, pairs[1])
    how(served)
    wait_until(lambda: shown(served) == 1, "the new certificate")
    assert greeting(served) == before and "half" not in before
    with Ftps(served.port, "alice") as ftp:
        assert len(ftp.read("RETR f")) == 1_000_000
