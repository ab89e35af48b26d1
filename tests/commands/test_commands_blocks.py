"""The building blocks in what looks at steps without training: audit, profile, compare."""

import numpy as np
import pytest
from run_folders import states
from small_runs import digits_for, small_config

from ms_gan.errors import UserError

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
BLOCKS = (
    "objective.loss=relativistic",
    "objective.penalty=r1_r2",
    "objective.penalty_every=2",
    "augmentation=[colour,translation,cutout]",
    "conditional=true",
    "ema.decay=0.9",
    "generator_optimizer.clip_norm=1",
    "discriminator_optimizer.lr_warmup=3",
    "generator.options.widths=[8,8]",
    "discriminator.options.widths=[8]",
    "batch_size=4",
)


@pytest.mark.parametrize("more", [(), ("latent.shared=false",), ("updates.accumulate=2",)])
def test_audit_compiles_them_as_a_training_does(more):
    from ms_gan.commands.audit_graphs import compile_steps

    compile_steps(small_config("mlp", *BLOCKS, *more), "native")


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ((), ["D and G update", "D and G update without penalty"]),
        (("latent.shared=false",), ["D update", "D update without penalty", "G update"]),
    ],
)
def test_profile_runs_every_update_that_a_training_has(more, names):
    from ms_gan.commands.profile import _updates
    from ms_gan.commands.ready import Ready
    from ms_gan.data.configured import fitted
    from ms_gan.networks import ImageShape
    from ms_gan.training.setup import build_players, prepare_steps
    from ms_gan.training.steps import build_steps

    config = small_config("mlp", *BLOCKS, *more)
    image = ImageShape(1, 28)
    players = build_players(config, image)
    # What each update takes shows in either mode; those of `more` are compiled in the test above.
    steps = build_steps(players, config, compiled=False) if more else prepare_steps(players, config, image, print)
    config, stream = fitted(config, digits_for("mlp", 20))
    updates = _updates(Ready(config, stream, players, steps))
    assert list(updates) == names
    for update in updates.values():
        assert all(part.asnumpy().size for part in update())


def test_the_usual_script_says_what_it_does_not_have(tmp_path):
    from ms_gan.commands.compare import compare

    config = small_config("mlp", *BLOCKS)
    with pytest.raises(UserError, match=r"no augmentation, objective.penalty_every, lr_warmup, clip_norm; leave"):
        compare(config, steps=20, stock=True, out=tmp_path / "c", device="cpu")


@pytest.mark.slow
def test_two_workers_give_what_one_gives_with_all_of_them(run_child, digits_folder, tmp_path):
    # Without batch normalisation, whose statistics accumulation takes of other images where there are two workers.
    settings = [*BLOCKS, "generator.options.widths=[16]", "updates.accumulate=2", "batch_size=16"]
    found = []
    for workers in ((), ("--workers", 2)):
        run = tmp_path / f"run{len(found)}"
        words = ("--data-dir", digits_folder, "--out", run, "--device", "cpu", "--steps", 8, "--set", *settings)
        result = run_child("train", *words, *workers)
        assert result.status == 0, result.stderr
        with np.load(states(run)[-1] / "parameters.npz") as arrays:
            found.append({name: arrays[name].astype(np.float64) for name in arrays.files})
    for name, value in found[0].items():
        if name.startswith(("generator.", "ema.generator.")):
            assert np.linalg.norm(value - found[1][name]) <= 1e-3 * np.linalg.norm(value) + 1e-6, name
