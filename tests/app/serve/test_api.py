"""The service over HTTP, with an engine that has no models."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from wholeface.app.serve import api
from wholeface.app.serve import store as store_module

from .conftest import Serve, send, told, wait_until


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def client(serve: Serve, store: Path) -> Iterator[TestClient]:
    with serve(store=store) as running:
        yield running


def test_a_photo_goes_in_and_a_head_comes_out(client: TestClient, store: Path) -> None:
    answer = client.post("/v1/reconstructions", files={"photo": ("../../evil.jpg", b"a photo")})
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "queued"
    assert answer.headers["location"] == body["url"] == f"/v1/reconstructions/{body['id']}"
    states = told(client, body["url"])
    steps = [state["progress"]["step"] for state in states if "progress" in state]
    assert steps == sorted(steps)
    assert steps[-1] == 2
    done = client.get(body["url"]).json()
    assert states[-1]["status"] == done["status"] == "done"
    assert done["faces"][0]["quality"]["verdict"] == "good"
    assert done["faces"][0]["files"] == {"face.glb": done["files"]["1/face.glb"]}
    assert client.get(done["files"]["photo.jpg"]).content == b"a photo"
    glb = client.get(done["files"]["1/face.glb"])
    assert glb.content.startswith(b"glTF")
    assert glb.headers["content-type"] == "model/gltf-binary"
    archive = zipfile.ZipFile(io.BytesIO(client.get(done["files"]["everything.zip"]).content))
    assert archive.namelist() == ["photo.jpg", "1/face.glb"]
    names = {path.name for path in (store / body["id"]).iterdir()}
    assert names == {"job.json", "result", "everything.zip"}  # the upload is gone, and has left no name
    assert client.delete(body["url"]).status_code == 204
    assert client.get(body["url"]).status_code == client.delete(body["url"]).status_code == 404
    assert not (store / body["id"]).exists()


def test_options_reach_the_engine(client: TestClient) -> None:
    url = send(client, remove="glasses", formats="OBJ", texture_size="512", max_faces="99", focal="")
    told(client, url)
    sent = client.get(f"{url}/files/1/face.glb").text
    assert '"remove": "glasses"' in sent
    assert '"formats": ["glb", "obj"]' in sent
    assert '"texture_size": 512' in sent
    assert '"max_faces": 5' in sent  # what the server allows
    assert '"focal": null' in sent


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"remove": "nose"}, "remove: "),
        ({"texture_size": "8"}, "texture_size: "),
        ({"texture_size": "4096"}, "at most 2048"),
        ({"face": "0"}, "face: "),
        ({"formats": "fbx"}, "formats: "),
        ({"method": "../evil.py"}, "method: "),
        ({"focal": "nan"}, "focal: "),
        ({"colour": "red"}, "colour: no such field"),
    ],
)
def test_bad_options_are_refused_by_name(client: TestClient, fields: dict[str, str], word: str) -> None:
    answer = client.post("/v1/reconstructions", files={"photo": b"x"}, data=fields)
    assert answer.status_code == 422
    assert answer.json()["error"]["kind"] == "usage"
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {}},
        {"data": {"photo": "text"}},
        {"files": {"image": b"x"}},
        {"files": {"photo": b""}},
        {"files": [("photo", b"x"), ("photo", b"y")]},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}},
    ],
)
def test_forms_without_a_photo_are_refused(client: TestClient, request_: dict[str, Any]) -> None:
    answer = client.post("/v1/reconstructions", **request_)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("photo", "kind", "word"),
    [
        (b"none", "no_face", "no face found"),
        (b"broken", "error", "its log says why"),
        (b"crash", "crash", "ended"),
        (b"untrue", "error", "its log says why"),
    ],
)
def test_failures_have_reasons_without_paths_and_the_server_goes_on(
    client: TestClient, store: Path, photo: bytes, kind: str, word: str
) -> None:
    url = send(client, photo)
    failed = told(client, url)[-1]
    assert failed["status"] == "failed"
    assert failed["error"]["kind"] == kind
    assert word in failed["error"]["message"]
    assert str(store) not in client.get(url).text
    assert client.get(f"{url}/files/photo.jpg").status_code == 404
    assert {path.name for path in (store / failed["id"]).iterdir()} == {"job.json"}
    assert told(client, send(client))[-1]["status"] == "done"


@pytest.mark.parametrize(
    "name", ["job.json", "../job.json", "..%2Fjob.json", "result.json", "1", "photo", ""]
)
def test_files_are_those_of_the_list_alone(client: TestClient, name: str) -> None:
    url = send(client)
    told(client, url)
    assert client.get(f"{url}/files/{name}").status_code == 404


@pytest.mark.parametrize("job_id", ["nothing", "..", "%2e%2e", "a" * 22, "x/../../y"])
def test_unknown_jobs_are_not_there(client: TestClient, job_id: str) -> None:
    for end in ("", "/events", "/files/photo.jpg"):
        assert client.get(f"/v1/reconstructions/{job_id}{end}").status_code == 404


def test_a_photo_that_takes_too_long_is_given_up(serve: Serve) -> None:
    with serve(max_seconds=2.0) as client:
        wait_until(lambda: client.get("/healthz").json()["ready"], 30, "ready")
        failed = told(client, send(client, b"sleep 600"))[-1]
        assert failed["error"]["kind"] == "timeout"
        assert "2 seconds" in failed["error"]["message"]
        assert told(client, send(client))[-1]["status"] == "done"
        assert "wholeface_worker_restarts_total 1.0" in client.get("/metrics").text


def test_removed_while_a_worker_is_at_it(serve: Serve, tmp_path: Path) -> None:
    with serve(store=tmp_path) as client:
        url = send(client, b"sleep 1")
        wait_until(lambda: client.get(url).json()["status"] == "running", 30, "running")
        assert client.delete(url).status_code == 204
        assert told(client, send(client))[-1]["status"] == "done"
        assert len(list(tmp_path.iterdir())) == 1  # nothing is left of the one that was removed


def test_a_disk_without_room(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    with serve(store=tmp_path) as client:
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "_put_in_place", full)
            patch.setattr(store_module, "_clear_work", full)
            failed = told(client, send(client))[-1]
            assert (failed["status"], failed["error"]["kind"]) == ("failed", "error")
            patch.setattr(store_module, "_write_record", full)
            answer = client.post("/v1/reconstructions", files={"photo": b"x"})
            assert (answer.status_code, answer.json()["error"]["kind"]) == (507, "storage")
            assert str(tmp_path) not in answer.text
        assert told(client, send(client))[-1]["status"] == "done"
        assert any("No space left" in line for line in client.said)  # type: ignore[attr-defined]


def test_a_full_queue_says_when_to_come_back(serve: Serve) -> None:
    with serve(queue=2) as client:
        wait_until(lambda: client.get("/healthz").json()["ready"], 30, "ready")
        first = send(client, b"sleep 4")
        wait_until(lambda: client.get(first).json()["status"] == "running", 10, "running")
        second, third = send(client), send(client)
        refused = client.post("/v1/reconstructions", files={"photo": b"x"})
        assert refused.status_code == 429
        assert refused.json()["error"]["kind"] == "queue"
        assert 1 <= int(refused.headers["retry-after"]) <= 600
        assert [client.get(url).json()["position"] for url in (first, second, third)] == [None, 1, 2]
        assert client.delete(second).status_code == 204
        assert client.get(third).json()["position"] == 1
        assert told(client, third)[-1]["status"] == "done"
        text = client.get("/metrics").text
        assert 'wholeface_refused_total{reason="queue"} 1.0' in text
        assert 'wholeface_reconstructions_total{status="done"} 2.0' in text


def test_results_expire(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_SWEEP_S", 0.2)
    with serve(store=tmp_path, keep_seconds=4.0) as client:
        url = send(client)
        done = told(client, url)[-1]
        spans = [
            datetime.fromisoformat(done[name].replace("Z", "+00:00")) for name in ("finished", "expires")
        ]
        assert (spans[1] - spans[0]).total_seconds() == pytest.approx(4.0)
        assert client.get(f"{url}/files/1/face.glb").status_code == 200
        wait_until(lambda: client.get(url).status_code == 404, 20, "expired")
        wait_until(lambda: list(tmp_path.iterdir()) == [], 20, "removed")  # by the next sweep


def test_models_that_cannot_be_loaded_are_told_to_the_operator_alone(serve: Serve) -> None:
    with serve(method="broken") as client:
        wait_until(lambda: bool(client.said), 30, "said")  # type: ignore[attr-defined]
        assert "/secret/weights" in client.said[0]  # type: ignore[attr-defined]
        assert client.get("/healthz").json() == {"status": "ok", "ready": False}
        assert client.get("/readyz").status_code == 503


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    from wholeface.app.serve.pages import _NAMES

    for path in _NAMES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
        outside = set(re.findall(r"""["'(](?:https?:)?//[\w.][^"')\s]*""", answer.text))
        outside = {word[1:] for word in outside}
        assert outside <= {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}, path
    page = client.get("/")
    unchanged = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_every_file_of_the_page_is_served_and_every_import_is_there(client: TestClient) -> None:
    from importlib.resources import files

    from wholeface.app.serve.pages import _NAMES

    page = files("wholeface.app.serve").joinpath("page")
    present = {entry.name for entry in page.iterdir() if entry.is_file()}
    assert present == {name for name in _NAMES.values() if "/" not in name}
    for name in present:
        for target in re.findall(r'from "\./([^"]+)"', page.joinpath(name).read_text()):
            assert target in _NAMES.values(), f"{name} imports {target}"


def test_the_description_names_every_field_and_no_path(client: TestClient, store: Path) -> None:
    schema = client.get("/openapi.json")
    form = schema.json()["components"]["schemas"]["PhotoForm"]
    assert form["required"] == ["photo"]
    assert {"photo", "remove", "texture_size", "formats", "expressions", "certainty"} <= set(
        form["properties"]
    )
    assert "/v1/reconstructions/{job_id}/events" in schema.json()["paths"]
    assert str(store) not in schema.text


def test_about(client: TestClient) -> None:
    about = client.get("/v1/about").json()
    assert (about["mode"], about["token_needed"], about["signed_in"]) == ("serve", False, True)
    assert about["limits"]["max_bytes"] == 25 << 20
