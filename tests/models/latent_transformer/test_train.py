"""Training over W+ codes: losses as written, what was planted is found, interruptions leave no
trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.base import ModelError
from models.latent_transformer import WPlusClassifier, WPlusMover, WPlusTransformer, load_mover
from models.latent_transformer.__main__ import main
from models.latent_transformer.files import load_classifier
from models.latent_transformer.losses import (
    Variant,
    Weights,
    default_weights,
    keep_weights,
    losses_of,
    steps_and_targets,
)
from models.latent_transformer.measure import measure_classifier, measure_mover
from models.latent_transformer.train import (
    ClassifierOptions,
    Run,
    TransformerOptions,
    train_classifier,
    train_transformer,
)
from models.training.calibration import fit_reader, regression_direction, unit_of_one_sd
from models.training.codes import LabelledCodes, checked
from models.training.steps import Progress
from models.weights import load_safetensors

from .test_net import from_recipe

Array = NDArray[np.float64]
LAYERS, DIMENSIONS = 3, 8
NAMES = ("smile", "age", "gender")
QUIET = Run(lambda progress: None)
SMALL = ClassifierOptions(epochs=30, batch=64, lr=3e-3, decay_every=20, hidden=(32,))


def planted(*, rated: bool = False, count: int = 500) -> tuple[LabelledCodes, torch.Tensor]:
    """Codes mixed from three factors (smile and age correlated) plus noise."""
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(count, 3, generator=generator)
    z[:, 1] = 0.6 * z[:, 0] + 0.8 * z[:, 1]
    mixing = torch.linalg.qr(torch.randn(LAYERS * DIMENSIONS, 3, generator=generator)).Q.T
    w = (3 * z @ mixing + 0.2 * torch.randn(count, LAYERS * DIMENSIONS, generator=generator)) + 1
    labels = 50 + 10 * z if rated else (z > 0).float()
    return checked(
        w.view(-1, LAYERS, DIMENSIONS).numpy(), labels.numpy(), NAMES, where="planted"
    ), mixing


def published_by_hand(
    p: Array, before: Array, after: Array, w: Array, moved: Array, g: Array
) -> tuple[Any, ...]:
    """The published terms in NumPy float64, written as sums over a batch."""
    y = np.array([0.0 if x > 0.5 else 1.0 for x in p])
    q = 1 / (1 + np.exp(-after[:, 0]))
    n, ones = len(y), y.sum()
    each = -(y * np.log(q) + (1 - y) * np.log(1 - q))
    cls = sum(e * (n / ones if t else n / (n - ones)) for e, t in zip(each, y, strict=True)) / n
    attr = sum(((after - before)[:, i] ** 2).mean() * g[i] ** 2 for i in range(3)) / 3
    return cls, attr, ((moved - w) ** 2).mean()


def slides_by_hand(
    p: Array, before: Array, after: Array, w: Array, moved: Array, g: Array
) -> tuple[Any, ...]:
    def sigmoid(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    y = np.array([0.0 if x > 0.5 else 1.0 for x in p])
    q = sigmoid(after[:, 0])
    cls = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean()
    change = sigmoid(after) - sigmoid(before)
    attr = sum(g[i] * (change[:, i] ** 2).mean() for i in (1, 2))
    return cls, attr, ((moved - w) ** 2).reshape(len(w), -1).sum(1).mean()


@pytest.mark.parametrize(
    ("variant", "by_hand"), [("published", published_by_hand), ("slides", slides_by_hand)]
)
def test_the_losses_are_the_formulas_written_out(
    variant: Variant, by_hand: Callable[..., tuple[Any, ...]]
) -> None:
    torch.manual_seed(0)
    codes, _ = planted()
    classifier = WPlusClassifier(LAYERS * DIMENSIONS, 3, (16,)).requires_grad_(False)
    w, net = codes.w[:20], WPlusTransformer(LAYERS, DIMENSIONS).requires_grad_(False)
    probability = classifier.probability(w, 0)
    alpha, _ = steps_and_targets(probability, variant)
    moved, keep = net(w, alpha), keep_weights(codes.correlation(), 0)
    terms = losses_of(classifier, w, moved, target=0, keep=keep, variant=variant)
    arrays = [x.double().numpy() for x in (probability, classifier(w), classifier(moved), w, moved)]
    rho = np.abs(np.corrcoef(codes.labels.numpy().T)[0])
    cls, attr, rec = by_hand(*arrays, np.array([0.0, 1 - rho[1], 1 - rho[2]]))
    np.testing.assert_allclose([terms.cls, terms.attr, terms.rec], [cls, attr, rec], rtol=1e-4)


def test_one_training_loss_is_that_of_the_reference(shared: Path) -> None:
    golden = np.load(shared / "golden/latent_transformer.npz")
    recipe = shared / "golden/latent_transformer.recipe.json"
    net = WPlusTransformer.from_state(from_recipe(recipe, ""))
    classifier = WPlusClassifier.from_state(from_recipe(recipe, "classifier:"))
    w, target = torch.from_numpy(golden["w"]), int(golden["target"])
    names = tuple(str(index) for index in range(40))
    correlation = LabelledCodes(w, torch.from_numpy(golden["labels"]), names).correlation()
    probability = classifier.probability(w, target)
    alpha, _ = steps_and_targets(probability, "published")
    np.testing.assert_allclose(probability, golden["prob"], rtol=1e-5)
    np.testing.assert_allclose(alpha, golden["train_coeff"], rtol=1e-5)
    terms = losses_of(
        classifier,
        w,
        net(w, alpha),
        target=target,
        keep=keep_weights(correlation, target),
        variant="published",
    )
    expected = golden["loss_cls_rec_attr"]
    np.testing.assert_allclose([terms.cls, terms.rec, terms.attr], expected, rtol=1e-5)
    weights = default_weights("published", numbers=9216, attributes=40)
    np.testing.assert_allclose(terms.total(weights), golden["loss_total"], rtol=1e-5)


def test_published_steps_lead_to_the_other_side_and_stay_at_a_half() -> None:
    alpha, wanted = steps_and_targets(torch.tensor([0.9, 0.2, 0.5]), "published")
    torch.testing.assert_close(alpha, torch.tensor([-0.9, 0.8, 0.0]))
    assert wanted.tolist() == [0, 1, 0]
    alpha, wanted = steps_and_targets(torch.tensor([0.9, 0.2]), "slides")
    assert (alpha.tolist(), wanted.tolist()) == ([-1, 1], [0, 1])


@pytest.mark.parametrize("variant", ["published", "slides"])
def test_training_finds_what_was_planted_and_leaves_the_rest(variant: Variant) -> None:
    codes, mixing = planted()
    trained_on, held_out = codes.split()
    classifier, history = train_classifier(trained_on, SMALL, QUIET)
    assert history[-1]["bce"] < 0.5 * history[0]["bce"]
    assert min(f["accuracy"] for f in measure_classifier(classifier, held_out).values()) > 0.85
    # Weights of the closeness fit for 24 numbers a code instead of 9216.
    weights = Weights(1.0, 1.0, 0.3 if variant == "published" else 0.01)
    options = TransformerOptions(variant=variant, epochs=20, lr=3e-2, weights=weights)
    net, losses = train_transformer(trained_on, classifier, 0, options, QUIET)
    assert losses[-1]["loss"] < losses[0]["loss"]
    mover = WPlusMover(net)
    figures, untrained = (
        measure_mover(m, classifier, held_out, 0, correlation=codes.correlation(), variant=variant)
        for m in (mover, WPlusMover(WPlusTransformer(LAYERS, DIMENSIONS)))
    )
    assert figures["target_changed"] > 0.8 > 0.5 > untrained["target_changed"]
    assert figures["others_kept"] > 0.85
    change = (mover(held_out.w, torch.ones(50)) - held_out.w).flatten(1) @ mixing.T
    assert (change[:, 0].abs() > 2 * change[:, 2].abs()).float().mean() > 0.9


def test_an_interrupted_run_continues_bit_for_bit(tmp_path: Path) -> None:
    codes, _ = planted(count=200)
    classifier, _ = train_classifier(codes, replace(SMALL, epochs=3), QUIET)
    options = TransformerOptions(epochs=4, seed=7)
    straight, history = train_transformer(codes, classifier, 0, options, QUIET)

    def stop(progress: Progress) -> None:
        if progress.step == progress.steps // 2:
            raise KeyboardInterrupt

    file = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_transformer(codes, classifier, 0, options, Run(stop, file))
    torch.rand(5)  # whatever else draws numbers in between
    seen: list[int] = []
    resumed, told = train_transformer(
        codes, classifier, 0, options, Run(lambda p: seen.append(p.step), file)
    )
    assert len(seen) == 2, "only the second half was trained"
    assert told == history
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ModelError, match="belongs to another run"):
        train_transformer(
            codes, classifier, 0, replace(options, lr=1e-4), Run(lambda p: None, file)
        )


def test_with_ratings_one_unit_is_one_standard_deviation() -> None:
    codes, mixing = planted(rated=True)
    assert codes.rated
    direction = regression_direction(codes, 0)
    assert torch.cosine_similarity(direction.flatten(), mixing[0], dim=0) > 0.98
    net = WPlusTransformer(LAYERS, DIMENSIONS)
    for layer, linear in enumerate(net.dense):
        assert isinstance(linear, torch.nn.Linear)
        torch.nn.init.zeros_(linear.weight)
        linear.bias.data.copy_(0.4 * direction[layer])
    net.requires_grad_(False)
    unit, correlation = unit_of_one_sd(WPlusMover(net), codes, 0)
    assert correlation > 0.95
    mover = WPlusMover(net, unit=unit)
    moved = (mover(codes.w, torch.ones(500)) - codes.w).flatten(1) @ mixing[0] / 3
    assert moved.mean().item() == pytest.approx(1.0, abs=0.1)


def test_ratings_that_codes_do_not_hold_calibrate_nothing() -> None:
    codes, _ = planted(rated=True)
    noise = torch.randn(500, 3, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ModelError, match="cannot be read from the codes"):
        fit_reader(LabelledCodes(codes.w, noise, NAMES), 0)


def test_a_start_from_the_direction_moves_every_code_alike_at_first() -> None:
    codes, mixing = planted()
    classifier, _ = train_classifier(codes, replace(SMALL, epochs=1), QUIET)
    options = TransformerOptions(epochs=1, batch=500, lr=1e-9, start="direction")
    net, _ = train_transformer(codes, classifier, 0, options, QUIET)
    change = net.direction(codes.w[:5]).flatten(1)
    torch.testing.assert_close(change, change[:1].expand(5, -1), atol=1e-4, rtol=1e-4)
    assert torch.cosine_similarity(change[0], mixing[0], dim=0) > 0.9


def test_the_commands_train_write_and_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, _ = planted(rated=True)
    ids = np.arange(500).astype(str)
    np.savez(tmp_path / "codes.npz", w=codes.w.numpy(), files=np.char.add(ids, ".jpg"))
    lines = [",".join(("stimulus", *NAMES))]
    rows = [",".join(map(str, (n, *row))) for n, row in enumerate(codes.labels.tolist())]
    lines += rows[::-1]  # joined by face
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    data = ["--codes", str(tmp_path / "codes.npz"), "--labels", str(tmp_path / "labels.csv")]
    classifier = str(tmp_path / "c.safetensors")
    small = ["--hidden", "32", "--epochs", "40", "--batch", "64", "--lr", "0.003"]
    assert main(["train-classifier", *data, "--out", classifier, *small]) == 0
    assert "step 280/280" in capsys.readouterr().err
    assert json.loads((tmp_path / "c.json").read_text())["held_out"]["age"]["correlation"] > 0.9
    target = ["--classifier", classifier, "--attr", "age", "--name", "young", "--invert"]
    more = ["--out", str(tmp_path / "t.safetensors"), "--epochs", "20", "--lr", "0.03"]
    more += ["--lambda-rec", "1"]
    assert main(["train", *data, *target, *more]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["held_out"]["target_changed"] > 0.7
    mover, facts = load_mover(tmp_path / "t.safetensors")
    assert (facts.attribute, facts.unit) == ("young", metrics["unit"])
    assert facts.unit < 0
    reader = fit_reader(codes, 1).slope
    moved = mover(codes.w, torch.ones(500)) - codes.w
    assert (moved * reader).flatten(1).sum(1).mean().item() == pytest.approx(-1.0, abs=0.2)
    assert [p.name for p in tmp_path.glob("*checkpoint*")] == []


def test_correlations_are_those_of_all_labels(tmp_path: Path) -> None:
    """As published: of the whole label file, not of the rows that are trained on."""
    codes, _ = planted(count=200)
    labels = codes.labels.clone()
    labels[180:, 2] = labels[180:, 0]
    data = LabelledCodes(codes.w, labels, NAMES)
    np.savez(tmp_path / "a.npz", w=codes.w.numpy(), labels=labels.numpy(), names=NAMES)
    base = ["--codes", str(tmp_path / "a.npz")]
    classifier, out = tmp_path / "c.safetensors", tmp_path / "t.safetensors"
    small = ["--epochs", "2", "--hidden", "16", "--batch", "64"]
    assert main(["train-classifier", *base, *small, "--out", str(classifier)]) == 0
    more = ["--classifier", str(classifier), "--attr", "smile", "--epochs", "3"]
    assert main(["train", *base, *more, "--out", str(out)]) == 0
    written = load_safetensors(out)[0]["dense.0.weight"]
    reader, _ = load_classifier(classifier)
    first, _ = data.split()
    options = TransformerOptions(epochs=3)
    for correlation, same in ((data.correlation(), True), (first.correlation(), False)):
        net, _ = train_transformer(first, reader, 0, options, QUIET, correlation=correlation)
        assert net.state_dict()["dense.0.weight"].half().equal(written) is same


def test_celeba_labels_go_by_plain_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`age` is Young, turned round; strength +1 must make the classifier say less of it."""
    random = np.random.default_rng(0)
    w = random.standard_normal((200, 2, 4)).astype(np.float32)
    labels = random.integers(0, 2, (200, 40))
    labels[:, 39] = w[:, 0, 0] > 0
    np.savez(tmp_path / "a.npz", w=3 * w, labels=labels)
    base = ["--codes", str(tmp_path / "a.npz"), "--batch", "32", "--epochs", "8", "--lr", "0.01"]
    classifier, out = tmp_path / "c.safetensors", tmp_path / "t.safetensors"
    assert main(["train-classifier", *base, "--hidden", "16", "--out", str(classifier)]) == 0
    more = ["--classifier", str(classifier), "--attr", "age", "--lambda-rec", "0.3"]
    assert main(["train", *base, *more, "--out", str(out)]) == 0
    mover, facts = load_mover(out)
    assert (facts.attribute, facts.unit) == ("age", -1.0)
    codes = torch.from_numpy(3 * w)
    assert (mover(codes, torch.ones(200)) - codes)[:, 0, 0].mean() < -0.1
    assert (
        main(["train", *base, "--classifier", str(classifier), "--attr", "wings", "--out", "x"])
        == 1
    )
    assert "no CelebA attribute 'wings'" in capsys.readouterr().err


def test_commands_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes, _ = planted()
    np.savez(tmp_path / "a.npz", w=codes.w.numpy(), labels=codes.labels.numpy(), names=NAMES)
    base = ["train-classifier", "--codes", str(tmp_path / "a.npz"), "--out", str(tmp_path / "c")]
    for more, words in (
        (["--resume"], "no checkpoint"),
        (["--hidden", "a"], "--hidden 'a' must be widths"),
        (["--labels", str(tmp_path / "none.npy")], "is no .npy or .npz"),
    ):
        assert main([*base, *more]) == 1
        assert words in capsys.readouterr().err
