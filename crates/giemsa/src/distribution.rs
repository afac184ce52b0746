//! The beta distribution and Student's t distribution.

/// Computes the logarithm of the gamma function of a positive number with Stirling's series (Abramowitz and Stegun 1964,
/// equation 6.1.41), after the recurrence has raised the argument to at least 10.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += x.ln();
        x += 1.0;
    }
    let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
    let square = x * x;
    let coefficients = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let series = coefficients.iter().rev().fold(0.0, |sum, coefficient| sum / square + coefficient) / x;
    (x - 0.5) * x.ln() - x + half_ln_tau + series - below
}

/// Computes the probability that a number of the beta distribution with positive parameters is at most `x`, the
/// regularised incomplete beta function.
pub(crate) fn beta_below(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let ln_factor = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    // The continued fraction converges fast below the mean only; above it, the symmetry of the distribution helps.
    if x < (a + 1.0) / (a + b + 2.0) {
        ln_factor.exp() * continued_fraction(x, a, b) / a
    } else {
        1.0 - ln_factor.exp() * continued_fraction(1.0 - x, b, a) / b
    }
}

/// The most terms of the continued fraction; it needs about the square root of the larger parameter.
const MOST_TERMS: u32 = 100_000;

/// Evaluates the continued fraction of the incomplete beta function (Abramowitz and Stegun 1964, equation 26.5.8) with the
/// method of Lentz.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    let not_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let (mut c, mut d) = (1.0, 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..MOST_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut last = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / not_zero(1.0 + numerator * d);
            c = not_zero(1.0 + numerator / c);
            last = c * d;
            fraction *= last;
        }
        if (last - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// Finds the quantile of a beta distribution by bisection.
pub(crate) fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if beta_below(middle, a, b) < probability {
            low = middle
        } else {
            high = middle
        }
        if high - low <= 1e-15 * high {
            break;
        }
    }
    high
}

/// Finds the quantile of Student's t distribution for a probability of at least a half. The square of t is a function of
/// a number of the beta distribution with the parameters 1/2 and half the degrees of freedom.
pub(crate) fn t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    let x = beta_quantile(2.0 * probability - 1.0, 0.5, 0.5 * degrees_of_freedom);
    (degrees_of_freedom * x / (1.0 - x)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1e-3), "{found} {expected}");
    }

    #[test]
    fn the_gamma_function_is_the_factorial() {
        for (x, expected) in
            [(1.0, 1.0), (2.0, 1.0), (5.0, 24.0), (11.0, 3_628_800.0), (0.5, std::f64::consts::PI.sqrt())]
        {
            assert!((ln_gamma(x) - f64::ln(expected)).abs() < 1e-13, "{x}");
        }
    }

    #[test]
    fn the_beta_distribution_has_its_closed_forms() {
        for x in [0.0, 1e-9, 0.2, 0.5, 0.99, 1.0] {
            assert_close(beta_below(x, 1.0, 1.0), x);
            assert_close(beta_below(x, 3.0, 1.0), x.powi(3));
            assert_close(beta_below(x, 1.0, 40.0), 1.0 - (1.0 - x).powi(40));
        }
    }

    #[test]
    fn quantiles_match_scipy() {
        // tests/reference/parasitaemia_golden.py computes those of the beta distribution.
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/reference/parasitaemia_golden.json")).unwrap();
        for case in golden["beta_quantiles"].as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            assert_close(beta_quantile(number("probability"), number("a"), number("b")), number("expected"));
        }
        // scipy.stats.t.ppf(0.975, [1, 4, 27, 1e6])
        let expected = [
            (1.0, 12.706204736174694),
            (4.0, 2.7764451051977934),
            (27.0, 2.0518305164802846),
            (1e6, 1.959966356814107),
        ];
        for (degrees_of_freedom, expected) in expected {
            assert_close(t_quantile(0.975, degrees_of_freedom), expected);
        }
    }

    #[test]
    fn a_quantile_inverts_the_distribution() {
        for (a, b) in [(0.5, 0.5), (0.2, 3.0), (2.2, 86.0), (1e5, 9e5), (1.0, 1e6)] {
            for probability in [0.025, 0.5, 0.95, 0.975] {
                let x = beta_quantile(probability, a, b);
                assert!((beta_below(x, a, b) - probability).abs() < 1e-8, "{a} {b} {probability} {x}");
            }
        }
    }
}
