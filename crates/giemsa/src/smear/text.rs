//! Numbers in sentences.

/// Writes a count with a comma between groups of three digits.
///
/// ```
/// assert_eq!(giemsa::smear::grouped(12_345), "12,345");
/// ```
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a fraction as a percentage with two significant digits.
///
/// ```
/// assert_eq!(giemsa::smear::percentage(0.0312), "3.1 %");
/// ```
#[must_use]
pub fn percentage(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    // The number of digits after the point; rounding may add a digit before it (9.96 becomes 10).
    let decimals = |value: f64| if value > 0.0 { (1.0 - value.log10().floor()).clamp(0.0, 6.0) } else { 0.0 };
    let rounded = 10f64.powf(decimals(percent));
    let percent = (percent * rounded).round() / rounded;
    format!("{percent:.*} %", decimals(percent) as usize)
}

/// Rounds a count up to two significant digits.
pub(super) fn round_up(count: u64) -> u64 {
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    count.div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits_by_three() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (27_558, "27,558"), (1_234_567, "1,234,567")];
        assert!(cases.iter().all(|&(count, expected)| grouped(count) == expected));
    }

    #[test]
    fn percentages_have_two_significant_digits() {
        let cases = [
            (0.0, "0 %"),
            (0.000_061, "0.0061 %"),
            (0.005_59, "0.56 %"),
            (0.059_7, "6.0 %"),
            (0.099_6, "10 %"),
            (0.123, "12 %"),
            (1.0, "100 %"),
        ];
        for (fraction, expected) in cases {
            assert_eq!(percentage(fraction), expected);
        }
    }

    #[test]
    fn rounds_counts_up_to_two_digits() {
        let cases = [(0, 0), (7, 7), (99, 99), (100, 100), (101, 110), (3_871, 3_900), (995, 1_000)];
        assert!(cases.iter().all(|&(count, expected)| round_up(count) == expected));
    }
}
