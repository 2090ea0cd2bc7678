"""Where a webhook may point to: the form of its URL, and the addresses that it may reach.

The service stands in a private network and sends what others ask for. So a URL must not reach what
only the service can reach: this machine, its network, the metadata of a cloud. Names are judged by
the addresses that they resolve to, at registration and again for each connection.

One address has many spellings (``127.0.0.1``, ``0x7f.1``, ``2130706433``, ``[::ffff:7f00:1]``).
A URL is taken in one spelling only, and an address that carries another one is judged by that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Flag, auto
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

LONGEST_URL = 2000
"""Characters."""


class Reach(Flag):
    """Where a connection may go."""

    NOWHERE = 0
    PUBLIC = auto()
    LOOPBACK = auto()


class UrlRefused(Exception):
    """A URL that a webhook must not have. The message says why, in words for its owner."""


@dataclass(frozen=True, slots=True)
class Target:
    """The place of a URL: ``host`` is a name, or an address without brackets."""

    host: str
    port: int
    reach: Reach


_IPV4_REFUSED = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a carrier's customers; metadata of some clouds
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_IPV6_GLOBAL = IPv6Network("2000::/3")
_IPV6_REFUSED = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo, which carries IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries IPv4 addresses
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_MASK_IPV4 = (1 << 32) - 1


def reach_of(address: str) -> Reach:
    """Return where an address is: public, on this machine, or where no webhook may go.

    The lists are those of IANA's registries of special-purpose addresses (RFC 6890).
    """
    try:
        found = ip_address(address)
    except ValueError:
        return Reach.NOWHERE
    if isinstance(found, IPv4Address):
        return _reach_of_ipv4(found)
    if found.scope_id is not None:
        return Reach.NOWHERE
    return _reach_of_ipv6(found)


def _reach_of_ipv4(address: IPv4Address) -> Reach:
    if address.is_loopback:
        return Reach.LOOPBACK
    return Reach.NOWHERE if any(address in network for network in _IPV4_REFUSED) else Reach.PUBLIC


def _reach_of_ipv6(address: IPv6Address) -> Reach:
    if address.ipv4_mapped is not None:
        return _reach_of_ipv4(address.ipv4_mapped)
    if address in _NAT64:
        # A translator to IPv4: its public addresses are what names resolve to in some networks.
        carried = _reach_of_ipv4(IPv4Address(int(address) & _MASK_IPV4))
        return Reach.PUBLIC if carried is Reach.PUBLIC else Reach.NOWHERE
    if address.is_loopback:
        return Reach.LOOPBACK
    is_public = address in _IPV6_GLOBAL and not any(address in network for network in _IPV6_REFUSED)
    return Reach.PUBLIC if is_public else Reach.NOWHERE


_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+", re.ASCII)
_HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


def read_url(url: str, *, is_open: bool) -> Target:
    """Return the place of a URL. Raises ``UrlRefused``.

    ``is_open`` is open mode, on one's own machine: loopback is allowed there, and http to it. A
    name is still to be resolved; its addresses must be within ``Target.reach``.
    """
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"it is longer than {LONGEST_URL} characters")
    if not _CHARACTERS.fullmatch(url) or _HALF_ESCAPE.search(url):
        raise UrlRefused("it has characters that a URL has not; write other scripts with percent-encoding, and names as xn--…")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UrlRefused("it is not an absolute URL, as https://shop.example/hooks")
    reach = _reach_for(scheme.lower(), is_open=is_open)
    place = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in place:
        raise UrlRefused("it has a user name")
    host, port = _split_place(place, default=443 if scheme.lower() == "https" else 80)
    _check_host(host, reach)
    if "[" in rest[len(place) :] or "]" in rest[len(place) :] or urlsplit(url).hostname != host.lower():
        raise UrlRefused("it can be read in two ways")
    return Target(host, port, reach)


def _reach_for(scheme: str, *, is_open: bool) -> Reach:
    if scheme == "https":
        return Reach.PUBLIC | Reach.LOOPBACK if is_open else Reach.PUBLIC
    if scheme == "http" and is_open:
        return Reach.LOOPBACK
    raise UrlRefused("it must begin with https://")


def _split_place(place: str, *, default: int) -> tuple[str, int]:
    """Return host and port of the part between ``//`` and the path."""
    if place.startswith("["):
        host, bracket, after = place[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise UrlRefused("its address is not whole")
        try:
            IPv6Address(host)
        except AddressValueError:
            raise UrlRefused("its address in brackets is none of IPv6") from None
        colon, text = after[:1], after[1:]
    else:
        host, colon, text = place.partition(":")
        if "[" in host or "]" in host:
            raise UrlRefused("its address is not whole")
    if not colon:
        return host, default
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65536:
        raise UrlRefused("its port is not a number from 1 to 65535")
    return host, int(text)


def _check_host(host: str, reach: Reach) -> None:
    """Raise ``UrlRefused`` for a host that is no name and no allowed address."""
    if ":" in host:
        check_addresses([host], reach)
        return
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("its host is not a name")
    if not _NUMBER.fullmatch(labels[-1]):
        return
    # All that ends in a number is an address to some reader: as decimal, octal or hexadecimal, in
    # one to four parts (URL Standard, "ends in a number").
    try:
        IPv4Address(host)
    except AddressValueError:
        raise UrlRefused("its address is not written as four decimal numbers") from None
    check_addresses([host], reach)


def check_addresses(addresses: list[str], reach: Reach) -> None:
    """Raise ``UrlRefused`` unless a name has addresses and each of them may be reached.

    One forbidden address among others is enough to be refused: nobody publishes it by mistake.
    """
    if not addresses:
        raise UrlRefused("its name does not resolve")
    if not all(reach_of(address) & reach for address in addresses):
        raise UrlRefused("its address is not a public one" if Reach.PUBLIC in reach else "http is for this machine only; use https")
