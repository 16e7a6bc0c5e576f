"""Quality against compute: errors against the exact accuracy, resumable, on disk."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import conevol
from conevol.bench import quality as module
from conevol.bench.quality import measure_quality
from conevol.bench.report import write_report
from conevol.cli import main
from conevol.errors import ConevolError, TaskError

SAMPLES = (30, 100, 300, 1000)


@pytest.fixture(scope="module")
def quality():
    return measure_quality(
        conevol.zoo.load("4/3"), ["exact", "note-original"], copies=256, samples=SAMPLES
    )


def test_sampling_errs_as_theory_says(quality):
    """Four times 256 copies: the root mean square is known to 2.2 %."""
    assert quality.measured_deviation == pytest.approx(quality.deviation, rel=0.08)


def test_scores_are_the_definitions(quality):
    exact = conevol.accuracy(conevol.zoo.load("4/3").noisy_copies(256)).value
    values = quality.values("note-original")
    score = quality.score("note-original")
    assert score.rms == pytest.approx(np.sqrt(np.mean((values - exact) ** 2)), rel=1e-9)
    assert score.bias == pytest.approx(np.mean(values - exact), rel=1e-9)
    assert score.worst == pytest.approx(abs(values - exact).max(), rel=1e-9)
    # Between two measured points of the line, and beyond its end by 1 / sqrt.
    at = [quality.score(name).rms for name in ("sampling:300", "sampling:1000")]
    assert at[1] < score.sampling_at_operations < at[0]
    far = quality._sampling_at(0, 100 * 72 * 1000)
    assert far == pytest.approx(at[1] / 10)
    assert quality.score("exact").rms < 1e-9


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    network = conevol.zoo.load("3/3")
    options = {"copies": 80, "samples": (50,), "seed": 3}
    whole = measure_quality(network, **options)

    def stop(name, done, total):
        if name == "sampling:50" and done == 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_quality(network, folder=tmp_path, progress=stop, **options)
    # A line that was cut off in the middle is computed again.
    path = next((tmp_path / "estimates").glob("sampling*"))
    path.write_text(path.read_text()[:-30])
    calls = []
    run = module.Estimator.of_ensemble
    monkeypatch.setattr(
        module.Estimator,
        "of_ensemble",
        lambda self, networks, seed: calls.append(len(networks)) or run(self, networks, seed),
    )
    resumed = measure_quality(network, folder=tmp_path, **options)
    assert calls == [1, 1, 16]
    for name in whole.estimates:
        np.testing.assert_array_equal(whole.values(name), resumed.values(name))
    with pytest.raises(ConevolError, match=r"copies = 80 and not 81"):
        measure_quality(network, folder=tmp_path, **{**options, "copies": 81})


def test_repeats_have_new_seeds_and_the_same_references(tmp_path):
    network = conevol.zoo.load("3/3")
    options = {"copies": 6, "samples": (64, 4096)}
    once = measure_quality(network, ["exact"], **options)
    repeated = measure_quality(
        network, ["exact"], folder=tmp_path,
        repeats=lambda name: 40 if name == "sampling:64" else 1, **options,
    )  # fmt: skip
    assert [len(e) for e in repeated.estimates.values()] == [6, 240, 6]
    values = repeated.values("sampling:64").reshape(40, 6)
    assert (values[0] == once.values("sampling:64")).all()
    assert len(np.unique(values.round(12), axis=0)) > 30
    np.testing.assert_allclose(repeated.errors("sampling:64"), (values - once.reference).ravel())
    # Known to 5 %.
    assert repeated.score("sampling:64").rms == pytest.approx(repeated.deviation / 8, rel=0.2)
    assert abs(repeated.errors("sampling:64").reshape(40, 6).mean(axis=0)).max() < 0.05
    paths = write_report(repeated, tmp_path / "report")
    assert paths[-1].name == "compute.png"


def test_a_sampled_reference_is_accounted_for(monkeypatch):
    def refuse(*_, **__):
        raise TaskError("too long")

    monkeypatch.setattr("conevol.estimators.baselines.accuracy", refuse)
    quality = measure_quality(
        conevol.zoo.load("8/4"), ["conditional:20000", "sampling:80000"], copies=128,
        samples=(2000,), reference_samples=2000,
    )  # fmt: skip
    assert not quality.is_exact
    # Without its variance taken off, 2000 samples would seem to err by sqrt(2) as much.
    assert quality.measured_deviation == pytest.approx(quality.deviation, rel=0.25)
    # What is far better than the reference cannot be told from it, and is not called exact.
    for name in ("conditional:samples=20000", "sampling:80000"):
        score = quality.score(name)
        assert score.rms < 1.5 * score.floor
    assert 0.0 < score.floor < quality.score("sampling:2000").rms


def test_estimators_of_any_n_have_names(tmp_path):
    names = [
        "conditional:500",
        "masks:samples=500",
        "propagation:samples=50",
        "pruning:components=5",
    ]
    for model in ("4/3", "16/10"):
        quality = measure_quality(
            conevol.zoo.load(model), names, copies=2, noise=0.01, samples=(50,),
            reference_samples=2000,
        )  # fmt: skip
        assert {s.estimator for s in quality.scores} >= {"masks:samples=500"}
        assert all(0.0 <= v <= 1.0 for e in quality.estimates for v in quality.values(e))


def test_command_writes_table_and_pictures(tmp_path):
    arguments = ["bench", "quality", "4/3", "--copies", "8", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    values = json.loads((tmp_path / "quality.json").read_text())
    names = [score["estimator"] for score in values["scores"]]
    assert names[:3] == ["exact", "note-original", "note-symmetric"]
    assert "note-original" in (tmp_path / "quality.md").read_text()
    assert len((tmp_path / "quality.csv").read_text().splitlines()) == len(names) + 1
    for name in ("scatter.png", "compute.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert CliRunner().invoke(main, [*arguments, "--seed", "1"]).exit_code == 1


def test_nothing_to_scatter(tmp_path):
    quality = measure_quality(conevol.zoo.load("3/3"), copies=3, samples=(10,))
    assert [p.name for p in write_report(quality, tmp_path)][-1] == "compute.png"
