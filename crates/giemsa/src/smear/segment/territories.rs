//! Gives each pixel of a mask to one of the peaks in it.

use super::grid::Grid;
use super::regions;
use super::separation::Peak;

/// The farthest pixel that a peak can have, in typical radii.
const REACH: f32 = 3.0;

/// Numbers each pixel of a mask by the peak with the least power, the squared distance minus the squared radius of the
/// peak's disc, in the same region of the mask; 0 is outside. Two discs that overlap are separated along their common
/// chord (Aurenhammer 1987, "Power diagrams: properties, algorithms and applications").
pub(super) fn divide(mask: &Grid<bool>, peaks: &[Peak], radius_px: f32) -> Grid<u32> {
    let (regions, _) = regions::label(mask);
    let mut numbers: Grid<u32> = Grid::like(mask);
    let mut powers: Grid<f32> = Grid { values: vec![f32::INFINITY; mask.values.len()], ..Grid::like(mask) };
    for (number, peak) in (1..).zip(peaks) {
        let reach = (REACH * radius_px.max(peak.radius_px)).ceil() as usize;
        let (x, y) = mask.place(peak.pixel);
        let region = regions.values[peak.pixel];
        for row in y.saturating_sub(reach)..(y + reach + 1).min(mask.height) {
            let down = row.abs_diff(y).pow(2) as f32 - peak.radius_px * peak.radius_px;
            for column in x.saturating_sub(reach)..(x + reach + 1).min(mask.width) {
                let pixel = row * mask.width + column;
                let power = column.abs_diff(x).pow(2) as f32 + down;
                if regions.values[pixel] == region && power < powers.values[pixel] {
                    powers.values[pixel] = power;
                    numbers.values[pixel] = number;
                }
            }
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_of_different_sizes_are_divided_along_their_chord() {
        let mask = Grid { width: 40, height: 1, values: (0..40).map(|x| x != 30).collect() };
        let peak = |pixel, radius_px| Peak { pixel, radius_px, height: 1.0 };
        let numbers = divide(&mask, &[peak(10, 8.0), peak(20, 4.0)], 8.0);
        // Equal power: (x - 10)² - 64 = (x - 20)² - 16, so x = 17.4.
        assert_eq!((numbers.values[17], numbers.values[18]), (1, 2));
        // The other region has no peak.
        assert_eq!((numbers.values[29], numbers.values[30], numbers.values[31]), (2, 0, 0));
    }
}
