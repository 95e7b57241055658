"""The proxy that the environment names, read once: HTTP clients that read it do so per request."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The address of the proxy that requests to `url` go through; None: they go straight.

    From http_proxy, https_proxy, all_proxy and no_proxy; the last may name networks (10.0.0.0/8).
    """
    where = urlsplit(url)
    host = where.hostname or ""
    named = getproxies()
    excepted = named.get("no", "").split(",")
    if proxy_bypass(host) or any(_is_within(host, network.strip()) for network in excepted):
        return None
    found = named.get(where.scheme) or named.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # one of them is a name
        return False
