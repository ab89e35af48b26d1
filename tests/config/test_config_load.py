import dataclasses
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.commands.resume import merge_resumed
from ms_gan.config import Config, NetworkConfig, build_config, config_text, load_config, read_config, recipe_names
from ms_gan.config.load import overlay
from ms_gan.errors import UserError


def _write(folder, name="my.yaml", content=""):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _reads(path) -> Config | None:
    try:
        return read_config(path)
    except UserError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return None


_TAGS = [b"!!int ", b"!!bool x", b"!!timestamp y", b"!!binary z", b"!!set "]
_PIECES = [*_TAGS, b"batch_size: ", b"data:\n  ", b"- ", b"&a ", b"*a", b"{", b"[", b"? ", b"\n"]


@given(st.binary(max_size=200) | st.lists(st.sampled_from(_PIECES) | st.binary(max_size=4)).map(b"".join))
def test_reader_takes_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    _reads(path)


_OPTIONS = st.integers(max_value=2**14) | st.text() | st.floats(allow_nan=False, max_value=2**14)


@given(st.text(), st.text(), st.dictionaries(st.text(), _OPTIONS))
def test_text_round_trip(tmp_path_factory, title, folder, options):
    config = build_config({"title": title, "data": {"folder": folder}, "generator": {"options": options}})
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(config_text(config), encoding="utf-8", newline="")
    assert read_config(path) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("batch_size: [1", "not readable as YAML in line 1"),
        ("a: 1\n\tb: 2", "not readable as YAML in line 2"),
        ("- 1\n- 2", "expected keys and values at the top"),
        ("42", "expected keys and values at the top"),
        ("1: 2", "expected keys and values at the top"),
        (b"\xff\xfe\xff", "not readable as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("seed: !!int ''", "not readable as YAML"),
        ("seed: !!bool maybe", "not readable as YAML: 'maybe'"),
        ("seed: !!timestamp soon", "not readable as YAML"),
        ("seed: 2020-13-45", "not readable as YAML"),
        ("seed: 1\ndata:\n  size: 8\nseed: 2", "not readable as YAML in line 4: the key 'seed' is in line 1 already"),
        ("data:\n  size: 8\n  size: 9", "in line 3: the key 'size' is in line 2 already; remove one of them"),
        ("data: {size: 8, 'size': 9}", "in line 1: the key 'size' is in line 1 already"),
        ("<<: {seed: 1, seed: 2}", "the key 'seed'"),
        ("x" * 900 + ": 1\n" + "x" * 900 + ": 2", f"the key '{'x' * 59} is in line 1 already"),
        ("[" * 60_000, "nested more than 20 deep"),
        ("- " * 30_000, "nested more than 20 deep"),
        ("x: &a [1, 1]\ny: [*a, *a]", "YAML aliases (*name) are not accepted"),
        ("a: 1\n" * 400_000, "larger than 64 KiB; that is no configuration"),
    ],
)
def test_bad_yaml_is_one_line(tmp_path, content, message):
    path = _write(tmp_path, content=content)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_alias_bomb_is_refused_at_once(tmp_path):
    # Unpacked, it would never end: no need of a clock.
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    with pytest.raises(UserError, match="aliases"):
        load_config(_write(tmp_path, content=bomb))
    with pytest.raises(UserError, match="aliases"):
        load_config("mlp", settings=["title=[&a [x], *a]"])


def test_a_key_twice_is_refused_on_the_command_line_too():
    with pytest.raises(UserError, match=r"--set generator\.options=.*: the key 'widths' is in line 1 already"):
        load_config("mlp", settings=["generator.options={widths: [8], widths: [9]}"])


def test_a_key_is_the_same_in_two_sections(tmp_path):
    path = _write(tmp_path, content="generator: {name: mlp}\ndiscriminator: {name: mlp}\n")
    assert load_config(path).generator.name == "mlp"


def test_base_is_laid_below(tmp_path):
    _write(tmp_path, "lower.yaml", "base: mlp\nbatch_size: 32\nsteps: 7\ndata: {images_per_epoch: 640}\n")
    config = load_config(_write(tmp_path, "upper.yaml", "base: lower.yaml\ndata: {split: test}\nseed: 3\n"))
    assert (config.batch_size, config.steps, config.epochs, config.seed) == (32, 7, None, 3)
    assert (config.data.images_per_epoch, config.data.split) == (640, "test")
    assert config.recipe == "mlp"


@pytest.mark.parametrize("base", ["dcgan", "dcgan.yaml"])
def test_base_is_beside_the_file_or_a_recipe_whatever_the_current_folder_is(tmp_path, monkeypatch, base):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("dcgan", "dcgan.yaml", "lower.yaml"):
        _write(tmp_path / "here", name, "base: mlp\nseed: 9\n")
    config = load_config(_write(tmp_path, content=f"base: {base}\nlog_every: 3\n"))
    assert (config.recipe, config.generator.name, config.seed, config.log_every) == ("dcgan", "dcgan", 1, 3)
    path = _write(tmp_path, content="base: lower.yaml")
    with pytest.raises(UserError, match=f"^{path}: base: unknown name 'lower.yaml'; .*known: .*dcgan"):
        load_config(path)


def test_command_line_wins_over_file_over_default(tmp_path):
    path = _write(tmp_path, content="base: mlp\nbatch_size: 32\nlog_every: 5\n")
    config = load_config(path, settings=["batch_size=16"], overrides={"seed": 9, "mode": None})
    assert (config.batch_size, config.log_every, config.seed, config.mode, config.epochs) == (16, 5, 9, "graph", 12)


def test_none_is_a_value_of_settings_and_none_of_overrides():
    assert load_config("wgan").objective.clip is not None
    assert load_config("wgan", {"objective.clip": None}).objective.clip is None
    assert load_config("wgan", ["objective.clip=null"]).objective.clip is None
    assert load_config("wgan", overrides={"objective.clip": None}) == load_config("wgan")


def test_lengths_replace_each_other(tmp_path):
    path = _write(tmp_path, content="base: mlp\nepochs: 3\n")
    assert load_config(path, overrides={"steps": 5}).epochs is None
    assert load_config(path, settings=["minutes=2"]).epochs is None
    assert load_config("dense", overrides={"epochs": 2}).steps is None


def test_another_network_drops_the_options_of_the_one_before(tmp_path):
    path = _write(tmp_path, content="discriminator: {name: dense, options: {widths: [9]}}\n")
    assert load_config(path, settings=["discriminator.name=mlp"]).discriminator.options == {}
    assert load_config(path, settings=["discriminator.name=dense"]).discriminator.options == {"widths": [9]}


def _as_file(folder, recipe, section, values):
    return load_config(_write(folder, content=yaml.safe_dump({"base": recipe, section: values})))


def _as_settings(folder, recipe, section, values):
    return load_config(recipe, [f"{section}.{key}={json.dumps(value)}" for key, value in values.items()])


def _as_settings_turned(folder, recipe, section, values):
    return _as_settings(folder, recipe, section, dict(reversed(values.items())))


def _as_a_mapping(folder, recipe, section, values):
    return load_config(recipe, [f"{section}={json.dumps(values)}"])


@pytest.mark.parametrize("load", [_as_file, _as_settings, _as_settings_turned, _as_a_mapping])
def test_another_name_drops_only_options_in_whatever_way_it_is_given(tmp_path, load):
    optimizer = load(tmp_path, "best_mnist", "generator_optimizer", {"name": "rmsprop"}).generator_optimizer
    before = load_config("best_mnist").generator_optimizer
    assert optimizer == dataclasses.replace(before, name="rmsprop")
    assert load(tmp_path, "best_mnist", "generator", {"name": "dcgan"}).generator == NetworkConfig("dcgan")
    both = {"options": {"widths": [3]}, "name": "dcgan"}
    assert load(tmp_path, "best_mnist", "generator", both).generator == NetworkConfig("dcgan", {"widths": [3]})
    # Options on their own are laid over those of the base.
    kept = load_config("best_mnist").discriminator.options
    options = load(tmp_path, "best_mnist", "discriminator", {"options": {"slope": 0.1}}).discriminator.options
    assert options == kept | {"slope": 0.1}


def test_a_network_without_a_name_is_the_default_one(tmp_path):
    lower = _write(tmp_path, "lower.yaml", "generator: {options: {widths: [64]}}\n")
    upper = _write(tmp_path, content="base: lower.yaml\ngenerator: {name: mlp}\n")
    same = NetworkConfig("mlp", {"widths": [64]})
    assert load_config(lower, ["generator.name=mlp"]).generator == load_config(upper).generator == same
    assert load_config(lower, ["generator.name=dcgan"]).generator == NetworkConfig("dcgan")


@pytest.mark.parametrize("home", ["elsewhere", ""])
def test_the_data_folder_is_found_from_everywhere(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / home))
    path = _write(tmp_path, content="data: {folder: pictures}")
    configs = [
        load_config(path),
        load_config("mlp", ["data.folder=pictures"]),
        load_config("mlp", overrides={"data.folder": "pictures"}),
        load_config("mlp", overrides={"data.folder": str(tmp_path / "pictures")}),
        merge_resumed(load_config("mlp"), (), {"data.folder": "pictures"}),
    ]
    # Also below the home folder: it is another one for a colleague, under sudo and in a container.
    assert [config.data.folder for config in configs] == [str(tmp_path / "pictures")] * len(configs)
    kept = load_config("mlp", overrides={"data.folder": "~/pictures/"}).data.folder
    assert kept == "~/pictures"
    # No such user: a folder of this name.
    assert load_config("mlp", ["data.folder=~nobody.here"]).data.folder == str(tmp_path / "~nobody.here")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["augmentation_share=0.3"], "config augmentation_share: goes with an augmentation"),
        (["generator_optimizer.momentum=0.5"], "config generator_optimizer.momentum: adam takes beta1 instead"),
        (["objective.penalty_weight=1"], "config objective.penalty_weight: .* since objective.penalty is none; "),
        (["objective={penalty_weight: 1}"], "config objective.penalty_weight: changes nothing"),
        (["generator_optimizer.lr_steps=9"], "config generator_optimizer.lr_steps: .*schedule is constant"),
        (["discriminator_optimizer.lr_end=0.1"], "config discriminator_optimizer.lr_end: .*schedule is constant"),
        (["generator_optimizer.lr_end=0"], "config generator_optimizer.lr_end: .*schedule is constant"),
        (
            ["generator_optimizer.schedule=cosine", "generator_optimizer.lr_drops=2"],
            "config generator_optimizer.lr_drops: changes nothing, since generator_optimizer.schedule is cosine",
        ),
        (
            ["generator_optimizer.decay=0.9"],
            "config generator_optimizer.decay: .*generator_optimizer.name is adam;",
        ),
        (["generator_optimizer={name: sgd, decay: 0.9}"], "config generator_optimizer.decay: .*name is sgd"),
        (["generator_optimizer.name=rmsprop", "generator_optimizer.beta1=0.9"], "beta1: .*name is rmsprop"),
        (["discriminator_optimizer={name: sgd, beta2: 0.9}"], "discriminator_optimizer.beta2: .*name is sgd"),
        (["max_rollbacks=5"], "config max_rollbacks: changes nothing, since on_nan is stop; leave it out"),
        (["evaluation.measures=[sliced_wasserstein]"], "config evaluation.measures: .*evaluation.every is null;"),
        (["updates.fresh_batch=false"], "config updates.fresh_batch: changes nothing, since updates.d_steps is 1;"),
        (["data.prefer_classes=[7]", "data.classes=[3]"], r"config data.prefer_classes: .*data.classes is \['3'\];"),
        (
            ["objective.penalty=r1", "objective.penalty_every=16", "steps=5", "updates.d_steps=3"],
            "config objective.penalty_every: 16 is never reached in the 15 D steps of the run",
        ),
    ],
)
def test_a_setting_without_effect_is_refused_but_not_in_a_run_of_before(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        load_config("mlp", settings)
    path = _write(tmp_path, content=config_text(build_config(overlay({}, settings, {}))))
    assert _reads(path)


@pytest.mark.parametrize(
    "settings",
    [
        ["augmentation_share=0.3", "augmentation=[cutout]"],
        ["generator_optimizer.momentum=0.5", "generator_optimizer.name=sgd"],
        ["generator_optimizer={name: rmsprop, decay: 0.9}", "discriminator_optimizer={beta1: 0.9, beta2: 0.9}"],
        ["max_rollbacks=5", "on_nan=rollback"],
        ["evaluation.images=99"],
        ["evaluation.measures=[]"],
        ["evaluation={every: 9, images: 99, measures: [sliced_wasserstein]}"],
        ["updates={d_steps: 2, fresh_batch: false}"],
        ["data.prefer_classes=[7]"],
        ["objective.penalty=r1", "objective.penalty_every=15", "steps=5", "updates.d_steps=3"],
    ],
)
def test_a_setting_with_effect_is_taken(settings):
    assert load_config("mlp", settings)


def test_a_key_of_the_file_itself_is_checked_unless_what_it_goes_with_is_changed_over_it(tmp_path):
    path = _write(tmp_path, content="base: mlp\nobjective: {penalty_weight: 20}\n")
    for settings in ([], {}, ["generator_optimizer.lr=0.1"]):
        with pytest.raises(
            UserError, match=r"penalty_weight: changes nothing, .* objective.penalty is none; .* \(in .*my\.yaml or"
        ):
            load_config(path, settings)
    path = _write(tmp_path, content="base: mlp\nobjective: {penalty: r1, penalty_weight: 20}\n")
    for settings in (["objective.penalty=none"], {"objective.penalty": "none"}):
        assert load_config(path, settings).objective.penalty_weight == 20
    with pytest.raises(UserError, match="penalty_weight: changes nothing"):
        load_config(path, ["objective={penalty: none, penalty_weight: 3}"])


def test_a_whole_configuration_is_taken_with_all_its_keys(tmp_path):
    config = load_config("best_mnist", ["objective.penalty=none", "generator_optimizer.name=rmsprop"])
    assert load_config(_write(tmp_path, content=config_text(config))) == config


def test_what_goes_with_a_penalty_or_a_schedule_may_be_inherited(tmp_path):
    off = {"objective.penalty": "none", "generator_optimizer.schedule": "constant"}
    typed = [f"{key}={value}" for key, value in off.items()]
    lower = _write(tmp_path, "lower.yaml", "base: best_mnist\ngenerator_optimizer: {lr_steps: 9}\n")
    content = "base: lower.yaml\nobjective: {penalty: none}\ngenerator_optimizer: {schedule: constant}\n"
    upper = _write(tmp_path, content=content)
    for config in (load_config(lower, typed), load_config(lower, off), load_config(upper)):
        assert config.objective.penalty_weight == 0.3
        assert config.generator_optimizer.lr_steps == 9
    assert load_config("mlp", ["generator_optimizer.lr_steps=null", "objective.penalty_weight=0"])
    with pytest.raises(UserError, match="changes nothing"):
        load_config("mlp", overrides={"objective.penalty_weight": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("base: my.yaml", "base: goes round in a circle"),
        ("base: [mlp]", "base: must be the name of a recipe"),
        ("base: mlpp", "did you mean mlp?"),
        ("base: gone.yaml", "/my.yaml: base: unknown name 'gone.yaml'"),
        ("base: " + "x" * 300, "unknown name"),
    ],
)
def test_bad_base(tmp_path, content, message):
    with pytest.raises(UserError) as caught:
        load_config(_write(tmp_path, content=content))
    assert message in str(caught.value)


def test_recipes_hold_only_what_differs_and_are_whole():
    assert "mlp" in recipe_names()
    for name in recipe_names():
        assert load_config(name).title
