//! Photographs a slide: lamp, stain, blur, uneven light, the rim of the eyepiece, and noise.

use super::SmearSettings;
use super::field::View;
use super::slide::Slide;
use crate::random::Random;
use crate::synthetic::canvas::{Canvas, Colour, smooth_step};
use image::imageops::blur;
use image::{Rgb, Rgb32FImage, RgbImage};

/// The diameter of a cell at which the blur of a microscope is its own, in pixels.
const BLUR_AT_PX: f32 = 80.0;
/// The noise of a black pixel, as a fraction of that of a white one.
const DARK_NOISE: f32 = 0.3;

/// Photographs what passes through the slide.
pub fn photograph(
    transmitted: &Canvas,
    view: &View,
    slide: &Slide,
    settings: &SmearSettings,
    random: &mut Random,
) -> RgbImage {
    let tone = [238.0, 232.0, 228.0].map(|value| value + random.range(-8.0, 8.0));
    let exposed = expose(transmitted, slide, tone);
    let sharp = slide.microscope.blur_px * settings.diameter_px / BLUR_AT_PX;
    let blurred = blur(&exposed, sharp * random.range(0.8, 1.4));
    let light = Light::draw(view, settings, random);
    RgbImage::from_fn(settings.width_px, settings.height_px, |x, y| {
        let shade = light.at((x as f32, y as f32));
        let colour = blurred.get_pixel(x, y).0.map(|value| value * shade);
        Rgb(add_noise(colour, settings.noise, random).map(|value| value.round().clamp(0.0, 255.0) as u8))
    })
}

/// Converts transmitted fractions to colours under the lamp.
fn expose(transmitted: &Canvas, slide: &Slide, tone: Colour) -> Rgb32FImage {
    let colour = |fraction: Colour| -> Colour {
        let colour = slide.microscope.expose(std::array::from_fn(|c| tone[c] * fraction[c]));
        std::array::from_fn(|c| colour[c] * slide.lamp[c])
    };
    let clear = colour([1.0; 3]);
    Rgb32FImage::from_fn(transmitted.width as u32, transmitted.height as u32, |x, y| {
        let fraction = transmitted.pixels[y as usize * transmitted.width + x as usize];
        Rgb(if fraction == [1.0; 3] { clear } else { colour(fraction) })
    })
}

/// The light over the field: brighter at one side, darker towards the rim, none outside.
struct Light {
    middle: (f32, f32),
    reach_px: f32,
    /// The loss at the rim.
    vignetting: f32,
    /// The change from the middle to the rim, along the columns and the rows.
    slope: (f32, f32),
    view: View,
    /// The width over which the rim of a round field fades.
    rim_px: f32,
}

impl Light {
    fn draw(view: &View, settings: &SmearSettings, random: &mut Random) -> Light {
        let half = (0.5 * view.width_px, 0.5 * view.height_px);
        let (middle, reach_px) = view.disc.unwrap_or((half, half.0.hypot(half.1)));
        let (sin, cos) = random.range(0.0, std::f32::consts::TAU).sin_cos();
        let slope = 0.3 * settings.uneven_light * random.uniform();
        Light {
            middle: (middle.0 + 0.1 * random.normal() * reach_px, middle.1 + 0.1 * random.normal() * reach_px),
            reach_px,
            vignetting: settings.uneven_light * random.range(0.4, 1.0),
            slope: (slope * cos, slope * sin),
            view: *view,
            rim_px: reach_px * random.range(0.004, 0.015),
        }
    }

    /// Returns the factor of the light at a pixel.
    fn at(&self, (x, y): (f32, f32)) -> f32 {
        let (u, v) = ((x - self.middle.0) / self.reach_px, (y - self.middle.1) / self.reach_px);
        let inside = match self.view.disc {
            Some((centre, radius)) => smooth_step((radius - (x - centre.0).hypot(y - centre.1)) / self.rim_px + 0.5),
            None => 1.0,
        };
        inside * (1.0 - self.vignetting * (u * u + v * v) + self.slope.0 * u + self.slope.1 * v)
    }
}

/// Adds noise that grows with the light, as photons do.
fn add_noise(colour: Colour, noise: f32, random: &mut Random) -> Colour {
    if noise == 0.0 {
        return colour;
    }
    // The sum of two uniform numbers is close enough to normal here, and one draw has enough bits for all of them.
    let bits = random.next_u64();
    let part = |shift: u32| ((bits >> shift) & 0x3FF) as f32 / 1024.0;
    std::array::from_fn(|c| {
        let deviation = noise * (DARK_NOISE + (1.0 - DARK_NOISE) * (colour[c].max(0.0) / 255.0).sqrt());
        let unit = (part(20 * c as u32) + part(20 * c as u32 + 10) - 1.0) * 6f32.sqrt();
        colour[c] + deviation * unit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_deviation_that_is_asked_for() {
        let mut random = Random::keyed(&[1]);
        let n = 20_000;
        let squares = |level: f32, random: &mut Random| -> f32 {
            (0..n).map(|_| (add_noise([level; 3], 2.0, random)[1] - level).powi(2)).sum::<f32>() / n as f32
        };
        assert!((squares(255.0, &mut random).sqrt() - 2.0).abs() < 0.05);
        assert!((squares(0.0, &mut random).sqrt() - 0.6).abs() < 0.02);
        assert_eq!(add_noise([9.0; 3], 0.0, &mut random), [9.0; 3]);
    }

    #[test]
    fn light_fades_towards_the_rim_and_ends_there() {
        let view = View { width_px: 300.0, height_px: 200.0, disc: Some(((150.0, 100.0), 90.0)) };
        let settings = SmearSettings { uneven_light: 0.2, ..SmearSettings::default() };
        let light = Light::draw(&view, &settings, &mut Random::keyed(&[2]));
        let (middle, near) = (light.at((150.0, 100.0)), light.at((75.0, 100.0)).min(light.at((225.0, 100.0))));
        assert!(middle > near && near > 0.6 && middle <= 1.1, "{middle} {near}");
        assert_eq!((light.at((55.0, 100.0)), light.at((0.0, 0.0))), (0.0, 0.0));
    }
}
