from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.address import embedded, host, special
from outrig.errors import NetworkError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0.0.0.0", "this"),
        ("::", "this"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", None),
        ("192.168.0.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("100.64.0.1", "cgnat"),
        ("100.128.0.1", None),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("198.18.0.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("4000::1", "reserved"),
        ("8.8.8.8", None),
        ("2606:4700::1111", None),
        # The same IPv4 addresses by way of IPv6.
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", None),
        ("::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::808:808", None),
        ("64:ff9b:1::808:808", "nat64"),
        ("2002:7f00:1::", "loopback"),
        ("2002:808:808::", None),
        ("2001:0:808:808::f5ff:fffe", "private"),  # Teredo: server 8.8.8.8, client 10.0.0.1
        ("2606:4700::5efe:a00:1", "private"),  # ISATAP
        ("2606:4700::200:5efe:a00:1", "private"),
    ],
)
def test_what_is_special(text, name):
    assert special(ip_address(text)) == name


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_what_the_plain_one_is(address):
    assert special(ip_address(f"::ffff:{address}")) == special(address)
    assert address in embedded(IPv6Address(f"64:ff9b::{address}"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Example.COM.", "example.com"),
        ("a_b.example", "a_b.example"),
        ("xn--nxasmq6b.example", "xn--nxasmq6b.example"),
        ("3com.example", "3com.example"),
        ("1.2.3.4", ip_address("1.2.3.4")),
        ("::1", ip_address("::1")),
        ("[2001:db8::1]", ip_address("2001:db8::1")),
    ],
)
def test_hosts(text, found):
    assert host(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "-a.b", "a-.b", "a b", "a\0b", "user@a.b", "a/b", "a:1", "é.example"),
        *("2130706433", "0x7f000001", "017700000001", "127.1", "127.0.0.1.", "0x7f.1", "1.2.3.4.5"),
        *("\uff11\uff12\uff17.0.0.1", "127。0。0。1", "010.0.0.1", "a.0x7f", "a.09"),
        *("fe80::1%eth0", "[1.2.3.4]", "[::1", "x" * 64, ".".join(["x" * 60] * 5)),
    ],
)
def test_what_is_neither_a_name_nor_an_address(text):
    with pytest.raises(NetworkError):
        host(text)
