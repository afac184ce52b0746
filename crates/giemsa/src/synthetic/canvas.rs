//! A canvas of real-valued colours, and the soft-edged blobs that everything on it is made of.

/// Red, green and blue, 0 to 255 each.
pub type Colour = [f32; 3];

/// A part `share` of the way from one colour to the other.
pub fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// 0 below 0, 1 above 1, and smooth in between.
pub fn smooth_step(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A point of the image, in pixels.
pub type Point = (f32, f32);

/// The point at this distance and angle from another.
pub fn at_polar(from: Point, distance: f32, angle: f32) -> Point {
    (from.0 + distance * angle.cos(), from.1 + distance * angle.sin())
}

/// An ellipse whose edge may wander.
#[derive(Clone, Debug)]
pub struct Blob {
    centre: Point,
    radii: (f32, f32),
    /// Sine and cosine of the angle of the first radius.
    turn: (f32, f32),
    /// What 2, 3, 4… bulges add to the edge's distance from the centre, as amplitude times cosine and sine of the phase.
    waves: Vec<(f32, f32)>,
}

impl Blob {
    /// A disc.
    pub fn disc(centre: Point, radius: f32) -> Blob {
        Blob::ellipse(centre, (radius, radius), 0.0)
    }

    /// An ellipse, its first radius at `angle`.
    pub fn ellipse(centre: Point, radii: (f32, f32), angle: f32) -> Blob {
        Blob { centre, radii, turn: angle.sin_cos(), waves: Vec::new() }
    }

    /// The same with an edge that wanders: a wave of an amplitude and phase for each of 2, 3, 4… bulges.
    pub fn wandering(mut self, waves: &[(f32, f32)]) -> Blob {
        self.waves = waves.iter().map(|&(size, phase)| (size * phase.cos(), size * phase.sin())).collect();
        self
    }

    /// The same elsewhere.
    pub fn moved(mut self, by: Point) -> Blob {
        self.centre = (self.centre.0 + by.0, self.centre.1 + by.1);
        self
    }

    /// The distance from the edge in pixels, nearly; positive inside.
    pub fn depth(&self, (x, y): Point) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (sin, cos) = self.turn;
        let (u, v) = ((dx * cos + dy * sin) / self.radii.0, (dy * cos - dx * sin) / self.radii.1);
        let distance = (u * u + v * v).sqrt().max(1e-6);
        (self.edge(u / distance, v / distance) - distance) * self.radii.0.min(self.radii.1)
    }

    /// The edge's distance in the direction of a unit vector: the waves are the real parts of its complex powers.
    fn edge(&self, cos: f32, sin: f32) -> f32 {
        let (mut edge, mut power) = (1.0, (cos, sin));
        for &(real, imaginary) in &self.waves {
            power = (power.0 * cos - power.1 * sin, power.0 * sin + power.1 * cos);
            edge += real * power.0 - imaginary * power.1;
        }
        edge
    }

    /// How far the blob can reach from its centre.
    pub fn reach(&self) -> f32 {
        self.radii.0.max(self.radii.1)
            * (1.0 + self.waves.iter().map(|(real, imaginary)| real.hypot(*imaginary)).sum::<f32>())
    }

    /// Where its middle is.
    pub fn centre(&self) -> Point {
        self.centre
    }
}

/// Pixels to paint on.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<Colour>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, colour: Colour) -> Canvas {
        Canvas { width, height, pixels: vec![colour; width * height] }
    }

    /// Paints a blob with an edge as soft as `softness_px`; an opacity of 1 hides what was there.
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
        let reach = blob.reach() + margin_px;
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
