"""Who may call, by which name, with which token, with how many bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from wholeface.app.serve import ServeSettings
from wholeface.errors import UsageError

from .conftest import Serve, send

_TOKEN = "a long enough token"


@pytest.fixture(scope="module")
def client(serve: Serve) -> Iterator[TestClient]:
    with serve(token=_TOKEN, max_bytes=1000) as running:
        yield running


@pytest.fixture
def bearer() -> dict[str, str]:
    return {"authorization": f"Bearer {_TOKEN}"}


@pytest.mark.parametrize("path", ["/v1/reconstructions/x", "/v1/reconstructions/x/files/y", "/metrics"])
def test_without_the_token_nothing_is_told(client: TestClient, path: str, bearer: dict[str, str]) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "wholeface_session=wrong"}):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get(path, headers=bearer).status_code in (200, 404)


def test_what_needs_no_token(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200
    assert client.get("/v1/about").json()["signed_in"] is False
    assert client.post("/v1/reconstructions", files={"photo": b"x"}).status_code == 401


def test_browsers_get_a_cookie_for_the_token(client: TestClient) -> None:
    assert client.post("/v1/session", data={"token": "wrong"}).status_code == 401
    answer = client.post("/v1/session", data={"token": _TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert _TOKEN not in cookie
    assert client.get("/v1/about").json()["signed_in"] is True
    send(client)
    client.cookies.clear()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "evil.example:8000"])
def test_other_names_do_not_reach_a_server_on_loopback(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_the_loopback_names_do(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


def test_pages_of_other_sites_may_not_send(client: TestClient, bearer: dict[str, str]) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8001"):
        answer = client.post(
            "/v1/reconstructions", files={"photo": b"x"}, headers={**bearer, "origin": origin}
        )
        assert answer.status_code == 403
    own = {**bearer, "origin": "http://127.0.0.1:8000"}
    assert client.post("/v1/reconstructions", files={"photo": b"x"}, headers=own).status_code == 202
    seen = client.get("/v1/about", headers={"origin": "http://evil.example"})
    assert "access-control-allow-origin" not in seen.headers


def test_a_page_behind_a_proxy_of_another_name_may(serve: Serve) -> None:
    with serve(hosts=("heads.example",)) as client:
        for origin, status in (("https://heads.example", 202), ("https://heads.example.evil.example", 403)):
            answer = client.post("/v1/reconstructions", files={"photo": b"x"}, headers={"origin": origin})
            assert answer.status_code == status


def test_too_many_bytes_are_refused_before_they_are_read(client: TestClient, bearer: dict[str, str]) -> None:
    answer = client.post("/v1/reconstructions", files={"photo": bytes(200_000)}, headers=bearer)
    assert answer.status_code == 413
    assert "too large" in answer.json()["error"]["message"]
    assert client.post("/v1/reconstructions", files={"photo": bytes(2000)}, headers=bearer).status_code == 413


def test_too_many_bytes_of_unknown_number_are_cut_off(client: TestClient, bearer: dict[str, str]) -> None:
    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
        for _ in range(100):
            yield bytes(1 << 14)

    headers = {**bearer, "content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/reconstructions", content=body(), headers=headers)
    assert answer.status_code == 413


def test_settings_that_make_no_sense() -> None:
    for chosen in ({"workers": 0}, {"token": "short"}, {"max_seconds": 0.0}, {"queue": 0}, {"port": -1}):
        with pytest.raises(UsageError):
            ServeSettings(**chosen)  # type: ignore[arg-type]


def test_names_by_which_a_server_may_be_called() -> None:
    assert ServeSettings().allowed_hosts == {"127.0.0.1", "localhost", "::1"}
    assert ServeSettings(host="0.0.0.0").allowed_hosts is None
    assert ServeSettings(host="0.0.0.0", hosts=("me.example",)).allowed_hosts == {"me.example"}
    assert "me.example" in (ServeSettings(hosts=("me.example",)).allowed_hosts or ())
    assert "127.0.0.1" in (ServeSettings(hosts=("me.example",)).allowed_hosts or ())
