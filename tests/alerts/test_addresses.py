"""No webhook address leads inside, however it is spelt."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.domain.addresses import (
    Address,
    AddressRefused,
    Network,
    Refusal,
    Target,
    forbidden,
    parse,
    vet,
)

PUBLIC = ip_address("93.184.215.14")
LOOPBACK = ip_network("127.0.0.1/32")


def vetted(
    url: str, *addresses: str, allowed: tuple[Network, ...] = ()
) -> tuple[Address, ...]:
    target = parse(url)
    answers = [target.address] if target.address else [ip_address(a) for a in addresses]
    return vet(target, answers, allowed)


@pytest.mark.parametrize(
    "network",
    [
        *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/8", "::ffff:0:0/96"),
        *("64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32"),
        *("2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10"),
        "ff00::/8",
    ],
)
def test_a_special_network_is_forbidden_from_end_to_end(network: str):
    ends = ip_network(network)

    assert forbidden(ends[0])
    assert forbidden(ends[ends.num_addresses // 2])
    assert forbidden(ends[-1])


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "100.100.100.200", "192.0.0.255", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:0:7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fe80::1%1"),
        *("fd00:ec2::254", "2001:20::1", "2001:2::1", "4000::1", "a000::1"),
    ],
)
def test_forbidden(address: str):
    assert forbidden(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255"),
        *(
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
        ),
        *("192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("2001:200::1", "2606:4700::1111", "2001:db7:ffff::1", "2003::1", "3ffe::1"),
    ],
)
def test_the_public_internet_is_not_forbidden(address: str):
    assert not forbidden(ip_address(address))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_address_passes_dressed_as_ipv6(number: int):
    dressed = [
        number,  # ::a.b.c.d
        (0xFFFF << 32) | number,  # ::ffff:a.b.c.d
        (0xFFFF << 48) | number,  # ::ffff:0:a.b.c.d
        (0x64FF9B << 96) | number,  # 64:ff9b::a.b.c.d
        (0x2002 << 112) | (number << 80),  # 2002:abcd::
    ]

    assert all(forbidden(IPv6Address(one)) for one in dressed)


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_nothing_that_python_calls_private_passes(address: IPv4Address):
    assert forbidden(address) or address.is_global


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_nothing_that_python_calls_private_passes_as_ipv6(address: IPv6Address):
    assert forbidden(address) or address.is_global


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("①②⑦.⓪.⓪.①", "127.0.0.1"),
        ("１２７．０．０．１", "127.0.0.1"),
        ("127。0。0｡1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("4294967295", "255.255.255.255"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_an_address_is_read_behind_its_spelling_and_refused(host: str, address: str):
    target = parse(f"https://{host}/")

    assert target.address == ip_address(address)
    assert target.host == str(ip_address(address))
    with pytest.raises(AddressRefused):
        vet(target, [ip_address(address)], ())


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_spelling_of_an_address_is_that_address(number: int):
    a, b, c, d = number.to_bytes(4, "big")
    spellings = [
        *(str(number), hex(number), f"0{number:o}", f"{a}.{number & 0xFFFFFF}"),
        *(f"{a}.{b}.{number & 0xFFFF}", f"{a}.{b}.{c}.{d}"),
        *(f"0x{a:x}.0{b:o}.{c}.{d}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
    ]

    assert {parse(f"https://{s}/").address for s in spellings} == {IPv4Address(number)}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("example.vn", id="no scheme"),
        pytest.param("//example.vn/", id="scheme left open"),
        pytest.param("https:/example.vn", id="one slash"),
        pytest.param("https:///path", id="no host"),
        pytest.param("https://", id="nothing"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("gopher://example.vn/", id="gopher"),
        pytest.param("ftp://example.vn/", id="ftp"),
        pytest.param("httpſ://example.vn/", id="a long s"),
        pytest.param("unix:/run/x.sock", id="unix"),
        pytest.param("https://user:pw@example.vn/", id="user and password"),
        pytest.param("https://user@example.vn/", id="user"),
        pytest.param("https://@example.vn/", id="empty user"),
        pytest.param("https://example.vn@127.0.0.1/", id="host as user"),
        pytest.param("https://example.vn＠127.0.0.1/", id="a wide at-sign"),
        pytest.param("https://example.vn\\@127.0.0.1/", id="backslash"),
        pytest.param("https://example.vn/#part", id="fragment"),
        pytest.param("https://example.vn#", id="empty fragment"),
        pytest.param("https://example.vn/a b", id="blank"),
        pytest.param(" https://example.vn/", id="blank before"),
        pytest.param("https://example.vn/\n", id="newline after"),
        pytest.param("https://exam\tple.vn/", id="tab inside"),
        pytest.param("https://example.vn/\r\nHost: x", id="a second header"),
        pytest.param("https://example.vn/\x00", id="NUL"),
        pytest.param("https://example.vn/\u202e", id="bidi"),
        pytest.param("https://exa\u200bmple.vn/", id="zero width"),
        pytest.param("https://example.vn/\udcff", id="lone surrogate"),
        pytest.param("https://example.vn:/", id="empty port"),
        pytest.param("https://example.vn:0/", id="port 0"),
        pytest.param("https://example.vn:65536/", id="port too big"),
        pytest.param("https://example.vn:٤٤٣/", id="digits of another script"),
        pytest.param("https://example.vn:-443/", id="negative port"),
        pytest.param("https://example..vn/", id="empty label"),
        pytest.param("https://.example.vn/", id="dot first"),
        pytest.param("https://-example.vn/", id="hyphen first"),
        pytest.param("https://exa%6dple.vn/", id="percent in host"),
        pytest.param("https://a／b.vn/", id="a wide slash"),
        pytest.param("https://" + "a" * 64 + ".vn/", id="long label"),
        pytest.param("https://" + "a.vn." * 60 + "vn/", id="long name"),
        pytest.param("https://straße.vn/", id="read differently by two standards"),
        pytest.param("https://[::1/", id="bracket left open"),
        pytest.param("https://::1/", id="no brackets"),
        pytest.param("https://[fe80::1%25eth0]/", id="zone"),
        pytest.param("https://[127.0.0.1]/", id="IPv4 in brackets"),
        pytest.param("https://[v1.x]/", id="future address"),
        pytest.param("https://1.2.3.4.5/", id="five numbers"),
        pytest.param("https://256.0.0.1/", id="number too big"),
        pytest.param("https://4294967296/", id="address too big"),
        pytest.param("https://0x/", id="hex of nothing"),
        pytest.param("https://08.0.0.1/", id="not octal"),
        pytest.param("https://" + "9" * 400 + "/", id="very many digits"),
        pytest.param("https://example.vn/" + "a" * 2030, id="too long"),
    ],
)
def test_malformed(url: str):
    with pytest.raises(AddressRefused) as refused:
        parse(url)

    assert refused.value.why is Refusal.MALFORMED


@pytest.mark.parametrize(
    ("url", "spelt"),
    [
        ("https://example.vn", "https://example.vn/"),
        ("HTTPS://EXAMPLE.vn:443/Hook?a=1&b=%20", "https://example.vn/Hook?a=1&b=%20"),
        ("https://example.vn?x", "https://example.vn/?x"),
        ("https://example.vn.:8443/", "https://example.vn:8443/"),
        (
            "https://example.vn/đôn đốc".replace(" ", "%20"),
            "https://example.vn/%C4%91%C3%B4n%20%C4%91%E1%BB%91c",
        ),
        ("https://tênmiền.vn/", "https://xn--tnmin-hsa0954c.vn/"),
        ("https://my_host.internal/", "https://my_host.internal/"),
        ("http://[2606:4700::1111]:8080/x", "http://[2606:4700::1111]:8080/x"),
    ],
)
def test_an_address_has_one_spelling(url: str, spelt: str):
    assert parse(url).url == spelt


def test_a_target_names_its_parts():
    assert parse("https://example.vn:8443/hook") == Target(
        "https", "example.vn", 8443, "/hook", None
    )


@pytest.mark.parametrize(
    ("url", "answers"),
    [
        ("https://example.vn/", ["93.184.215.14"]),
        ("https://example.vn:8443/", ["93.184.215.14", "2606:4700::1111"]),
        ("https://93.184.215.14/", []),
    ],
)
def test_public_https_passes(url: str, answers: list[str]):
    assert vetted(url, *answers)


@pytest.mark.parametrize(
    ("url", "answers", "why"),
    [
        pytest.param("https://example.vn/", [], Refusal.UNRESOLVED, id="no answer"),
        pytest.param("https://example.vn/", ["10.0.0.1"], Refusal.INSIDE, id="private"),
        pytest.param(
            "https://example.vn/",
            ["93.184.215.14", "10.0.0.1"],
            Refusal.INSIDE,
            id="A and A, one private",
        ),
        pytest.param(
            "https://example.vn/",
            ["93.184.215.14", "::1"],
            Refusal.INSIDE,
            id="A and AAAA, one private",
        ),
        pytest.param(
            "http://example.vn/", ["93.184.215.14"], Refusal.PORT_OR_SCHEME, id="http"
        ),
        pytest.param(
            "http://example.vn:443/",
            ["93.184.215.14"],
            Refusal.PORT_OR_SCHEME,
            id="http on 443",
        ),
        pytest.param(
            "https://example.vn:22/",
            ["93.184.215.14"],
            Refusal.PORT_OR_SCHEME,
            id="port 22",
        ),
        pytest.param(
            "https://example.vn:5432/",
            ["93.184.215.14"],
            Refusal.PORT_OR_SCHEME,
            id="port 5432",
        ),
    ],
)
def test_refused(url: str, answers: list[str], why: Refusal):
    with pytest.raises(AddressRefused) as refused:
        vetted(url, *answers)

    assert refused.value.why is why


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:39211/", "http://127.1/", "https://127.0.0.1/"]
)
def test_an_allowed_network_takes_http_and_any_port(url: str):
    assert vetted(url, allowed=(LOOPBACK,)) == (ip_address("127.0.0.1"),)


def test_an_allowed_network_does_not_open_its_neighbours():
    with pytest.raises(AddressRefused):
        vetted("http://127.0.0.2/", allowed=(LOOPBACK,))
    with pytest.raises(AddressRefused):
        vetted("http://[::ffff:127.0.0.1]/", allowed=(LOOPBACK,))


def test_http_needs_every_answer_in_an_allowed_network():
    assert vetted(
        "https://example.vn/", "127.0.0.1", "93.184.215.14", allowed=(LOOPBACK,)
    )
    with pytest.raises(AddressRefused):
        vetted("http://example.vn/", "127.0.0.1", "93.184.215.14", allowed=(LOOPBACK,))


def test_all_refusals_read_the_same():
    assert len({str(AddressRefused(why)) for why in Refusal}) == 1
    assert set(AddressRefused.texts) == {"vi", "en"}


@settings(deadline=None)
@given(st.text())
def test_a_reader_raises_nothing_but_its_own_error(text: str):
    for url in (text, f"https://{text}/", f"https://{text}", f"https://[{text}]/"):
        try:
            target = parse(url)
        except AddressRefused:
            continue
        assert parse(target.url) == target
