//! Random changes of files and texts, as a function of a seed.

/// Random numbers (splitmix64; Steele et al. 2014, *Fast splittable pseudorandom number generators*).
pub struct Random(u64);

impl Random {
    /// Returns the numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns the next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Returns one of the items.
    pub fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Values that often break a reader.
const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xc4, 0xfe, 0xff];

/// Changes one to four places of a file.
pub fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        mutate_once(&mut bytes, random);
    }
    bytes
}

fn mutate_once(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    // Half of the changes hit the first bytes, where headers are.
    let end = if random.below(2) == 0 { bytes.len().min(64) } else { bytes.len() };
    let at = random.below(end);
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.choose(&BYTES),
        2 => bytes[at] = random.next() as u8,
        3 => bytes.truncate(at),
        4 => {
            bytes.remove(at);
        }
        5 => bytes.insert(at, random.next() as u8),
        6 => {
            // Repeats a piece.
            let length = 1 + random.below(16.min(bytes.len() - at));
            let piece = bytes[at..at + length].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            // Overwrites a number of four bytes.
            let value = random.choose(&[0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x2000, 0x2001]);
            let big_endian = random.below(2) == 0;
            let number = if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
            bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
        }
    }
}

/// Numbers and texts that often break a parser.
const VALUES: [&str; 20] = [
    "0",
    "1",
    "-1",
    "2",
    "15",
    "16",
    "1024",
    "1025",
    "16384",
    "16385",
    "1000000000",
    "9223372036854775807",
    "18446744073709551616",
    "1e38",
    "1e-45",
    "1e400",
    "nan",
    "-inf",
    "'x'",
    "true",
];

/// Changes one to three lines of a TOML text: a value, or the order and number of lines.
pub fn mutate_toml(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(lines.len());
        match random.below(8) {
            0 => {
                lines.remove(at);
            }
            1 => lines.insert(at, lines[random.below(lines.len())].clone()),
            2 => lines.insert(at, format!("{} = {}", random.choose(&["x", "units", "kind"]), random.choose(&VALUES))),
            3 => lines[at] = String::from_utf8_lossy(&mutate(lines[at].as_bytes(), random)).into_owned(),
            4 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            _ => {
                let with_value: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].contains(" = ")).collect();
                if let Some(&i) = with_value.get(random.below(with_value.len())) {
                    let key = lines[i].split(" = ").next().unwrap_or_default().to_owned();
                    lines[i] = format!("{key} = {}", random.choose(&VALUES));
                }
            }
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n")
}

/// Corrects the checksums of the chunks of a PNG, so that a change reaches the code behind them.
pub fn fix_png_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    {
        let end = at.saturating_add(8).saturating_add(length as usize);
        let Some(chunk) = bytes.get(at + 4..end) else { return };
        let checksum = crc32(chunk).to_be_bytes();
        let Some(stored) = bytes.get_mut(end..end + 4) else { return };
        stored.copy_from_slice(&checksum);
        at = end + 4;
    }
}

/// Computes CRC-32 as in PNG (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
