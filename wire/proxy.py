"""Finds the proxy of an address in the environment, once instead of per request."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The address of the proxy for requests to `url`; None: a direct connection.

    Reads http_proxy, https_proxy, all_proxy and no_proxy; no_proxy may name networks (10.0.0.0/8).
    This machine's own addresses are always reached directly: a proxy would be sent the key and
    knows another machine under them.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    excluded = proxies.get("no", "").split(",")
    if (
        _is_loopback(host)
        or proxy_bypass(host)
        or any(_is_within(host, network.strip()) for network in excluded)
    ):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.rstrip(".").casefold()
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or bool(mapped and mapped.is_loopback)


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a host name, or a name pattern
        return False
