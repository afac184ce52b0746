//! Displays images in the terminal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::thumbnail;
use image::{ImageFormat, RgbImage};
use std::io::{self, Cursor, IsTerminal, Write};

/// Prints an image on standard output, which must be a terminal, at most as wide as the terminal.
///
/// # Errors
/// If the terminal cannot be written to.
pub fn print_image(image: &RgbImage) -> io::Result<()> {
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| u32::from(width.0)).max(1);
    let mut out = io::stdout().lock();
    if has_kitty_graphics() {
        write_kitty(&mut out, image, columns)?;
    } else {
        let depth = if has_true_colour() { Depth::True } else { Depth::Cube };
        write_half_blocks(&mut out, image, columns, depth)?;
    }
    out.flush()
}

/// Returns whether the terminal announces the graphics protocol of kitty. Asking it with an escape sequence could block
/// for ever, since other terminals do not answer.
fn has_kitty_graphics() -> bool {
    let named = |variable: &str| {
        let value = std::env::var(variable).unwrap_or_default().to_lowercase();
        ["kitty", "ghostty", "wezterm"].iter().any(|name| value.contains(name))
    };
    io::stdin().is_terminal() && (named("TERM") || named("TERM_PROGRAM"))
}

fn has_true_colour() -> bool {
    std::env::var("COLORTERM").is_ok_and(|value| value == "truecolor" || value == "24bit")
}

/// The colours of a terminal.
#[derive(Clone, Copy)]
enum Depth {
    /// 24 bits.
    True,
    /// The 6 x 6 x 6 colour cube of terminals with 256 colours.
    Cube,
}

impl Depth {
    /// Returns the parameters of the escape sequence that selects a colour.
    fn parameters(self, [r, g, b]: [u8; 3]) -> String {
        match self {
            Depth::True => format!("2;{r};{g};{b}"),
            Depth::Cube => {
                let [r, g, b] = [r, g, b].map(|value| (u16::from(value) * 5 + 127) / 255);
                format!("5;{}", 16 + 36 * r + 6 * g + b)
            }
        }
    }
}

/// Writes two rows of pixels per line of text: the foreground of `▀` is the upper pixel, its background the lower one.
fn write_half_blocks(out: &mut impl Write, image: &RgbImage, columns: u32, depth: Depth) -> io::Result<()> {
    let width = columns.min(image.width());
    let height = (u64::from(image.height()) * u64::from(width) / u64::from(image.width())) as u32;
    let small = thumbnail(image, width, height.next_multiple_of(2).max(2));
    for y in (0..small.height()).step_by(2) {
        for x in 0..small.width() {
            let [upper, lower] = [y, y + 1].map(|y| depth.parameters(small.get_pixel(x, y).0));
            write!(out, "\x1b[38;{upper};48;{lower}m▀")?;
        }
        writeln!(out, "\x1b[0m")?;
    }
    Ok(())
}

/// Writes a PNG file in chunks of at most 4096 bytes of Base64, as the protocol requires
/// (<https://sw.kovidgoyal.net/kitty/graphics-protocol/>).
fn write_kitty(out: &mut impl Write, image: &RgbImage, columns: u32) -> io::Result<()> {
    /// Typical width of a character, so that small images are not enlarged.
    const CHARACTER_WIDTH_PX: u32 = 8;
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
    let text = STANDARD.encode(png.into_inner());
    let columns = columns.min(image.width().div_ceil(CHARACTER_WIDTH_PX));
    let mut keys = format!("a=T,f=100,c={columns},");
    let mut chunks = text.as_bytes().chunks(4096).peekable();
    while let Some(chunk) = chunks.next() {
        write!(out, "\x1b_G{keys}m={};", u8::from(chunks.peek().is_some()))?;
        out.write_all(chunk)?;
        write!(out, "\x1b\\")?;
        keys.clear();
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn writes_two_rows_of_pixels_per_line() {
        let image = RgbImage::from_fn(2, 2, |x, y| Rgb([x as u8, y as u8, 9]));
        let mut out = Vec::new();
        write_half_blocks(&mut out, &image, 80, Depth::True).unwrap();
        let expected = "\x1b[38;2;0;0;9;48;2;0;1;9m▀\x1b[38;2;1;0;9;48;2;1;1;9m▀\x1b[0m\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn shrinks_an_image_to_the_width_of_the_terminal() {
        let mut out = Vec::new();
        write_half_blocks(&mut out, &RgbImage::new(300, 200), 60, Depth::Cube).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.lines().count(), text.matches('▀').count()), (20, 20 * 60));
    }

    #[test]
    fn maps_black_and_white_to_the_corners_of_the_colour_cube() {
        assert_eq!(Depth::Cube.parameters([0; 3]), "5;16");
        assert_eq!(Depth::Cube.parameters([255; 3]), "5;231");
    }

    #[test]
    fn marks_all_chunks_but_the_last_as_continued() {
        // Noise does not compress, so that one image needs several chunks.
        let image = RgbImage::from_fn(60, 60, |x, y| Rgb([(x * 7919 + y * 104_729 + x * y * 577) as u8; 3]));
        let mut out = Vec::new();
        write_kitty(&mut out, &image, 80).unwrap();
        let text = String::from_utf8(out).unwrap();
        let chunks: Vec<&str> = text.trim_end().split_terminator("\x1b\\").collect();
        assert!(chunks[0].starts_with("\x1b_Ga=T,f=100,c=8,m="), "{}", &chunks[0][..40]);
        let (last, others) = chunks.split_last().unwrap();
        assert!(last.contains("m=0;") && others.iter().all(|chunk| chunk.contains("m=1;")), "{}", chunks.len());
    }
}
