"""The benchmarks for real, as short as they can be: what they wrap and start is still there."""

import pytest
from conftest import ROOT

from benchmarks import against_pytorch, end_to_end, roofline


@pytest.fixture
def small_data(digits_folder, child_environment, monkeypatch):
    for name in ("HOME", "MS_GAN_DATA", "MS_GAN_MIRROR"):
        monkeypatch.setenv(name, child_environment[name])
    monkeypatch.chdir(ROOT)
    return str(digits_folder)


def test_a_whole_run_is_taken_apart(small_data):
    small = ["generator.options.widths=[64,128]", "discriminator.options.widths=[64]"]
    result = end_to_end.main(["--recipe", "mlp", "--steps", "12", "--data-dir", small_data, "--set", *small])
    numbers = result["recipes"]["mlp"]
    assert numbers["steps"] == 12
    assert all(seconds >= 0 for seconds in numbers["start_up"].values())
    assert numbers["start_up"]["first step"] > 0.1
    assert 0 < numbers["input_share_of_a_step"] < 1
    assert numbers["start_up_seconds"] < numbers["wall_seconds"]
    assert {"pictures", "saving", "logging", "curves and GIF"} <= set(numbers["shares_of_the_wall_time"])
    # No upper bound: a process inherits the peak of the one that started it, here of all tests.
    assert numbers["peak_gb"] > 0.1


def test_both_sides_train_the_same_networks(small_data):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install -r requirements-pytorch.txt")
    words = ["--alternations", "1", "--seconds", "0", "--least", "1", "--data-dir", small_data]
    result = against_pytorch.main(["--recipe", "mlp", "dense", *words])
    for name, of_the_critic in (("mlp", 533_505), ("dense", 665_089)):
        numbers = result["recipes"][name]
        assert numbers["parameters"][1] == of_the_critic
        assert numbers["ratio"]["median"] > 0
        assert numbers["threads"][0] == numbers["threads"][1]


def test_work_of_a_step_is_that_of_its_layers(small_data):
    # Recipe mlp: G once forward for both updates, D on real and fake together, then D once more for G.
    g = [100 * 128, 128 * 256, 256 * 512, 512 * 1024, 1024 * 784]
    d = [784 * 512, 512 * 256, 256]
    expected = 64 * (3 * sum(g) - g[0]) + 128 * (3 * sum(d) - d[0]) + 64 * 2 * sum(d)
    work = roofline.work_of("mlp")
    assert sum(product.flop() * count for product, count in work.products.items()) == 2 * expected
    assert work.updated == 1_510_032 + 533_505
    assert work.products[roofline.Product((64, 784), (64, 1024), (True, False))] == 1
    # Images, activations and their derivatives: megabytes, not what the products read.
    assert 4 * 64 * 784 < work.moved < 5e7


def test_work_of_a_graph_is_read_with_its_types():
    graph = """  %1(a) = PrimFunc_MatMul(%2, %3, Bool(0), Bool(1)) {instance name: matmul}
      : (<Tensor[Float32], (6, 5)>, <Ref[Tensor[Float32]], (7, 5), ref_key=w>, <Bool, NoShape>) -> (<Tensor[Float32], (6, 7)>)
  %4(b) = PrimFunc_BatchMatMul(%1, %1, Bool(1), Bool(0)) {instance name: matmul}
      : (<Tensor[Float32], (4, 3, 2)>, <Tensor[Float32], (4, 3, 8)>, <Bool, NoShape>) -> (<Tensor[Float32], (4, 2, 8)>)
  %5(c) = PrimFunc_Reshape(%4, (I64(-1))) {instance name: reshape}
      : (<Tensor[Float32], (6, 7)>, <Tuple[Int64], NoShape>) -> (<Tensor[Float32], (42)>)
  %6(d) = PrimFunc_Add(%5, %5) {instance name: add}
      : (<Tensor[Float32], (42)>, <Tensor[Float32], ()>) -> (<Tensor[Float32], (42)>)
  %7(e) = Adam(%w, %m, %v, %g) {instance name: opt}
      : (<Ref[Tensor[Float32]], (7, 5), ref_key=w>, <Tensor[Float32], (7, 5)>) -> (<Tuple[Tensor[Float32]*3]>)
"""  # noqa: E501
    work = roofline.work_of_graph(graph)
    flop = sorted((product.flop(), product.numbers()) for product in work.products)
    assert flop == [(4 * 2 * 2 * 3 * 8, 96), (2 * 6 * 5 * 7, 42)]
    assert work.moved == 4 * (42 + 1 + 42)
    assert work.updated == 35
    both = roofline.added([work, work])
    assert (both.moved, both.updated, sum(both.products.values())) == (2 * work.moved, 70, 4)


def test_a_batch_that_is_spread_over_the_other_counts_in_full():
    graph = """  %1(a) = PrimFunc_BatchMatMul(%2, %3, Bool(0), Bool(0)) {instance name: matmul}
      : (<Tensor[Float32], (4, 1, 5, 2)>, <Tensor[Float32], (4, 3, 2, 8)>, <Bool, NoShape>) -> (<Tensor[Float32], (4, 3, 5, 8)>)
"""  # noqa: E501
    (product,) = roofline.work_of_graph(graph).products
    assert (product.left, product.right) == ((4, 3, 5, 2), (4, 3, 2, 8))
    assert product.flop() == 2 * 4 * 3 * 5 * 2 * 8


@pytest.mark.slow
def test_roofline_adds_up_what_it_measures(small_data, monkeypatch):
    monkeypatch.setattr(roofline, "_ROUNDS", 1)
    result = roofline.main(["--recipe", "mlp"])
    found = result["recipes"]["mlp"]
    parts = found["products_as_shaped_ms"] + found["others_ms"] + found["adam_ms"]
    assert found["share"] == pytest.approx(parts / found["step_ms"])
    assert found["products_at_peak_ms"] == pytest.approx(1e3 * found["gflop"] / result["product_gflops"])
