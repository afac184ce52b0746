"""Writes image_golden.json: tiny image files in every supported format and colour type with the expected pixels, and
resized images.

    pip install numpy==2.4.6 pillow==13.0.0
    python image_golden.py

The expected pixels are computed from the samples in each file, without a decoder. JPEG is lossy, so its pixels are
those that Pillow decodes.
"""

import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 7, 5
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
PALETTE = [(i * 37 % 256, i * 91 % 256, 255 - i) for i in range(256)]


def samples(channels, bits, height=HEIGHT, width=WIDTH):
    row, column, channel = np.indices((height, width, channels))
    return (row * 7919 + column * 104729 + channel * 31337 + row * column * 577) % 2**bits


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_rows(values, bits):
    """Encodes the rows of one PNG pass without filter: big-endian samples of `bits` bits, rows padded to whole bytes."""
    out = b""
    for row in values:
        text = "".join(format(int(v), f"0{bits}b") for v in row.ravel())
        text += "0" * (-len(text) % 8)
        out += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    return out


def png(values, bits, colour_type, interlaced=False, extra=b""):
    height, width, _ = values.shape
    passes = [values[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [values]
    data = b"".join(packed_rows(part, bits) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))


def to_8_bits(values, bits):
    return np.floor(values.astype(int) * 255 / (2**bits - 1) + 0.5).astype(int)


def to_rgb(values, bits):
    values = to_8_bits(values, bits)
    channels = values.shape[2]
    if channels in (2, 4):
        values = np.floor(values[:, :, :-1] * values[:, :, -1:] / 255 + 0.5).astype(int)
    return np.repeat(values, 3, axis=2) if channels in (1, 2) else values


def png_cases():
    for colour_type, channels, name in [(0, 1, "grey"), (4, 2, "grey_alpha"), (2, 3, "rgb"), (6, 4, "rgba")]:
        for bits in [1, 2, 4, 8, 16] if channels == 1 else [8, 16]:
            for interlaced in (False, True):
                mode = name + ("16" if bits == 16 else "")
                values = samples(channels, bits)
                yield ("png", "other" if mode == "grey_alpha16" else mode, png(values, bits, colour_type, interlaced),
                       to_rgb(values, bits))
    for bits in (1, 2, 4, 8):
        values = samples(1, bits)
        colours = PALETTE[: 2**bits]
        extra = chunk(b"PLTE", bytes(v for colour in colours for v in colour))
        expected = np.array(colours)[values[:, :, 0]]
        for interlaced in (False, True):
            yield "png", "palette", png(values, bits, 3, interlaced, extra), expected
        # The first palette entry is half transparent, the second one fully transparent.
        clear = expected.copy()
        clear[values[:, :, 0] == 0] = [int(v * 128 / 255 + 0.5) for v in colours[0]]
        clear[values[:, :, 0] == 1] = 0
        yield "png", "palette", png(values, bits, 3, False, extra + chunk(b"tRNS", bytes([128, 0]))), clear


def pil_file(image, format, **settings):
    file = io.BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()


def pil_cases():
    rgb = samples(3, 8).astype("uint8")
    grey = samples(1, 8).astype("uint8")
    rgba = samples(4, 8).astype("uint8")
    colour, shades, clear = Image.fromarray(rgb), Image.fromarray(grey[:, :, 0]), Image.fromarray(rgba)
    for compression in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate"):
        yield "tiff", "rgb", pil_file(colour, "TIFF", compression=compression), rgb
        yield "tiff", "grey", pil_file(shades, "TIFF", compression=compression), to_rgb(grey, 8)
    yield "tiff", "rgba", pil_file(clear, "TIFF"), to_rgb(rgba, 8)
    grey16 = samples(1, 16)
    yield "tiff", "grey16", pil_file(Image.fromarray(grey16[:, :, 0].astype("uint16")), "TIFF"), to_rgb(grey16, 16)
    yield "bmp", "rgb", pil_file(colour, "BMP"), rgb
    yield "bmp", "palette", pil_file(shades, "BMP"), to_rgb(grey, 8)
    for image, mode in ((colour, "rgb"), (shades, "grey")):
        for progressive in (False, True):
            data = pil_file(image, "JPEG", quality=90, subsampling=0, progressive=progressive)
            yield "jpeg", mode, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def area_average(image, height, width):
    """Each pixel repeated as often as makes both sizes divide, then plain means: no weights to get wrong."""
    fine = np.repeat(np.repeat(image.astype(float), height, axis=0), width, axis=1)
    h, w, _ = image.shape
    return fine.reshape(height, h, width, w, 3).mean(axis=(1, 3))


def on_black(image, side):
    height, width, _ = image.shape
    out = np.zeros((side, side, 3))
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = image
    return out


def resize_cases():
    # In 128 and 140 pixels, centres of 50 are on the border of two pixels.
    for height, width, side in [(5, 7, 3), (13, 13, 5), (46, 31, 50), (130, 131, 50), (9, 4, 9), (1, 1, 4), (128, 140, 50)]:
        pixels = samples(3, 8, height, width).astype("uint8")
        out = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST))
        yield "nearest", height, width, side, out
    for height, width, side, new_height, new_width in [(12, 18, 6, 4, 6), (13, 7, 5, 5, 3), (31, 46, 16, 11, 16)]:
        pixels = samples(3, 8, height, width)
        yield "fit", height, width, side, on_black(area_average(pixels, new_height, new_width), side)
    for height, width, side, new_height, new_width in [(5, 7, 14, 10, 14), (6, 3, 16, 16, 8)]:
        pixels = Image.fromarray(samples(3, 8, height, width).astype("uint8"))
        out = np.asarray(pixels.resize((new_width, new_height), Image.Resampling.BILINEAR))
        yield "fit", height, width, side, on_black(out, side)


def main():
    files = [
        {"format": format, "colour_mode": mode, "file": data.hex(), "pixels": np.asarray(pixels).astype("uint8").tobytes().hex()}
        for format, mode, data, pixels in [*png_cases(), *pil_cases()]
    ]
    resized = [
        {"resize": kind, "height": height, "width": width, "side": side,
         "pixels": np.floor(np.asarray(out) + 0.5).astype("uint8").tobytes().hex()}
        for kind, height, width, side, out in resize_cases()
    ]
    lines = [f'"width": {WIDTH}, "height": {HEIGHT}']
    for name, cases in (("files", files), ("resized", resized)):
        lines.append(f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]")
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("{" + ",\n".join(lines) + "}\n")


main()
