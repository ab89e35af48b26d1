"""Each sentence of the health paragraph, from histories and evaluations that were made up for it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ms_gan.report.health import Story, longest_stretch, smoothed
from ms_gan.report.rules import findings

DOCS = Path(__file__).parents[2] / "docs" / "report.md"


def story(**changes) -> Story:
    """Return a healthy run of 200 records, each 10 steps."""
    records = [
        {"step": 10 * number, "epoch": 0, "d_loss": 1.3, "g_loss": 0.8, "d_real": 0.6, "d_fake": 0.4, "d_accuracy": 0.7}
        for number in range(1, 201)
    ]
    return dataclasses.replace(Story(records, "gan", 2000, True), **changes)


def altered(change) -> Story:
    """Return a healthy run whose records went through `change(record)`."""
    return story(records=[{**record, **change(record)} for record in story().records])


def told(subject: Story) -> dict[str, object]:
    return {finding.rule: finding for finding in findings(subject)}


def critic(values) -> Story:
    records = [
        {"step": 10 * k, "epoch": 0, "d_loss": 0.0, "g_loss": 0.0, "d_real": 5.0, "d_fake": -5.0, "distance": value}
        for k, value in enumerate(values, 1)
    ]
    return Story(records, "wasserstein", 10 * len(records), True)


def test_a_healthy_run_is_called_so():
    found = told(story())
    assert set(found) == {"finished", "balance"}
    assert {finding.level for finding in found.values()} == {"good"}
    assert "2,000 steps" in found["finished"].text
    assert "real pictures 0.60 and generated ones 0.40" in found["balance"].text


def test_a_run_that_stopped_says_where():
    found = told(story(finished=False, total_steps=5000))
    assert "step 2,000 of 5,000" in found["finished"].text
    assert found["finished"].level == "look"


@pytest.mark.parametrize(("count", "said"), [(10, "only 10 records;"), (1, "only 1 record;")])
def test_few_records_are_no_ground_to_judge_on(count, said):
    found = told(story(records=story().records[:count]))
    assert set(found) == {"finished", "short"}
    assert said in found["short"].text


def test_an_empty_history_is_no_error():
    assert {"finished", "short"} == set(told(story(records=[], finished=False)))


def test_a_number_that_is_not_finite_is_named_with_its_step():
    found = told(altered(lambda record: {"g_loss": float("nan")} if record["step"] == 700 else {}))
    assert "g_loss" in found["not-finite"].text
    assert "step 700" in found["not-finite"].text
    assert found["not-finite"].level == "bad"


@pytest.mark.parametrize("may_roll_back", [True, False])
def test_a_run_that_diverged_is_not_resumed_as_it_is_and_its_balance_not_praised(may_roll_back):
    records = [*story().records, {"step": 2010, "d_loss": float("nan")}]
    found = told(story(records=records, finished=False, total_steps=5000, may_roll_back=may_roll_back))
    assert set(found) == {"finished", "not-finite"}
    assert "--resume" not in found["finished"].text
    assert "smaller learning rates" in found["not-finite"].text
    assert ("--resume RUN --on-nan rollback" in found["not-finite"].text) == may_roll_back
    assert "complete: 2,010" not in told(story(records=records))["finished"].text


def strong(record):
    return {"d_real": 0.995, "d_fake": 0.004, "d_accuracy": 1.0}


def test_d_too_strong_to_the_end_names_the_first_step():
    found = told(altered(lambda record: strong(record) if record["step"] > 1000 else {}))
    finding = found["d-too-strong"]
    assert finding.level == "bad"
    assert "to the end" in finding.text
    # The mean of 5 records follows within 5.
    assert finding.numbers["from_step"] in range(1010, 1060)
    assert f"from step {finding.numbers['from_step']:,}" in finding.text
    assert "balance" not in found


def test_d_too_strong_for_a_while_is_a_milder_word():
    finding = told(altered(lambda record: strong(record) if 400 < record["step"] <= 1000 else {}))["d-too-strong"]
    assert finding.level == "look"
    assert finding.numbers["to_step"] in range(960, 1011)


def test_d_too_strong_for_a_moment_is_not_told():
    found = told(altered(lambda record: strong(record) if 400 < record["step"] <= 500 else {}))
    assert "d-too-strong" not in found


def test_d_that_cannot_tell_is_told():
    found = told(altered(lambda record: {"d_real": 0.5, "d_fake": 0.5, "d_accuracy": 0.5}))
    assert found["d-blind"].level == "look"
    assert "balance" not in found


def test_d_that_leads_clearly_is_told():
    found = told(altered(lambda record: {"d_real": 0.93, "d_fake": 0.07, "d_accuracy": 0.97}))
    assert found["balance"].level == "look"
    assert "D leads clearly" in found["balance"].text


@pytest.mark.parametrize("kind", ["scores", "wasserstein", "pairs"])
def test_scores_of_a_critic_are_no_probabilities(kind):
    found = told(dataclasses.replace(critic(np.linspace(10, 1, 100)), kind=kind))
    assert not {"d-too-strong", "d-blind", "balance"} & set(found)


@pytest.mark.parametrize(
    ("values", "level", "word"),
    [
        (10 * np.exp(-np.linspace(0, 3, 100)), "good", "fell from"),
        (np.concatenate([10 * np.exp(-np.linspace(0, 3, 60)), np.linspace(1, 9, 40)]), "bad", "risen again"),
        (np.full(100, 5.0), "look", "not fallen yet"),
        (np.full(100, -3.0), "bad", "learned nothing"),
        (10 * np.sin(np.arange(100)) + 2, "look", "swings through 0"),
    ],
)
def test_the_critics_distance(values, level, word):
    finding = told(critic(values))["distance"]
    assert (finding.level, word in finding.text) == (level, True)


def test_a_loss_that_begins_to_swing_is_told():
    rng = np.random.default_rng(1).standard_normal(200)

    def change(record):
        return {"g_loss": 1 + (0.5 if record["step"] > 1500 else 0.1) * rng[record["step"] // 10 - 1]}

    finding = told(altered(change))["swings"]
    assert float(finding.text.split("swings ")[1].split(" times")[0]) == pytest.approx(5, rel=0.4)


def test_what_the_watch_saw_is_repeated():
    warnings = [
        {"step": 300, "kind": "collapse", "text": "step 300: G draws nearly the same picture"},
        {"step": 900, "kind": "accuracy", "text": "step 900: D has told every real from every generated picture"},
    ]
    both = [
        "Step 300: G draws nearly the same picture.",
        "Step 900: D has told every real from every generated picture.",
    ]

    def repeated(subject):
        return [
            finding.text
            for finding in findings(dataclasses.replace(subject, warnings=warnings))
            if finding.rule == "watch"
        ]

    assert repeated(story()) == both
    # A hinge loss has no probabilities, so that no rule says so of D.
    assert repeated(dataclasses.replace(altered(strong), kind="scores")) == both
    assert repeated(altered(strong)) == both[:1]


@pytest.mark.parametrize(
    ("end", "lower", "level", "word"),
    [
        (0.030, True, "look", "Best at step 900 by sliced wasserstein (0.02), worse since: 0.03 at the end, 50 % more"),
        (0.021, True, "good", "the end is near the best: 0.021, the best is 0.02 (step 900)"),
        (0.010, False, "look", "Best at step 900"),
    ],
)
def test_the_best_step_of_a_measure(end, lower, level, word):
    best = 0.02

    def change(record):
        return {
            "sliced_wasserstein": best if record["step"] == 900 else (end if lower or record["step"] > 900 else 0.01)
        }

    subject = dataclasses.replace(
        altered(change), measures={"sliced_wasserstein": lower}, best_file="GeneratorBest.ckpt"
    )
    finding = told(subject)["best-step"]
    assert finding.level == level
    assert word in finding.text
    assert ("GeneratorBest.ckpt" in finding.text) == (level == "look")


def evaluation(generated=(0.5, 0.5), **values) -> dict:
    floors = {"fid": 0.1, "precision": 0.8, "recall": 0.8, "copies": 0.01}
    metrics = [
        {"kind": kind, "name": f"{kind}10k", "value": value, "floor": floors[kind], "low": value, "high": value}
        for kind, value in values.items()
    ]
    return {"metrics": metrics, "classes": {"names": ["a", "b"], "generated": list(generated), "real": [0.5, 0.5]}}


def test_a_missing_and_a_rare_class_are_named_with_their_shares():
    found = [f for f in findings(story(evaluation=evaluation((0.003, 0.997)))) if f.rule == "classes"]
    assert [finding.level for finding in found] == ["bad"]
    assert found[0].text == "Class a is 0.3 % of the output; of the real images it is 50.0 %."
    found = [f for f in findings(story(evaluation=evaluation((0.2, 0.8)))) if f.rule == "classes"]
    assert [finding.level for finding in found] == ["look"]
    assert told(story(evaluation=evaluation()))["classes"].text.startswith("All 2 classes appear, from 1.00 to 1.00")


def test_copies_are_told_with_the_share_of_real_images():
    finding = told(story(evaluation=evaluation(copies=0.2)))["copies"]
    assert finding.level == "bad"
    assert "20.0 % of the output" in finding.text
    assert told(story(evaluation=evaluation(copies=0.012)))["copies"].level == "good"


@pytest.mark.parametrize(
    ("value", "looks", "variety"),
    [
        (0.75, "The pictures look real", "They are as varied"),
        (0.62, "Most pictures look real", "They are nearly as varied"),
        (0.5, "Many pictures do not", "Some variety is missing"),
        (0.1, "Most pictures do not", "Most of the variety"),
    ],
)
def test_precision_and_recall_beside_those_of_real_images(value, looks, variety):
    said = told(story(evaluation=evaluation(precision=value, recall=value)))
    assert said["precision"].text.startswith(looks)
    assert said["recall"].text.startswith(variety)
    assert {said[kind].level for kind in ("precision", "recall")} == {"good" if value > 0.56 else "look"}


def test_precision_by_turns_says_nothing():
    found = evaluation(precision=0.8, recall=0.8)
    facts = {"kind": "classifier of quarter turns", "accuracy": 0.97}
    said = told(story(evaluation={**found, "protocol": {"extractor_facts": facts}}))
    assert "recall" in said
    assert "precision" not in said


def test_the_distance_stands_beside_its_floor():
    of_few = evaluation(fid=12.0)
    of_few["metrics"][0] |= {"low": None, "high": None}
    for found, words in ((evaluation(fid=12.0), "12.0 (interval 12.0 to 12.0); real"), (of_few, "12.0; real")):
        text = told(story(evaluation=found))["overall"].text
        assert text == f"Fréchet distance to real images: {words} images among themselves: 0.100."


def test_problems_come_first():
    subject = dataclasses.replace(altered(lambda record: strong(record)), evaluation=evaluation(fid=1.0))
    levels = [finding.level for finding in findings(subject)]
    assert levels == sorted(levels, key=("bad", "look", "info", "good").index)


def test_every_rule_is_documented():
    text = DOCS.read_text()
    rules = set(told(altered(strong))) | {
        *("short", "not-finite", "d-blind", "balance", "distance", "swings", "watch", "best-step"),
        *("classes", "copies", "precision", "recall", "overall"),
    }
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in text] == []


def test_helpers():
    assert longest_stretch(np.array([True, False, True, True, False])) == (2, 3)
    assert longest_stretch(np.zeros(3, bool)) is None
    assert smoothed(np.array([1.0, 3.0, 5.0]), 2).tolist() == [1.0, 2.0, 4.0]
