"""This machine's addresses and resolvers, as files of a kernel and a C library say."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from outrig.engine.addresses import own, resolvers

if TYPE_CHECKING:
    from pathlib import Path

# Linux 6.1, shortened.
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.1
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 04 40 00 80     eth0
"""


def test_what_is_this_machines_own(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/fib_trie").write_text(FIB_TRIE)
    (tmp_path / "net/if_inet6").write_text(IF_INET6)
    assert set(own(tmp_path)) == {ip_network("172.17.0.1/32"), ip_network("fd00::2/128")}


def test_a_kernel_without_ipv6(tmp_path: Path) -> None:
    assert own(tmp_path) == []


def test_this_very_machine_has_some() -> None:
    assert all(one.num_addresses == 1 for one in own())


def test_resolvers_that_are_this_machine_itself_are_asked_for_theirs(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text(
        "# a comment\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver x\nsearch a\n"
    )
    behind = tmp_path / "run/systemd/resolve/resolv.conf"
    behind.parent.mkdir(parents=True)
    behind.write_text("nameserver 10.0.0.53\n")
    assert resolvers(tmp_path) == [ip_address("fe80::1"), ip_address("10.0.0.53")]
