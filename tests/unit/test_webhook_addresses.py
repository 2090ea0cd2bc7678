"""Where a webhook may point to: one spelling a URL, and no address that only the service can reach."""

from __future__ import annotations

import pytest

from events.domain.addresses import Reach, Target, UrlRefused, check_addresses, reach_of, read_url

FORBIDDEN = [
    # this machine, in every spelling that a resolver or a browser would take
    "https://127.0.0.1/", "https://127.0.0.1:8443/", "https://127.255.255.254/", "https://127.1/", "https://127.0.1/",
    "https://2130706433/", "https://0x7f000001/", "https://0x7F.0x00.0x00.0x01/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://017700000001/", "https://127.0.0.01/", "https://127.0.0.0x1/", "https://0/", "https://0.0.0.0/", "https://127.0.0.1./",
    "https://localhost./", "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[::127.0.0.1]/", "https://[::7f00:1]/",
    "https://[2002:7f00:1::]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b:1::7f00:1]/",
    "https://[2001:0:7f00:1::]/", "https://[::ffff:0:127.0.0.1]/", "https://::1/",
    # its network
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://100.64.0.1/",
    "https://[fc00::1]/", "https://[fd12:3456::1]/", "https://[fec0::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::10.0.0.1]/",
    # the link, and the metadata of clouds
    "https://169.254.169.254/latest/meta-data/", "https://0xa9fea9fe/", "https://[::ffff:169.254.169.254]/", "https://[fe80::1]/",
    "https://[fe80::1%eth0]/", "https://[fe80::1%25eth0]/", "https://[fd00:ec2::254]/", "https://100.100.100.200/",
    # nobody
    "https://192.0.2.1/", "https://198.18.0.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://240.0.0.1/",
    "https://255.255.255.255/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[100::1]/", "https://[3fff::1]/",
    # two readers could see two hosts
    "https://user@shop.example/", "https://user:secret@shop.example/", "https://@shop.example/", "https://shop.example@127.0.0.1/",
    "https://shop.example\\@127.0.0.1/", "https://shop.example#@127.0.0.1/", "https://127.0.0.1#.shop.example/", "https://shop.example%2f/",
    "https://shop.example%00.evil.example/", "https://sh%6fp.example/", "https://shop.example\t/", "https://shop.example/\r\nHost: other",
    " https://shop.example/", "https://shop.example/ ", "https://shop .example/", "https://shop.example/%zz", "https://shop.example/[::1]",
    # other scripts: digits and dots that become ASCII, and letters that look like others
    "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://１２７.0.0.1/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://bücher.example/", "https://shop.example/ä",
    # no URL, or no port
    "", "shop.example", "//shop.example/", "https:/shop.example/", "https:shop.example", "https://", "https:///hooks", "https://:443/",
    "https://shop.example:0/", "https://shop.example:65536/", "https://shop.example:/", "https://shop.example:+443/", "https://shop.example:4 43/",
    "https://shop.example:443:443/", "https://[::1/", "https://::1]/", "https://[::1]8443/", "https://[v1.a]/", "https://[]/",
    "https://shop..example/", "https://.shop.example/", "https://-shop.example/", "https://shop-.example/", "https://1.2.3/", "https://1.2.3.4.5/",
    "https://256.1.1.1/", "https://shop.0x7f/", "https://shop.example.1/", f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/",
    f"https://shop.example/{'a' * 2000}",
    # other schemes
    "http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "gopher://shop.example/", "javascript://shop.example/%0aalert(1)",
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_forbidden_url_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        read_url(url, is_open=False)


LOOPBACK = ("https://127.0.0.1/", "https://127.0.0.1:8443/", "https://127.255.255.254/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/")  # fmt: skip


@pytest.mark.parametrize("url", [url for url in FORBIDDEN if url not in LOOPBACK])
def test_open_mode_allows_no_more_than_loopback(url: str) -> None:
    if url == "http://shop.example/":
        assert read_url(url, is_open=True).reach == Reach.LOOPBACK  # its addresses decide
        return
    with pytest.raises(UrlRefused):
        read_url(url, is_open=True)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://shop.example", "shop.example", 443),
        ("HTTPS://Shop.Example/Hooks", "Shop.Example", 443),
        ("https://shop.example:8443/a/b?c=d&e=%20f", "shop.example", 8443),
        ("https://shop.example?to=a@b:c", "shop.example", 443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("https://my_shop.example/", "my_shop.example", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443),
    ],
)
def test_a_public_url_is_allowed(url: str, host: str, port: int) -> None:
    assert read_url(url, is_open=False) == Target(host, port, Reach.PUBLIC)


def test_open_mode_allows_loopback_and_http_to_nothing_else() -> None:
    assert read_url("http://127.0.0.1:9000/", is_open=True) == Target("127.0.0.1", 9000, Reach.LOOPBACK)
    assert read_url("http://[::1]/", is_open=True) == Target("::1", 80, Reach.LOOPBACK)
    assert read_url("http://localhost/", is_open=True).reach == Reach.LOOPBACK
    assert read_url("https://127.0.0.1/", is_open=True).reach == Reach.PUBLIC | Reach.LOOPBACK
    with pytest.raises(UrlRefused, match="this machine only"):
        read_url("http://8.8.8.8/", is_open=True)


def test_a_name_is_judged_by_all_its_addresses() -> None:
    check_addresses(["8.8.8.8", "2606:4700::1111"], Reach.PUBLIC)
    for addresses in ([], ["8.8.8.8", "10.0.0.1"], ["127.0.0.1"], ["::1"], ["fe80::1%2"], ["nonsense"]):
        with pytest.raises(UrlRefused):
            check_addresses(addresses, Reach.PUBLIC)
    check_addresses(["127.0.0.1", "::1"], Reach.LOOPBACK)


def test_an_address_that_carries_another_one_is_judged_by_it() -> None:
    assert reach_of("::ffff:8.8.8.8") is Reach.PUBLIC
    assert reach_of("64:ff9b::808:808") is Reach.PUBLIC
    assert reach_of("::ffff:127.0.0.1") is Reach.LOOPBACK
    assert reach_of("64:ff9b::7f00:1") is Reach.NOWHERE
    assert reach_of("fe80::1%eth0") is Reach.NOWHERE
