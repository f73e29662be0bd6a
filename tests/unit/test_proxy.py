"""Proxies: none for loopback and without TLS; the one that gRPC uses for other servers is named."""

import pytest

from amplifier_swarm.proxy import channel_options, is_loopback_host, proxy_variable

DIRECT = (("grpc.enable_http_proxy", 0),)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "127.8.8.8", "localhost", "LOCALHOST.", "a.localhost", "::1", "[::1]",
     "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::1%lo"],
)  # fmt: skip
def test_loopback_is_known_in_every_form(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "128.0.0.1", "localhost.example.org", "::2", "swarm", "1270.0.0.1"]
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_no_proxy_stands_before_loopback(address: str, *, tls: bool) -> None:
    assert channel_options(address, tls=tls) == DIRECT
    assert proxy_variable(address, tls=tls, environment={"https_proxy": "http://p:1"}) is None


def test_no_proxy_reads_a_token_that_goes_without_tls() -> None:
    assert channel_options("far.example.org:1", tls=False) == DIRECT
    assert channel_options("far.example.org:1", tls=True) == ()


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}, None),
        ({"http_proxy": "http://p:1"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "https_proxy": "http://q:1"}, "https_proxy"),
        ({"grpc_proxy": "http://p:1", "https_proxy": "http://q:1"}, "grpc_proxy"),
        ({"https_proxy": "http://p:1", "no_proxy": "a.org, example.org"}, None),
        ({"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "https_proxy"),
        ({"https_proxy": "http://p:1", "no_proxy": ""}, "https_proxy"),
    ],
)
def test_the_proxy_of_a_far_server_is_named(environment: dict[str, str], variable: str | None) -> None:
    assert proxy_variable("far.example.org:1", tls=True, environment=environment) == variable


def test_networks_in_no_proxy_count_for_addresses() -> None:
    environment = {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}

    assert proxy_variable("10.1.2.3:1", tls=True, environment=environment) is None
    assert proxy_variable("11.1.2.3:1", tls=True, environment=environment) == "https_proxy"
