"""Finds the proxy of an address in the environment, once instead of per request."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The address of the proxy for requests to `url`; None: a direct connection.

    Reads http_proxy, https_proxy, all_proxy and no_proxy; no_proxy may name networks (10.0.0.0/8).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    excluded = proxies.get("no", "").split(",")
    if proxy_bypass(host) or any(_is_within(host, network.strip()) for network in excluded):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a host name, or a name pattern
        return False
