//! A canvas of real-valued colours, and soft-edged blobs to paint on it.

/// Red, green and blue, 0 to 255 each.
pub type Colour = [f32; 3];

/// Interpolates linearly between two colours.
pub fn mix(from: Colour, to: Colour, weight: f32) -> Colour {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * weight)
}

/// Returns 0 below 0, 1 above 1, and a smooth transition in between.
pub fn smooth_step(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A point of the image, in pixels.
pub type Point = (f32, f32);

/// Returns the point at this distance and angle from another.
pub fn at_polar(from: Point, distance: f32, angle: f32) -> Point {
    (from.0 + distance * angle.cos(), from.1 + distance * angle.sin())
}

/// An ellipse with an edge that may be wavy.
#[derive(Clone, Debug)]
pub struct Blob {
    centre: Point,
    radii: (f32, f32),
    /// Sine and cosine of the angle of the first radius.
    turn: (f32, f32),
    /// The waves of 2, 3, 4… periods around the edge, as amplitude times cosine and sine of the phase.
    waves: Vec<(f32, f32)>,
}

impl Blob {
    /// Creates a disc.
    pub fn disc(centre: Point, radius: f32) -> Blob {
        Blob::ellipse(centre, (radius, radius), 0.0)
    }

    /// Creates an ellipse with its first radius at `angle`.
    pub fn ellipse(centre: Point, radii: (f32, f32), angle: f32) -> Blob {
        Blob { centre, radii, turn: angle.sin_cos(), waves: Vec::new() }
    }

    /// Adds waves to the edge: an amplitude and a phase for each of 2, 3, 4… periods.
    pub fn with_waves(mut self, waves: &[(f32, f32)]) -> Blob {
        self.waves = waves.iter().map(|&(size, phase)| (size * phase.cos(), size * phase.sin())).collect();
        self
    }

    /// Adds a wave of `periods` periods, more than the edge has so far.
    pub fn with_spikes(mut self, periods: usize, size: f32, phase: f32) -> Blob {
        self.waves.resize(periods - 2, (0.0, 0.0));
        self.waves.push((size * phase.cos(), size * phase.sin()));
        self
    }

    /// Moves the blob.
    pub fn moved(mut self, by: Point) -> Blob {
        self.centre = (self.centre.0 + by.0, self.centre.1 + by.1);
        self
    }

    /// Returns the approximate distance from the edge in pixels; positive inside.
    pub fn depth(&self, (x, y): Point) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (sin, cos) = self.turn;
        let (u, v) = ((dx * cos + dy * sin) / self.radii.0, (dy * cos - dx * sin) / self.radii.1);
        let distance = (u * u + v * v).sqrt().max(1e-6);
        (self.edge(u / distance, v / distance) - distance) * self.radii.0.min(self.radii.1)
    }

    /// Returns the distance of the edge in the direction of a unit vector, whose complex powers are the waves.
    fn edge(&self, cos: f32, sin: f32) -> f32 {
        let (mut edge, mut power) = (1.0, (cos, sin));
        for &(real, imaginary) in &self.waves {
            power = (power.0 * cos - power.1 * sin, power.0 * sin + power.1 * cos);
            edge += real * power.0 - imaginary * power.1;
        }
        edge
    }

    /// Returns the distance of the edge from the centre in the direction of a point, in pixels.
    pub fn radius_towards(&self, (x, y): Point) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (sin, cos) = self.turn;
        let (u, v) = ((dx * cos + dy * sin) / self.radii.0, (dy * cos - dx * sin) / self.radii.1);
        let distance = u.hypot(v).max(1e-6);
        self.edge(u / distance, v / distance) * dx.hypot(dy) / distance
    }

    /// Returns an upper bound on the distance of the edge from the centre.
    pub fn max_radius(&self) -> f32 {
        self.radii.0.max(self.radii.1)
            * (1.0 + self.waves.iter().map(|(real, imaginary)| real.hypot(*imaginary)).sum::<f32>())
    }

    /// Returns the centre.
    pub fn centre(&self) -> Point {
        self.centre
    }
}

/// Pixels to paint on.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// The width, in pixels.
    pub width: usize,
    /// The height, in pixels.
    pub height: usize,
    /// The pixels, row by row.
    pub pixels: Vec<Colour>,
}

impl Canvas {
    /// Creates a canvas of one colour.
    pub fn new(width: usize, height: usize, colour: Colour) -> Canvas {
        Canvas { width, height, pixels: vec![colour; width * height] }
    }

    /// Paints a blob whose edge fades over `softness_px`; an opacity of 1 replaces the old colour.
    pub fn paint(&mut self, blob: &Blob, softness_px: f32, colour: Colour, opacity: f32) {
        self.change(blob, softness_px, |depth, old| mix(old, colour, opacity * smooth_step(depth / softness_px + 0.5)));
    }

    /// Paints the edge of a blob as a line.
    pub fn outline(&mut self, blob: &Blob, width_px: f32, softness_px: f32, colour: Colour, opacity: f32) {
        let half = width_px / 2.0;
        self.change(blob, width_px + softness_px, |depth, old| {
            mix(old, colour, opacity * smooth_step((half - depth.abs()) / softness_px + 0.5))
        });
    }

    fn change(&mut self, blob: &Blob, margin_px: f32, to: impl Fn(f32, Colour) -> Colour) {
        let reach = blob.max_radius() + margin_px;
        let ((x, y), last) = (blob.centre(), (self.width, self.height));
        let span = |middle: f32, end: usize| {
            let low = (middle - reach).floor().max(0.0) as usize;
            low.min(end)..((middle + reach).ceil().max(0.0) as usize).min(end)
        };
        for row in span(y, last.1) {
            for column in span(x, last.0) {
                let pixel = &mut self.pixels[row * self.width + column];
                *pixel = to(blob.depth((column as f32, row as f32)), *pixel);
            }
        }
    }
}
