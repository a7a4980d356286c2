"""Somebody sets the clock of the machine: no timeout, no limit and no ban goes by it."""
import re

import pytest

from ftpclient import Ftp, read_all
from inject import Inject
from servers import listening, wait_until

pytestmark = pytest.mark.ours

DAYS = 400 * 86400


@pytest.mark.parametrize("ahead", [DAYS, -DAYS], ids=["forward", "back"])
def test_a_clock_that_jumps_ends_nothing(start, tmp_path, ahead):
    inject = Inject(str(tmp_path))
    s = start.prepare()
    s.configure("TransferRate RETR 100\nTimeoutIdle 600\nTimeoutLogin 600\nTimeoutStalled 600\nTimeoutSession 3600\nBanEngine on\n")
    s.start(env=inject.env())
    s.put("big", bytes(100_000_000))
    with Ftp(s.port) as early, Ftp(s.port, user="alice") as idle, Ftp(s.port, user="alice") as down, Ftp(s.port, user="alice") as up:
        assert s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "ban", "user", "bob", "01:00:00").returncode == 0
        with down.binary().start("RETR big") as getting, up.binary().start("STOR up") as giving:
            assert read_all(getting, 50_000)
            giving.sendall(b"before ")
            inject.wall_clock(ahead)
            with Ftp(s.port, user="alice") as short:  # deadlines that began behind the jump come in their time
                short.expect(200, "SITE IDLE 1")
                short.expect(421)
            early.expect(331, "USER alice")
            early.expect(230, "PASS alice-pw")
            idle.expect(257, "PWD")
            assert read_all(getting, 50_000)
            down.expect(200, "NOOP")
            giving.sendall(b"after")
            giving.close()
            up.expect(226)
            assert up.read("RETR up") == b"before after"
            with Ftp(s.port) as banned:
                banned.cmd("USER bob")
                banned.expect(530, "PASS bob-pw")
            shown = s.tool("ftpwho", "-v", "-f", s.path("run", "scoreboard"))
            assert shown.returncode == 0 and "RETR big" in shown.stdout and not re.search(r"inf|nan|[ (]-\d", shown.stdout, re.I), shown.stdout
            down.send("ABOR")
            assert [down.reply().code for _ in range(2)] == [426, 226]
    wait_until(lambda: listening(s.port), "new clients")
    assert re.search(r" /\S*/big b _ o r alice ftp 0 \* i$", s.text("xferlog"), re.M)
