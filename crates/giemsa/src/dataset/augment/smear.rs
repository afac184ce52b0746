//! The smear around a cell: its colour is that of the light that passes no cell.
//!
//! Light that passes an object is a fraction of the light of the lamp (Beer and Lambert). So an image of one site, divided by
//! the colour of its smear and multiplied by that of another one, looks as if it were from the other site.

use crate::preprocess::colour::{find_cell, is_black};

/// The least fraction of an image that shows the smear, for its colour to be measured.
const LEAST_SMEAR: f32 = 0.05;
/// The quantile that is the colour of the smear, so that other cells do not matter.
const QUANTILE: f32 = 0.9;

/// Computes the colour of the smear around a cell, in bytes; `None` if the outside is black.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. `inside`: `[side, side]`.
pub(super) fn smear_colour(bytes: &[u8], inside: &[bool]) -> Option<[f32; 3]> {
    let pixels = bytes.as_chunks::<3>().0;
    let is_smear = |&(pixel, inside): &(&[u8; 3], &bool)| !inside && !is_black(*pixel);
    let smear: Vec<[u8; 3]> = pixels.iter().zip(inside).filter(is_smear).map(|(pixel, _)| *pixel).collect();
    let is_enough = !smear.is_empty() && smear.len() as f32 >= LEAST_SMEAR * pixels.len() as f32;
    is_enough.then(|| light_colour(&smear))
}

/// Returns an image with the colours that it would have on the smear of a host; `None` if one of them shows no smear.
///
/// # Shapes
/// `bytes`, `host`: `[side, side, 3]`, RGB. Returns the same shape.
pub fn on_smear_of(host: &[u8], bytes: &[u8], side: usize) -> Option<Vec<u8>> {
    let (inside, _) = find_cell(host, side);
    let to = smear_colour(host, &inside)?;
    // The object may be anywhere, so the lightest pixels of the whole image are the smear.
    let from = smear_colour(bytes, &vec![false; side * side])?;
    let factors: [f32; 3] = std::array::from_fn(|c| to[c] / from[c]);
    let recoloured = bytes.iter().enumerate().map(|(i, &byte)| (f32::from(byte) * factors[i % 3] + 0.5) as u8);
    Some(recoloured.collect())
}

/// Computes the quantile of each channel; at least 1.
fn light_colour(pixels: &[[u8; 3]]) -> [f32; 3] {
    let at = (QUANTILE * (pixels.len() - 1) as f32) as usize;
    std::array::from_fn(|c| {
        let mut values: Vec<u8> = pixels.iter().map(|pixel| pixel[c]).collect();
        f32::from((*values.select_nth_unstable(at).1).max(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 40;

    /// A disc of radius 12 on a smear, with black padding above.
    fn crop(object: [u8; 3], smear: [u8; 3]) -> Vec<u8> {
        let pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 - 19.5, (i / SIDE) as f32 - 19.5);
            match x.hypot(y) {
                _ if y < -16.0 => [0; 3],
                distance if distance < 12.0 => object,
                _ => smear,
            }
        };
        (0..SIDE * SIDE).flat_map(pixel).collect()
    }

    #[test]
    fn takes_the_colours_of_the_smear_of_the_host() {
        let host = crop([150, 110, 140], [110, 150, 160]);
        let found = on_smear_of(&host, &crop([100, 60, 120], [220, 200, 240]), SIDE).unwrap();
        // 100 * 110 / 220, 60 * 150 / 200, 120 * 160 / 240.
        assert_eq!(found, crop([50, 45, 80], [110, 150, 160]));
    }

    #[test]
    fn black_outsides_are_no_smear() {
        let segmented = crop([150, 110, 140], [0; 3]);
        let crop = crop([100, 60, 120], [220, 200, 240]);
        assert!(on_smear_of(&segmented, &crop, SIDE).is_none());
        assert!(on_smear_of(&crop, &vec![0; SIDE * SIDE * 3], SIDE).is_none());
    }
}
