import pytest
import torch

from wholeface.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols import render as render_speed
from wholeface.render import vertex_normals


def test_synthetic_head_is_closed_and_faces_outwards():
    head = render_speed._synthetic(20, 30)
    edges = torch.cat([head.triangles[:, [0, 1]], head.triangles[:, [1, 2]], head.triangles[:, [2, 0]]])
    forward = {tuple(edge) for edge in edges.tolist()}
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)
    assert ((vertex_normals(head.mean, head.triangles) * head.mean).sum(1) > 0).all()


def test_measures_three_steps_in_order(small_model):
    rows = render_speed.measure(small_model, repeat=2)
    assert len(rows) == 3
    for row in rows:
        assert 0 < row.min_ms <= row.median_ms <= row.max_ms


def test_the_report_has_a_row_and_a_metric_for_each_step(monkeypatch, small_model):
    monkeypatch.setattr(render_speed, "_shipped_or_synthetic", lambda: small_model)
    report = render_speed.run(RunOptions(), repeat=1)
    names = [str(row[0]) for row in report.tables[0].rows]
    assert (len(names), len(report.metrics)) == (3, 6)  # the median and the least CPU time of each
    assert any("forward + backward 224×224" in name for name in names)
    with pytest.raises(UsageError, match="at least 1"):
        render_speed.run(RunOptions(), repeat=0)
