"""The command line, run in the process as a user would call it."""

import contextlib
import json
import math
import signal

import numpy as np
import pytest
from click.testing import CliRunner

import conevol
import conevol.bounds
from conevol.cli import main
from conevol.command_output import digits


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run_json(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_accuracy_without_arguments_is_that_of_the_bundled_network():
    printed = run_json("accuracy")
    exact = conevol.accuracy(conevol.zoo.load("4/3"))
    assert printed["model"] == "4/3"
    assert printed["accuracy"] == exact.value
    assert printed["error_bound"] == exact.error_bound
    assert (printed["patterns"], printed["cells"]) == (exact.patterns, exact.cells)
    assert printed["tied"] == exact.tied
    assert printed["seconds"] > 0


def test_accuracy_prints_the_digits_that_the_bound_supports():
    text = run("accuracy", "3/3").output
    exact = conevol.accuracy(conevol.zoo.load("3/3"))
    line = next(line for line in text.splitlines() if line.startswith("accuracy"))
    shown = line.split()[1]
    assert abs(float(shown) - exact.value) <= exact.error_bound
    decimals = len(shown.split(".")[1])
    assert 10.0**-decimals / 2 <= exact.error_bound < 10.0 ** -(decimals - 1) / 2


@pytest.mark.parametrize("value", [1.0, 0.3123456789, 9.87654321e-5, 3.21e-300])
@pytest.mark.parametrize("share", [0.9, 0.04, 1.1e-5, 3e-16])
def test_rounding_is_within_the_bound_by_as_few_digits_as_that_takes(value, share):
    text = digits(value, value * share)
    assert abs(float(text) - value) <= value * share * (1.0 + 1e-9) + 1e-16 * value
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.split(".")[1]))
        assert 5.0 * unit > value * share


def test_accuracy_of_longer_inputs():
    exact = conevol.accuracy(conevol.zoo.load("6/4"))
    printed = run_json("accuracy", "6/4")
    assert (printed["accuracy"], printed["cells"]) == (exact.value, exact.cells)
    assert "time" in run("accuracy", "6/4").output
    assert "max_cells is 100" in run("accuracy", "6/4", "--max-cells", 100).output
    assert "n <= 3, got n = 4" in run("accuracy", "6/4", "--map", "map.png").output


@pytest.mark.parametrize("ties", ["first", "split", "wrong"])
def test_tie_rules_reach_the_result(ties):
    network = conevol.zoo.load("3/3")
    assert run_json("accuracy", "3/3", "--ties", ties)["accuracy"] == pytest.approx(
        conevol.accuracy(network, ties=ties).value, abs=0
    )


def test_task_replaces_the_networks_own():
    assert run_json("accuracy", "exact-2/2", "--task", "argmax")["accuracy"] == 0.0


@pytest.mark.parametrize("suffix", [".json", ".npz", ".safetensors"])
def test_accuracy_of_a_file(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    conevol.zoo.load("exact-7/3").save(path)
    assert run_json("accuracy", path)["accuracy"] == 1.0


def test_map_is_drawn(tmp_path):
    path = tmp_path / "map.png"
    result = run("accuracy", "--map", path)
    assert result.exit_code == 0
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert str(path) in result.output


def test_fraction_of_a_file(tmp_path):
    path = tmp_path / "cone.json"
    path.write_text(json.dumps({"normals": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]}))
    printed = run_json("fraction", path)
    assert printed["fraction"] == 0.125
    assert printed["facets"] == 3
    assert "0.125" in run("fraction", path).output


@pytest.fixture
def orthant(tmp_path):
    def write(d):
        path = tmp_path / "cone.json"
        path.write_text(json.dumps({"normals": np.eye(d).tolist()}))
        return path

    return write


def test_fraction_in_five_dimensions(orthant):
    path = orthant(5)
    printed = run_json("fraction", path)
    assert abs(printed["fraction"] - 1 / 32) <= printed["error_bound"] < 1e-14
    assert (printed["dimension"], printed["half_spaces"], printed["facets"]) == (5, 5, 5)
    assert (printed["method"], printed["faces"]) == ("subsets", 32)
    assert printed["solid_angle"] == pytest.approx(math.pi**2 / 12, rel=1e-14)
    assert "standard_error" not in printed
    text = run("fraction", path).output
    assert "0.03125" in text
    assert "5 in dimension 5" in text
    assert "32, " in text
    assert run_json("fraction", path, "--method", "lattice")["method"] == "lattice"
    refined = run_json("fraction", path, "--rtol", "1e-15")
    assert refined["method"] == "subsets, double-double"


def test_fraction_by_sampling(orthant):
    path = orthant(50)
    printed = run_json("fraction", path, "--method", "sample", "--samples", 100, "--seed", 3)
    assert printed["fraction"] == 2.0**-50
    assert printed["nodes"] == 112
    assert "error_bound" not in printed
    assert "facets" not in printed
    text = run("fraction", path, "--method", "sample").output
    assert "(standard error)" in text
    assert "65,536" in text
    refused = run("fraction", path)
    assert refused.exit_code == 1
    assert "its 2^50 faces take" in refused.output
    assert run("fraction", orthant(7), "--memory", "1e3").exit_code == 1


def test_models_lists_every_bundled_network():
    listed = {m["name"] for m in run_json("models")}
    assert listed == set(conevol.zoo.names())
    text = run("models").output
    assert all(name in text for name in listed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["accuracy", "5/7"], "neither a file nor a bundled network"),
        (["accuracy", "8/5", "--max-cells", "10"], "too many cells"),
        (["accuracy", "4/3", "--task", "nonsense"], "unknown task"),
        (["accuracy", "2/2", "--task", "argmedian"], "odd n"),
        (["fraction", "no-such-file.json"], "no-such-file.json"),
        (["train", "4x3", "out.json"], ""),
    ],
)
def test_errors_are_one_line_and_status_one(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "not JSON"), ("[]", "holds no cone"), ('{"normals": [[1], [1, 2]]}', "one length")],
)
def test_bad_cone_files(tmp_path, content, said):
    path = tmp_path / "cone.json"
    path.write_text(content)
    result = run("fraction", path)
    assert result.exit_code == 1
    assert said in result.output


def test_bounds_of_the_accuracy():
    printed = run_json("accuracy", "6/4", "--width", "0.01")
    assert printed["lower"] <= conevol.accuracy(conevol.zoo.load("6/4")).value <= printed["upper"]
    assert printed["stopped"] == "width"
    text = run("accuracy", "6/4", "--bounds").output
    _, low, _, high = next(x for x in text.splitlines() if x.startswith("accuracy")).split()[-4:]
    assert float(low) <= conevol.accuracy(conevol.zoo.load("6/4")).value <= float(high)
    assert "nothing is left" in text


def test_bounds_go_on_from_a_file(tmp_path):
    path = tmp_path / "state.npz"
    first = run("accuracy", "6/4", "--width", "0.1", "--resume", path)
    assert str(path) in first.output
    assert run_json("accuracy", "6/4", "--bounds", "--resume", path)["stopped"] == "complete"
    refused = run("accuracy", "8/4", "--bounds", "--resume", path)
    assert refused.exit_code == 1
    assert "another network" in refused.output
    assert run("accuracy", "--bounds", "--map", tmp_path / "map.png").exit_code == 1


def test_hybrid_is_that_of_the_library():
    options = ["--hybrid", "--samples", 500, "--seed", 3, "--width", 0.05]
    printed = run_json("accuracy", "6/4", *options)
    same = conevol.accuracy_hybrid(conevol.zoo.load("6/4"), 500, seed=3, width=0.05)
    assert printed["accuracy"] == same.value
    assert printed["standard_error"] == same.standard_error > 0.0
    assert printed["explored"] == 1.0 - same.sampled
    assert printed["samples"] == 500
    text = run("accuracy", "6/4", *options).output
    assert "(standard error)" in text
    assert f"{100 * printed['explored']:.4g} % of the inputs" in text


def test_hybrid_of_a_network_that_is_explored_wholly():
    printed = run_json("accuracy", "exact-2/2", "--hybrid", "--width", "1e-9", "--task", "argmax")
    assert (printed["accuracy"], printed["standard_error"], printed["samples"]) == (0.0, 0.0, 0)
    text = run("accuracy", "exact-2/2", "--hybrid", "--width", "1e-9").output
    assert "standard error" not in text
    assert "100 % of the inputs" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hybrid", "--bounds"], "--bounds does not go with --hybrid"),
        (["--hybrid", "--time", "1"], "--time does not go with --hybrid"),
        (["--hybrid", "--resume", "state.npz"], "--resume does not go with --hybrid"),
        (["--hybrid", "--map", "map.png"], "--map does not go with --hybrid"),
        (["--samples", "10"], "--samples is for --hybrid only"),
        (["--bounds", "--seed", "0"], "--seed is for --hybrid only"),
        (["--hybrid", "--samples", "0"], "samples is 0, expected at least 1"),
        (["--hybrid", "--seed", "-1"], "seed is -1, expected 0 .."),
        (["--hybrid", "--width", "0"], "width is 0.0, expected a positive number"),
    ],
)
def test_contradictions_are_refused(options, said):
    result = run("accuracy", "4/3", *options)
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_an_interrupt_ends_with_the_bounds_reached(monkeypatch, lost):
    """A real signal between two batches; lost, as where a callback of the compiler drops it."""
    refine = conevol.bounds.refine

    def interrupted(*arguments):
        refine(*arguments)
        with contextlib.suppress(*[KeyboardInterrupt] * lost):
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("conevol.bounds.refine", interrupted)
    printed = run_json("accuracy", "6/4", "--bounds")
    assert printed["stopped"] == "interrupt"
    assert printed["open"] > 0
    assert 0.0 <= printed["lower"] < printed["upper"] <= 1.0
    assert "Ctrl-C" in run("accuracy", "6/4", "--bounds").output
    assert signal.getsignal(signal.SIGINT) is handler
