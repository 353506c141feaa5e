"""Buy-till-you-die models against independent oracles: numerical integration, simulation, their own parameters found again."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, hyp2f1
from scipy.stats import beta, gamma

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.bg_nbd import BgNbd
from tenure.customers.value_models.gamma_gamma import GammaGamma
from tenure.customers.value_models.pareto_nbd import ParetoNbd
from tenure.customers.value_models.purchases import Repetition, summarise

BG = BgNbd(r=0.6, alpha=5.0, a=0.8, b=2.5)
PARETO = ParetoNbd(r=0.6, alpha=10.0, s=0.7, beta=12.0)


def one(repeats, recency, observed):
    return Repetition(*(np.array([float(v)]) for v in (repeats, recency, observed, 1)))


def simulated(model, customers=20_000, weeks=52.0, ahead=26.0, seed=3):
    """Live customers' lives: purchase times until they stop. => Repetition at ``weeks``, purchases in the weeks ahead, alive"""
    generator = np.random.default_rng(seed)
    rows, later, alive = [], [], []
    for _ in range(customers):
        rate = generator.gamma(model.r, 1 / model.alpha)
        stops_after = generator.beta(model.a, model.b) if isinstance(model, BgNbd) else 0.0
        death = (
            np.inf if isinstance(model, BgNbd) else generator.exponential(1 / generator.gamma(model.s, 1 / model.beta))
        )
        times, now = [], 0.0
        while (now := now + generator.exponential(1 / rate)) < min(weeks + ahead, death):
            times.append(now)
            if generator.random() < stops_after:
                death = now
                break
        known = [t for t in times if t < weeks]
        rows.append((len(known), known[-1] if known else 0.0, weeks))
        later.append(len(times) - len(known))
        alive.append(death > weeks)
    x, t_x, t = np.array(rows).T
    return Repetition(x, t_x, t, np.ones(customers)), np.array(later), np.array(alive)


@pytest.mark.parametrize(("x", "t_x", "t"), [(0, 0, 30), (1, 3, 30), (4, 20, 30), (12, 29.9, 30), (7, 30, 30)])
def test_the_bg_nbd_likelihood_is_the_mean_over_rates_and_chances_to_stop(x, t_x, t):
    middles = (np.arange(3000) + 0.5) / 3000  # equally likely rates and chances
    rate = gamma.ppf(middles, BG.r, scale=1 / BG.alpha)[:, None]
    p = beta.ppf(middles, BG.a, BG.b)[None, :]
    stays = (1 - p) ** x * rate**x * np.exp(-rate * t)
    stops = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x) if x else 0.0
    assert np.exp(BG.log_likelihood(one(x, t_x, t))[0]) == pytest.approx((stays + stops).mean(), rel=0.01)


@pytest.mark.parametrize(("x", "t_x", "t"), [(0, 0, 30), (1, 3, 30), (4, 20, 30), (60, 29, 30), (7, 30, 30)])
@pytest.mark.parametrize("model", [PARETO, ParetoNbd(r=2.0, alpha=3.0, s=0.4, beta=9.0)], ids=["alpha<beta", "further"])
def test_the_pareto_nbd_likelihood_is_the_integral_over_the_time_of_stopping(model, x, t_x, t):
    r, alpha, s, b = model.r, model.alpha, model.s, model.beta

    def bought_until(end):
        return np.exp(gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + end))

    stopped = quad(lambda end: bought_until(end) * s * b**s / (b + end) ** (s + 1), t_x, t, epsabs=0, epsrel=1e-10)[0]
    alive = bought_until(t) * (b / (b + t)) ** s
    assert np.exp(model.log_likelihood(one(x, t_x, t))[0]) == pytest.approx(alive + stopped, rel=1e-6)
    assert model.p_alive(one(x, t_x, t))[0] == pytest.approx(alive / (alive + stopped), rel=1e-6)


@pytest.mark.parametrize(("x", "t_x", "t"), [(0, 0, 30), (4, 20, 30), (40, 15, 30), (7, 29.9, 30)])
def test_the_pareto_nbd_likelihood_is_that_of_the_closed_form(x, t_x, t):
    """Fader and Hardie (2005), A Note on Deriving the Pareto/NBD Model, for alpha < beta."""
    r, alpha, s, b = PARETO.r, PARETO.alpha, PARETO.s, PARETO.beta

    def term(at):
        return hyp2f1(r + s + x, r + x, r + s + x + 1, (b - alpha) / (b + at)) / (b + at) ** (r + s + x)

    inside = (alpha + t) ** -(r + x) * (b + t) ** -s + s / (r + s + x) * (term(t_x) - term(t))
    closed = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(b) + np.log(inside)
    assert PARETO.log_likelihood(one(x, t_x, t))[0] == pytest.approx(closed, abs=1e-9)


@pytest.mark.parametrize("model", [BG, PARETO], ids=["BG/NBD", "Pareto/NBD"])
def test_what_a_model_expects_is_what_simulated_customers_do_and_its_parameters_are_found_again(model):
    customers, later, alive = simulated(model)
    expected, chance = model.expected_purchases(customers, 26), model.p_alive(customers)
    assert expected.mean() == pytest.approx(later.mean(), rel=0.03)
    assert chance.mean() == pytest.approx(alive.mean(), rel=0.02)
    for group in (customers.repeats == 0, customers.repeats > 3, chance < 0.5):
        assert expected[group].mean() == pytest.approx(later[group].mean(), rel=0.12)
        assert chance[group].mean() == pytest.approx(alive[group].mean(), abs=0.03)
    found = type(model).fit(customers)
    assert found.r / found.alpha == pytest.approx(model.r / model.alpha, rel=0.1)
    assert found.expected_purchases(customers, 26).sum() == pytest.approx(expected.sum(), rel=0.04)


@pytest.mark.parametrize("shift", [-1e-7, 0, 1e-7])
def test_expectations_are_smooth_where_their_formula_divides_by_zero(shift):
    for make in (lambda e: BgNbd(0.6, 5, 1 + e, 2.5), lambda e: ParetoNbd(0.6, 10, 1 + e, 12)):
        near, at = (make(e).expected_purchases(one(3, 20, 30), 26)[0] for e in (1e-3, shift))
        assert at == pytest.approx(near, rel=1e-2)


def test_many_purchases_overflow_nothing():
    often = one(3000, 519, 520)
    for model in (BG, PARETO):
        assert np.isfinite(model.log_likelihood(often)).all()
        assert 0 <= model.p_alive(often)[0] <= 1
        assert 0 <= model.expected_purchases(often, 52)[0] < 400


def test_gamma_gamma_draws_few_purchases_to_the_mean_of_all_and_finds_its_parameters():
    true = GammaGamma(p=6.0, q=4.0, gamma=15.0)
    generator = np.random.default_rng(5)
    rates = generator.gamma(true.q, 1 / true.gamma, 20_000)
    counts = generator.integers(1, 9, 20_000).astype(float)
    means = generator.gamma(true.p * counts, 1 / (rates * counts))
    found = GammaGamma.fit(counts, means)
    assert [found.p, found.q, found.gamma] == pytest.approx([6, 4, 15], rel=0.1)
    anybody, once, often = true.expected_amount(np.array([0.0, 1, 50]), np.array([0.0, 90, 90]))
    assert anybody == pytest.approx(6 * 15 / 3) and anybody < once < often < 90
    # The expectation is that of the posterior: simulated customers of that mean bear it out.
    near = (counts == 3) & (abs(means - 40) < 2)
    assert (true.p / rates[near]).mean() == pytest.approx(
        true.expected_amount(np.array([3.0]), np.array([40.0]))[0], rel=0.03
    )


def test_purchases_are_summed_up_until_a_day_and_returns_lower_what_one_is_worth():
    columns = ["customer_id", "day", "known", "amount", "is_purchase"]
    bought = pd.DataFrame(
        [
            ("ana", 0, 0, 10.0, True),
            ("ana", 14, 14, 20.0, True),
            ("ana", 20, 20, -6.0, False),  # a return
            ("ana", 21, 75, -9.0, False),  # known too late
            ("ana", 70, 70, 99.0, True),  # the day itself is unknown
            ("bob", 63, 63, 5.0, True),
            ("cem", 63, 63, -5.0, False),  # nothing but a return
        ],
        columns=columns,
    )
    told = summarise(bought, 70)
    assert told.loc["ana", ["repeats", "recency", "observed", "amount"]].tolist() == [1, 2, 10, 12]
    assert told.loc["bob", ["repeats", "recency", "observed", "amount"]].tolist() == [0, 0, 1, 5]
    assert list(told.index) == ["ana", "bob"]


def test_a_model_that_cannot_be_fitted_says_so():
    nobody_came_back = Repetition(np.zeros(50), np.zeros(50), np.full(50, 30.0), np.ones(50))
    for model in (BgNbd, ParetoNbd):
        with pytest.raises(NotEnoughDataError, match="second day"):
            model.fit(nobody_came_back)
    with pytest.raises(NotEnoughDataError, match="Gamma-Gamma"):
        GammaGamma.fit(np.array([]), np.array([]))
